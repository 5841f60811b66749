"""A student that starts from its teacher computes what its shape leaves room for."""

import keras
import numpy as np
import pytest
from scipy import linalg

from tinybert_tf.distillation import (
    INTERMEDIATE,
    TinyBertDistiller,
    initialize_from_teacher,
    initialize_head,
    student_init,
)
from tinybert_tf.errors import TinyBertError
from tinybert_tf.models import BertEncoder, BertSpanClassifier, BertTextClassifier

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
        **kwargs,
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


@pytest.fixture
def plain_cut(monkeypatch):
    """No text outweighs what is carried over from the teacher: nothing is fitted."""
    monkeypatch.setattr(student_init, "_PRIOR_TOKENS", 1e12)


def copy_widened(small, large):
    """Makes `large`, of twice the width, compute in each half what `small` computes.

    Its heads are twice as large, and half of its feed-forward units are silent.
    """
    head_dim = small.transformer_layers[0].self_attention.head_dim
    for ours, theirs in zip(large.variables, small.variables, strict=True):
        value = numpy(theirs)
        path = ours.path
        if any(name in path for name in ("query", "key", "value")):
            # Zeros beside each head's dimensions; scores are divided by a larger root.
            heads = value.reshape(*value.shape[:-1], -1, head_dim)
            heads = np.concatenate([heads, np.zeros_like(heads)], axis=-1)
            value = heads.reshape(*value.shape[:-1], -1)
            value = value if "value" in path else value * 2**0.25
            value = value if value.ndim == 1 else np.vstack([value, value]) / 2
        elif "self_attention/output_dense/kernel" in path:
            heads = value.reshape(-1, head_dim, value.shape[-1])
            heads = np.concatenate([heads, np.ones_like(heads)], axis=1)
            value = np.tile(heads.reshape(-1, value.shape[-1]), 2)
        elif "intermediate_dense" in path:
            value = np.concatenate([value, np.roll(value, 1, -1)], axis=-1)
            value = value if value.ndim == 1 else np.vstack([value, value]) / 2
        elif "output_dense/kernel" in path:
            value = np.tile(np.vstack([value, np.zeros_like(value)]), 2)
        elif "pooled" in path:
            continue
        else:
            value = np.tile(value, 2)
        ours.assign(value)


def measure(student, teacher, sample, held_out):
    """Returns the losses of each layer on held-out text."""
    distiller = TinyBertDistiller(student, teacher)
    distiller.fit_projections(sample)
    distiller.compile("sgd", stage=INTERMEDIATE)
    return distiller.measure_layers(held_out)


def test_same_shape_is_the_teacher():
    teacher, student = make_encoder(), make_encoder(seed=1)
    inputs = make_inputs()
    initialize_from_teacher(student, teacher, [inputs])
    ours, theirs = exposed(student, inputs), exposed(teacher, inputs)
    for key in ("hidden_states", "attention_scores"):
        for a, b in zip(ours[key], theirs[key], strict=True):
            np.testing.assert_allclose(a, b, atol=1e-4)
    np.testing.assert_allclose(ours["pooled_output"], theirs["pooled_output"], atol=1e-4)


def test_a_widened_student_is_cut_back_to_what_it_was():
    """Half of the teacher's width, of its heads' and of its units is for nothing."""
    small = make_encoder(hidden_dim=8, intermediate_dim=12)
    teacher = make_encoder(hidden_dim=16, intermediate_dim=24, seed=1)
    copy_widened(small, teacher)
    student = make_encoder(hidden_dim=8, intermediate_dim=12, seed=2)
    inputs = make_inputs(batch=16)
    expected, theirs = exposed(small, inputs), exposed(teacher, inputs)
    for a, b in zip(expected["hidden_states"], theirs["hidden_states"], strict=True):
        np.testing.assert_allclose(np.tile(a, 2), b, atol=1e-4)
    initialize_from_teacher(student, teacher, [inputs])
    held_out = make_inputs(seed=6)
    token = held_out["padding_mask"].astype(bool)
    ours, theirs = exposed(student, held_out), exposed(teacher, held_out)
    basis = basis_of(student, teacher)
    for a, b in zip(ours["hidden_states"], theirs["hidden_states"], strict=True):
        np.testing.assert_allclose(np.array(a)[token], (b @ basis)[token], atol=2e-3)
    for a, b in zip(ours["attention_scores"], theirs["attention_scores"], strict=True):
        np.testing.assert_allclose(a, b, atol=2e-3)


