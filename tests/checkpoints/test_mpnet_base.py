"""A teacher of BERT-base's size on its real weights (`make teacher-mpnet`)."""

import json
import pathlib

import numpy as np
import pytest

from tinybert_tf.checkpoints import load_teacher_encoder
from tinybert_tf.tokenization import BertPreprocessor

DIRECTORY = pathlib.Path(__file__).parents[2] / "data" / "teachers" / "all-mpnet-base-v2"


@pytest.mark.slow
@pytest.mark.skipif(not DIRECTORY.exists(), reason="needs the weights of `make teacher-mpnet`")
def test_hidden_states_are_those_of_transformers(golden, capsys):
    expected = json.loads((golden / "mpnet_base.json").read_text("utf-8"))
    encoder, tokenizer = load_teacher_encoder(DIRECTORY)
    assert "12 layers, width 768, 12 heads; 30,522 tokens, uncased" in capsys.readouterr().out
    inputs = BertPreprocessor(tokenizer, 32)(expected["sentences"])
    states = encoder.expose(hidden_states=True)(inputs, training=False)["hidden_states"]
    lengths = np.asarray(inputs["padding_mask"]).sum(1)
    for i, (length, layers) in enumerate(zip(lengths, expected["hidden_states"], strict=True)):
        assert len(layers) == len(states) == 13
        for ours, theirs in zip(states, layers, strict=True):
            tokens = np.asarray(ours)[i, :length][expected["tokens"], : len(theirs[0])]
            np.testing.assert_allclose(tokens, theirs, atol=1e-4)
