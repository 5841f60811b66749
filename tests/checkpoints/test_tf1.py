"""Google's original BERT checkpoints, against the golden values of the same weights."""

import json
import pathlib
import shutil

import numpy as np
import pytest
from safetensors.numpy import load_file

from tinybert_tf.checkpoints import (
    load_encoder,
    load_masked_lm,
    load_span_classifier,
    load_text_classifier,
)
from tinybert_tf.checkpoints.locations import (
    WeightsConfig,
    layout_of,
    load_plain_encoder,
    load_tokenizer,
)
from tinybert_tf.errors import TinyBertError

CONFIG = {
    "attention_probs_dropout_prob": 0.1,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "initializer_range": 0.02,
    "type_vocab_size": 2,
}


def expected_of(golden, name):
    expected = dict(np.load(golden / name / "expected.npz"))
    inputs = {key: expected[key] for key in ("token_ids", "segment_ids", "padding_mask")}
    return inputs, expected


def assert_inside(encoder, inputs, expected):
    outputs = encoder.expose(hidden_states=True, attention_scores=True)(inputs)
    for name, key in [("hidden_states", "hidden"), ("attention_scores", "score")]:
        assert len(outputs[name]) == sum(k.startswith(f"{key}_") for k in expected)
        for i, value in enumerate(outputs[name]):
            np.testing.assert_allclose(value, expected[f"{key}_{i}"], rtol=0, atol=1e-5)


def test_pretrained(golden, make_tf1):
    """`bert_model.ckpt.*` with both heads of pretraining, as in Google's zip files."""
    inputs, expected = expected_of(golden, "hf_bert_masked_lm")
    heads = {
        "bert/pooler/dense/kernel": np.eye(24, dtype="float32"),
        "bert/pooler/dense/bias": np.zeros(24, "float32"),
        "cls/seq_relationship/output_weights": np.ones((2, 24), "float32"),
        "cls/seq_relationship/output_bias": np.ones(2, "float32"),
    }
    directory = make_tf1("hf_bert_masked_lm", changes=heads)
    names = {path.name for path in directory.iterdir()}
    assert names == {
        *("bert_config.json", "vocab.txt", "bert_model.ckpt.meta", "bert_model.ckpt.index"),
        "bert_model.ckpt.data-00000-of-00001",
    }
    model = load_masked_lm(directory)
    np.testing.assert_allclose(
        model(inputs_of_masked_lm(inputs)), expected["logits"], atol=1e-5
    )
    assert_inside(model.backbone, inputs, expected)
    encoder = load_encoder(directory)
    assert_inside(encoder, inputs, expected)
    first = np.asarray(encoder(inputs)["sequence_output"])[:, 0]
    np.testing.assert_allclose(encoder(inputs)["pooled_output"], np.tanh(first), atol=1e-6)


def inputs_of_masked_lm(inputs):
    positions = np.tile(np.arange(inputs["token_ids"].shape[1]), (len(inputs["token_ids"]), 1))
    return {**inputs, "mask_positions": positions}


def test_fine_tuned(golden, make_tf1):
    """What `run_classifier.py` saves: a head, the optimizer's slots, the step."""
    inputs, expected = expected_of(golden, "hf_bert_classifier")
    slots = {"global_step": np.int64(1234)}
    for name in ("output_weights", "bert/pooler/dense/kernel"):
        for slot in ("adam_m", "adam_v"):
            slots[f"{name}/{slot}"] = np.zeros((3, 24), "float32")
    directory = make_tf1(prefix="model.ckpt-1234", changes=slots)
    (directory / "checkpoint").write_text('model_checkpoint_path: "model.ckpt-1234"\n')
    (directory / "graph.pbtxt").write_text("node {}\n")
    model = load_text_classifier(directory)
    np.testing.assert_allclose(model(inputs), expected["logits"], rtol=0, atol=1e-5)
    assert_inside(model.backbone, inputs, expected)


