"""The preprocessor packs, truncates and pads as original BERT, and lives in a Task."""

import itertools
import random
import string

import keras
import keras_nlp
import numpy as np
import pytest
import tensorflow as tf

from tinybert_tf.errors import TinyBertError
from tinybert_tf.tokenization import BertPreprocessor, BertTokenizer

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
# Ids 5 to 30 and 31 to 56.
LETTERS = string.ascii_lowercase + string.ascii_uppercase


@pytest.fixture(scope="module")
def tokenizer():
    return BertTokenizer([*SPECIAL, *LETTERS], lowercase=False)


@pytest.fixture
def preprocessor(tokenizer):
    return BertPreprocessor(tokenizer, sequence_length=8)


def as_lists(inputs):
    assert {tensor.dtype for tensor in inputs.values()} == {tf.int32}
    return {name: tensor.numpy().tolist() for name, tensor in inputs.items()}


def test_default_length(tokenizer):
    preprocessor = BertPreprocessor(tokenizer)
    assert preprocessor.sequence_length == 128
    assert preprocessor(["a"])["token_ids"].shape == (1, 128)


def test_single_texts(preprocessor):
    inputs = preprocessor(["a b", "", "a b c d e f g h"])
    assert as_lists(inputs) == {
        "token_ids": [
            [2, 5, 6, 3, 0, 0, 0, 0],
            [2, 3, 0, 0, 0, 0, 0, 0],
            [2, 5, 6, 7, 8, 9, 10, 3],
        ],
        "segment_ids": [[0] * 8] * 3,
        "padding_mask": [[1] * 4 + [0] * 4, [1] * 2 + [0] * 6, [1] * 8],
    }


def test_pairs(preprocessor):
    inputs = preprocessor((["a", "a b c", ""], ["A B", "A B C", "A"]))
    assert as_lists(inputs) == {
        "token_ids": [
            [2, 5, 3, 31, 32, 3, 0, 0],
            [2, 5, 6, 7, 3, 31, 32, 3],
            [2, 3, 31, 3, 0, 0, 0, 0],
        ],
        "segment_ids": [
            [0, 0, 0, 1, 1, 1, 0, 0],
            [0, 0, 0, 0, 0, 1, 1, 1],
            [0, 0, 1, 1, 0, 0, 0, 0],
        ],
        "padding_mask": [[1] * 6 + [0] * 2, [1] * 8, [1] * 4 + [0] * 4],
    }


def test_one_text_and_one_pair_without_a_batch(preprocessor):
    assert as_lists(preprocessor("a b"))["token_ids"] == [2, 5, 6, 3, 0, 0, 0, 0]
    pair = as_lists(preprocessor(("a", "A")))
    assert pair["token_ids"] == [2, 5, 3, 31, 3, 0, 0, 0]
    assert pair["segment_ids"] == [0, 0, 0, 1, 1, 0, 0, 0]
    assert pair["padding_mask"] == [1, 1, 1, 1, 1, 0, 0, 0]


def test_a_text_that_spells_special_tokens_is_plain(preprocessor):
    # "[", "PAD" and "]" are not in the vocabulary.
    inputs = as_lists(preprocessor(["[PAD]"]))
    assert inputs["token_ids"] == [[2, 1, 1, 1, 3, 0, 0, 0]]
    assert inputs["padding_mask"] == [[1, 1, 1, 1, 1, 0, 0, 0]]


def test_pad_id_other_than_zero():
    tokenizer = BertTokenizer(["a", "[UNK]", "[CLS]", "[SEP]", "[PAD]"])
    inputs = as_lists(BertPreprocessor(tokenizer, 6)(["a a"]))
    assert inputs["token_ids"] == [[2, 0, 0, 3, 4, 4]]
    assert inputs["segment_ids"] == [[0] * 6]
    assert inputs["padding_mask"] == [[1, 1, 1, 1, 0, 0]]


def truncate_seq_pair(first, second, max_length):
    """`_truncate_seq_pair` of original BERT."""
    while len(first) + len(second) > max_length:
        (first if len(first) > len(second) else second).pop()


@pytest.mark.parametrize("sequence_length", [3, 4, 5, 8, 11, 16, 23, 40])
def test_pairs_are_truncated_longest_first(tokenizer, sequence_length):
    rng = random.Random(sequence_length)
    lengths = list(itertools.product(range(8), repeat=2))
    lengths += [(rng.randint(0, 26), rng.randint(0, 26)) for _ in range(200)]
    texts, expected_tokens, expected_segments = [], [], []
    for first_length, second_length in lengths:
        first = list(range(5, 5 + first_length))
        second = list(range(31, 31 + second_length))
        texts.append((LETTERS[:first_length], LETTERS[26 : 26 + second_length]))
        truncate_seq_pair(first, second, sequence_length - 3)
        expected_tokens.append([2, *first, 3, *second, 3])
        expected_segments.append([0] * (len(first) + 2) + [1] * (len(second) + 1))

    preprocessor = BertPreprocessor(tokenizer, sequence_length)
    pairs = tuple([" ".join(text) for text in column] for column in zip(*texts, strict=True))
    token_ids, segment_ids = preprocessor.ragged_token_ids(pairs)
    assert token_ids.to_list() == expected_tokens
    assert segment_ids.to_list() == expected_segments

    inputs = as_lists(preprocessor(pairs))
    padding = [[0] * (sequence_length - len(tokens)) for tokens in expected_tokens]
    for name, rows in [("token_ids", expected_tokens), ("segment_ids", expected_segments)]:
        assert inputs[name] == [row + zeros for row, zeros in zip(rows, padding, strict=True)]
    assert [sum(mask) for mask in inputs["padding_mask"]] == [len(t) for t in expected_tokens]


