"""The distiller against numpy, and what a step may and may not change."""

import h5py
import keras
import numpy as np
import pytest
from scipy import special

from tinybert_tf.distillation import (
    INTERMEDIATE,
    PREDICTION,
    Stage,
    TinyBertDistiller,
    initialize_from_teacher,
)
from tinybert_tf.errors import TinyBertError
from tinybert_tf.models import BertEncoder, BertSpanClassifier, BertTextClassifier

numpy = keras.ops.convert_to_numpy
ALL_TERMS = Stage("all", attention=0.5, hidden=2.0, embedding=3.0, prediction=0.25)


def make_classifier(num_layers, hidden_dim, seed, num_classes=3, num_heads=2, **kwargs):
    keras.utils.set_random_seed(seed)
    options = {"dropout": 0.0, "max_sequence_length": 8, "vocabulary_size": 40, **kwargs}
    labels = options.pop("labels", None)
    head_dropout = options["dropout"]
    encoder = BertEncoder(
        num_layers=num_layers,
        num_heads=num_heads,
        hidden_dim=hidden_dim,
        intermediate_dim=2 * hidden_dim,
        **options,
    )
    random = np.random.default_rng(seed)
    model = BertTextClassifier(encoder, num_classes, labels=labels, dropout=head_dropout)
    for variable in model.trainable_variables:
        near = 1.0 if "gamma" in variable.path else 0.0
        variable.assign(near + random.normal(0.0, 0.2, variable.shape))
    return model


def make_pair(**kwargs):
    """A teacher of 4 layers and a student of 2."""
    student = make_classifier(2, 8, seed=1, **kwargs)
    kwargs.pop("dropout", None)
    return student, make_classifier(4, 12, seed=2, **kwargs)


def make_distiller(student, teacher):
    """Two distillers of these have the same projections."""
    distiller = TinyBertDistiller(student, teacher)
    for projection in distiller.projections:
        projection.kernel.assign(np.eye(*projection.kernel.shape))
    return distiller


def make_batch(batch=6, length=7, seed=3):
    random = np.random.default_rng(seed)
    mask = (np.arange(length) < random.integers(2, length + 1, (batch, 1))).astype("int32")
    inputs = {
        "token_ids": random.integers(1, 40, (batch, length)).astype("int32") * mask,
        "segment_ids": np.zeros((batch, length), "int32"),
        "padding_mask": mask,
    }
    return inputs, random.integers(0, 3, batch).astype("int32")


def exposed(model, inputs):
    outputs = model.expose(hidden_states=True, attention_scores=True)(inputs, training=False)
    return keras.tree.map_structure(lambda x: numpy(x).astype("float64"), outputs)


def expected_terms(distiller, inputs, projection_indices):
    """Equations 7 to 10 in numpy, masked means over the batch."""
    student, teacher = exposed(distiller.student, inputs), exposed(distiller.teacher, inputs)
    token = inputs["padding_mask"].astype(bool)
    pair = token[:, None, :, None] & token[:, None, None, :]

    def hidden(m, g):
        dense = distiller.projections[projection_indices[m]]
        projected = student["hidden_states"][m] @ numpy(dense.kernel) + numpy(dense.bias)
        return np.square(projected - teacher["hidden_states"][g])[token].mean()

    def attention(m, g):
        error = student["attention_scores"][m] - teacher["attention_scores"][g]
        if distiller.attention_scores == "centred":
            keys = np.broadcast_to(token[:, None, None, :], error.shape)
            error = error - error.mean(-1, keepdims=True, where=keys)
        return np.square(error)[np.broadcast_to(pair, error.shape)].mean()

    probabilities = special.softmax(teacher["predictions"], axis=-1)
    log_probabilities = special.log_softmax(student["predictions"], axis=-1)
    return {
        "attention": attention(0, 1) + attention(1, 3),
        "hidden": hidden(1, 2) + hidden(2, 4),
        "embedding": hidden(0, 0),
        "prediction": -(probabilities * log_probabilities).sum(-1).mean(),
    }