def test_fine_tuned_on_spans(golden, make_tf1):
    inputs, expected = expected_of(golden, "hf_bert_classifier")
    weights = np.random.default_rng(3).normal(size=(2, 24)).astype("float32")
    directory = make_tf1(
        prefix="model.ckpt-7",
        changes={
            "output_weights": None,
            "output_bias": None,
            "cls/squad/output_weights": weights,
            "cls/squad/output_bias": np.array([1.0, -1.0], "float32"),
        },
    )
    outputs = load_span_classifier(directory)(inputs)
    hidden = expected["hidden_3"] @ weights.T + [1.0, -1.0]
    real = inputs["padding_mask"].astype(bool)
    found = np.stack([outputs["start_logits"], outputs["end_logits"]], axis=-1)
    np.testing.assert_allclose(found[real], hidden[real], rtol=0, atol=1e-5)


def test_the_newest_is_taken(golden, make_tf1):
    inputs, expected = expected_of(golden, "hf_bert_classifier")
    other = {"output_bias": np.full(3, 9.0, "float32")}
    make_tf1(prefix="bert_model.ckpt", changes=other)
    make_tf1(prefix="model.ckpt-999", changes=other)
    directory = make_tf1(prefix="model.ckpt-1000")
    logits = load_text_classifier(directory)(inputs)
    np.testing.assert_allclose(logits, expected["logits"], rtol=0, atol=1e-5)


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_other_floats(golden, make_tf1, dtype):
    source = load_file(golden / "hf_bert_classifier" / "model.safetensors")
    bias = source["classifier.bias"].astype(dtype)
    classifier = load_text_classifier(make_tf1(changes={"output_bias": bias}))
    np.testing.assert_array_equal(classifier.output_dense.bias, bias.astype("float32"))


def test_location(make_tf1):
    """The vocabulary says by itself whether the model is cased: no file does."""
    directory = make_tf1("hf_bert_classifier")
    assert layout_of(str(directory)) == "hugging_face"
    encoder, tokenizer = load_plain_encoder(WeightsConfig(str(directory)), "float32")
    assert encoder.vocabulary_size == tokenizer.vocabulary_size() == 2000
    assert tokenizer.lowercase
    path = directory / "vocab.txt"
    path.write_text(path.read_text("utf-8").replace("word", "Word"), "utf-8")
    with pytest.raises(TinyBertError, match=r"'Word0'.*lowercase to false"):
        load_tokenizer(WeightsConfig(str(directory)))
    assert not load_tokenizer(WeightsConfig(str(directory), lowercase=False)).lowercase


def test_a_directory_with_both_layouts_is_read_as_hugging_face(golden, make_tf1):
    """Some repositories have both; transformers' names its labels."""
    directory = make_tf1(changes={"output_bias": np.full(3, 9.0, "float32")})
    for name in ("config.json", "model.safetensors"):
        shutil.copy(golden / "hf_bert_classifier" / name, directory)
    inputs, expected = expected_of(golden, "hf_bert_classifier")
    logits = load_text_classifier(directory)(inputs)
    np.testing.assert_allclose(logits, expected["logits"], rtol=0, atol=1e-5)
    # A config alone does not make it that.
    (directory / "model.safetensors").unlink()
    np.testing.assert_array_equal(load_text_classifier(directory).output_dense.bias, [9, 9, 9])


