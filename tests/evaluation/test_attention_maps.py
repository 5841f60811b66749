"""Attention as it is shown: probabilities of the blocks that learn from each other."""

import keras
import numpy as np
import pytest

from tinybert_tf.data import Examples, Task
from tinybert_tf.errors import TinyBertError
from tinybert_tf.evaluation import (
    AttentionMaps,
    Predictions,
    choose_texts,
    compute_attention_maps,
    read_attention_maps,
    save_attention_maps,
)
from tinybert_tf.evaluation.attention_maps import attention_probabilities
from tinybert_tf.models import BertEncoder, BertTextClassifier
from tinybert_tf.tokenization import BertPreprocessor, BertTokenizer

MOODS = Task("moods", ("text",), "mood", ("sad", "glad"))
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "thing"]


def test_probabilities_are_a_softmax_over_tokens_that_are_there():
    scores = np.log([[[[1.0, 3.0, 50.0], [2.0, 2.0, 1.0], [1.0, 1.0, 1.0]]]])
    found = attention_probabilities(scores, np.array([[1, 1, 0]]))
    np.testing.assert_allclose(found[0, 0, :2], [[0.25, 0.75, 0.0], [0.5, 0.5, 0.0]])
    without = attention_probabilities(scores, np.array([[1, 1, 1]]))
    np.testing.assert_allclose(without[0, 0, 1], [0.4, 0.4, 0.2])


@pytest.fixture(scope="module")
def models():
    """A teacher of three blocks and a student of one and other heads, with random weights."""
    tokenizer = BertTokenizer(WORDS)
    made = []
    for layers, heads in ((3, 4), (1, 2)):
        keras.utils.set_random_seed(layers)
        encoder = BertEncoder(len(WORDS), layers, heads, 8, 16, max_sequence_length=16)
        preprocessor = BertPreprocessor(tokenizer, 16)
        model = BertTextClassifier(encoder, 2, preprocessor=preprocessor)
        # Large enough that no row is even.
        model.set_weights([20 * weight for weight in model.get_weights()])
        made.append(model)
    return made


def by_hand(model, block, token_ids):
    """Mean attention of a block of an unpadded text, from the queries and keys themselves."""
    ids = np.array([token_ids])
    inputs = {
        "token_ids": ids,
        "segment_ids": np.zeros_like(ids),
        "padding_mask": np.ones_like(ids),
    }
    encoder = model.backbone
    hidden = encoder.expose(hidden_states=True)(inputs, training=False)["hidden_states"]
    attention = encoder.transformer_layers[block - 1].self_attention
    x = np.asarray(hidden[block - 1])[0]
    query, key = (
        (x @ np.asarray(layer.kernel) + np.asarray(layer.bias)).reshape(
            len(x), attention.num_heads, -1
        )
        for layer in (attention.query, attention.key)
    )
    scores = np.einsum("ihd,jhd->hij", query, key) / np.sqrt(query.shape[-1])
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return (powers / powers.sum(axis=-1, keepdims=True)).mean(axis=0)


def test_maps_are_those_of_the_mapped_blocks(models):
    teacher, student = models
    maps = compute_attention_maps(teacher, student, (2,), ("good thing bad",))
    assert maps.tokens == ("[CLS]", "good", "thing", "bad", "[SEP]")
    assert maps.blocks == (2,)
    assert maps.teacher.shape == maps.student.shape == (1, 5, 5)
    for found in (maps.teacher, maps.student):
        np.testing.assert_allclose(found.sum(axis=-1), 1.0, atol=1e-6)
    ids = [2, 5, 7, 6, 3]
    np.testing.assert_allclose(maps.teacher[0], by_hand(teacher, 2, ids), atol=1e-5)
    np.testing.assert_allclose(maps.student[0], by_hand(student, 1, ids), atol=1e-5)
    assert np.abs(maps.teacher[0] - by_hand(teacher, 3, ids)).max() > 0.01
    assert compute_attention_maps(teacher, student, "top", ("bad",)).blocks == (3,)


def test_maps_that_were_saved_are_read(tmp_path):
    values = np.array([[[0.25, 0.75], [1.0, 0.0]]])
    path = tmp_path / "attention.json"
    assert read_attention_maps(path) is None
    save_attention_maps(path, AttentionMaps(("<b>", "ü"), (4,), values, values[:, ::-1]))
    found = read_attention_maps(path)
    assert found.tokens == ("<b>", "ü") and found.blocks == (4,)
    np.testing.assert_array_equal(found.teacher, values)
    np.testing.assert_array_equal(found.student, [[[1.0, 0.0], [0.25, 0.75]]])


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        '{"tokens": ["a"], "blocks": [1], "teacher": [[[1.0]]], "student": [[1.0]]}',
        '{"tokens": ["a"], "blocks": [1], "teacher": [[[1.0]]], "student": [[["x"]]]}',
    ],
)
def test_a_file_of_something_else(tmp_path, content):
    path = tmp_path / "attention.json"
    path.write_text(content, "utf-8")
    with pytest.raises(TinyBertError, match=r"attention\.json holds no attention maps"):
        read_attention_maps(path)


# === Which text ===


def predictions_of(wrong):
    """Of four examples of label 1: the teacher is right, the student wrong at `wrong`."""
    teacher = np.array([[0.0, 1.0]] * 4)
    student = teacher.copy()
    for row, confidence in wrong.items():
        student[row] = [confidence, 0.0]
    texts = tuple("abcd")
    return Predictions(Examples((texts,), np.ones(4, "int32")), teacher, student)


@pytest.mark.parametrize(
    ("wrong", "lengths", "text"),
    [
        ({1: 1.0, 2: 3.0}, [5, 5, 5, 5], "c"),
        ({1: 1.0, 2: 3.0}, [5, 20, 21, 5], "b"),
        ({2: 3.0}, [21, 5, 21, 4], "b"),
        ({}, [40, 30, 20, 10], "c"),
        ({2: 3.0}, [40, 30, 90, 50], "b"),
    ],
)
def test_the_text_is_the_worst_error_that_is_short(wrong, lengths, text):
    assert choose_texts(MOODS, predictions_of(wrong), np.array(lengths)) == (text,)
