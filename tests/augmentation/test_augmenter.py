import numpy as np
import pytest

from tinybert_tf.augmentation import (
    AugmentationOptions,
    Augmenter,
    Statistics,
    WordVectors,
    default_copies,
)
from tinybert_tf.data import Examples
from tinybert_tf.errors import TinyBertError

PAIRS = Examples(
    (
        ("The film is good.", "A bad story", "fine", "12 , 12", "the film"),
        ("Not bad, not dull", "is it", "a film, a plot", "the", "the film"),
    ),
    np.array([2, 0, 1, 1, 0], "int32"),
)


@pytest.fixture
def make_augmenter(make_masked_lm):
    def make(biased=True, vectors=None, lowercase=True, **options):
        options = {"copies": 4, "candidates": 3, **options}
        return Augmenter(
            make_masked_lm(biased, lowercase=lowercase), vectors, AugmentationOptions(**options)
        )

    return make


def single(*texts, label=0):
    return Examples((texts,), np.full(len(texts), label, "int32"))


def test_words_are_replaced_by_their_candidates(make_augmenter):
    augmenter = make_augmenter(copies=50)
    copies, statistics = augmenter.augment(single("The Film, (not) GOOD!", label=3))
    # "film" itself is no candidate for it; spaces, signs, capitals and stop words stay.
    first, second = ["Film", "Movie", "Story", "Plot"], ["GOOD", "MOVIE", "STORY", "PLOT"]
    expected = {f"The {a}, (not) {b}!" for a in first for b in second}
    expected.remove("The Film, (not) GOOD!")
    assert set(copies.texts[0]) == expected
    assert len(copies) == 15 and set(copies.labels) == {3}
    assert statistics == Statistics(
        examples=1, rows=15, short=1, unchanged=0, masked_lm_words=2, word_vector_words=0
    )


def test_a_cased_model(make_augmenter):
    copies, _ = make_augmenter(lowercase=False).augment(single("Film is dull"))
    assert set(copies.texts[0]) == {"Film is movie", "Film is story", "Film is plot"}


def test_pairs_change_one_text_at_a_time(make_augmenter):
    # Huawei's released code keeps the last variant of the first text in the row, so that
    # every variant of the second text stands beside it and the pair's label is wrong.
    copies, statistics = make_augmenter().augment(PAIRS)
    originals = list(zip(*PAIRS.texts, PAIRS.labels, strict=True))
    found = [[] for _ in originals]
    for first, second, label in zip(*copies.texts, copies.labels, strict=True):
        kept = [
            i
            for i, (a, b, y) in enumerate(originals)
            if y == label and ((first == a) != (second == b))
        ]
        assert len(kept) == 1, (first, second, label)
        found[kept[0]].append((first != originals[kept[0]][0], first, second))
    # N_a copies of each text, the first one's before the second's; fewer where one word
    # has three candidates, none where there is no word.
    sides = [[changed for changed, *_ in rows] for rows in found]
    assert sides == [
        [True] * 4 + [False] * 4,
        [True] * 4,
        [True] * 3 + [False] * 4,
        [],
        [True] * 3 + [False] * 3,
    ]
    assert all(len(set(rows)) == len(rows) for rows in found)
    # Words of distinct texts: film good, bad dull; bad story; fine; film plot; film.
    assert statistics == Statistics(5, 25, 4, 1, 10, 0)


def test_no_copy_is_its_example_and_none_comes_twice(make_augmenter):
    random = np.random.default_rng(0)
    words = ["film", "movie", "good", "plays", "the", "not", ",", "12", "player", "Story"]
    texts = [" ".join(random.choice(words, random.integers(1, 9))) for _ in range(60)]
    examples = single(*dict.fromkeys(texts))
    augmenter = make_augmenter(biased=False, copies=6)
    for i, text in enumerate(examples.texts[0]):
        copies = augmenter.augment(examples.take([i]))[0].texts[0]
        assert text not in copies
        assert len(set(copies)) == len(copies) <= 6


def test_the_masked_lm_is_asked_for_replaced_words_alone(make_augmenter):
    text = " ".join(["good"] * 60)
    copies, statistics = make_augmenter(copies=1).augment(single(text))
    replaced = sum(word != "good" for word in copies.texts[0][0].split())
    assert statistics.masked_lm_words == replaced < 40