def test_fitted_layers_take_up_what_was_cut_away(monkeypatch):
    teacher = make_encoder(num_layers=2)
    sample, held_out = [make_inputs(200)], [make_inputs(50, seed=6)]

    def losses(prior_tokens):
        monkeypatch.setattr(student_init, "_PRIOR_TOKENS", prior_tokens)
        student = make_encoder(num_layers=1, hidden_dim=12, intermediate_dim=12, seed=1)
        initialize_from_teacher(student, teacher, sample)
        return measure(student, teacher, sample, held_out)

    fitted, plain = losses(30.0), losses(1e12)
    assert fitted["attention"][0] < 0.6 * plain["attention"][0]
    assert fitted["hidden"][0] < 0.85 * plain["hidden"][0]


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_classifier_head_is_carried_over(pooling):
    teacher, student = (make_encoder(seed=i, pooling=pooling) for i in range(2))
    teacher, student = (BertTextClassifier(e, 3) for e in (teacher, student))
    inputs = make_inputs()
    initialize_from_teacher(student, teacher, [inputs])
    np.testing.assert_allclose(
        student(inputs, training=False), teacher(inputs, training=False), atol=1e-4
    )


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_a_narrow_classifier_answers_more_like_its_teacher(monkeypatch, pooling):
    teacher = BertTextClassifier(make_encoder(pooling=pooling), 3, head_activation="relu")
    for variable in teacher.output_dense.variables:
        variable.assign(np.random.default_rng(2).normal(0.0, 1.0, variable.shape))
    sample, held_out = make_inputs(300), make_inputs(200, seed=6)

    def error(prior_tokens):
        monkeypatch.setattr(student_init, "_PRIOR_TOKENS", prior_tokens)
        narrow = make_encoder(hidden_dim=12, seed=1, pooling=pooling)
        student = BertTextClassifier(narrow, 3, head_activation="relu")
        initialize_from_teacher(student, teacher, [sample])
        ours, theirs = (numpy(m(held_out, training=False)) for m in (student, teacher))
        return np.square(ours - theirs).mean()

    assert error(30.0) < 0.7 * error(1e12)


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_a_head_is_fitted_to_an_encoder_that_stays_as_it_is(pooling):
    """The student's dimensions are the teacher's in another order, which nothing says."""
    teacher = BertTextClassifier(make_encoder(pooling=pooling), 3)
    for variable in teacher.output_dense.variables:
        variable.assign(np.random.default_rng(2).normal(0.0, 1.0, variable.shape))
    encoder = make_encoder(seed=1, pooling=pooling)
    order = np.random.default_rng(3).permutation(16)
    for ours, theirs in zip(encoder.variables, teacher.backbone.variables, strict=True):
        value = numpy(theirs)
        reads = value.shape[0] == 16 and any(
            name in ours.path
            for name in ("query/k", "key/k", "value/k", "intermediate_dense/k")
        )
        writes = any(
            name in ours.path for name in ("embedding", "norm", "block/output", "output_dense")
        )
        value = value[order] if reads else value
        ours.assign(value[..., order] if writes else value)
    student = BertTextClassifier(encoder, 3)
    held_out = make_inputs(200, seed=6)
    np.testing.assert_allclose(
        student.backbone(held_out)["sequence_output"],
        numpy(teacher.backbone(held_out)["sequence_output"])[..., order],
        atol=1e-4,
    )
    before = [numpy(v) for v in encoder.variables if "pooled" not in v.path]

    initialize_head(student, teacher, [make_inputs(2000)])

    ours, theirs = (numpy(model(held_out, training=False)) for model in (student, teacher))
    error = np.square(ours - theirs).mean(0) / theirs.var(0)
    assert error.max() < 0.02
    after = [numpy(v) for v in encoder.variables if "pooled" not in v.path]
    for value, expected in zip(after, before, strict=True):
        np.testing.assert_array_equal(value, expected)


