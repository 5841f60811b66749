"""Documents of files and data sets, whatever the parts they are read in."""

import gzip
import itertools
import pathlib

import numpy as np
import pytest

from tinybert_tf.corpus import _documents as documents
from tinybert_tf.corpus._documents import (
    find_files,
    held_out,
    is_one_document,
    read_documents,
    split_file,
    split_tfds,
)
from tinybert_tf.errors import TinyBertError

# Blank lines of all kinds, Windows' line ends, and no line end at the end.
UNTIDY = b"\n\n one \ntwo\n\n\n \t\nthree\r\n\r\nf\xc3\xbcnf\nsix"
TIDY = [["one", "two"], ["three"], ["fünf", "six"]]


def read(path, shard_bytes=1 << 20):
    _, parts = split_file(str(path), shard_bytes)
    return [
        [paragraph.decode() for paragraph in document.paragraphs]
        for part in parts
        for document in read_documents(part)
    ]


def message_of(path, content, shard_bytes=1 << 20):
    path.write_bytes(content)
    with pytest.raises(TinyBertError) as caught:
        read(path, shard_bytes)
    return str(caught.value)


@pytest.mark.parametrize("shard_bytes", [*range(1, len(UNTIDY) + 1), 1000])
def test_every_document_once_however_the_file_is_divided(tmp_path, shard_bytes):
    path = tmp_path / "text.txt"
    path.write_bytes(UNTIDY)
    assert read(path, shard_bytes) == TIDY


def test_a_file_is_divided_between_documents(tmp_path, text):
    path = tmp_path / "text.txt"
    path.write_text(text, "utf-8")
    source, parts = split_file(str(path), 1000)
    assert source.size == len(text)
    assert len(parts) == -(-len(text) // 1000)
    content = text.encode()
    assert parts[0].start == 0 and parts[-1].end == len(content)
    for before, part in itertools.pairwise(parts):
        assert before.end == part.start
        assert content[part.start - 2 : part.start] == b"\n\n"
    assert read(path, 1000) == [d.split("\n") for d in text.strip().split("\n\n")]


def test_gzip_files_are_known_by_their_content(tmp_path):
    path = tmp_path / "text"
    path.write_bytes(gzip.compress(UNTIDY))
    assert read(path, 10) == TIDY
    assert len(split_file(str(path), 10)[1]) == 1


def test_an_empty_file_has_no_parts(tmp_path):
    (tmp_path / "empty").touch()
    assert split_file(str(tmp_path / "empty"), 10)[1] == []


def test_globs(tmp_path):
    for name in ("b.txt", "a.txt", "c.md", "[odd].txt"):
        (tmp_path / name).touch()
    (tmp_path / "d.txt").mkdir()
    names = [pathlib.Path(path).name for path in find_files(f"{tmp_path}/*.txt")]
    assert names == ["[odd].txt", "a.txt", "b.txt"]
    assert find_files(f"{tmp_path}/[odd].txt") == [f"{tmp_path}/[odd].txt"]
    with pytest.raises(TinyBertError, match=r"\*.csv: there is no such file"):
        find_files(f"{tmp_path}/*.csv")
    assert len(find_files(str(tmp_path))) == 3
    with pytest.raises(TinyBertError, match="is a directory without files that end in"):
        find_files(str(tmp_path / "d.txt"))


# === Documents of a line ===


def documents_of(path, content, shard_bytes=1_000_000, **options):
    path.write_bytes(content)
    _, parts = split_file(str(path), shard_bytes, **options)
    return [document.paragraphs for part in parts for document in read_documents(part)]


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("shard_bytes", [10, 1000])
def test_a_document_a_line(tmp_path, pack, shard_bytes):
    content = pack(b"one thing\r\n\ntwo\n  \nthree is the last\n")
    found = documents_of(tmp_path / "a.txt", content, shard_bytes, document="line")
    assert found == [[b"one thing"], [b"two"], [b"three is the last"]]


@pytest.mark.parametrize("shard_bytes", [10, 1000])
def test_json_lines(tmp_path, shard_bytes):
    content = b'{"id": 1, "body": "one\\n\\ntwo"}\n\n{"body": "  "}\n{"body": "caf\xc3\xa9"}\n'
    found = documents_of(tmp_path / "a.jsonl", content, shard_bytes, json_field="body")
    assert found == [[b"one", b"two"], ["café".encode()]]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"text": 3}', "line 2: there is no text 'text', only 'text'"),
        (b'{"txt": "a"}', "line 2: there is no text 'text', only 'txt'. --json_field names"),
        (b"[1]", "line 2: there is no text 'text', only list"),
        (b'{"text": "a"', r"line 2: not valid JSON"),
    ],
)
def test_an_unusable_json_line(tmp_path, line, message):
    with pytest.raises(TinyBertError, match=message):
        documents_of(tmp_path / "a.jsonl", b'{"text": "a"}\n' + line + b"\n")


