"""Files that are whole or absent, and checked when read: on a disk and in memory."""

import json
import subprocess
import sys

import pytest
import tensorflow as tf
from pydantic.dataclasses import dataclass

from tinybert_tf.errors import TinyBertError
from tinybert_tf.files import (
    atomic_directory,
    atomic_file,
    check_absent,
    describe_size,
    find_fault,
    hash_file,
    is_partial,
    read_json,
    read_text_file,
    remove_partial,
    to_json,
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
        with atomic_file(path) as aside:
            write(aside, content)
            assert tf.io.gfile.exists(path) == (content == b"de")
        assert read(path) == content
        assert tf.io.gfile.listdir(directory) == ["file.bin"]


def test_a_file_that_fails_leaves_what_was_there(directory):
    path = f"{directory}/file.bin"
    write(path, b"abc")
    with pytest.raises(KeyboardInterrupt), atomic_file(path) as aside:
        write(aside, b"half")
        raise KeyboardInterrupt
    assert read(path) == b"abc" and tf.io.gfile.listdir(directory) == ["file.bin"]


def test_the_path_is_of_the_type_that_came(tmp_path):
    """And ends as it did: Keras looks at the end."""
    with atomic_file(tmp_path / "new" / "x.weights.h5") as aside:
        assert aside.parent == tmp_path / "new" and aside.name.endswith("-x.weights.h5")
        assert is_partial(aside)
        aside.write_text("abc")
    assert (tmp_path / "new" / "x.weights.h5").read_text() == "abc"
    with atomic_file(str(tmp_path / "x")) as aside:
        assert isinstance(aside, str)
        write(aside, b"abc")
    assert not is_partial(tmp_path / "x")


def test_two_writers_of_one_file(directory):
    path = f"{directory}/file.bin"
    with atomic_file(path) as one, atomic_file(path) as other:
        write(one, b"same")
        write(other, b"same")
    assert read(path) == b"same" and tf.io.gfile.listdir(directory) == ["file.bin"]


def test_what_a_killed_process_left_is_removed(directory):
    partial = atomic_file(f"{directory}/file.bin")
    write(partial.__enter__(), b"half")
    write(f"{directory}/other.bin", b"abc")
    tf.io.gfile.makedirs(f"{directory}/.partial-folder")
    write(f"{directory}/.partial-folder/file.bin", b"abc")
    assert len(tf.io.gfile.listdir(directory)) == 3
    remove_partial(directory, f"{directory}/missing")
    assert tf.io.gfile.listdir(directory) == ["other.bin"]


def test_json_is_read_as_it_was_written(directory):
    path = f"{directory}/words.json"
    write_json(path, to_json(WORDS))
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
    monkeypatch.setattr("tinybert_tf.files._READ_BYTES", 2)
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


# === A local disk alone ===


def test_a_folder_appears_when_it_is_whole(tmp_path):
    for path in (tmp_path / "new" / "folder", tmp_path / "empty"):
        if path.name == "empty":
            path.mkdir()
        with atomic_directory(path) as aside:
            assert is_partial(aside) and aside.parent == path.parent
            (aside / "file").write_text("abc")
            assert not (path / "file").exists()
        assert (path / "file").read_text() == "abc"
        assert path.stat().st_mode & 0o777 == 0o755
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "new"]


def test_a_folder_that_fails_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt), atomic_directory(tmp_path / "folder") as aside:
        (aside / "file").write_text("half")
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


def test_what_is_there_is_not_written_over(tmp_path):
    (tmp_path / "folder").mkdir()
    check_absent(tmp_path / "folder")
    check_absent(tmp_path / "missing")
    (tmp_path / "folder" / "file").write_text("mine")
    for path in (tmp_path / "folder", tmp_path / "folder" / "file"):
        for writing in (check_absent, lambda path: atomic_directory(path).__enter__()):
            with pytest.raises(TinyBertError, match=f"{path} already exists and is not empty"):
                writing(path)
    assert (tmp_path / "folder" / "file").read_text() == "mine"


def test_text(tmp_path):
    path = tmp_path / "config.yaml"
    with pytest.raises(TinyBertError, match=f"Cannot read the config {path}: No such file"):
        read_text_file(path, "config")
    path.write_bytes("zw\u00f6lf\r\n".encode())
    assert read_text_file(path, "config") == "zw\u00f6lf\r\n"
    path.write_bytes(b"one\ntwo \xff\n")
    with pytest.raises(TinyBertError, match=r"config\.yaml, line 2: byte 0xff is not UTF-8"):
        read_text_file(path, "config")


def test_no_tensorflow_is_wanted(tmp_path):
    """By what is done before it is loaded, or without it."""
    program = """
import sys
from tinybert_tf import files
files.write_json("numbers", [1])
files.remove_partial(".")
print("tensorflow" in sys.modules, files.find_fault("numbers", 8, files.hash_file("numbers")))
"""
    command = [sys.executable, "-c", program]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert result.stdout == "False \n", result.stderr
    assert (tmp_path / "numbers").read_text() == "[\n  1\n]\n"


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "1 MB"), (68_400, "1 MB"), (54_707_424, "55 MB"), (1_250_000_000, "1.2 GB")],
)
def test_a_size_for_people(size, text):
    assert describe_size(size) == text
