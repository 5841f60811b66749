"""A student cut out of its teacher computes what the cut leaves."""

import keras
import numpy as np
import pytest

from tinybert_tf.distillation import initialize_from_teacher, select_dimensions
from tinybert_tf.errors import TinyBertError
from tinybert_tf.models import BertEncoder, BertTextClassifier

numpy = keras.ops.convert_to_numpy
VOCABULARY, LENGTH = 50, 7


def make_encoder(
    num_layers=3, num_heads=4, hidden_dim=16, intermediate_dim=24, seed=0, **kwargs
):
    keras.utils.set_random_seed(seed)
    encoder = BertEncoder(
        VOCABULARY,
        num_layers,
        num_heads,
        hidden_dim,
        intermediate_dim,
        max_sequence_length=kwargs.pop("max_sequence_length", 10),
        dropout=0.0,
    )
    # Every weight random, biases and LayerNorms too: zeros and ones hide mistakes.
    random = np.random.default_rng(seed)
    for variable in encoder.variables:
        near = 1.0 if "gamma" in variable.path else 0.0
        variable.assign(near + random.normal(0.0, 0.3, variable.shape))
    return encoder


def make_inputs(batch=3, seed=5):
    random = np.random.default_rng(seed)
    mask = (np.arange(LENGTH) < random.integers(3, LENGTH + 1, (batch, 1))).astype("int32")
    return {
        "token_ids": random.integers(0, VOCABULARY, (batch, LENGTH)).astype("int32") * mask,
        "segment_ids": random.integers(0, 2, (batch, LENGTH)).astype("int32") * mask,
        "padding_mask": mask,
    }


def exposed(model, inputs):
    return model.expose(hidden_states=True, attention_scores=True)(inputs, training=False)


def scores_of(encoder, layer, hidden):
    """Q K^T / sqrt(head_dim) in numpy, from a layer's weights alone."""
    attention = encoder.transformer_layers[layer].self_attention
    parts = []
    for dense in (attention.query, attention.key):
        x = hidden @ numpy(dense.kernel) + numpy(dense.bias)
        x = x.reshape(*hidden.shape[:2], attention.num_heads, attention.head_dim)
        parts.append(x.transpose(0, 2, 1, 3))
    return parts[0] @ parts[1].transpose(0, 1, 3, 2) / np.sqrt(attention.head_dim)


def test_same_shape_is_the_teacher():
    teacher, student = make_encoder(), make_encoder(seed=1)
    inputs = make_inputs()
    projection = initialize_from_teacher(student, teacher, [inputs])
    np.testing.assert_array_equal(projection, np.eye(16))
    ours, theirs = exposed(student, inputs), exposed(teacher, inputs)
    for key in ("hidden_states", "attention_scores"):
        for a, b in zip(ours[key], theirs[key], strict=True):
            np.testing.assert_allclose(a, b, atol=1e-5)
    np.testing.assert_allclose(ours["pooled_output"], theirs["pooled_output"], atol=1e-5)


def test_classifier_head_is_carried_over():
    teacher, student = make_encoder(), make_encoder(seed=1)
    teacher, student = (BertTextClassifier(e, 3) for e in (teacher, student))
    inputs = make_inputs()
    initialize_from_teacher(student, teacher, [inputs])
    np.testing.assert_allclose(
        student(inputs, training=False), teacher(inputs, training=False), atol=1e-5
    )


