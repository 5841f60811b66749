import pytest

from tinybert_tf.augmentation._words import STOP_WORDS, is_word, match_case, split_words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A fine film , not dull .", ["fine", "film", "not", "dull"]),
        ("well-made (mostly); so-so/odd", ["well", "made", "mostly", "so", "so", "odd"]),
        ("\u201cGood\u201d\u2014bad\u2026 end", ["Good", "bad", "end"]),
        # Digits, accents, other scripts and symbols make a word another one.
        ("mp3 caf\u00e9 cafe\u0301 na\u00efve film\u2122 \u043c\u0438r 2nd", []),
        ("co\u00adop zero\u200bwidth", []),
        # One letter is none; contractions stay, possessives do not.
        ("x-ray of a t", ["ray", "of"]),
        ("it's don't n't does n't director's", ["it", "does", "director"]),
        ("it\u2019s isn\u2019t rock\u2019s", ["it", "rock"]),
        ("\u4e2d film\tplot\nend", ["film", "plot", "end"]),
        ("", []),
    ],
)
def test_split_words(text, words):
    pieces = split_words(text, lowercase=True)
    assert pieces[1::2] == words
    assert "".join(pieces) == text


def test_a_cased_model_sees_lower_case_words_only():
    assert split_words("Paris is BIG fun", lowercase=False)[1::2] == ["is", "fun"]
    assert split_words("Paris is BIG fun", lowercase=True)[1::2] == [
        "Paris",
        "is",
        "BIG",
        "fun",
    ]


@pytest.mark.parametrize(
    ("word", "expected"),
    [("film", "story"), ("Film", "Story"), ("FILM", "STORY"), ("iFilm", "story")],
)
def test_match_case(word, expected):
    assert match_case("story", word) == expected


def test_is_word():
    tokens = ["film", "##ly", "[MASK]", "[unused0]", "12", "a", ".", "caf\u00e9", "Film"]
    assert [is_word(token) for token in tokens] == [True] + [False] * 8


def test_stop_words():
    assert {"the", "not", "no", "never", "and", "of", "does"} <= STOP_WORDS
    assert not {"film", "good", "bad", "love"} & STOP_WORDS
