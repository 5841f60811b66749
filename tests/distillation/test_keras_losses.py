import types

import keras
import numpy as np
import pytest
import tensorflow as tf

from tinybert_tf.distillation import losses
from tinybert_tf.distillation.keras_losses import (
    AttentionScores,
    HiddenStates,
    SoftCrossEntropy,
)
from tinybert_tf.errors import TinyBertError

SEQ, WIDTH = 4, 3
LOSSES = [SoftCrossEntropy, HiddenStates, AttentionScores]


def logits_model(kernel):
    inputs = keras.Input([2])
    model = keras.Model(inputs, keras.layers.Dense(2, use_bias=False)(inputs))
    model.set_weights([np.array(kernel, "float32")])
    return model


def view(seed):
    """A stand-in for a model that shows its inside: two hidden states and one block."""
    keras.utils.set_random_seed(seed)
    inputs = {
        "vectors": keras.Input([SEQ, WIDTH], name="vectors"),
        "padding_mask": keras.Input([SEQ], dtype="int32", name="padding_mask"),
    }
    embedding = keras.layers.Dense(WIDTH)(inputs["vectors"])
    query = keras.layers.Dense(WIDTH)(embedding)
    scores = keras.layers.Dot(axes=2)([query, embedding])
    outputs = {
        "predictions": keras.layers.Dense(2)(keras.layers.Flatten()(query)),
        "hidden_states": [embedding, query],
        "attention_scores": [keras.layers.Reshape((1, SEQ, SEQ))(scores)],
        "padding_mask": inputs["padding_mask"],
    }
    return keras.Model(inputs, outputs)


def batch(garbage=0.0):
    vectors = np.random.default_rng(0).normal(size=(4, SEQ, WIDTH)).astype("float32")
    mask = (np.arange(SEQ) < np.array([[4], [3], [2], [1]])).astype("int32")
    return {"vectors": vectors + garbage * (1 - mask[..., None]), "padding_mask": mask}


def test_soft_cross_entropy_in_a_keras_distiller_has_the_literal_value():
    # The student is uniform: log 2 whatever the teacher says.
    distiller = keras.distillation.Distiller(
        logits_model([[1, 2], [3, 4]]),
        logits_model(np.zeros((2, 2))),
        SoftCrossEntropy(temperature=2.0),
        student_loss_weight=0.0,
    )
    distiller.compile(keras.optimizers.SGD(0.0), loss="mse")
    history = distiller.fit(np.ones((4, 2), "float32"), batch_size=4, verbose=0).history
    assert history["distillation_loss"][0] == pytest.approx(0.6931471805599453, rel=1e-6)
    assert history["loss"][0] == pytest.approx(0.6931471805599453, rel=1e-6)


def test_student_learns_the_teachers_probabilities():
    teacher, student = logits_model([[1, -1], [-2, 1]]), logits_model(np.zeros((2, 2)))
    distiller = keras.distillation.Distiller(
        teacher, student, SoftCrossEntropy(), student_loss_weight=0.0
    )
    distiller.compile(keras.optimizers.Adam(0.1), loss="mse")
    inputs = np.random.default_rng(0).normal(size=(64, 2)).astype("float32")
    distiller.fit(np.tile(inputs, (150, 1)), batch_size=64, verbose=0)
    probabilities = [keras.ops.softmax(model(inputs)) for model in (teacher, student)]
    np.testing.assert_allclose(*probabilities, atol=0.02)


def test_all_losses_in_one_keras_distiller():
    teacher, student = view(seed=1), view(seed=2)
    distiller = keras.distillation.Distiller(
        teacher, student, [loss() for loss in LOSSES], student_loss_weight=0.0
    )
    distiller.compile(keras.optimizers.Adam(0.01), loss="mse")
    inputs = batch()
    outputs, targets, mask = student(inputs), teacher(inputs), inputs["padding_mask"]
    expected = float(losses.soft_cross_entropy(outputs["predictions"], targets["predictions"]))
    for key, loss in (
        ("hidden_states", losses.hidden_loss),
        ("attention_scores", losses.attention_loss),
    ):
        for of_student, of_teacher in zip(outputs[key], targets[key], strict=True):
            expected += float(loss(of_student, of_teacher, mask))

    history = distiller.fit(inputs, batch_size=4, epochs=30, verbose=0).history
    assert history["distillation_loss"][0] == pytest.approx(expected, rel=1e-5)
    assert history["distillation_loss"][-1] < 0.8 * expected


@pytest.mark.parametrize("loss", [HiddenStates, AttentionScores])
def test_padding_does_not_count_unless_asked(loss):
    teacher, student = view(seed=1), view(seed=2)

    def value(loss, inputs):
        return float(loss.compute_loss(teacher(inputs), student(inputs)))

    assert value(loss(), batch()) == pytest.approx(value(loss(), batch(garbage=9.0)), rel=1e-6)
    compatible = loss(reference_compatible=True)
    assert value(compatible, batch()) != pytest.approx(
        value(compatible, batch(garbage=9.0)), rel=0.01
    )


def test_each_of_n_replicas_gives_its_share(monkeypatch):
    logits = np.zeros((1, 2), "float32")
    monkeypatch.setattr(
        tf.distribute, "get_strategy", lambda: types.SimpleNamespace(num_replicas_in_sync=4)
    )
    value = SoftCrossEntropy().compute_loss(logits, logits)
    assert float(value) == pytest.approx(0.6931471805599453 / 4, rel=1e-6)


@pytest.mark.parametrize("loss", LOSSES)
def test_losses_survive_serialization(loss):
    original = loss(reference_compatible=True)
    config = keras.saving.serialize_keras_object(original)
    restored = keras.saving.deserialize_keras_object(config)
    assert type(restored) is loss
    assert restored.get_config() == original.get_config()


def test_saved_distiller_loads_its_losses(tmp_path):
    distiller = keras.distillation.Distiller(
        logits_model([[1, 2], [3, 4]]), logits_model(np.zeros((2, 2))), SoftCrossEntropy(2.0)
    )
    distiller(np.ones((1, 2)))
    distiller.save(tmp_path / "distiller.keras")
    (loaded,) = keras.models.load_model(tmp_path / "distiller.keras").distillation_losses
    assert loaded.temperature == 2.0


def test_outputs_that_a_loss_cannot_read_are_named():
    tensor, layers = np.zeros((1, 2)), [np.zeros((1, 2, 3))]
    with pytest.raises(TinyBertError, match=r'teacher returns a ndarray; .*"hidden_states"'):
        HiddenStates().validate_outputs(tensor, tensor)
    with pytest.raises(TinyBertError, match=r'student returns a dict .*"padding_mask"'):
        HiddenStates().validate_outputs({"hidden_states": layers}, {"hidden_states": layers})
    with pytest.raises(TinyBertError, match='teacher returns 2 "attention_scores" and the st'):
        AttentionScores().validate_outputs(
            {"attention_scores": layers * 2},
            {"attention_scores": layers, "padding_mask": tensor},
        )
    with pytest.raises(TinyBertError, match=r'teacher returns a list; .*"predictions"'):
        SoftCrossEntropy().validate_outputs([tensor], tensor)
    with pytest.raises(TinyBertError, match="temperature"):
        SoftCrossEntropy(temperature=0.0)