def test_span_head_is_carried_over():
    teacher, student = make_encoder(), make_encoder(seed=1)
    teacher, student = (BertSpanClassifier(e) for e in (teacher, student))
    inputs = make_inputs()
    initialize_from_teacher(student, teacher, [inputs])
    token = inputs["padding_mask"].astype(bool)
    ours, theirs = (model(inputs, training=False) for model in (student, teacher))
    for name in theirs:
        np.testing.assert_allclose(
            numpy(ours[name])[token], numpy(theirs[name])[token], atol=1e-4
        )


def test_blocks_follow_the_mapping(plain_cut):
    teacher, student = make_encoder(num_layers=4), make_encoder(num_layers=2, seed=1)
    initialize_from_teacher(student, teacher, [make_inputs()], mapping=[3, 1])
    for ours, theirs in ((0, 2), (1, 0)):
        ours, theirs = student.transformer_layers[ours], teacher.transformer_layers[theirs]
        np.testing.assert_allclose(
            ours.intermediate_dense.kernel, theirs.intermediate_dense.kernel, atol=1e-5
        )
        forms = []
        for attention in (ours.self_attention, theirs.self_attention):
            query, key = numpy(attention.query.kernel), numpy(attention.key.kernel)
            forms.append([query[:, c : c + 4] @ key[:, c : c + 4].T for c in range(0, 16, 4)])
        np.testing.assert_allclose(*forms, atol=1e-4)


def test_narrow_embeddings_are_principal_components():
    teacher, student = make_encoder(), make_encoder(hidden_dim=8, intermediate_dim=12, seed=1)
    inputs = make_inputs(batch=30)
    initialize_from_teacher(student, teacher, [inputs])
    basis = basis_of(student, teacher)
    np.testing.assert_allclose(basis.T @ basis, np.eye(8), atol=1e-4)
    token = inputs["padding_mask"].astype(bool)
    states = [np.array(h)[token] for h in exposed(teacher, inputs)["hidden_states"]]
    covariance = sum(np.cov(h, rowvar=False, ddof=0) for h in states)
    kept = np.trace(basis.T @ covariance @ basis)
    assert kept == pytest.approx(np.linalg.eigvalsh(covariance)[-8:].sum(), rel=1e-4)


def basis_of(student, teacher):
    """The basis that takes the teacher's embeddings to the student's."""
    tables = (numpy(model.token_embedding.embeddings) for model in (teacher, student))
    return np.linalg.lstsq(*tables, rcond=None)[0]