def test_ragged_token_ids(preprocessor):
    token_ids, segment_ids = preprocessor.ragged_token_ids(["a", "a b c d e f g"])
    assert (token_ids.dtype, segment_ids.dtype) == (tf.int32, tf.int32)
    assert token_ids.to_list() == [[2, 5, 3], [2, 5, 6, 7, 8, 9, 10, 3]]
    assert segment_ids.to_list() == [[0] * 3, [0] * 8]

    token_ids, segment_ids = preprocessor.ragged_token_ids(("a b", "A B C"), sequence_length=6)
    assert token_ids.numpy().tolist() == [2, 5, 6, 3, 31, 3]
    assert segment_ids.numpy().tolist() == [0, 0, 0, 0, 1, 1]


def test_length_of_a_call_overrides_the_own(preprocessor):
    assert as_lists(preprocessor(["a b"], sequence_length=3))["token_ids"] == [[2, 5, 3]]
    assert preprocessor(["a b"])["token_ids"].shape == (1, 8)
    preprocessor.sequence_length = 5
    assert preprocessor(["a b"])["token_ids"].shape == (1, 5)


def test_labels_and_weights_pass_through(preprocessor):
    inputs, labels = preprocessor(["a", "b"], [0.5, 1.5])
    assert labels == [0.5, 1.5]
    assert inputs["token_ids"].shape == (2, 8)
    weights = np.array([1.0, 2.0])
    _, labels, got = preprocessor((["a"], ["b"]), y=np.array([3]), sample_weight=weights)
    assert labels.tolist() == [3]
    assert got is weights


def test_maps_over_datasets(preprocessor):
    pairs = tf.data.Dataset.from_tensor_slices(((["a", "b"], ["A", "B"]), [0.5, 1.5]))
    unbatched = list(pairs.map(preprocessor))
    assert [inputs["token_ids"].numpy().tolist() for inputs, _ in unbatched] == [
        [2, 5, 3, 31, 3, 0, 0, 0],
        [2, 6, 3, 32, 3, 0, 0, 0],
    ]
    assert [label.numpy() for _, label in unbatched] == [0.5, 1.5]

    batched = pairs.batch(2).map(preprocessor)
    inputs_spec, _ = batched.element_spec
    assert {spec.shape.as_list()[1] for spec in inputs_spec.values()} == {8}
    ((inputs, _),) = batched
    assert inputs["segment_ids"].numpy().tolist() == [[0, 0, 0, 1, 1, 0, 0, 0]] * 2

    ragged = tf.data.Dataset.from_tensor_slices(["a", "a b"]).batch(2)
    ((token_ids, _),) = ragged.map(preprocessor.ragged_token_ids)
    assert token_ids.to_list() == [[2, 5, 3], [2, 5, 6, 3]]


def test_runs_in_a_function_and_a_saved_model(preprocessor, tmp_path):
    text = tf.TensorSpec([None], tf.string)
    archive = keras.export.ExportArchive()
    archive.track(preprocessor)
    archive.add_endpoint("single", lambda x: preprocessor(x), input_signature=[text])
    archive.add_endpoint("pair", lambda a, b: preprocessor((a, b)), input_signature=[text] * 2)
    archive.write_out(str(tmp_path / "saved"), verbose=False)
    served = tf.saved_model.load(str(tmp_path / "saved"))

    first, second = tf.constant(["a b", "c"]), tf.constant(["A", "B C D E F"])
    for function in (served.single, tf.function(preprocessor)):
        assert as_lists(function(first))["token_ids"] == [
            [2, 5, 6, 3, 0, 0, 0, 0],
            [2, 7, 3, 0, 0, 0, 0, 0],
        ]
    assert as_lists(served.pair(first, second))["token_ids"] == [
        [2, 5, 6, 3, 31, 3, 0, 0],
        [2, 7, 3, 32, 33, 34, 35, 3],
    ]
    with pytest.raises(
        tf.errors.InvalidArgumentError, match="Unequal numbers of first and second"
    ):
        served.pair(first, tf.constant(["A"]))


@pytest.mark.parametrize(
    ("x", "message"),
    [
        ((["a"], ["b", "c"]), r"shape \(1,\), the second ones \(2,\)"),
        (("a", ["b"]), r"shape \(\), the second ones \(1,\)"),
        (("a", "b", "c"), "a tuple of 3 texts"),
        ((), "a tuple of 0 texts"),
        ([("a", "b"), ("c", "d")], r"shape \(2, 2\).*tuple of two batches"),
        ([1, 2], "a list with a int"),
    ],
)
def test_refuses_other_inputs(preprocessor, x, message):
    with pytest.raises(TinyBertError, match=message):
        preprocessor(x)
    with pytest.raises(TinyBertError, match=message):
        preprocessor.ragged_token_ids(x)


