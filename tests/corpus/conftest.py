"""A vocabulary of letters and a text of letters, for which ids can be written by hand."""

import functools
import pathlib
import shutil

import pytest

from tinybert_tf.corpus._documents import split_file
from tinybert_tf.corpus._shards import read_manifest
from tinybert_tf.corpus._writing import Corpus, run_in_process
from tinybert_tf.corpus.options import FORMAT_VERSION, CorpusOptions, Header, Vocabulary
from tinybert_tf.tokenization import BertTokenizer

# "a" has id 5. The padding token is not the first, so that a zero is not taken for it.
VOCABULARY = ["[UNK]", "[PAD]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrst"]


@pytest.fixture(scope="session")
def tokenizer():
    return BertTokenizer(VOCABULARY)


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


def _make_corpus(folder, source, name="corpus", lowercase=True, run=run_in_process, **options):
    if isinstance(source, str):
        (folder / "text.txt").write_text(source, "utf-8")
        source = folder / "text.txt"
    options = CorpusOptions(**{"sequence_length": 16, **options})
    tokenizer = BertTokenizer(VOCABULARY, lowercase)
    file, parts = split_file(str(source), options.shard_bytes)
    header = Header(
        version=FORMAT_VERSION,
        options=options,
        vocabulary=Vocabulary.of(tokenizer),
        inputs=(file,),
    )
    corpus = Corpus(str(folder / name), header, parts, tokenizer)
    if corpus.manifest() is None:
        run(corpus)
        corpus.write_manifest()
    read_manifest(corpus.directory)
    return pathlib.Path(corpus.directory)


@pytest.fixture
def make_corpus(tmp_path):
    """A function that makes the corpus of a file or text, or goes on; returns its directory.

    Values of `CorpusOptions` are given by keyword; `run` is what does the work.
    """
    return functools.partial(_make_corpus, tmp_path)


@pytest.fixture(scope="session")
def finished_corpus(tmp_path_factory):
    """Like `make_corpus`, of a text; made once and not to be changed."""

    @functools.cache
    def make(source, **options):
        return _make_corpus(tmp_path_factory.mktemp("finished"), source, **options)

    return make


@pytest.fixture
def copied_corpus(finished_corpus, tmp_path):
    """Like `finished_corpus`, but a copy that may be damaged."""

    def copy(source, **options):
        directory = tmp_path / "copy"
        shutil.copytree(finished_corpus(source, **options), directory)
        return directory

    return copy
