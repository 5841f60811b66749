import gzip
import pathlib

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from tinybert_tf.augmentation import WordVectors, read_word_vectors
from tinybert_tf.errors import TinyBertError

GLOVE = pathlib.Path(__file__).parents[3] / "shared/data/word_vectors/glove.6B.50d.subset.txt"
# By angle: up 90, high 80, tall 60, wide 10, flat 0; low points the other way.
ANGLES = {"up": 90, "high": 80, "tall": 60, "wide": 10, "flat": 0, "low": -90}


@pytest.fixture
def vectors():
    radians = np.radians(list(ANGLES.values()))
    table = np.stack([np.cos(radians), np.sin(radians)], axis=1)
    # Lengths are no matter.
    return WordVectors(
        tuple(ANGLES), (table * [[9], [1], [2], [3], [5], [4]]).astype("float32")
    )


def test_nearest(vectors):
    assert vectors.nearest(["up", "flat"], 2) == [("high", "tall"), ("tall", "wide")]
    assert vectors.nearest(["low"], 1) == [("flat",)]
    # There are five others.
    assert vectors.nearest(["up"], 9) == [("flat", "high", "low", "tall", "wide")]
    assert vectors.nearest([], 2) == []
    assert "up" in vectors and "down" not in vectors


def test_nearest_of_one_word_alone():
    assert WordVectors(("up",), np.ones((1, 2), "float32")).nearest(["up"], 3) == [()]


def test_nearest_does_not_depend_on_the_other_words():
    random = np.random.default_rng(0)
    words = tuple(f"{a}{b}" for a in "abcdefghijklmnopqrst" for b in "abcdefghijklmnopqrst")
    vectors = WordVectors(words, random.normal(size=(400, 25)).astype("float32"))
    together = vectors.nearest(words, 7)
    assert [vectors.nearest([word], 7)[0] for word in words] == together
    distances = NearestNeighbors(metric="cosine", n_neighbors=8).fit(vectors.vectors)
    _, rows = distances.kneighbors(vectors.vectors)
    assert together == [tuple(sorted(words[i] for i in row[1:])) for row in rows]


# === Files ===

TEXT = b"up 0 2.5\nUp 1 1\n. . . 7 7\nat last 1 2\nflat 1e0 -0.5\nup 9 9\nnone 0 0\n"
TEXT += b"caf\xc3\xa9 1 1\n"


def assert_read(vectors):
    assert vectors.words == ("up", "flat")
    expected = [[0.0, 1.0], np.array([1.0, -0.5]) / np.sqrt(1.25)]
    np.testing.assert_allclose(vectors.vectors, expected, rtol=1e-6)
    assert vectors.vectors.dtype == np.float32


@pytest.mark.parametrize("header", [b"", b"8 2\n"], ids=["glove", "word2vec"])
def test_text(tmp_path, header):
    (tmp_path / "vectors.txt").write_bytes(header + TEXT.replace(b"\nnone", b" \r\n\nnone"))
    assert_read(read_word_vectors(tmp_path / "vectors.txt"))


def test_packed_text(tmp_path):
    with gzip.open(tmp_path / "vectors.txt.gz", "wb") as file:
        file.write(TEXT)
    assert_read(read_word_vectors(tmp_path / "vectors.txt.gz"))


def binary(line_end):
    rows = {b"up": [0, 2.5], b"New_York": [3, 3], b"caf\xe9": [1, 1], b"flat": [1, -0.5]}
    content = b"4 2\n"
    for word, values in rows.items():
        content += word + b" " + np.array(values, "<f4").tobytes() + line_end
    return content


@pytest.mark.parametrize("line_end", [b"", b"\n"])
def test_binary(tmp_path, line_end):
    (tmp_path / "vectors.bin").write_bytes(binary(line_end))
    assert_read(read_word_vectors(tmp_path / "vectors.bin"))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"up 1 2\nflat 1\n", r"a\.txt, line 2: 1 value\(s\), expected 2 as in"),
        ("a.txt", b"up 1 2\nflat 1.0 2.0 3.0\n", "line 2: 3 values, expected 2 as in the"),
        ("a.txt", b"2 2\nup 1 2\nflat\n", r"line 3: 0 value\(s\), expected 2"),
        ("a.txt", b"up 1 2\nflat 1 x\n", "line 2: could not convert string to float: b'x'"),
        ("a.txt", b"up 1 2\nflat 1 nan\n", "line 2: a value is not finite"),
        ("a.txt", b"up\n", r"line 1: 0 value\(s\), expected 1"),
        ("a.txt", b"", "holds no vector of a lower-case word"),
        ("a.txt", b"Up 1 2\n", "holds no vector of a lower-case word"),
        ("a.bin", binary(b"")[:-1], r"a\.bin, word 4 of 4: the file ends before it"),
        ("a.bin", b"4 2\n", "word 1 of 4: the file ends before it"),
        ("a.bin", b"up 1 2\n", "line 1: expected the number of words and of dimensions"),
        ("a.bin", b"1 1\nup \x00\x00\x80\x7f", "word 1 of 1: a value is not finite"),
    ],
)
def test_files_that_are_no_vectors(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(TinyBertError, match=message):
        read_word_vectors(tmp_path / name)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(TinyBertError, match=r"Cannot read the word vectors .*No such file"):
        read_word_vectors(tmp_path / "none.txt")
    (tmp_path / "a.txt.gz").write_bytes(b"not gzip")
    with pytest.raises(TinyBertError, match=r"Cannot read .*Not a gzipped file"):
        read_word_vectors(tmp_path / "a.txt.gz")
    (tmp_path / "b.txt.gz").write_bytes(gzip.compress(TEXT)[:-12])
    with pytest.raises(TinyBertError, match="ends early"):
        read_word_vectors(tmp_path / "b.txt.gz")
    damaged = bytearray(gzip.compress(TEXT))
    # The kind of the first block: there is no fourth one.
    damaged[10] |= 0b110
    (tmp_path / "c.txt.gz").write_bytes(damaged)
    with pytest.raises(TinyBertError, match=r"c\.txt\.gz is damaged .*invalid block type"):
        read_word_vectors(tmp_path / "c.txt.gz")


def test_glove():
    if not GLOVE.exists():
        pytest.skip("needs ../shared/data/word_vectors beside the project")
    vectors = read_word_vectors(GLOVE)
    assert vectors.vectors.shape[1] == 50 and len(vectors.words) > 9000
    # Read and compared by scikit-learn instead.
    table = {}
    for line in GLOVE.read_text("utf-8").splitlines():
        word, *values = line.split(" ")
        if word.isascii() and word.isalpha() and word.islower() and len(word) > 1:
            table[word] = list(map(float, values))
    neighbours = NearestNeighbors(metric="cosine", n_neighbors=16).fit(list(table.values()))
    asked = ["film", "worst", "actor"]
    _, rows = neighbours.kneighbors([table[word] for word in asked])
    words = list(table)
    expected = [tuple(sorted(words[i] for i in row[1:])) for row in rows]
    assert vectors.nearest(asked, 15) == expected
    assert "movie" in expected[0]