def test_blocks_follow_the_mapping():
    teacher, student = make_encoder(num_layers=4), make_encoder(num_layers=2, seed=1)
    inputs = make_inputs()
    initialize_from_teacher(student, teacher, [inputs], mapping=[3, 1])
    hidden = np.array(exposed(teacher, inputs)["hidden_states"][0])
    # Student block 1 is teacher block 3: it does to the embeddings what that would.
    first = student.transformer_layers[0](hidden, inputs["padding_mask"])
    third = teacher.transformer_layers[2](hidden, inputs["padding_mask"])
    for a, b in zip(first, third, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_select_dimensions_takes_the_most_energy():
    encoder = make_encoder()
    inputs = make_inputs()
    energy = sum(
        (np.array(h, "float64") ** 2 * inputs["padding_mask"][..., None]).sum((0, 1))
        for h in exposed(encoder, inputs)["hidden_states"]
    )
    expected = sorted(sorted(range(16), key=lambda i: -energy[i])[:6])
    assert select_dimensions(encoder, [inputs], 6).tolist() == expected


def test_narrow_student_selects_embeddings_and_projection():
    teacher, student = make_encoder(), make_encoder(hidden_dim=8, intermediate_dim=12, seed=1)
    inputs = make_inputs()
    projection = initialize_from_teacher(student, teacher, [inputs])
    kept = select_dimensions(teacher, [inputs], 8)
    np.testing.assert_array_equal(projection, np.eye(16)[kept])
    np.testing.assert_array_equal(
        student.token_embedding.embeddings, numpy(teacher.token_embedding.embeddings)[:, kept]
    )
    np.testing.assert_array_equal(
        student.embeddings_norm.gamma, numpy(teacher.embeddings_norm.gamma)[kept]
    )


def test_smaller_heads_keep_the_best_scores_of_their_rank():
    """Per head, the student's scores are the teacher's form at its best lower rank."""
    teacher = make_encoder(num_layers=1)
    student = make_encoder(num_layers=1, hidden_dim=12, seed=1)
    inputs = make_inputs()
    initialize_from_teacher(student, teacher, [inputs])
    kept = select_dimensions(teacher, [inputs], 12)
    ours = student.transformer_layers[0].self_attention
    theirs = teacher.transformer_layers[0].self_attention

    def form(attention, head, rows):
        columns = slice(head * attention.head_dim, (head + 1) * attention.head_dim)
        query, key = (
            np.vstack([numpy(d.kernel)[rows, columns], numpy(d.bias)[None, columns]])
            for d in (attention.query, attention.key)
        )
        return query @ key.T / np.sqrt(attention.head_dim)

    assert (ours.head_dim, theirs.head_dim) == (3, 4)
    for head in range(4):
        full = form(theirs, head, kept)
        u, s, vt = np.linalg.svd(full)
        best = (u[:, :3] * s[:3]) @ vt[:3]
        np.testing.assert_allclose(form(ours, head, np.arange(12)), best, atol=1e-5)


def test_fewer_heads_take_the_mean_of_their_group():
    teacher = make_encoder(num_layers=1)
    student = make_encoder(num_layers=1, num_heads=2, seed=1)
    inputs = make_inputs()
    initialize_from_teacher(student, teacher, [inputs])
    hidden = np.array(exposed(teacher, inputs)["hidden_states"][0])
    theirs = scores_of(teacher, 0, hidden)
    # Two heads of 4 make one of 8, which holds both forms whole.
    expected = np.stack([theirs[:, :2].mean(1), theirs[:, 2:].mean(1)], axis=1)
    np.testing.assert_allclose(scores_of(student, 0, hidden), expected, atol=1e-4)


def test_more_heads_split_a_head_and_add_up_to_it():
    teacher = make_encoder(num_layers=1, num_heads=2)
    student = make_encoder(num_layers=1, num_heads=4, seed=1)
    inputs = make_inputs()
    initialize_from_teacher(student, teacher, [inputs])
    output = {}
    for name, encoder in (("teacher", teacher), ("student", student)):
        a = encoder.transformer_layers[0].self_attention
        value = np.vstack([numpy(a.value.kernel), numpy(a.value.bias)[None]])
        out = numpy(a.output_dense.kernel)
        # What each head adds to the output, were its attention given.
        output[name] = [
            value[:, h * a.head_dim : (h + 1) * a.head_dim]
            @ out[h * a.head_dim : (h + 1) * a.head_dim]
            for h in range(a.num_heads)
        ]
    for head in range(2):
        np.testing.assert_allclose(
            output["student"][2 * head] + output["student"][2 * head + 1],
            output["teacher"][head],
            atol=1e-5,
        )


def test_incommensurable_heads_stay_random():
    teacher = make_encoder(hidden_dim=12, num_heads=4)
    student = make_encoder(hidden_dim=12, num_heads=3, seed=1)
    before = numpy(student.transformer_layers[0].self_attention.query.kernel)
    initialize_from_teacher(student, teacher, [make_inputs()])
    after = numpy(student.transformer_layers[0].self_attention.query.kernel)
    np.testing.assert_array_equal(before, after)


def test_feed_forward_keeps_the_heaviest_units():
    teacher = make_encoder(num_layers=1)
    student = make_encoder(num_layers=1, intermediate_dim=5, seed=1)
    initialize_from_teacher(student, teacher, [make_inputs()])
    into = numpy(teacher.transformer_layers[0].intermediate_dense.kernel)
    out = numpy(teacher.transformer_layers[0].output_dense.kernel)
    weight = [np.linalg.norm(into[:, u]) * np.linalg.norm(out[u]) for u in range(24)]
    units = sorted(sorted(range(24), key=lambda u: -weight[u])[:5])
    block = student.transformer_layers[0]
    np.testing.assert_array_equal(block.intermediate_dense.kernel, into[:, units])
    np.testing.assert_array_equal(block.output_dense.kernel, out[units])


def test_more_feed_forward_units_start_silent():
    teacher = make_encoder()
    student = make_encoder(intermediate_dim=40, seed=1)
    inputs = make_inputs()
    initialize_from_teacher(student, teacher, [inputs])
    np.testing.assert_allclose(
        exposed(student, inputs)["sequence_output"],
        exposed(teacher, inputs)["sequence_output"],
        atol=1e-5,
    )
    new_units = numpy(student.transformer_layers[0].intermediate_dense.kernel)[:, 24:]
    assert np.abs(new_units).min() > 0


def test_wider_and_deeper_student_takes_what_there_is():
    teacher = make_encoder(num_layers=2)
    student = make_encoder(num_layers=3, hidden_dim=24, seed=1, max_sequence_length=12)
    projection = initialize_from_teacher(student, teacher, [make_inputs()], mapping=[1, 1, 2])
    assert projection.shape == (24, 16)
    np.testing.assert_array_equal(projection[:16], np.eye(16))
    np.testing.assert_array_equal(projection[16:], 0.0)
    np.testing.assert_array_equal(
        numpy(student.position_embedding.position_embeddings)[:10, :16],
        teacher.position_embedding.position_embeddings,
    )
    assert np.isfinite(exposed(student, make_inputs())["sequence_output"]).all()


def test_another_vocabulary_is_refused():
    teacher = make_encoder()
    student = BertEncoder(60, 1, 1, 4, 4)
    with pytest.raises(TinyBertError, match=r"vocabulary of 60 tokens, its teacher of 50"):
        initialize_from_teacher(student, teacher, [make_inputs()])


def test_an_empty_sample_is_refused():
    with pytest.raises(TinyBertError, match="empty"):
        initialize_from_teacher(make_encoder(hidden_dim=8), make_encoder(), [])