@pytest.mark.parametrize(
    "projections, indices, scores",
    [
        ("shared", (0, 0, 0), "raw"),
        ("embedding_apart", (0, 1, 1), "centred"),
        ("per_layer", (0, 1, 2), "centred"),
    ],
)
def test_terms_are_the_paper_s(projections, indices, scores):
    distiller = TinyBertDistiller(
        *make_pair(), projections=projections, attention_scores=scores
    )
    assert len(distiller.projections) == max(indices) + 1
    assert distiller.layer_mapping == (0, 2, 4)
    random = np.random.default_rng(0)
    for variable in [w for dense in distiller.projections for w in dense.weights]:
        variable.assign(random.normal(0.0, 0.3, variable.shape))
    inputs, labels = make_batch()
    distiller.compile("sgd", stage=ALL_TERMS)
    figures = distiller.evaluate(inputs, labels, batch_size=6, verbose=0, return_dict=True)
    expected = expected_terms(distiller, inputs, indices)
    expected["loss"] = sum(ALL_TERMS.weights[term] * value for term, value in expected.items())
    assert figures == pytest.approx(expected, rel=1e-5)


def test_metrics_average_over_tokens_not_over_batches(eagerly):
    """Two unequal batches score like one: the averages are over what was compared."""
    distiller = TinyBertDistiller(*make_pair())
    distiller.compile("sgd", stage=ALL_TERMS)
    inputs, labels = make_batch()
    whole = distiller.evaluate(inputs, labels, batch_size=6, verbose=0, return_dict=True)
    parts = distiller.evaluate(inputs, labels, batch_size=4, verbose=0, return_dict=True)
    for term in ("attention", "hidden", "embedding", "prediction"):
        assert parts[term] == pytest.approx(whole[term], rel=1e-5)


def test_a_perfect_student_loses_nothing_but_the_teacher_s_entropy(eagerly):
    teacher = make_classifier(2, 8, seed=1)
    student = make_classifier(2, 8, seed=4)
    inputs, labels = make_batch()
    initialize_from_teacher(student, teacher, [inputs])
    distiller = make_distiller(student, teacher)
    distiller.compile("sgd", stage=ALL_TERMS)
    figures = distiller.evaluate(inputs, labels, verbose=0, return_dict=True)
    assert [figures[t] for t in ("attention", "hidden", "embedding")] == pytest.approx(
        [0, 0, 0], abs=1e-8
    )
    probabilities = special.softmax(exposed(teacher, inputs)["predictions"], axis=-1)
    entropy = -(probabilities * np.log(probabilities)).sum(-1).mean()
    assert figures["prediction"] == pytest.approx(entropy, rel=1e-5)


