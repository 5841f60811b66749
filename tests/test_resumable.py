"""Directories that go on where they were interrupted: on a disk and in memory."""

import json

import pytest
import tensorflow as tf

from tinybert_tf.errors import TinyBertError
from tinybert_tf.files import find_fault
from tinybert_tf.resumable import Format, Piece, ResumableDirectory
from tinybert_tf.strict import strict_keyword_dataclass


@strict_keyword_dataclass
class Options:
    seed: int
    words: tuple[str, ...] = ()


@strict_keyword_dataclass
class Header:
    version: int
    options: Options


@strict_keyword_dataclass
class Summary:
    name: str
    size: int

    def find_fault(self, directory):
        return find_fault(f"{directory}/{self.name}", self.size)


@strict_keyword_dataclass
class Manifest:
    header: Header
    files: tuple[Summary, ...]


HEADER = Header(version=1, options=Options(seed=0))
CONTENTS = ("one", "three", "seven")


def make_format(summary_name, version=1):
    return Format(
        name="list of words",
        command="make words",
        version=version,
        header=Header,
        summary=Summary,
        manifest=Manifest,
        summary_name=summary_name,
    )


@pytest.fixture(params=["summaries/{:05d}.json", "word-{:05d}.json"])
def format(request):
    return make_format(request.param)


@pytest.fixture(params=["disk", "ram"])
def directory(request, tmp_path):
    if request.param == "disk":
        yield str(tmp_path / "words")
        return
    path = f"ram://{tmp_path.name}/words"
    yield path
    if tf.io.gfile.exists(path):
        tf.io.gfile.rmtree(path)


def opened(format, directory, header=HEADER):
    return ResumableDirectory(format, directory, header, CONTENTS)


def put(path, content):
    # What is in memory would be appended to.
    if tf.io.gfile.exists(path):
        tf.io.gfile.remove(path)
    with tf.io.gfile.GFile(path, "w") as file:
        file.write(content)


def read(path):
    with tf.io.gfile.GFile(path) as file:
        return json.loads(file.read())


def work(format, directory, pieces):
    for number, word in pieces:
        put(f"{directory}/{number}.txt", word)
        summary = Summary(name=f"{number}.txt", size=len(word))
        format.write_summary(directory, number, summary)


def finish(words):
    return words.finish(lambda found: Manifest(header=words.header, files=tuple(found)))


def names(directory):
    return sorted(name.rstrip("/") for name in tf.io.gfile.listdir(directory))


def test_from_nothing_to_a_manifest(format, directory):
    words = opened(format, directory + "/")
    assert words.directory == directory
    assert read(f"{directory}/unfinished.json") == {
        "version": 1,
        "options": {"seed": 0, "words": []},
    }
    assert words.pieces == words.open_pieces() == [Piece(0, "one"), (1, "three"), (2, "seven")]
    assert words.summarized() == [] and words.manifest() is None
    with pytest.raises(TinyBertError, match=r"no finished list of words: .* `make words`"):
        format.read_manifest(directory)
    # In any order.
    work(format, directory, words.pieces[::-1])
    assert words.summarized() == words.pieces and words.open_pieces() == []
    manifest = finish(words)
    assert names(directory) == ["0.txt", "1.txt", "2.txt", "manifest.json"]
    assert read(f"{directory}/manifest.json")["files"][1] == {"name": "1.txt", "size": 5}
    assert format.read_manifest(directory) == opened(format, directory).manifest() == manifest


def test_summaries_are_files_of_these_names(tmp_path):
    for folder, name in (("one", "summaries/{:05d}.json"), ("other", "word-{:05d}.json")):
        format = make_format(name)
        work(format, str(tmp_path / folder), opened(format, str(tmp_path / folder)).pieces[1:2])
    assert (tmp_path / "one" / "summaries" / "00001.json").exists()
    assert (tmp_path / "other" / "word-00001.json").exists()


def test_it_goes_on_where_it_was_interrupted(format, directory):
    work(format, directory, opened(format, directory).pieces[:2])
    put(f"{directory}/.partial-1-2.txt", "sev")
    words = opened(format, directory)
    assert words.open_pieces() == words.pieces[2:]
    assert ".partial-1-2.txt" not in names(directory)
    with pytest.raises(TinyBertError, match=r"words: 1 of 3 parts are not done yet\. When no"):
        finish(words)
    assert "manifest.json" not in names(directory)


def test_what_is_damaged_is_done_again(format, directory):
    words = opened(format, directory)
    work(format, directory, words.pieces)
    put(f"{directory}/0.txt", "on")
    put(f"{directory}/{format.summary_name.format(1)}", '{"name": "1.t')
    assert words.summarized() == words.pieces
    assert list(words.summaries()) == [0, 2]
    assert words.open_pieces() == words.pieces[:2]
    tf.io.gfile.remove(f"{directory}/2.txt")
    assert words.open_pieces() == words.pieces


def test_a_header_that_was_half_written_is_none(format, tmp_path):
    (tmp_path / ".partial-1-unfinished.json").write_text("{")
    assert len(opened(format, str(tmp_path)).open_pieces()) == 3
    assert names(str(tmp_path)) == ["unfinished.json"]


@pytest.mark.parametrize("finished", [False, True])
@pytest.mark.parametrize(
    ("header", "message"),
    [
        (Header(version=2, options=Options(seed=0)), "its version is 1, here it is 2"),
        (Header(version=1, options=Options(seed=3)), "its options.seed is 0, here it is 3"),
        (
            Header(version=1, options=Options(seed=0, words=("a",))),
            "its options.words are others, or have changed",
        ),
    ],
)
def test_the_first_difference_is_named(format, tmp_path, finished, header, message):
    words = opened(format, str(tmp_path))
    if finished:
        work(format, str(tmp_path), words.pieces)
        finish(words)
    before = names(str(tmp_path))
    with pytest.raises(TinyBertError, match=f"holds another list of words: {message}"):
        opened(format, str(tmp_path), header)
    assert names(str(tmp_path)) == before


def test_what_is_something_else(format, tmp_path):
    (tmp_path / "notes.txt").write_text("mine", "utf-8")
    with pytest.raises(TinyBertError, match="is not empty and holds no list of words"):
        opened(format, str(tmp_path))
    with pytest.raises(TinyBertError, match=r"notes\.txt is a file, expected a directory"):
        opened(format, str(tmp_path / "notes.txt"))
    assert names(str(tmp_path)) == ["notes.txt"]


@pytest.mark.parametrize("name", ["unfinished.json", "manifest.json"])
def test_files_that_cannot_be_read(format, tmp_path, name):
    (tmp_path / name).write_text("{", "utf-8")
    message = f"(?s){name} is not what .* again with `make words`"
    with pytest.raises(TinyBertError, match=message):
        opened(format, str(tmp_path))


def test_another_version(format, tmp_path):
    words = opened(format, str(tmp_path))
    work(format, str(tmp_path), words.pieces)
    finish(words)
    later = make_format(format.summary_name, version=2)
    with pytest.raises(TinyBertError, match=r"is of version 1, expected 2\. Remove the"):
        later.read_manifest(str(tmp_path))
