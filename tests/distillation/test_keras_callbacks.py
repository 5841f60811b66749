"""The Distiller under Keras's own `fit`: callbacks, weights and text."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tinybert_tf.distillation import PREDICTION, Stage, TinyBertDistiller
from tinybert_tf.errors import TinyBertError
from tinybert_tf.models import BertEncoder, BertTextClassifier
from tinybert_tf.tokenization import BertPreprocessor, BertTokenizer

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "thing"]
TEXTS = ["good thing", "bad thing", "thing", "bad", "good", "thing good"]
LABELS = np.array([1, 0, 0, 0, 1, 1])
ALL_TERMS = Stage("all", attention=1.0, hidden=1.0, embedding=1.0, prediction=1.0)


@pytest.fixture(autouse=True)
def _eager(eagerly):
    """A few steps of tiny models: tracing would take longer."""


def make_model(num_layers, seed, preprocessor=None):
    keras.utils.set_random_seed(seed)
    encoder = BertEncoder(
        vocabulary_size=len(WORDS),
        num_layers=num_layers,
        num_heads=2,
        hidden_dim=4,
        intermediate_dim=8,
        max_sequence_length=8,
        dropout=0.0,
    )
    return BertTextClassifier(encoder, 2, preprocessor, dropout=0.0)


@pytest.fixture(scope="module")
def preprocessor():
    return BertPreprocessor(BertTokenizer(WORDS), sequence_length=6)


@pytest.fixture(scope="module")
def distiller_and_weights(preprocessor):
    student = make_model(1, 1, preprocessor)
    distiller = TinyBertDistiller(student, make_model(2, 2), projections="shared")
    return distiller, distiller.get_weights()


@pytest.fixture
def make_distiller(distiller_and_weights, preprocessor):
    """A function that puts the one distiller of this file back to its beginning."""

    def make(stage=PREDICTION, learning_rate=0.05, **options):
        distiller, weights = distiller_and_weights
        distiller.student.preprocessor = preprocessor
        # Those of metrics and optimizer are no part of it.
        for variable, value in zip(distiller.weights, weights, strict=True):
            variable.assign(value)
        distiller.compile(keras.optimizers.Adam(learning_rate), stage=stage, **options)
        return distiller

    return make


def weights_after(distiller, *arguments, **options):
    distiller.fit(*arguments, verbose=0, shuffle=False, **options)
    return distiller.student.get_weights()


def assert_same(found, expected):
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


# === Text ===


def assert_encoded(found, texts, preprocessor):
    for name, value in preprocessor(texts).items():
        np.testing.assert_array_equal(found[name], value)


def test_text_of_every_form_is_encoded(make_distiller, preprocessor):
    encode = make_distiller()._encode
    forms = (TEXTS, np.array(TEXTS), np.array(TEXTS, object), tf.constant(TEXTS))
    for texts in forms:
        assert_encoded(encode(texts), TEXTS, preprocessor)
    pairs = (TEXTS, TEXTS[::-1])
    assert_encoded(encode(pairs), pairs, preprocessor)
    pandas = pytest.importorskip("pandas")
    assert_encoded(encode(pandas.Series(TEXTS, index=range(10, 16))), TEXTS, preprocessor)
    frame = pandas.DataFrame({"first": pairs[0], "second": pairs[1]})
    assert_encoded(encode(frame), pairs, preprocessor)
    assert_encoded(encode(frame[["first"]]), TEXTS, preprocessor)


def test_datasets_of_text_are_encoded(make_distiller, preprocessor):
    encode, pairs = make_distiller()._encode, (TEXTS, TEXTS[::-1])
    slices = tf.data.Dataset.from_tensor_slices
    (found,) = encode(slices(pairs).batch(6))
    assert_encoded(found, pairs, preprocessor)
    ((found, labels),) = encode(slices((TEXTS, LABELS)).batch(6))
    assert_encoded(found, TEXTS, preprocessor)
    assert labels.numpy().tolist() == LABELS.tolist()


def test_text_trains_as_encoded_inputs_do(make_distiller, preprocessor):
    inputs = {k: keras.ops.convert_to_numpy(v) for k, v in preprocessor(TEXTS).items()}
    expected = weights_after(make_distiller(), inputs, LABELS, batch_size=3)
    assert_same(weights_after(make_distiller(), TEXTS, LABELS, batch_size=3), expected)


def test_evaluate_and_predict_take_text(make_distiller, preprocessor):
    distiller = make_distiller()
    expected = distiller.student(preprocessor(TEXTS), training=False)
    np.testing.assert_allclose(distiller.predict(TEXTS, verbose=0), expected, atol=1e-6)
    on_text = distiller.evaluate(TEXTS, LABELS, verbose=0)
    on_ids = distiller.evaluate(preprocessor(TEXTS), LABELS, verbose=0)
    np.testing.assert_allclose(on_text, on_ids, rtol=1e-6)


def test_text_that_cannot_be_encoded_is_refused(make_distiller, preprocessor):
    distiller = make_distiller()
    with pytest.raises(TinyBertError, match="Batch it"):
        distiller.fit(tf.data.Dataset.from_tensor_slices((TEXTS, LABELS)))
    with pytest.raises(TinyBertError, match="name the other arguments"):
        distiller.fit(TEXTS, LABELS, 32)
    with pytest.raises(TinyBertError, match="something else than token_ids"):
        distiller.fit(np.zeros((4, 3)), verbose=0)
    distiller.student.preprocessor = None
    with pytest.raises(TinyBertError, match="neither student nor teacher has a preprocessor"):
        distiller.fit(TEXTS, LABELS)


# === Weights of examples ===


def test_class_weight_is_sample_weight(make_distiller):
    weights = np.where(LABELS == 1, 3.0, 0.5).astype("float32")
    expected = weights_after(make_distiller(), TEXTS, LABELS, sample_weight=weights)
    assert_same(
        weights_after(make_distiller(), TEXTS, LABELS, class_weight={0: 0.5, 1: 3.0}), expected
    )


# === Callbacks ===


@pytest.mark.slow
def test_several_steps_an_execution_are_the_same_steps(make_distiller):
    expected = weights_after(make_distiller(), TEXTS, LABELS, batch_size=2)
    distiller = make_distiller(steps_per_execution=3)
    assert_same(weights_after(distiller, TEXTS, LABELS, batch_size=2), expected)


def test_validation_data_of_text(make_distiller):
    distiller = make_distiller(metrics=["accuracy"])
    history = distiller.fit(
        TEXTS, LABELS, validation_data=(TEXTS[:3], LABELS[:3]), verbose=0
    ).history
    assert {"loss", "prediction", "accuracy"} <= history.keys()
    expected = distiller.evaluate(TEXTS[:3], LABELS[:3], verbose=0, return_dict=True)
    for name, value in expected.items():
        assert history[f"val_{name}"][-1] == pytest.approx(value, rel=1e-5)


def test_early_stopping_goes_back_to_the_best_weights(make_distiller):
    distiller = make_distiller(learning_rate=10.0)
    stop = keras.callbacks.EarlyStopping(monitor="loss", patience=2, restore_best_weights=True)
    history = distiller.fit(TEXTS, LABELS, epochs=30, verbose=0, callbacks=[stop]).history
    assert len(history["loss"]) < 30
    assert stop.best == min(history["loss"])


@pytest.mark.slow
def test_the_learning_rate_is_reduced_on_a_plateau(make_distiller):
    distiller = make_distiller(learning_rate=1.0)
    reduce = keras.callbacks.ReduceLROnPlateau(
        monitor="loss", factor=0.5, patience=1, min_delta=99
    )
    distiller.fit(TEXTS, LABELS, epochs=3, verbose=0, callbacks=[reduce])
    assert float(distiller.optimizer.learning_rate) == pytest.approx(1.0 / 4)


@pytest.mark.slow
def test_tensorboard_writes_events(make_distiller, tmp_path):
    board = keras.callbacks.TensorBoard(tmp_path)
    make_distiller().fit(TEXTS, LABELS, verbose=0, callbacks=[board])
    assert list(tmp_path.rglob("events.out.tfevents.*"))


def test_saved_weights_are_the_distiller_s(make_distiller, tmp_path):
    path = tmp_path / "x.weights.h5"
    keep = keras.callbacks.ModelCheckpoint(path, save_weights_only=True)
    distiller = make_distiller(ALL_TERMS)
    expected = weights_after(distiller, TEXTS, LABELS, callbacks=[keep])
    projection = distiller.projections[0].get_weights()
    again = make_distiller(ALL_TERMS)
    assert not np.allclose(again.projections[0].get_weights()[0], projection[0])
    again.load_weights(path)
    assert_same(again.student.get_weights(), expected)
    assert_same(again.projections[0].get_weights(), projection)


@pytest.mark.slow
def test_a_killed_fit_goes_on_from_its_backup(make_distiller, tmp_path):
    expected = weights_after(make_distiller(), TEXTS, LABELS, epochs=3)

    class Killed(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    def backup():
        return keras.callbacks.BackupAndRestore(tmp_path / "backup")

    with pytest.raises(KeyboardInterrupt):
        weights_after(make_distiller(), TEXTS, LABELS, epochs=3, callbacks=[backup(), Killed()])
    found = weights_after(make_distiller(), TEXTS, LABELS, epochs=3, callbacks=[backup()])
    assert_same(found, expected)


def test_a_whole_distiller_is_not_saved_and_says_so_before_it_trains(make_distiller, tmp_path):
    distiller = make_distiller()
    before = distiller.student.get_weights()
    keep = keras.callbacks.ModelCheckpoint(tmp_path / "x.keras")
    with pytest.raises(TinyBertError, match=r"not saved whole, .*save_weights_only=True"):
        distiller.fit(TEXTS, LABELS, verbose=0, callbacks=[keep])
    assert_same(distiller.student.get_weights(), before)
    with pytest.raises(TinyBertError, match="not saved whole"):
        distiller.save(tmp_path / "x.keras")
    assert list(tmp_path.iterdir()) == []
