import keras
import numpy as np
import pytest

from tinybert_tf.errors import TinyBertError
from tinybert_tf.models import BertTextClassifier, gelu_tanh

TEXTS = ["a b", "c"]


@pytest.fixture
def make_classifier(make_encoder, randomize):
    def make(num_classes=2, encoder=None, **settings):
        return randomize(BertTextClassifier(encoder or make_encoder(), num_classes, **settings))

    return make


def softmax(x):
    x = np.exp(x - x.max(-1, keepdims=True))
    return x / x.sum(-1, keepdims=True)


# === What it outputs ===


@pytest.mark.parametrize("num_classes", [1, 2, 3])
@pytest.mark.parametrize("head_activation", [None, "relu"])
def test_logits(make_classifier, inputs, num_classes, head_activation):
    model = make_classifier(num_classes, head_activation=head_activation)
    outputs = model.expose()(inputs)
    pooled = outputs["pooled_output"].numpy()
    assert pooled.min() < 0
    x = np.maximum(pooled, 0) if head_activation else pooled
    kernel, bias = (w.value.numpy() for w in model.output_dense.weights)
    assert model(inputs).shape == (3, num_classes)
    np.testing.assert_allclose(model(inputs), x @ kernel + bias, atol=1e-5)


def test_activation_of_the_outputs(make_classifier, inputs):
    logits = make_classifier()(inputs).numpy()
    probabilities = make_classifier(activation="softmax")(inputs)
    np.testing.assert_allclose(probabilities, softmax(logits), atol=1e-6)


def test_expose(make_classifier, inputs):
    model = make_classifier()
    exposed = model.expose(hidden_states=True, attention_scores=True)
    outputs = exposed(inputs)
    assert outputs.keys() == {
        "sequence_output",
        "pooled_output",
        "hidden_states",
        "attention_scores",
        "predictions",
    }
    assert len(outputs["hidden_states"]) == 3 and len(outputs["attention_scores"]) == 2
    np.testing.assert_array_equal(outputs["predictions"], model(inputs))
    assert {id(w) for w in exposed.weights} == {id(w) for w in model.weights}
    assert model.expose()(inputs).keys() == {"sequence_output", "pooled_output", "predictions"}


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_logits_are_float32_in_mixed_precision(make_classifier, make_encoder, inputs, policy):
    expected = make_classifier()(inputs)
    logits = make_classifier(encoder=make_encoder(dtype=policy))(inputs)
    assert logits.dtype == "float32"
    np.testing.assert_allclose(logits, expected, atol=0.05)


@pytest.mark.parametrize("labels", [["no"], ["no", "maybe", "yes"], []])
def test_as_many_labels_as_classes(make_encoder, labels):
    with pytest.raises(TinyBertError, match=f"{len(labels)} labels .* for 2 classes"):
        BertTextClassifier(make_encoder(), 2, labels=labels)


# === Training ===


def losses_and_metrics(model, inputs, y):
    predictions = model(inputs)
    loss = model.compute_loss(inputs, y, predictions)
    return float(loss), model.compute_metrics(inputs, y, predictions)


@pytest.mark.parametrize("compiled", ["at construction", "by compile()"])
class TestDefaultCompilation:
    def test_regressor(self, make_classifier, inputs, compiled):
        model = make_classifier(1)
        if compiled == "by compile()":
            model.compile()
        y = np.array([[0.5], [2.0], [-1.0]], "float32")
        squares = (model(inputs).numpy() - y) ** 2
        loss, metrics = losses_and_metrics(model, inputs, y)
        assert loss == pytest.approx(squares.mean(), rel=1e-5)
        rmse = metrics["root_mean_squared_error"]
        assert float(rmse) == pytest.approx(np.sqrt(squares.mean()), rel=1e-5)

    @pytest.mark.parametrize("activation", [None, "softmax"])
    def test_classifier(self, make_classifier, inputs, activation, compiled):
        probabilities = softmax(make_classifier(3)(inputs).numpy())
        model = make_classifier(3, activation=activation)
        if compiled == "by compile()":
            model.compile()
        y = np.array([0, 2, 1])
        loss, metrics = losses_and_metrics(model, inputs, y)
        expected = -np.log(probabilities[np.arange(3), y]).mean()
        assert loss == pytest.approx(expected, rel=1e-4)
        accuracy = (probabilities.argmax(-1) == y).mean()
        assert float(metrics["sparse_categorical_accuracy"]) == pytest.approx(accuracy)


def test_given_loss_and_metrics_are_kept(make_classifier, inputs):
    model = make_classifier(1)
    model.compile("sgd", loss="mean_absolute_error", metrics=[])
    y = np.ones((3, 1), "float32")
    loss, metrics = losses_and_metrics(model, inputs, y)
    assert loss == pytest.approx(np.abs(model(inputs).numpy() - y).mean(), rel=1e-5)
    assert "root_mean_squared_error" not in metrics


