"""Classifiers written in the Hugging Face layout, and read again, by transformers as well."""

import importlib.util
import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from safetensors.numpy import load_file

from tinybert_tf.checkpoints import load_text_classifier, save_text_classifier
from tinybert_tf.errors import TinyBertError
from tinybert_tf.models import BertEncoder, BertTextClassifier, gelu_tanh
from tinybert_tf.tokenization import BertPreprocessor, BertTokenizer

WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "good",
    "Bad",
    "bad",
    "##ly",
    "\u00e9t\u00e9",
]
# transformers' own process: PyTorch and TensorFlow cannot be loaded into one.
_READ_BY_TRANSFORMERS = """
import json, sys, torch, transformers
model = transformers.AutoModelForSequenceClassification.from_pretrained(sys.argv[1]).eval()
tokenizer = transformers.AutoTokenizer.from_pretrained(sys.argv[1])
inputs = tokenizer(json.loads(sys.argv[2]), padding=True, return_tensors="pt")
with torch.inference_mode():
    logits = model(**inputs).logits
print(json.dumps({
    "class": type(model).__name__,
    "ids": inputs["input_ids"].tolist(),
    "logits": logits.tolist(),
    "labels": model.config.id2label,
}))
"""


@pytest.fixture
def make_classifier():
    """A function that makes a random classifier of ten words; arguments are the encoder's."""

    def make(num_classes=2, lowercase=True, head=(), **kwargs):
        arguments = {"dropout": 0.2, "max_sequence_length": 16, "layer_norm_epsilon": 1e-6}
        encoder = BertEncoder(len(WORDS), 2, 4, 16, 24, **{**arguments, **kwargs})
        tokenizer = BertTokenizer(WORDS, lowercase=lowercase)
        preprocessor = BertPreprocessor(tokenizer, sequence_length=16)
        model = BertTextClassifier(
            encoder, num_classes, **{"preprocessor": preprocessor, **dict(head)}
        )
        random = np.random.default_rng(0)
        for variable in model.weights:
            variable.assign(random.normal(0.5, 0.5, variable.shape))
        return model

    return make


def test_what_transformers_wrote_is_written_again(golden, tmp_path):
    """Names, shapes, values and settings of a file that this library did not make."""
    source = golden / "hf_bert_classifier"
    words = [*WORDS, *map(str, range(1990))]
    model = load_text_classifier(source, BertPreprocessor(BertTokenizer(words), 17))
    save_text_classifier(model, tmp_path / "saved")
    expected = load_file(source / "model.safetensors")
    saved = load_file(tmp_path / "saved" / "model.safetensors")
    assert saved.keys() == expected.keys()
    for name, tensor in expected.items():
        np.testing.assert_array_equal(saved[name], tensor, err_msg=name)
    config = json.loads((tmp_path / "saved" / "config.json").read_text("utf-8"))
    original = json.loads((source / "config.json").read_text("utf-8"))
    shared = config.keys() & original.keys()
    assert {"hidden_size", "layer_norm_eps", "hidden_act", "id2label", "model_type"} <= shared
    # The original leaves the head's rate to the encoder's.
    shared -= {"classifier_dropout"}
    assert {key: config[key] for key in shared} == {key: original[key] for key in shared}


@pytest.mark.parametrize(
    ("arguments", "head"),
    [
        ({"activation": gelu_tanh, "attention_dropout": 0.3}, {"labels": ("no", "yes")}),
        ({"activation": "relu", "num_segments": 3}, {"dropout": 0.4}),
        ({"num_classes": 1, "dtype": "mixed_bfloat16"}, {}),
    ],
)
def test_round_trip(make_classifier, tmp_path, arguments, head, assert_same_weights):
    model = make_classifier(head=head, **arguments)
    save_text_classifier(model, tmp_path / "saved")
    loaded = load_text_classifier(tmp_path / "saved")
    assert_same_weights(loaded, model)
    assert loaded.labels == model.labels and loaded.num_classes == model.num_classes
    assert loaded.dropout == model.dropout
    ours, theirs = model.backbone.get_config(), loaded.backbone.get_config()
    for other in ("name", "dtype", "trainable"):
        ours.pop(other), theirs.pop(other)
    assert theirs == ours
    lines = (tmp_path / "saved" / "vocab.txt").read_bytes()
    assert lines == "".join(f"{word}\n" for word in WORDS).encode("utf-8")


@pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("torch", "transformers")),
    reason="needs the extra [benchmark]",
)
@pytest.mark.parametrize("lowercase", [True, False])
def test_transformers_reads_it(make_classifier, tmp_path, lowercase):
    model = make_classifier(3, lowercase, head={"labels": ("x", "y", "z")})
    save_text_classifier(model, tmp_path / "saved")
    texts = ["Bad \u00e9t\u00e9 badly", "good"]
    result = subprocess.run(
        [sys.executable, "-c", _READ_BY_TRANSFORMERS, tmp_path / "saved", json.dumps(texts)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )
    read = json.loads(result.stdout)
    assert read["class"] == "BertForSequenceClassification"
    assert read["labels"] == {"0": "x", "1": "y", "2": "z"}
    inputs = model.preprocessor(texts, sequence_length=len(read["ids"][0]))
    np.testing.assert_array_equal(read["ids"], inputs["token_ids"])
    # Not of one case as of the other.
    assert read["ids"][0][1] == WORDS.index("bad" if lowercase else "Bad")
    logits = keras.ops.convert_to_numpy(model(inputs))
    np.testing.assert_allclose(read["logits"], logits, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "head", "message"),
    [
        ({}, {"head_activation": "relu"}, r"head_activation 'relu'; a classifier.*has none"),
        ({}, {"activation": "softmax"}, r"has activation 'softmax'.*save_to_preset"),
        ({"activation": "silu"}, {}, r"activation 'silu' has no name.*gelu_new"),
        ({"pooling": "mean"}, {}, r"has pooling=mean, which BERT .*save_to_preset"),
        ({}, {"preprocessor": None}, r"no preprocessor, so its vocabulary is unknown"),
    ],
)
def test_what_the_layout_cannot_express_is_refused(
    make_classifier, tmp_path, arguments, head, message
):
    model = make_classifier(head=head, **arguments)
    with pytest.raises(TinyBertError, match=message):
        save_text_classifier(model, tmp_path / "saved")
    assert os.listdir(tmp_path) == []


def test_a_folder_that_holds_something_is_left_alone(make_classifier, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(TinyBertError, match="already exists and is not empty"):
        save_text_classifier(make_classifier(), tmp_path)
    assert os.listdir(tmp_path) == ["notes.txt"]
