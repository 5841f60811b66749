"""A vocabulary file is read line for line, or refused with the line that is wrong."""

import pytest

from tinybert_tf.errors import TinyBertError
from tinybert_tf.tokenization import AddedToken, BertTokenizer, load_vocabulary

TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "##b"]


@pytest.fixture
def write(tmp_path):
    def write_file(content):
        path = tmp_path / "vocab.txt"
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
        return path

    return write_file


@pytest.mark.parametrize(
    "content",
    [
        "\n".join(TOKENS) + "\n",
        "\n".join(TOKENS),
        "\r\n".join(TOKENS) + "\r\n",
        "\ufeff" + "\n".join(TOKENS) + "\n",
    ],
    ids=["final newline", "no final newline", "Windows", "byte order mark"],
)
def test_reads_one_token_a_line(write, content):
    assert load_vocabulary(write(content), expected_size=7) == TOKENS


def test_splits_at_newlines_only(write):
    odd = ["\u0085", "\u2028", "\u2029", "\x0b", "\x1c", "\u3000"]
    assert load_vocabulary(write("\n".join(TOKENS + odd) + "\n")) == TOKENS + odd


def test_mask_is_optional(write):
    assert load_vocabulary(write("[PAD]\n[UNK]\n[CLS]\n[SEP]\n")) == TOKENS[:4]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[PAD]\n[UNK]\na\n", r"has no \[CLS\], \[SEP\]\."),
        ("", r"has no \[PAD\], \[UNK\], \[CLS\], \[SEP\]\."),
        ("[PAD]\n[UNK]\n\n[CLS]\n[SEP]\n", r"line 3: is empty"),
        ("[PAD]\n[UNK]\n[CLS]\n[SEP]\n\n", r"line 5: is empty"),
        ("[PAD]\r\n\r\n[UNK]\r\n", r"line 2: is empty"),
        (b"[PAD]\n[UNK]\ncaf\xe9\n", r"line 3: byte 0xe9 is not UTF-8"),
    ],
)
def test_refuses_with_file_and_line(write, content, message):
    with pytest.raises(TinyBertError, match=r"vocab\.txt.*" + message):
        load_vocabulary(write(content))


def test_refuses_another_size(write):
    path = write("\n".join(TOKENS))
    with pytest.raises(TinyBertError, match="has 7 tokens, expected 30522"):
        load_vocabulary(path, expected_size=30522)


def test_refuses_a_missing_file(tmp_path):
    with pytest.raises(TinyBertError, match=r"vocabulary .*none\.txt: No such file"):
        load_vocabulary(tmp_path / "none.txt")


def test_of_a_token_that_comes_again_the_last_one_holds(write):
    path = write("\n".join([*TOKENS, "a"]))
    tokens = load_vocabulary(path)
    # The place of the first one counts all the same.
    assert tokens == [*TOKENS[:5], "[no_token_5]", *TOKENS[6:], "a"]
    assert BertTokenizer(path)("a").numpy().tolist() == [len(TOKENS)]


def test_an_added_token_that_grows_beyond_a_word_is_refused():
    """Each of its syllables is three letters once accents are told apart."""
    token = "\uac01" * 40
    with pytest.raises(TinyBertError, match="120 characters are left of the added token"):
        BertTokenizer([*TOKENS, token], added_tokens=[AddedToken(token)])
    kept = BertTokenizer(
        [*TOKENS, token], strip_accents=False, added_tokens=[AddedToken(token)]
    )
    assert kept(token).numpy().tolist() == [len(TOKENS)]


@pytest.mark.parametrize(
    "contents, problem",
    [
        (["COVID", "covid"], "'COVID' and 'covid' are both 'covid'"),
        (["é", "E"], "'é' and 'E' are both 'e'"),
        (["\u0301"], "Nothing is left of the added token"),
    ],
)
def test_added_tokens_that_normalizing_makes_one(contents, problem):
    tokens = [*TOKENS, *contents]
    added = [AddedToken(content) for content in contents]
    with pytest.raises(TinyBertError, match=problem):
        BertTokenizer(tokens, added_tokens=added)
    # As texts give them, they are told apart.
    raw = [AddedToken(content, normalized=False) for content in contents]
    tokenizer = BertTokenizer(tokens, added_tokens=raw)
    ids = list(range(7, 7 + len(contents)))
    assert tokenizer(" ".join(contents)).numpy().tolist() == ids
