"""Word vectors: GloVe and word2vec files, and the nearest neighbours of words."""

import array
import contextlib
import dataclasses
import gzip
import math
import os
import pathlib
import zlib
from collections.abc import Iterator, Sequence

import numpy as np

from tinybert_tf.augmentation._words import is_word
from tinybert_tf.errors import TinyBertError

# Rows of one product: 64 words beside 400,000 take 300 MB, similarities and their order.
_QUERIES = 64
# The last bits of a similarity depend on the other rows of its product. Where the last
# neighbour is no further than this from the next word, the row decides alone.
_NEAR_TIE = 1e-5
# The name of a word in a binary file may be long, but a whole file without a space is none.
_MAX_NAME_BYTES = 4096


@dataclasses.dataclass(frozen=True, eq=False)
class WordVectors:
    """Words and their directions.

    Args:
        words: tuple of str. Lower-case words, each once.
        vectors: float32 array [words, dimensions]. Finite and not zero; kept at length 1.
    """

    words: tuple[str, ...]
    vectors: np.ndarray
    _rows: dict[str, int] = dataclasses.field(init=False, repr=False)

    def __post_init__(self):
        length = np.linalg.norm(self.vectors, axis=1, keepdims=True)
        object.__setattr__(self, "vectors", self.vectors / length)
        object.__setattr__(self, "_rows", {word: i for i, word in enumerate(self.words)})

    def __contains__(self, word: str) -> bool:
        return word in self._rows

    def nearest(self, words: Sequence[str], count: int) -> list[tuple[str, ...]]:
        """Returns the words of the largest cosine similarity to each word, without itself.

        Args:
            words: sequence of str. Words that have a vector.
            count: int. How many neighbours; fewer if there are fewer other words.

        Returns:
            For each word its neighbours in alphabetical order.
        """
        count = min(count, len(self.words) - 1)
        if count < 1:
            return [()] * len(words)
        found = []
        for start in range(0, len(words), _QUERIES):
            rows = [self._rows[word] for word in words[start : start + _QUERIES]]
            for row, best, gap in zip(rows, *self._rank(rows, count), strict=True):
                if gap <= _NEAR_TIE:
                    (best,), _ = self._rank([row], count)
                found.append(tuple(sorted(self.words[i] for i in best)))
        return found

    def _rank(self, rows: list[int], count: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns the nearest other words of each row, and how much nearer than the next."""
        # The negative of similarities, of which the smallest are found without a copy.
        distances = -self.vectors[rows] @ self.vectors.T
        distances[np.arange(len(rows)), rows] = np.inf
        best = np.argpartition(distances, (count - 1, count), axis=1)[:, : count + 1]
        ends = np.take_along_axis(distances, best[:, count - 1 :], axis=1)
        return best[:, :count], ends[:, 1] - ends[:, 0]


def read_word_vectors(path: str | os.PathLike) -> WordVectors:
    """Reads word vectors: GloVe's text, word2vec's text or word2vec's binary format.

    The format is `.bin` binary, anything else text; `.gz` after it is unpacked on the way. Of
    the file only lower-case words `[a-z]+` are kept, as no other can be replaced or be a
    replacement, so the memory is theirs alone. A word that comes again and vectors of zeros
    are left out. A word may hold spaces, as in some files of GloVe.

    Args:
        path: str or path. The file.

    Raises:
        TinyBertError: if the file cannot be read, a row has too few or too many values or
            one that is no finite number (its line is named), or there is no word in it.
    """
    path = pathlib.Path(path)
    is_packed = path.suffix == ".gz"
    is_binary = (path.with_suffix("") if is_packed else path).suffix == ".bin"
    vectors: dict[str, array.array] = {}
    try:
        with (gzip.open if is_packed else open)(path, "rb") as file:
            for word, values in (_binary_rows if is_binary else _text_rows)(path, file):
                if word not in vectors and any(values):
                    vectors[word] = values
    except OSError as error:
        reason = error.strerror or error
        raise TinyBertError(f"Cannot read the word vectors {path}: {reason}.") from error
    except (EOFError, zlib.error) as error:
        raise TinyBertError(
            f"{path} is damaged or ends early ({error}). Download it again."
        ) from error
    if not vectors:
        raise TinyBertError(
            f"{path} holds no vector of a lower-case word. Expected GloVe's or word2vec's text "
            "format (a word and its values on each line), or word2vec's binary one as .bin."
        )
    table = np.array([np.frombuffer(v, "float32") for v in vectors.values()])
    return WordVectors(tuple(vectors), table)


# === Text ===


def _text_rows(path: pathlib.Path, file) -> Iterator[tuple[str, array.array]]:
    dimensions = None
    for line, content in enumerate(file, start=1):
        fields = content.rstrip().split(b" ")
        if dimensions is None:
            header = _header(fields)
            dimensions = header[1] if header else len(fields) - 1
            if header:
                continue
        if fields == [b""]:
            continue
        problem = _width_problem(fields, dimensions)
        if problem:
            raise TinyBertError(
                f"{path}, line {line}: {problem}. Remove the row, or download the file again."
            )
        word = b" ".join(fields[:-dimensions]).decode("utf-8", "replace")
        if is_word(word):
            yield word, _to_floats(fields[-dimensions:], f"{path}, line {line}")


def _header(fields: Sequence[bytes]) -> tuple[int, int] | None:
    """Returns the number of words and of dimensions if the fields are word2vec's header."""
    if len(fields) == 2 and all(field.isdigit() for field in fields):
        words, dimensions = map(int, fields)
        return (words, dimensions) if dimensions > 0 else None
    return None


def _width_problem(fields: Sequence[bytes], dimensions: int) -> str:
    """Returns how the number of values is wrong, or `""`."""
    count = len(fields) - 1
    if dimensions < 1 or count < dimensions:
        return f"{count} value(s), expected {max(dimensions, 1)} as in the first row"
    # More may be a word with spaces in it, but not if these are numbers.
    surplus = fields[1 : len(fields) - dimensions]
    if surplus and all(_is_decimal(field) for field in surplus):
        return f"{count} values, expected {dimensions} as in the first row"
    return ""


def _is_decimal(field: bytes) -> bool:
    with contextlib.suppress(ValueError):
        return b"." in field and math.isfinite(float(field))
    return False


def _to_floats(fields: Sequence[bytes], where: str) -> array.array:
    try:
        values = array.array("f", map(float, fields))
    except ValueError as error:
        raise TinyBertError(f"{where}: {error}. Correct it, or remove the row.") from error
    return _checked_finite(values, where)


def _checked_finite(values: array.array, where: str) -> array.array:
    if not all(map(math.isfinite, values)):
        raise TinyBertError(
            f"{where}: a value is not finite, expected numbers. Remove the row, or download "
            "the file again."
        )
    return values


# === Binary ===


def _binary_rows(path: pathlib.Path, file) -> Iterator[tuple[str, array.array]]:
    header = _header(file.readline(_MAX_NAME_BYTES).split())
    if header is None:
        raise TinyBertError(
            f"{path}, line 1: expected the number of words and of dimensions, as word2vec's "
            "binary format begins. Rename a text file to .txt."
        )
    words, dimensions = header
    for number in range(1, words + 1):
        where = f"{path}, word {number} of {words}"
        # Some writers end a row with a line end, others do not.
        name = _read_name(file).lstrip(b"\n")
        content = file.read(4 * dimensions)
        if len(content) < 4 * dimensions:
            raise TinyBertError(f"{where}: the file ends before it. Download it again.")
        word = name.decode("utf-8", "replace")
        if is_word(word):
            # Little-endian whatever the machine, as word2vec's own program writes it.
            values = array.array("f", np.frombuffer(content, "<f4").tolist())
            yield word, _checked_finite(values, where)


def _read_name(file) -> bytes:
    name = bytearray()
    while (byte := file.read(1)) not in (b" ", b"") and len(name) < _MAX_NAME_BYTES:
        name += byte
    return bytes(name)
