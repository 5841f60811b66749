"""A vocabulary of letters and a text of letters, for which ids can be written by hand."""

import pytest

from tinybert_tf.commands import command_line
from tinybert_tf.corpus._shards import read_manifest
from tinybert_tf.tokenization import BertTokenizer

# "a" has id 5. The padding token is not the first, so that a zero is not taken for it.
VOCABULARY = ["[UNK]", "[PAD]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrst"]


@pytest.fixture(scope="session")
def tokenizer():
    return BertTokenizer(VOCABULARY)


@pytest.fixture(scope="session")
def vocabulary_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("vocabulary") / "vocab.txt"
    path.write_text("\n".join(VOCABULARY) + "\n", "utf-8")
    return path


def letters(count, first=0):
    """`count` letters in the order of the alphabet, from its letter `first` on."""
    return " ".join(chr(ord("a") + (first + i) % 20) for i in range(count))


@pytest.fixture(scope="session")
def text():
    """200 documents of one to four paragraphs of one to twenty letters; no two are alike."""
    documents = []
    for number in range(200):
        start = [letters(20, number), letters(number // 20 + 1)]
        more = [letters(number * 7 % 20 + 1, i) for i in range(number % 3)]
        documents.append("\n".join([*start, *more]))
    return "\n\n".join(documents) + "\n"


@pytest.fixture
def make_corpus(tmp_path, vocabulary_file):
    """A function that makes the corpus of a file or text in process; returns its directory."""

    def make(source, *options, name="corpus"):
        if isinstance(source, str):
            (tmp_path / "text.txt").write_text(source, "utf-8")
            source = tmp_path / "text.txt"
        directory = tmp_path / name
        command_line.main(
            [
                "corpus",
                *("--input", str(source), "--output", str(directory)),
                *("--vocabulary", str(vocabulary_file), "--runner", "in_process"),
                *("--sequence_length", "16"),
                *options,
            ]
        )
        read_manifest(str(directory))
        return directory

    return make
