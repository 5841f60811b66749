"""What a cache has of a teacher is what the teacher says; a student learns the same from it."""

import keras
import numpy as np
import pytest

from tinybert_tf.data import BucketedBatches, EncodedExamples
from tinybert_tf.distillation import (
    INTERMEDIATE,
    PREDICTION,
    Stage,
    TeacherCache,
    TinyBertDistiller,
    teacher_cache,
)
from tinybert_tf.errors import TinyBertError
from tinybert_tf.models import BertEncoder, BertSpanClassifier, BertTextClassifier

LENGTHS = np.array([3, 9, 5, 12, 2, 7, 7, 4])


def make_encoder(num_layers, hidden_dim, seed):
    keras.utils.set_random_seed(seed)
    encoder = BertEncoder(
        30, num_layers, 2, hidden_dim, 16, max_sequence_length=16, dropout=0.0
    )
    random = np.random.default_rng(seed)
    for variable in encoder.trainable_variables:
        near = 1.0 if "gamma" in variable.path else 0.0
        variable.assign(near + random.normal(0.0, 0.3, variable.shape))
    return encoder


def make_distiller(kind=lambda encoder: BertTextClassifier(encoder, 3, dropout=0.0)):
    student, teacher = kind(make_encoder(2, 8, 1)), kind(make_encoder(4, 12, 2))
    distiller = TinyBertDistiller(student, teacher)
    for projection in distiller.projections:
        projection.kernel.assign(np.eye(*projection.kernel.shape))
    return distiller


@pytest.fixture(scope="module")
def examples():
    random = np.random.default_rng(4)
    count = LENGTHS.sum()
    return EncodedExamples(
        token_ids=random.integers(1, 30, count).astype("int32"),
        segment_ids=random.integers(0, 2, count).astype("int32"),
        row_splits=np.concatenate([[0], np.cumsum(LENGTHS)]),
        labels=random.integers(0, 3, len(LENGTHS)).astype("int32"),
        pad_token_id=0,
    )


@pytest.fixture(scope="module")
def distiller():
    return make_distiller()