def test_one_step_on_texts(make_classifier, make_encoder, preprocessor):
    model = make_classifier(
        encoder=make_encoder(dropout=0.0, num_layers=1), preprocessor=preprocessor, dropout=0.0
    )
    probabilities = softmax(model(preprocessor(TEXTS)).numpy())
    bias = model.output_dense.bias.value.numpy()
    kernel = model.backbone.token_embedding.embeddings.value.numpy()
    model.compile(keras.optimizers.SGD(0.5), jit_compile=False)
    history = model.fit(TEXTS, np.array([1, 0]), batch_size=2, verbose=0).history

    expected_loss = -np.log([probabilities[0, 1], probabilities[1, 0]]).mean()
    assert history["loss"][0] == pytest.approx(expected_loss, rel=1e-4)
    # The gradient of the bias: the mean of softmax(logits) - one_hot(label).
    gradient = (probabilities - np.array([[0, 1], [1, 0]])).mean(0)
    np.testing.assert_allclose(model.output_dense.bias.value, bias - 0.5 * gradient, atol=1e-5)
    # The step reaches the bottom: rows of tokens that occur move, [PAD] (0) does not.
    moved = (model.backbone.token_embedding.embeddings.value.numpy() != kernel).any(-1)
    assert moved.nonzero()[0].tolist() == [2, 3, 5, 6, 7]


def test_jit_compiled_equals_plain(make_classifier, inputs):
    model = make_classifier()
    expected = model(inputs)
    model.compile(jit_compile=True)
    np.testing.assert_allclose(model.predict(inputs, verbose=0), expected, atol=1e-5)


# === Saving and loading ===


def test_config_round_trip(make_classifier, make_encoder, preprocessor):
    model = make_classifier(
        encoder=make_encoder(activation=gelu_tanh),
        preprocessor=preprocessor,
        labels=["no", "yes"],
        activation="softmax",
        head_activation="relu",
        dropout=0.3,
        name="some_name",
    )
    restored = BertTextClassifier.from_config(model.get_config())
    assert restored.get_config() == model.get_config()
    assert restored.labels == ("no", "yes")
    assert restored.head_activation is keras.activations.relu
    assert restored.activation is keras.activations.softmax
    assert restored.backbone.activation is gelu_tanh
    assert restored.output_dropout.rate == 0.3


def test_preset_round_trip(make_classifier, preprocessor, assert_same_model, tmp_path):
    model = make_classifier(
        3, preprocessor=preprocessor, labels=["x", "y", "z"], head_activation="relu"
    )
    model.save_to_preset(str(tmp_path))
    restored = BertTextClassifier.from_preset(str(tmp_path))
    assert_same_model(restored, model)
    assert restored.labels == ("x", "y", "z")
    restored.compile(run_eagerly=True)
    expected = model(preprocessor(TEXTS))
    np.testing.assert_allclose(restored.predict(TEXTS, verbose=0), expected, atol=1e-6)


def test_new_head_on_the_preset_of_an_encoder(make_encoder, inputs, tmp_path):
    encoder = make_encoder()
    encoder.save_to_preset(str(tmp_path))
    model = BertTextClassifier.from_preset(str(tmp_path), num_classes=3, preprocessor=None)
    assert model(inputs).shape == (3, 3)
    np.testing.assert_array_equal(
        model.backbone(inputs)["pooled_output"], encoder(inputs)["pooled_output"]
    )


def test_keras_file_keeps_model_and_compilation(
    make_classifier, preprocessor, assert_same_model, tmp_path, inputs, recwarn
):
    model = make_classifier(1, preprocessor=preprocessor, labels=["score"])
    model.compile(keras.optimizers.SGD(0.25), loss="mean_absolute_error", run_eagerly=True)
    model.train_on_batch(TEXTS, np.ones((2, 1)))
    model.save(tmp_path / "model.keras")
    restored = keras.saving.load_model(tmp_path / "model.keras")
    assert_same_model(restored, model)
    assert restored.labels == ("score",)
    np.testing.assert_array_equal(restored(inputs), model(inputs))

    y = np.zeros((3, 1), "float32")
    loss = float(restored.compute_loss(inputs, y, restored(inputs)))
    assert loss == pytest.approx(np.abs(model(inputs).numpy()).mean(), rel=1e-5)
    assert float(restored.optimizer.learning_rate) == 0.25
    assert int(restored.optimizer.iterations) == 1
    assert not [w for w in recwarn if "compile" in str(w.message)]
