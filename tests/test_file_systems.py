"""Files that are whole or absent, and checked when read: on a disk and in memory."""

import json

import pytest
import tensorflow as tf
from pydantic.dataclasses import dataclass

from tinybert_tf.errors import TinyBertError
from tinybert_tf.file_systems import (
    find_fault,
    hash_file,
    read_json,
    remove_partial_files,
    to_json,
    whole_file,
    write_json,
)

# As `printf abc | sha256sum` prints it; FIPS 180-2, appendix B.1.
SHA256_OF_ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@dataclass(frozen=True)
class Words:
    """What is written."""

    words: tuple[str, ...]
    counts: dict[int, int]


WORDS = Words(("one", "zw\u00f6lf"), {3: 1})


@pytest.fixture(params=["disk", "ram"])
def directory(request, tmp_path):
    if request.param == "disk":
        yield str(tmp_path)
        return
    path = f"ram://{tmp_path.name}"
    tf.io.gfile.makedirs(path)
    yield path
    tf.io.gfile.rmtree(path)


def write(path, content):
    # What is in memory would be appended to.
    if tf.io.gfile.exists(path):
        tf.io.gfile.remove(path)
    with tf.io.gfile.GFile(path, "wb") as file:
        file.write(content)


def read(path):
    with tf.io.gfile.GFile(path, "rb") as file:
        return file.read()


def test_a_file_appears_when_it_is_whole(directory):
    path = f"{directory}/file.bin"
    for content in (b"abc", b"de"):
        with whole_file(path) as aside:
            write(aside, content)
            assert tf.io.gfile.exists(path) == (content == b"de")
        assert read(path) == content
        assert tf.io.gfile.listdir(directory) == ["file.bin"]


def test_a_file_that_fails_leaves_what_was_there(directory):
    path = f"{directory}/file.bin"
    write(path, b"abc")
    with pytest.raises(KeyboardInterrupt), whole_file(path) as aside:
        write(aside, b"half")
        raise KeyboardInterrupt
    assert read(path) == b"abc" and tf.io.gfile.listdir(directory) == ["file.bin"]


def test_what_a_killed_process_left_is_removed(directory):
    partial = whole_file(f"{directory}/file.bin")
    write(partial.__enter__(), b"half")
    write(f"{directory}/other.bin", b"abc")
    assert len(tf.io.gfile.listdir(directory)) == 2
    remove_partial_files(directory)
    assert tf.io.gfile.listdir(directory) == ["other.bin"]


def test_json_is_read_as_it_was_written(directory):
    path = f"{directory}/words.json"
    write_json(path, WORDS)
    assert read_json(path, Words, "Write it again.") == WORDS
    # JSON has no tuples, and no keys but strings.
    assert to_json(WORDS)["words"] == ["one", "zw\u00f6lf"]
    assert json.loads(read(path)) == {"words": ["one", "zw\u00f6lf"], "counts": {"3": 1}}


@pytest.mark.parametrize(
    ("content", "message"),
    [(b'{"words": 5, "counts": {}}', "words"), (b"{", "EOF"), (b"\xff", "byte 0xff")],
)
def test_other_json(directory, content, message):
    path = f"{directory}/words.json"
    write(path, content)
    with pytest.raises(TinyBertError) as caught:
        read_json(path, Words, "Write it again.")
    text = str(caught.value)
    assert text.startswith(f"{path} is not what this version of tinybert_tf writes: ")
    assert message in text and text.endswith(". Write it again.")


def test_hash(directory, monkeypatch):
    path = f"{directory}/file.bin"
    write(path, b"abc")
    assert hash_file(path) == SHA256_OF_ABC
    # In blocks, the last one short.
    monkeypatch.setattr("tinybert_tf.file_systems._READ_BYTES", 2)
    assert hash_file(path) == SHA256_OF_ABC


def test_faults(directory):
    path = f"{directory}/file.bin"
    assert find_fault(path, 3) == f"{path} is missing"
    write(path, b"abc")
    assert find_fault(path, 3) == find_fault(path, 3, SHA256_OF_ABC) == ""
    write(path, b"abd")
    # Unread, it is not known.
    assert find_fault(path, 3) == ""
    assert find_fault(path, 3, SHA256_OF_ABC) == f"{path} is not the file that was written"
    write(path, b"x" * 1234)
    assert find_fault(path, 3, SHA256_OF_ABC) == f"{path} has 1,234 bytes, expected 3"


def test_a_file_that_cannot_be_read(tmp_path):
    """A directory, for one; whoever runs as root may read any file."""
    size = tmp_path.stat().st_size
    fault = find_fault(str(tmp_path), size, SHA256_OF_ABC)
    assert fault.startswith(f"{tmp_path} cannot be read: ")