@pytest.fixture(scope="module")
def directory(examples, distiller, tmp_path_factory):
    """A finished cache of several pieces."""
    path = str(tmp_path_factory.mktemp("cache") / "outputs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(teacher_cache, "_PIECE_BYTES", 3000)
        TeacherCache(distiller, examples, "outputs").write(path)
    return path


def open_cache(monkeypatch, distiller, examples, directory, contents="outputs"):
    monkeypatch.setattr(teacher_cache, "_PIECE_BYTES", 3000)
    cache = TeacherCache(distiller, examples, contents)
    cache.write(directory)
    return cache


def test_it_says_what_the_teacher_says(monkeypatch, examples, distiller, directory):
    cache = open_cache(monkeypatch, distiller, examples, directory)
    rows = np.array([6, 1, 4])
    inputs, _ = examples.batch(rows)
    cached = cache.of_stage(INTERMEDIATE).batch(rows, inputs["token_ids"].shape[1])
    outputs = teacher_cache.as_outputs(cached["teacher_outputs"], distiller.layer_mapping)
    teacher = distiller.teacher.expose(hidden_states=True, attention_scores=True)
    expected = teacher(inputs, training=False)
    np.testing.assert_allclose(outputs["predictions"], expected["predictions"], atol=1e-6)
    token = inputs["padding_mask"].astype(bool)
    pair = token[:, None, :, None] & token[:, None, None, :]
    assert sorted(outputs["hidden_states"]) == [0, 2, 4]
    for g, hidden in outputs["hidden_states"].items():
        theirs = np.asarray(expected["hidden_states"][g])
        np.testing.assert_allclose(hidden[token], theirs[token], rtol=1e-3, atol=1e-3)
        assert hidden.dtype == "float16" and not hidden[~token].any()
    assert sorted(outputs["attention_scores"]) == [1, 3]
    for g, scores in outputs["attention_scores"].items():
        theirs = np.asarray(expected["attention_scores"][g])
        real = np.broadcast_to(pair, theirs.shape)
        np.testing.assert_allclose(scores[real], theirs[real], rtol=1e-3, atol=1e-3)
        assert not scores[~real].any()


def test_its_size_is_told_before(monkeypatch, examples, distiller):
    """Predictions of 3 float32; 3 x 12 hidden states a token, 2 x 2 scores a pair, float16."""
    predictions = TeacherCache(distiller, examples, "predictions")
    assert predictions.bytes == 8 * 3 * 4
    outputs = TeacherCache(distiller, examples, "outputs")
    pairs = int(np.square(LENGTHS).sum())
    assert outputs.bytes == 96 + 2 * (3 * 12 * int(LENGTHS.sum()) + 2 * 2 * pairs)


def test_predictions_are_small_but_not_of_one_piece(monkeypatch, examples, distiller, tmp_path):
    monkeypatch.setattr(teacher_cache, "_PIECE_TOKENS", 12)
    cache = TeacherCache(distiller, examples, "predictions")
    cache.write(str(tmp_path / "cache"))
    # As many examples as there is room for, from the first on.
    pieces, room = 1, 12
    for length in LENGTHS:
        if length > room:
            pieces, room = pieces + 1, 12
        room -= length
    assert len(list((tmp_path / "cache").glob("piece-*.safetensors"))) == pieces > 2
    rows = np.arange(len(LENGTHS))
    inputs, _ = examples.batch(rows)
    cached = cache.of_stage(PREDICTION).batch(rows, inputs["token_ids"].shape[1])
    expected = distiller.teacher(inputs, training=False)
    np.testing.assert_allclose(cached["teacher_outputs"]["predictions"], expected, atol=1e-6)


def test_a_stage_asks_for_what_it_needs(monkeypatch, examples, distiller, directory):
    cache = open_cache(monkeypatch, distiller, examples, directory)

    def names(stage):
        return set(cache.of_stage(stage).signature["teacher_outputs"])

    assert names(PREDICTION) == {"predictions"}
    assert names(INTERMEDIATE) == {"predictions", "hidden_states", "attention_scores"}
    assert names(Stage("a", attention=1.0)) == {"predictions", "attention_scores"}
    assert names(Stage("e", embedding=1.0)) == {"predictions", "hidden_states"}
    alone = TeacherCache(distiller, examples, "predictions")
    assert alone.of_stage(INTERMEDIATE) is None and alone.of_stage(PREDICTION) is not None


def steps(distiller, examples, stage, further, batches=3):
    """Returns the gradients of SGD's first steps: what a learning rate of 1 changed."""
    distiller.compile(keras.optimizers.SGD(1.0), stage=stage, run_eagerly=True)
    variables = distiller.trainable_variables
    gradients = []
    data = BucketedBatches(examples, 24, seed=3, further=further)
    start = [v.numpy() for v in variables]
    for inputs, labels in data.dataset().take(batches):
        distiller.train_step((inputs, labels))
        gradients.append([a - v.numpy() for a, v in zip(start, variables, strict=True)])
        for variable, value in zip(variables, start, strict=True):
            variable.assign(value)
    return gradients


@pytest.mark.parametrize("stage", [INTERMEDIATE, PREDICTION], ids=lambda stage: stage.name)
def test_gradients_are_those_without_it(monkeypatch, examples, distiller, directory, stage):
    cache = open_cache(monkeypatch, distiller, examples, directory)
    ours = steps(distiller, examples, stage, cache.of_stage(stage))
    theirs = steps(distiller, examples, stage, None)
    largest = 1e-3 if stage is INTERMEDIATE else 1e-5
    for batch in zip(ours, theirs, strict=True):
        ours_norm, error = (
            np.sqrt(sum(np.square(value).sum() for value in values))
            for values in (batch[0], [a - b for a, b in zip(*batch, strict=True)])
        )
        assert ours_norm > 0 and error < largest * ours_norm


def test_fit_never_asks_the_teacher(monkeypatch, examples, distiller, directory):
    cache = open_cache(monkeypatch, distiller, examples, directory)
    data = BucketedBatches(examples, 24, further=cache.of_stage(INTERMEDIATE))
    distiller.compile("sgd", stage=INTERMEDIATE, run_eagerly=True)
    monkeypatch.setattr(distiller._teacher_model, "model", None)
    history = distiller.fit(data.dataset(), verbose=0, shuffle=False).history
    assert np.isfinite(history["attention"]).all()


def test_a_killed_one_goes_on_and_a_damaged_one_begins_again(
    monkeypatch, examples, distiller, directory, tmp_path
):
    monkeypatch.setattr(teacher_cache, "_PIECE_BYTES", 3000)
    target = tmp_path / "cache"
    write = TeacherCache._write_piece
    written = []

    def killed(self, directory, piece):
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(piece.number)
        yield from write(self, directory, piece)

    monkeypatch.setattr(TeacherCache, "_write_piece", killed)
    with pytest.raises(KeyboardInterrupt):
        TeacherCache(distiller, examples, "outputs").write(str(target))
    assert not (target / "manifest.json").exists()
    written.clear()
    monkeypatch.setattr(
        TeacherCache,
        "_write_piece",
        lambda *args: written.append(args[2].number) or write(*args),
    )

    def go_on():
        written.clear()
        TeacherCache(distiller, examples, "outputs").write(str(target))
        return list(written)

    pieces = len(list(target.parent.glob("cache/piece-*.safetensors")))
    assert pieces == 2
    first = go_on()
    assert first and 0 not in first and 1 not in first
    assert go_on() == []
    file = target / "piece-00001.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    assert go_on() == [0, 1, *first]


def test_another_teacher_s_is_refused(monkeypatch, examples, distiller, directory):
    other = make_distiller()
    other.teacher.output_dense.bias.assign_add([1.0, 0.0, 0.0])
    with pytest.raises(TinyBertError, match="holds another teacher cache: its teacher_sha256"):
        open_cache(monkeypatch, other, examples, directory)


def test_numbers_beyond_float16_are_refused(examples, tmp_path):
    distiller = make_distiller()
    key = distiller.teacher.backbone.transformer_layers[1].self_attention.key
    key.bias.assign_add(1e6 * np.ones(12))
    with pytest.raises(TinyBertError, match=r"attention scores reach .* float16 cannot hold"):
        TeacherCache(distiller, examples, "outputs").write(str(tmp_path / "cache"))


def test_predictions_of_spans_are_kept_a_token(examples, tmp_path):
    distiller = make_distiller(BertSpanClassifier)
    cache = TeacherCache(distiller, examples, "predictions")
    cache.write(str(tmp_path / "cache"))
    rows = np.array([3, 0])
    inputs, _ = examples.batch(rows)
    cached = cache.of_stage(PREDICTION).batch(rows, inputs["token_ids"].shape[1])
    outputs = teacher_cache.as_outputs(cached["teacher_outputs"], distiller.layer_mapping)
    token = inputs["padding_mask"].astype(bool)
    expected = distiller.teacher(inputs, training=False)
    assert outputs["predictions"].keys() == expected.keys() and len(expected) == 2
    for name, values in outputs["predictions"].items():
        np.testing.assert_allclose(values[token], np.asarray(expected[name])[token], atol=1e-6)