def test_many_lines_that_are_one_document(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("a line\n" * 30)
    assert is_one_document(str(path)) == 30
    path.write_text("a line\n" * 30 + "\n" + "a line\n")
    assert is_one_document(str(path)) == 0
    path.write_text("a line\n" * 5)
    assert is_one_document(str(path)) == 0


def test_zstandard_is_named(tmp_path):
    with pytest.raises(TinyBertError, match=r"compressed with Zstandard, .*zstd -d"):
        documents_of(tmp_path / "a.txt", b"\x28\xb5\x2f\xfd....")


# === Files that are no text ===


def test_a_binary_file(tmp_path):
    path = tmp_path / "file"
    assert f"{path}, line 2: has a zero byte" in message_of(path, b"a\nb\0c\n")
    # Found before anything is made of it.
    path.write_bytes(b"\x7fELF\0\0")
    with pytest.raises(TinyBertError, match="line 1: has a zero byte"):
        split_file(str(path), 10)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_text_of_another_encoding(tmp_path, pack):
    content = pack("a\n\nb\nschön\n".encode("latin-1"))
    message = message_of(tmp_path / "file", content)
    assert "file, line 4: byte 0xf6 is not UTF-8" in message


def test_the_line_is_named_in_any_part(tmp_path):
    content = b"aa\n\n" * 50 + b"\xff\n"
    assert "line 101: byte 0xff" in message_of(tmp_path / "file", content, shard_bytes=20)


@pytest.mark.parametrize("shard_bytes", [1 << 25, 1 << 20])
def test_a_line_of_ten_megabytes(tmp_path, shard_bytes):
    content = b"a\n\n" + b"word " * 2_000_000 + b"\n"
    message = message_of(tmp_path / "file", content, shard_bytes)
    assert "line 3: is longer than 1,000,000 bytes" in message


def test_text_without_blank_lines(tmp_path, monkeypatch):
    monkeypatch.setattr(documents, "MAX_DOCUMENT_BYTES", 1000)
    message = message_of(tmp_path / "file", b"a\n\n" + b"some words\n" * 200)
    # The limit is exceeded by 91 lines of eleven bytes.
    assert "line 94: there were 1,000 bytes without a blank line" in message


@pytest.mark.parametrize("damage", [lambda b: b[:-20], lambda b: b[:40] + b"xx" + b[42:]])
def test_a_damaged_gzip_file(tmp_path, damage):
    content = gzip.compress(b"".join(b"%d words\n" % i for i in range(300)))
    assert "file is a damaged gzip file" in message_of(tmp_path / "file", damage(content))


# === Held-out documents ===


def test_held_out_is_a_share_of_all_hashes():
    assert not held_out(0, 0.0)
    assert held_out(2**62 - 1, 0.25) and not held_out(2**62, 0.25)


def test_the_digest_is_that_of_the_text():
    # As `printf 'one\ntwo' | b2sum -l 64` prints it.
    document = documents.Document([b"one", b"two"])
    assert document.digest == 0xBB4549A9D91E839C
    assert document.size == 6


# === TensorFlow Datasets ===


@pytest.fixture(scope="module")
def tfds_directory(tmp_path_factory):
    """A prepared set of ten documents in several files."""
    tfds = pytest.importorskip("tensorflow_datasets")

    class TinyPedia(tfds.core.GeneratorBasedBuilder):
        """Numbered articles."""

        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            features = {"title": tfds.features.Text(), "text": tfds.features.Text()}
            features["number"] = tfds.features.Scalar(np.int32)
            return tfds.core.DatasetInfo(
                builder=self, features=tfds.features.FeaturesDict(features)
            )

        def _split_generators(self, dl_manager):
            return {"train": self._generate_examples()}

        def _generate_examples(self):
            for i in range(10):
                yield i, {"title": "t", "text": f"text {i}\n\n\nmore of {i} \n", "number": i}

    directory = tmp_path_factory.mktemp("tfds")
    TinyPedia(data_dir=directory).download_and_prepare()
    return str(directory)


@pytest.mark.parametrize("shard_bytes, parts", [(1 << 20, 1), (1, 10)])
def test_tfds_examples_are_documents(tfds_directory, shard_bytes, parts):
    source, found = split_tfds("tiny_pedia", "train", "text", tfds_directory, shard_bytes)
    assert source.name == "tfds:tiny_pedia:train:text" and source.size == 10
    assert len(found) == parts
    read = [document.paragraphs for part in found for document in read_documents(part)]
    # In the order of the files, whatever the parts.
    assert sorted(read) == [[b"text %d" % i, b"more of %d" % i] for i in range(10)]
    (whole,) = split_tfds("tiny_pedia", "train", "text", tfds_directory, 1 << 20)[1]
    assert read == [document.paragraphs for document in read_documents(whole)]


def test_slices_of_tfds(tfds_directory):
    source, parts = split_tfds("tiny_pedia", "train[:30%]", "text", tfds_directory, 1)
    assert source.size == 3
    assert sum(len(list(read_documents(part))) for part in parts) == 3


@pytest.mark.parametrize(
    "name, split, field, message",
    [
        ("tiny_padia", "train", "text", "no TFDS data set 'tiny_padia'"),
        ("tiny_pedia", "dev", "text", "no split 'dev'"),
        ("tiny_pedia", "train", "number", "no text 'number'. It has .*title"),
    ],
)
def test_what_tfds_cannot_give(tfds_directory, name, split, field, message):
    with pytest.raises(TinyBertError, match=message):
        split_tfds(name, split, field, tfds_directory, 1000)