def test_sample_weights_equal_repeated_rows(eagerly):
    inputs, labels = make_batch()
    weights = np.array([2, 0, 1, 1, 3, 0], "float32")
    repeated = {k: np.repeat(v, weights.astype(int), axis=0) for k, v in inputs.items()}
    pair = make_pair()
    updates = []
    for data in (
        (inputs, labels, weights),
        (repeated, np.repeat(labels, weights.astype(int)), None),
    ):
        student = make_classifier(2, 8, seed=1)
        distiller = make_distiller(student, pair[1])
        distiller.compile(keras.optimizers.SGD(0.1), stage=ALL_TERMS)
        distiller.fit(data[0], data[1], sample_weight=data[2], batch_size=99, verbose=0)
        updates.append([numpy(v) for v in distiller.trainable_variables])
    for a, b in zip(*updates, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.parametrize("stage, still", [(INTERMEDIATE, "head"), (PREDICTION, "projections")])
def test_a_stage_moves_what_it_reaches_and_never_the_teacher(stage, still, eagerly):
    student, teacher = make_pair(dropout=0.1)
    distiller = TinyBertDistiller(student, teacher)
    distiller.compile(keras.optimizers.AdamW(1e-2), stage=stage)
    inputs, labels = make_batch()
    teacher_before = [numpy(v) for v in teacher.variables]
    before = {v.path: numpy(v) for v in distiller.trainable_variables}
    first = distiller.evaluate(inputs, labels, verbose=0, return_dict=True)["loss"]
    distiller.fit(inputs, labels, epochs=4, verbose=0)
    last = distiller.evaluate(inputs, labels, verbose=0, return_dict=True)["loss"]
    assert last < first - 0.02
    for a, b in zip(teacher_before, teacher.variables, strict=True):
        np.testing.assert_array_equal(a, numpy(b))
    unmoved = {
        v.path for v in distiller.trainable_variables if (numpy(v) == before[v.path]).all()
    }
    head = [*student.backbone.pooled_dense.weights, *student.output_dense.weights]
    projections = [w for dense in distiller.projections for w in dense.weights]
    # Segment row 1 is never looked up, but its table moves with row 0.
    assert unmoved == {v.path for v in {"head": head, "projections": projections}[still]}


def test_teacher_weights_are_not_among_the_distiller_s(tmp_path):
    student, teacher = make_pair()
    distiller = TinyBertDistiller(student, teacher)
    distiller.compile("adamw", stage=INTERMEDIATE)
    assert not {id(v) for v in distiller.variables} & {id(v) for v in teacher.variables}
    distiller.save_weights(tmp_path / "x.weights.h5")
    sizes = []
    with h5py.File(tmp_path / "x.weights.h5") as file:
        assert not [name for name in file if "teacher" in name]
        file.visititems(
            lambda name, item: (
                sizes.append(item.size)
                if isinstance(item, h5py.Dataset) and "optimizer" not in name
                else None
            )
        )
    assert sum(sizes) == sum(int(np.prod(v.shape)) for v in distiller.trainable_variables)


def test_resumed_training_is_the_same_training(tmp_path, eagerly):
    """Weights and optimizer go on: the last weights are equal, bit by bit."""
    inputs, labels = make_batch()

    def make(seed):
        student, teacher = make_pair()
        keras.utils.set_random_seed(seed)
        distiller = TinyBertDistiller(student, teacher)
        distiller.compile(keras.optimizers.AdamW(1e-2), stage=ALL_TERMS)
        return distiller

    whole = make(0)
    whole.fit(inputs, labels, epochs=2, verbose=0, shuffle=False)
    begun = make(0)
    begun.fit(inputs, labels, epochs=1, verbose=0, shuffle=False)
    begun.save_weights(tmp_path / "state.weights.h5")
    resumed = make(99)
    resumed.load_weights(tmp_path / "state.weights.h5")
    resumed.fit(inputs, labels, epochs=1, verbose=0, shuffle=False)
    for a, b in zip(whole.trainable_variables, resumed.trainable_variables, strict=True):
        np.testing.assert_array_equal(numpy(a), numpy(b))


def test_float16_trains(eagerly):
    keras.config.set_dtype_policy("float32")
    student, teacher = make_pair(dtype="mixed_float16")
    distiller = TinyBertDistiller(student, teacher)
    distiller.compile(keras.optimizers.AdamW(1e-2), stage=ALL_TERMS)
    assert isinstance(distiller.optimizer, keras.optimizers.LossScaleOptimizer)
    inputs, labels = make_batch()
    losses = distiller.fit(inputs, labels, epochs=6, verbose=0).history["loss"]
    assert np.isfinite(losses).all()
    assert losses[-1] < 0.9 * losses[0]
    assert distiller.student.backbone.compute_dtype == "float16"
    assert {v.dtype for v in distiller.trainable_variables} == {"float32"}


def test_jit_compiled_step_is_the_same_step():
    inputs, labels = make_batch()
    updates = []
    for jit_compile in (False, True):
        pair = make_classifier(1, 8, seed=1), make_classifier(1, 12, seed=2)
        distiller = make_distiller(*pair)
        distiller.compile(keras.optimizers.SGD(0.1), stage=ALL_TERMS, jit_compile=jit_compile)
        distiller.fit(inputs, labels, verbose=0)
        updates.append([numpy(v) for v in distiller.trainable_variables])
    for a, b in zip(*updates, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_encoders_alone_can_be_distilled(eagerly):
    student, teacher = (model.backbone for model in make_pair())
    distiller = TinyBertDistiller(student, teacher)
    distiller.compile("sgd", stage=INTERMEDIATE)
    history = distiller.fit(make_batch()[0], verbose=0).history
    assert sorted(history) == ["attention", "embedding", "hidden", "loss"]


def test_labels_are_scored_where_there_are_some(eagerly):
    distiller = TinyBertDistiller(*make_pair())
    distiller.compile("sgd", stage=PREDICTION, metrics=["accuracy"])
    inputs, labels = make_batch()
    figures = distiller.evaluate(inputs, labels, verbose=0, return_dict=True)
    answers = exposed(distiller.student, inputs)["predictions"].argmax(-1)
    assert figures["accuracy"] == pytest.approx((answers == labels).mean())


def test_regression_learns_the_teacher_s_score(eagerly):
    student, teacher = make_pair(num_classes=1)
    distiller = TinyBertDistiller(student, teacher)
    distiller.compile("sgd", stage=PREDICTION)
    inputs, _ = make_batch()
    figures = distiller.evaluate(inputs, np.zeros(6, "float32"), verbose=0, return_dict=True)
    ours, theirs = (exposed(model, inputs)["predictions"] for model in (student, teacher))
    assert figures["prediction"] == pytest.approx(np.square(ours - theirs).mean(), rel=1e-5)


def test_correct_labels_beside_the_teacher_s(eagerly):
    """Hinton et al. (arXiv 1503.02531): a weighted sum of both cross entropies, in numpy."""
    student, teacher = make_pair()
    distiller = TinyBertDistiller(student, teacher)
    distiller.compile("sgd", stage=Stage("both", prediction=0.75, labels=0.25))
    inputs, labels = make_batch()
    figures = distiller.evaluate(inputs, labels, batch_size=6, verbose=0, return_dict=True)
    ours, theirs = (exposed(model, inputs)["predictions"] for model in (student, teacher))
    log_probabilities = special.log_softmax(ours, axis=-1)
    hard = -log_probabilities[np.arange(6), labels].mean()
    soft = -(special.softmax(theirs, axis=-1) * log_probabilities).sum(-1).mean()
    expected = {"labels": hard, "prediction": soft, "loss": 0.75 * soft + 0.25 * hard}
    assert figures == pytest.approx(expected, rel=1e-5)
    # Two unequal batches are one.
    parts = distiller.evaluate(inputs, labels, batch_size=4, verbose=0, return_dict=True)
    assert parts["labels"] == pytest.approx(hard, rel=1e-5)


def test_correct_scores_of_a_regression(eagerly):
    student, teacher = make_pair(num_classes=1)
    distiller = TinyBertDistiller(student, teacher)
    distiller.compile("sgd", stage=Stage("labels", labels=1.0))
    inputs, _ = make_batch()
    scores = np.arange(6, dtype="float32")
    figures = distiller.evaluate(inputs, scores, batch_size=6, verbose=0, return_dict=True)
    ours = exposed(student, inputs)["predictions"][:, 0]
    assert figures["loss"] == pytest.approx(np.square(ours - scores).mean(), rel=1e-5)


def test_correct_positions_of_an_answer(eagerly):
    student, teacher = make_span_pair()
    distiller = TinyBertDistiller(student, teacher)
    distiller.compile("sgd", stage=Stage("labels", labels=1.0))
    inputs, _ = make_batch()
    labels = np.stack([np.zeros(6), inputs["padding_mask"].sum(-1) - 1], -1).astype("int32")
    figures = distiller.evaluate(inputs, labels, batch_size=6, verbose=0, return_dict=True)
    ours = exposed(student, inputs)["predictions"]
    rows = []
    for row, (start, end) in enumerate(labels):
        for name, label in (("start_logits", start), ("end_logits", end)):
            rows.append(-special.log_softmax(ours[name][row, : end + 1])[label])
    assert figures["loss"] == pytest.approx(np.mean(rows), rel=1e-5)


def test_labels_that_are_not_there(eagerly):
    distiller = TinyBertDistiller(*make_pair())
    distiller.compile("sgd", stage=Stage("both", prediction=1.0, labels=1.0))
    inputs, _ = make_batch()
    with pytest.raises(TinyBertError, match="'both' learns from the correct labels, too"):
        distiller.fit(inputs, verbose=0)


def make_span_pair():
    """Like `make_pair`, with heads for spans."""
    pair = []
    for seed, model in enumerate(make_pair()):
        model = BertSpanClassifier(model.backbone)
        random = np.random.default_rng(seed)
        for weight in model.span_dense.weights:
            weight.assign(random.normal(0.0, 0.5, weight.shape))
        pair.append(model)
    return pair


def test_spans_learn_the_teacher_s_positions(eagerly):
    """The mean over starts and ends of cross entropies over real positions, in numpy."""
    student, teacher = make_span_pair()
    distiller = TinyBertDistiller(student, teacher)
    distiller.compile("sgd", stage=Stage("spans", prediction=0.5, temperature=2.0))
    inputs, _ = make_batch()
    labels = np.zeros((6, 2), "int32")
    figures = distiller.evaluate(inputs, labels, batch_size=6, verbose=0, return_dict=True)
    ours, theirs = (exposed(model, inputs)["predictions"] for model in (student, teacher))
    rows = []
    for row, length in enumerate(inputs["padding_mask"].sum(-1)):
        for name in ("start_logits", "end_logits"):
            probabilities = special.softmax(theirs[name][row, :length] / 2)
            rows.append(-probabilities @ special.log_softmax(ours[name][row, :length] / 2))
    expected = {"prediction": np.mean(rows), "loss": 0.5 * np.mean(rows)}
    assert figures == pytest.approx(expected, rel=1e-5)
    # Two unequal batches are one.
    parts = distiller.evaluate(inputs, labels, batch_size=4, verbose=0, return_dict=True)
    assert parts["prediction"] == pytest.approx(np.mean(rows), rel=1e-5)


def test_a_span_student_of_its_teacher_s_shape_starts_as_its_teacher(eagerly):
    student, teacher = make_span_pair()
    copy = BertSpanClassifier(make_classifier(4, 12, seed=9).backbone)
    inputs, _ = make_batch()
    initialize_from_teacher(copy, teacher, [inputs])
    ours, theirs = (exposed(model, inputs)["predictions"] for model in (copy, teacher))
    token = inputs["padding_mask"].astype(bool)
    for name in theirs:
        np.testing.assert_allclose(ours[name][token], theirs[name][token], atol=1e-4)
    initialize_from_teacher(student, teacher, [inputs])
    distiller = TinyBertDistiller(student, teacher)
    distiller.compile(keras.optimizers.AdamW(1e-2), stage=ALL_TERMS)
    losses = distiller.fit(inputs, epochs=5, verbose=0).history["loss"]
    assert losses[-1] < 0.8 * losses[0]


def test_other_head_counts_compare_their_means(eagerly):
    student = make_classifier(2, 8, seed=1, num_heads=4)
    teacher = make_classifier(4, 12, seed=2)
    stage = Stage("attention", attention=1.0)
    with pytest.raises(TinyBertError, match=r"4 attention heads and the teacher 2"):
        TinyBertDistiller(student, teacher).compile("sgd", stage=stage)
    distiller = TinyBertDistiller(student, teacher, attention_heads="mean")
    distiller.compile("sgd", stage=stage)
    inputs, labels = make_batch()
    figures = distiller.evaluate(inputs, labels, verbose=0, return_dict=True)
    token = inputs["padding_mask"].astype(bool)
    pair = token[:, :, None] & token[:, None, :]
    ours, theirs = (exposed(m, inputs)["attention_scores"] for m in (student, teacher))
    errors = np.stack([ours[m].mean(1) - theirs[g].mean(1) for m, g in ((0, 1), (1, 3))])
    keys = np.broadcast_to(token[:, None, :], errors.shape)
    errors -= errors.mean(-1, keepdims=True, where=keys)
    expected = sum(np.square(error)[pair].mean() for error in errors)
    assert figures["attention"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    "student, teacher, message",
    [
        ({"num_classes": 2}, {}, "2 outputs, the teacher 3"),
        ({"vocabulary_size": 30}, {}, "vocabulary of 30 tokens, the teacher of 40"),
        ({"labels": "abc"}, {"labels": "bac"}, r"labels are \('a', 'b', 'c'\)"),
    ],
)
def test_what_does_not_fit_is_refused_at_construction(student, teacher, message):
    with pytest.raises(TinyBertError, match=message):
        TinyBertDistiller(
            make_classifier(2, 8, 1, **student), make_classifier(4, 12, 2, **teacher)
        )


def test_other_misuse_is_refused():
    student, teacher = make_pair()
    with pytest.raises(TinyBertError, match="projections='apart' is not known"):
        TinyBertDistiller(student, teacher, projections="apart")
    with pytest.raises(TinyBertError, match="projections are fitted on is empty"):
        TinyBertDistiller(student, teacher).fit_projections([])
    with pytest.raises(TinyBertError, match="BertSpanClassifier"):
        TinyBertDistiller(BertSpanClassifier(student.backbone), teacher)
    with pytest.raises(TinyBertError, match="wants stage="):
        TinyBertDistiller(student, teacher).compile("sgd")
    with pytest.raises(TinyBertError, match="without a head"):
        TinyBertDistiller(student.backbone, teacher.backbone).compile("sgd", stage=PREDICTION)


@pytest.mark.parametrize(
    "weights, message",
    [
        ({}, "no term to learn from"),
        ({"hidden": -1.0}, "hidden is -1.0"),
        ({"attention": float("nan")}, "attention is nan"),
        ({"prediction": 1.0, "temperature": 0.0}, "temperature is 0.0"),
    ],
)
def test_impossible_stages_are_refused(weights, message):
    with pytest.raises(TinyBertError, match=message):
        Stage("x", **weights)