@pytest.mark.parametrize(("layers", "width"), [(2, 128), (4, 256)])
def test_small_berts(tmp_path, write_tf1, layers, width):
    """The layout of Google's 24 small models, flat and without a graph; heads of 64."""
    sizes = {
        "hidden_size": width,
        "intermediate_size": 4 * width,
        "max_position_embeddings": 16,
        "num_attention_heads": width // 64,
        "num_hidden_layers": layers,
        "vocab_size": 30,
    }
    (tmp_path / "bert_config.json").write_text(json.dumps({**CONFIG, **sizes}), "utf-8")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *map(str, range(25))]
    (tmp_path / "vocab.txt").write_text("\n".join(words) + "\n", "utf-8")
    tensors = small_bert(layers, width)
    write_tf1(tmp_path / "bert_model.ckpt", tensors)
    encoder, tokenizer = load_plain_encoder(WeightsConfig(str(tmp_path)), "float32")
    assert (encoder.num_layers, encoder.num_heads) == (layers, width // 64)
    assert tokenizer("7 24").numpy().tolist() == [12, 29]
    kernel = encoder.transformer_layers[-1].output_dense.kernel
    name = f"bert/encoder/layer_{layers - 1}/output/dense/kernel"
    np.testing.assert_array_equal(kernel, tensors[name])


def small_bert(layers, width):
    random = np.random.default_rng(1)
    shapes = {"bert/embeddings/word_embeddings": (30, width)}
    shapes["bert/embeddings/position_embeddings"] = (16, width)
    shapes["bert/embeddings/token_type_embeddings"] = (2, width)
    shapes["bert/pooler/dense/kernel"] = (width, width)
    norms = ["bert/embeddings/LayerNorm"]
    for i in range(layers):
        layer = f"bert/encoder/layer_{i}"
        for part in ("self/query", "self/key", "self/value", "output/dense"):
            shapes[f"{layer}/attention/{part}/kernel"] = (width, width)
        shapes[f"{layer}/intermediate/dense/kernel"] = (width, 4 * width)
        shapes[f"{layer}/output/dense/kernel"] = (4 * width, width)
        norms += [f"{layer}/attention/output/LayerNorm", f"{layer}/output/LayerNorm"]
    for name in [name for name in shapes if name.endswith("kernel")]:
        shapes[name.replace("kernel", "bias")] = shapes[name][1:]
    shapes |= {f"{norm}/{part}": (width,) for norm in norms for part in ("beta", "gamma")}
    return {name: random.normal(size=shape).astype("float32") for name, shape in shapes.items()}


# === What cannot be read ===


def remove(directory):
    next(directory.glob("*.data-*")).unlink()


def truncate(directory):
    path = next(directory.glob("*.data-*"))
    path.write_bytes(path.read_bytes()[:-100])


def damage(directory):
    path = next(directory.glob("*.data-*"))
    path.write_bytes(b"\xff" * 64 + path.read_bytes()[64:])


def truncate_index(directory):
    path = next(directory.glob("*.index"))
    path.write_bytes(path.read_bytes()[:-10])


def damage_index(directory):
    path = next(directory.glob("*.index"))
    path.write_bytes(b"\xff" * 100 + path.read_bytes()[100:])


def change_config(**changes):
    def change(directory):
        path = pathlib.Path(directory) / "bert_config.json"
        path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **changes}), "utf-8")

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (remove, r"ckpt\.index is there, bert_model\.ckpt\.data-00000-of-00001 beside it is"),
        (
            truncate,
            r"index is incomplete or damaged \('[\w/]+' ends at byte [\d,]+ of data file",
        ),
        (damage, r"is no checkpoint that TensorFlow reads: .*[Cc]hecksum"),
        (truncate_index, r"damaged \(its last bytes are not those of an index\)"),
        (damage_index, r"index is incomplete or damaged"),
        (
            change_config(hidden_size="24"),
            r"bert_config\.json: hidden_size is '24', expected an",
        ),
        (change_config(num_hidden_layers=2), r"unknown: encoder\.layer\.2\."),
        (change_config(intermediate_size=44), r"wrong shape: encoder\.layer\.0\.inter.* \(44"),
        (change_config(vocab_size=2**31), r"bert_config\.json: vocab_size is 2147483648, exp"),
        (change_config(hidden_size=2**20), r"The config .* room for [\d,]+ in 57 tensors"),
    ],
)
def test_what_cannot_be_read(make_tf1, change, message):
    directory = make_tf1()
    change(directory)
    with pytest.raises(TinyBertError, match=message):
        load_text_classifier(directory)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"crf_loss/transitions": np.ones((3, 3), "float32")}, "'crf_loss/transitions', which"),
        ({"bert/encoder/layer_0/x/kernel": np.ones((3, 3), "float32")}, r"unknown: encoder\.l"),
        ({"bert/pooler/dense/bias": None}, r"missing: pooler\.dense\.bias \(24,\)"),
        ({"output_weights": np.ones((3, 23), "float32")}, r"classifier\.weight is \(3, 23\)"),
        ({"output_weights": np.ones(3, "float32")}, r"classifier\.weight is \(3,\), expected"),
        ({"output_weights": None}, r"has no classifier\.weight, so it is no fine-tuned"),
        ({"output_bias": np.array(["a", "b", "c"])}, r"'output_bias' has dtype number 7"),
        ({"_CHECKPOINTABLE_OBJECT_GRAPH": np.array("x")}, "says nothing of the objects"),
    ],
)
def test_tensors_that_do_not_fit(make_tf1, changes, message):
    with pytest.raises(TinyBertError, match=message):
        load_text_classifier(make_tf1(changes=changes))
