"""The attention of a run's models in a text of one's own."""

import keras
import numpy as np
import pytest

from tinybert_tf.errors import TinyBertError
from tinybert_tf.evaluation import compute_attention_maps, read_attention_maps
from tinybert_tf.models import BertEncoder, BertTextClassifier
from tinybert_tf.runs import attention
from tinybert_tf.runs.attention import save_attention_to
from tinybert_tf.runs.config_file import parse_config
from tinybert_tf.runs.directory import RunDirectory
from tinybert_tf.tokenization import BertPreprocessor, BertTokenizer

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "thing"]


def make_model(layers, heads):
    keras.utils.set_random_seed(layers)
    encoder = BertEncoder(len(WORDS), layers, heads, 8, 16, max_sequence_length=16)
    preprocessor = BertPreprocessor(BertTokenizer(WORDS), 16)
    model = BertTextClassifier(encoder, 2, preprocessor=preprocessor)
    # Large enough that no row is even.
    model.set_weights([20 * weight for weight in model.get_weights()])
    return model


def test_a_text_of_one_s_own(tiny_values, monkeypatch):
    run = RunDirectory.create(parse_config(tiny_values, "values"), resume=False)
    teacher, student = make_model(3, 4), make_model(1, 2)
    monkeypatch.setattr(
        attention,
        "load_classifier",
        lambda path: {run.teacher: teacher, run.student: student}[path],
    )
    save_attention_to(run, "bad bad", None)
    maps = read_attention_maps(run.attention)
    assert maps.tokens == ("[CLS]", "bad", "bad", "[SEP]")
    # Uniform: the one block of the student learns from the last of the teacher's three.
    assert maps.blocks == (3,)
    expected = compute_attention_maps(teacher, student, (3,), ("bad bad",))
    np.testing.assert_allclose(maps.teacher, expected.teacher, atol=1e-4)
    np.testing.assert_allclose(maps.student, expected.student, atol=1e-4)
    for text, pair, message in (
        ("a", "b", "Give --text alone"),
        (" ", None, "The text for 'sentence' is empty"),
    ):
        with pytest.raises(TinyBertError, match=message):
            save_attention_to(run, text, pair)


def test_a_text_for_a_task_of_pairs(tiny_values):
    tiny_values["task"]["text_fields"] = ["left", "right"]
    run = RunDirectory.create(parse_config(tiny_values, "values"), resume=False)
    with pytest.raises(TinyBertError, match=r"left and right; got 1 .*--text_pair"):
        save_attention_to(run, "a", None)
    with pytest.raises(TinyBertError, match="holds no classifier"):
        save_attention_to(run, "a", "b")
