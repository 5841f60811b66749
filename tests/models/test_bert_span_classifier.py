import keras
import numpy as np
import pytest

from tinybert_tf.models import BertSpanClassifier

QUESTIONS, CONTEXTS = ["a", "b"], ["c d", "e"]


@pytest.fixture
def make_model(make_encoder, randomize):
    def make(preprocessor=None, **encoder_settings):
        return randomize(BertSpanClassifier(make_encoder(**encoder_settings), preprocessor))

    return make


def test_logits(make_model, inputs):
    model = make_model()
    outputs = model(inputs)
    kernel, bias = (w.value.numpy() for w in model.span_dense.weights)
    expected = model.backbone(inputs)["sequence_output"].numpy() @ kernel + bias
    assert outputs.keys() == {"start_logits", "end_logits"}
    # Start before end, as in the original's weights.
    for column, name in enumerate(("start_logits", "end_logits")):
        assert outputs[name].shape == (3, 5)
        np.testing.assert_allclose(outputs[name], expected[..., column], atol=1e-5)


def test_expose(make_model, inputs):
    model = make_model()
    outputs = model.expose(hidden_states=True)(inputs)
    assert outputs.keys() == {
        "sequence_output",
        "pooled_output",
        "hidden_states",
        "predictions",
    }
    assert len(outputs["hidden_states"]) == 3
    for name, value in model(inputs).items():
        np.testing.assert_array_equal(outputs["predictions"][name], value)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_logits_are_float32_in_mixed_precision(make_model, inputs, policy):
    expected, outputs = make_model()(inputs), make_model(dtype=policy)(inputs)
    for name, value in outputs.items():
        assert value.dtype == "float32"
        np.testing.assert_allclose(value, expected[name], atol=0.1)


def test_one_step_on_pairs_of_texts(make_model, preprocessor):
    model = make_model(preprocessor, dropout=0.0)
    pairs = (QUESTIONS, CONTEXTS)
    logits = {name: value.numpy() for name, value in model(preprocessor(pairs)).items()}
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    losses = {"start_logits": loss, "end_logits": loss}
    model.compile("sgd", losses, run_eagerly=True)
    y = {"start_logits": np.array([3, 3]), "end_logits": np.array([3, 4])}
    history = model.fit(pairs, y, verbose=0).history
    expected = 0.0
    for name, z in logits.items():
        expected += (np.log(np.exp(z).sum(-1)) - z[[0, 1], y[name]]).mean()
    assert history["loss"][0] == pytest.approx(expected, rel=1e-4)


def test_without_a_compiled_loss_it_is_the_mean_of_start_and_end(make_model, inputs):
    """Over real tokens: cross entropies in numpy, rows weighted."""
    model = make_model(dropout=0.0)
    model.compile("sgd", run_eagerly=True)
    labels = np.array([[1, 3], [3, 3], [0, 0]])
    logits = {name: value.numpy() for name, value in model(inputs).items()}
    rows = []
    for row, (start, end) in enumerate(labels):
        length = inputs["padding_mask"][row].sum()
        z = [logits["start_logits"][row, :length], logits["end_logits"][row, :length]]
        losses = [np.log(np.exp(z[i]).sum()) - z[i][at] for i, at in enumerate((start, end))]
        rows.append(np.mean(losses))
    value = model.evaluate(inputs, labels, verbose=0)
    assert value == pytest.approx(np.mean(rows), rel=1e-5)
    weights = np.array([1.0, 0.5, 0.0])
    value = model.evaluate(inputs, labels, sample_weight=weights, verbose=0)
    assert value == pytest.approx(np.dot(rows, weights) / 3, rel=1e-5)


# Keras warns of variables without a gradient.
@pytest.mark.filterwarnings("error:Gradients do not exist")
def test_it_learns_spans(make_model, inputs):
    model = make_model(dropout=0.0, num_layers=1)
    model.compile(keras.optimizers.Adam(0.03), jit_compile=False)
    labels = np.array([[1, 3], [3, 3], [0, 1]])
    # One epoch of sixty steps: beginning an epoch takes longer than a step.
    repeated = {name: np.tile(value, (60, 1)) for name, value in inputs.items()}
    model.fit(repeated, np.tile(labels, (60, 1)), batch_size=3, shuffle=False, verbose=0)
    outputs = model(inputs)
    # What is said of padding is not learned.
    for i, name in enumerate(("start_logits", "end_logits")):
        logits = np.where(inputs["padding_mask"] == 1, outputs[name].numpy(), -np.inf)
        np.testing.assert_array_equal(logits.argmax(axis=-1), labels[:, i])


def test_preset_round_trip(make_model, preprocessor, assert_same_model, tmp_path):
    model = make_model(preprocessor)
    model.save_to_preset(str(tmp_path))
    restored = BertSpanClassifier.from_preset(str(tmp_path))
    assert_same_model(restored, model)
    restored.compile(run_eagerly=True)
    predicted = restored.predict((QUESTIONS, CONTEXTS), verbose=0)
    for name, value in model(preprocessor((QUESTIONS, CONTEXTS))).items():
        np.testing.assert_allclose(predicted[name], value, atol=1e-6)


def test_keras_file_round_trip(make_model, preprocessor, assert_same_model, inputs, tmp_path):
    model = make_model(preprocessor)
    model.save(tmp_path / "model.keras")
    restored = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    assert_same_model(restored, model)
    for name, value in model(inputs).items():
        np.testing.assert_array_equal(restored(inputs)[name], value)