def test_share_of_replaced_words(make_augmenter):
    text = " ".join(["good"] * 40)
    for probability in (0.1, 0.4):
        augmenter = make_augmenter(copies=300, replace_probability=probability)
        copies = augmenter.augment(single(text))[0].texts[0]
        assert len(copies) == 300
        share = np.mean([word != "good" for copy in copies for word in copy.split()])
        # Of 12,000 words: the deviation is 0.005 at most.
        assert share == pytest.approx(probability, abs=0.02)
        chosen = [word for copy in copies for word in copy.split() if word != "good"]
        counts = [chosen.count(word) for word in ("movie", "story", "plot")]
        assert min(counts) > 0.8 * max(counts)


def test_an_example_alone_or_among_others(make_augmenter):
    texts = [f"the {a} plays {b} and {a}er" for a in ("film", "plot") for b in ("bad", "dull")]
    texts += ["a good movie , not a dull plot " * n for n in (1, 2)]
    examples = single(*texts)
    vectors = WordVectors(
        ("filmer", "movies", "good"), np.array([[1, 0], [1, 1], [0, 1]], "float32")
    )
    together = make_augmenter(False, vectors).augment(examples)[0].texts[0]
    assert len(together) == 24
    for options in ({}, {"tokens_per_batch": 40}):
        augmenter = make_augmenter(False, vectors, **options)
        alone = [augmenter.augment(examples.take([i]))[0].texts[0] for i in range(6)]
        assert sum(alone, ()) == together
    backwards = make_augmenter(False, vectors).augment(examples.take(range(5, -1, -1)))[0]
    assert sorted(backwards.texts[0]) == sorted(together)
    other_seed = make_augmenter(False, vectors, seed=1).augment(examples)[0].texts[0]
    assert other_seed != together


def test_words_of_several_pieces(make_augmenter):
    vectors = WordVectors(
        ("filmer", "movies", "dullest", "good"),
        np.array([[1, 0.1], [1, 0], [-1, 1], [-1, 0]], "float32"),
    )
    text = "filmer, player and good"
    options = {"candidates": 1, "replace_probability": 1.0}
    copies, statistics = make_augmenter(vectors=vectors, **options).augment(single(text))
    # "filmer" by its vector, "player", which has none, by the masked LM; "good" has a vector,
    # but is one piece.
    assert copies.texts[0] == ("movies, movie and movie",)
    assert (statistics.masked_lm_words, statistics.word_vector_words) == (2, 1)
    copies, statistics = make_augmenter(**options).augment(single(text))
    assert copies.texts[0] == ("movie, movie and movie",)
    assert (statistics.masked_lm_words, statistics.word_vector_words) == (3, 0)


def test_an_unknown_word(make_augmenter):
    # [UNK] is one piece, but not the word.
    vectors = WordVectors(("xyz", "movies"), np.ones((2, 2), "float32"))
    copies = make_augmenter(vectors=vectors).augment(single("xyz"))[0]
    assert copies.texts[0] == ("movies",)


def test_scores_are_carried(make_augmenter):
    scores = np.array([3.8, 0.25], "float32")
    copies, _ = make_augmenter(copies=2).augment(Examples((("film", "12"),), scores))
    np.testing.assert_array_equal(copies.labels, scores[[0, 0]])
    assert copies.labels.dtype == np.float32


def test_nothing_to_replace(make_augmenter):
    copies, statistics = make_augmenter().augment(single("the 12", "."))
    assert len(copies) == 0 and copies.texts == ((),)
    assert statistics == Statistics(examples=2, short=2, unchanged=2)


def test_a_text_that_is_no_string(make_augmenter):
    examples = Examples((("a film", 5),), np.zeros(2, "int32"))
    with pytest.raises(
        TinyBertError, match="Example 1, text 1: is 5, a int, expected a string"
    ):
        make_augmenter().augment(examples)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"copies": 0}, "greater than 0"),
        ({"replace_probability": 0.0}, "greater than 0"),
        ({"replace_probability": 1.1}, "less than or equal to 1"),
        ({"copy": 3}, "Unexpected keyword"),
    ],
)
def test_options(options, message):
    with pytest.raises(ValueError, match=message):
        AugmentationOptions(**options)


def test_default_copies():
    # The released code's table; 20 is the paper's N_a.
    expected = {"cola": 30, "mrpc": 30, "rte": 30, "stsb": 30, "sst2": 20, "qnli": 20}
    expected |= {"mnli": 10, "qqp": 10, "tickets": 20}
    assert {name: default_copies(name) for name in expected} == expected