@pytest.mark.parametrize("length", [2, 0, -1, 8.0, "8", True, None])
def test_refuses_other_lengths(tokenizer, length):
    with pytest.raises(TinyBertError, match="expected an integer of at least 3"):
        BertPreprocessor(tokenizer, length)


def test_refuses_other_tokenizers():
    with pytest.raises(TinyBertError, match="got a list as `tokenizer`"):
        BertPreprocessor(SPECIAL)


@keras.saving.register_keras_serializable(package="tinybert_tf_test")
class TinyBackbone(keras_nlp.models.Backbone):
    """The mean of the token embeddings that are no padding."""

    def __init__(self, vocabulary_size, dtype=None, **kwargs):
        inputs = {
            name: keras.Input([None], dtype="int32", name=name)
            for name in ("token_ids", "segment_ids", "padding_mask")
        }
        embedding = keras.layers.Embedding(vocabulary_size, 2, name="embedding")
        mask = keras.ops.cast(inputs["padding_mask"], "float32")[..., None]
        total = keras.ops.sum(embedding(inputs["token_ids"]) * mask, axis=1)
        outputs = total / keras.ops.sum(mask, axis=1)
        super().__init__(inputs=inputs, outputs=outputs, dtype=dtype, **kwargs)
        self.vocabulary_size = vocabulary_size

    def get_config(self):
        return {**super().get_config(), "vocabulary_size": self.vocabulary_size}


@keras.saving.register_keras_serializable(package="tinybert_tf_test")
class TinyTask(keras_nlp.models.Task):
    backbone_cls = TinyBackbone
    preprocessor_cls = BertPreprocessor

    def __init__(self, backbone, preprocessor=None, **kwargs):
        self.backbone = backbone
        self.preprocessor = preprocessor
        outputs = keras.layers.Dense(1, name="head")(backbone.output)
        super().__init__(inputs=backbone.input, outputs=outputs, **kwargs)


@pytest.fixture
def task(preprocessor, monkeypatch):
    monkeypatch.setattr(BertTokenizer, "backbone_cls", TinyBackbone)
    monkeypatch.setattr(BertPreprocessor, "backbone_cls", TinyBackbone)
    return TinyTask(TinyBackbone(57), preprocessor)


def test_task_takes_texts(task):
    task.compile(optimizer="sgd", loss="mse")
    history = task.fit(["a", "b c"], np.array([0.0, 1.0]), verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    pairs = (["a", "b"], ["A", "B"])
    # Traced once is enough.
    task.compile(optimizer="sgd", loss="mse", run_eagerly=True)
    task.fit(pairs, np.array([0.0, 1.0]), verbose=0)
    for texts in (["a", "b"], pairs):
        expected = task(task.preprocessor(texts))
        np.testing.assert_allclose(task.predict(texts, verbose=0), expected, rtol=1e-6)


def assert_same_preprocessor(restored, original):
    assert type(restored) is BertPreprocessor
    assert restored.sequence_length == original.sequence_length
    assert restored.tokenizer.lowercase == original.tokenizer.lowercase
    assert restored.tokenizer.get_vocabulary() == original.tokenizer.get_vocabulary()


def test_preset_round_trip(task, tmp_path):
    preset = str(tmp_path / "preset")
    task.save_to_preset(preset)
    restored = TinyTask.from_preset(preset)
    assert_same_preprocessor(restored.preprocessor, task.preprocessor)
    inputs = task.preprocessor(["a b", "C"])
    np.testing.assert_array_equal(restored(inputs), task(inputs))

    assert_same_preprocessor(BertPreprocessor.from_preset(preset), task.preprocessor)
    assert BertPreprocessor.from_preset(preset, sequence_length=5).sequence_length == 5
    tokenizer = BertTokenizer.from_preset(preset)
    assert tokenizer.get_vocabulary() == task.preprocessor.tokenizer.get_vocabulary()
    assert tokenizer.lowercase is False


def test_preprocessor_is_made_from_the_tokenizer_of_a_preset(task, tmp_path):
    preset = str(tmp_path / "preset")
    task.backbone.save_to_preset(preset)
    task.preprocessor.tokenizer.save_to_preset(preset)
    restored = BertPreprocessor.from_preset(preset, sequence_length=16)
    assert restored.sequence_length == 16
    assert restored.tokenizer(["b"]).to_list() == [[6]]


def test_keras_file_holds_the_vocabulary(task, tmp_path):
    path = tmp_path / "task.keras"
    task.save(path)
    restored = keras.saving.load_model(path)
    assert_same_preprocessor(restored.preprocessor, task.preprocessor)
    np.testing.assert_array_equal(
        restored(restored.preprocessor(["a b"])), task(task.preprocessor(["a b"]))
    )