def test_smaller_heads_change_the_scores_of_the_text_least(plain_cut):
    teacher = make_encoder(num_layers=1)
    student = make_encoder(num_layers=1, hidden_dim=12, seed=1)
    inputs = make_inputs(batch=30)
    initialize_from_teacher(student, teacher, [inputs])
    basis = basis_of(student, teacher)
    ours = student.transformer_layers[0].self_attention
    theirs = teacher.transformer_layers[0].self_attention

    def form(attention, head, rows):
        columns = slice(head * attention.head_dim, (head + 1) * attention.head_dim)
        constant = np.append(np.zeros(len(rows) - 1), 1.0)[:, None]
        query, key = (
            rows @ numpy(d.kernel)[:, columns] + constant * numpy(d.bias)[columns]
            for d in (attention.query, attention.key)
        )
        return query @ key.T / np.sqrt(attention.head_dim)

    token = inputs["padding_mask"].astype(bool)
    states, teacher_states = (
        np.array(exposed(model, inputs)["hidden_states"][0])[token]
        for model in (student, teacher)
    )
    # What the student's states leave out of the teacher's, on average.
    rest = (teacher_states - states @ basis.T).mean(0)
    states = np.hstack([states, np.ones((len(states), 1))])
    rows = np.vstack([basis.T, rest])
    root = linalg.sqrtm(states.T @ states / len(states))
    # A query's scores of all keys may be shifted by a constant.
    values, vectors = np.linalg.eigh(np.cov(states, rowvar=False, ddof=0))
    key_root = (vectors * np.sqrt(values.clip(0.0))) @ vectors.T
    assert (ours.head_dim, theirs.head_dim) == (3, 4)
    for head in range(4):
        u, s, vt = np.linalg.svd(root @ form(theirs, head, rows) @ key_root)
        scores = root @ form(ours, head, np.eye(13, 12)) @ key_root
        np.testing.assert_allclose(scores, (u[:, :3] * s[:3]) @ vt[:3], atol=1e-3)


def test_a_constant_of_all_keys_costs_no_rank():
    """A large bias of the keys shifts all scores of a query alike: the start is as before."""
    inputs = make_inputs(batch=30)
    last = []
    for constant in (0.0, 3.0):
        teacher = make_encoder(num_layers=2)
        for layer in teacher.transformer_layers:
            layer.self_attention.key.bias.assign_add(constant * np.cos(np.arange(16)))
        student = make_encoder(num_layers=2, hidden_dim=12, seed=1)
        initialize_from_teacher(student, teacher, [inputs])
        mask = inputs["padding_mask"].astype(bool)
        last.append(np.array(exposed(student, inputs)["hidden_states"][-1])[mask])
    np.testing.assert_allclose(*last, atol=0.05)
    assert np.abs(last[0]).max() > 1.0


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


def test_more_heads_split_a_head_and_add_up_to_it(plain_cut):
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
            atol=1e-4,
        )


def test_incommensurable_heads_stay_random():
    teacher = make_encoder(hidden_dim=12, num_heads=4)
    student = make_encoder(hidden_dim=12, num_heads=3, seed=1)
    before = numpy(student.transformer_layers[0].self_attention.query.kernel)
    initialize_from_teacher(student, teacher, [make_inputs()])
    after = numpy(student.transformer_layers[0].self_attention.query.kernel)
    np.testing.assert_array_equal(before, after)


def test_more_feed_forward_units_start_silent():
    teacher = make_encoder()
    student = make_encoder(intermediate_dim=40, seed=1)
    inputs = make_inputs()
    initialize_from_teacher(student, teacher, [inputs])
    np.testing.assert_allclose(
        exposed(student, inputs)["sequence_output"],
        exposed(teacher, inputs)["sequence_output"],
        atol=1e-4,
    )
    new_units = numpy(student.transformer_layers[0].intermediate_dense.kernel)[:, 24:]
    assert np.abs(new_units).min() > 0


def test_wider_and_deeper_student_takes_what_there_is():
    teacher = make_encoder(num_layers=2)
    student = make_encoder(num_layers=3, hidden_dim=24, seed=1, max_sequence_length=12)
    initialize_from_teacher(student, teacher, [make_inputs()], mapping=[1, 1, 2])
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


def test_a_part_of_the_text_is_of_all_its_batches():
    """Every other one of six, for half of the tokens."""
    batches = [make_inputs(seed=seed) for seed in range(6)]
    text = student_init._Text(make_encoder(), batches)
    tokens = sum(int(mask.sum()) for mask in text.masks)
    part = text.part(tokens // 2)
    expected = [batches[i]["token_ids"] for i in (0, 2, 4)]
    np.testing.assert_array_equal([x["token_ids"] for x in part.batches], expected)
    assert len(text.part(tokens * 2).batches) == 6
