"""Whole corpora: their records, the manifest, and what an interruption leaves."""

import gzip
import hashlib
import json

import pytest
import tensorflow as tf

from tinybert_tf.corpus import _shards as shards
from tinybert_tf.corpus import _writing as writing
from tinybert_tf.errors import TinyBertError

CLS, SEP = 2, 3
SMALL = {"shard_megabytes": 0.002}


def records(directory, split="train"):
    """The ids of each record of a split, in order, read without the library."""
    manifest = json.loads((directory / "manifest.json").read_text("utf-8"))
    names = [s["name"] for s in manifest["shards"] if s["split"] == split]
    found = []
    for record in tf.data.TFRecordDataset([str(directory / name) for name in names]):
        example = tf.train.Example.FromString(record.numpy())
        found.append(list(example.features.feature["token_ids"].int64_list.value))
    return found


def files(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir() if path.is_file()}


def test_records_and_manifest_by_hand(make_corpus):
    directory = make_corpus("a b\nc\n\nd\n", held_out=0.0, sequence_length=8)
    assert sorted(files(directory)) == ["manifest.json", "train-00000-000.tfrecord"]
    assert records(directory) == [[CLS, 5, 6, 7, SEP], [CLS, 8, SEP]]
    manifest = json.loads((directory / "manifest.json").read_text("utf-8"))
    assert manifest["counts"] == {"documents": 2, "paragraphs": 3, "text_bytes": 5}
    totals = {"shards": 1, "sequences": 2, "tokens": 8, "fill": 0.5}
    nothing = {"shards": 0, "sequences": 0, "tokens": 0, "fill": 0.0}
    assert manifest["totals"] == {"train": totals, "held_out": nothing}
    content = (directory / "train-00000-000.tfrecord").read_bytes()
    assert manifest["shards"] == [
        {
            "name": "train-00000-000.tfrecord",
            "split": "train",
            "size": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
            "sequences": 2,
            "tokens": 8,
            "lengths": {"3": 1, "5": 1},
        }
    ]
    tokens = ["[UNK]", "[PAD]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrst"]
    assert manifest["header"]["vocabulary"] == {
        "size": 25,
        "sha256": hashlib.sha256("\n".join(tokens).encode()).hexdigest(),
        "lowercase": True,
        "pad_token_id": 1,
        "strip_accents": None,
        "tokenize_chinese_chars": True,
        "added_tokens": [],
    }


def test_shards_of_any_size_hold_the_same_sequences(make_corpus, text):
    options = {"held_out": 0.2, "short_sequence_probability": 0.3}
    whole = make_corpus(text, **options, name="whole")
    parts = make_corpus(text, **options, **SMALL, name="parts")
    assert len(files(whole)) == 3 and len(files(parts)) > 10
    for split in ("train", "held_out"):
        assert records(whole, split) == records(parts, split) != []


def test_every_token_of_the_text_is_there_once(finished_corpus, text):
    directory = finished_corpus(text, held_out=0.2, **SMALL)
    found = records(directory) + records(directory, "held_out")
    letters = sorted(chr(ord("a") + i - 5) for ids in found for i in ids[1:-1])
    assert letters == sorted(text.replace(" ", "").replace("\n", ""))
    assert all(ids[0] == CLS and ids[-1] == SEP and len(ids) <= 16 for ids in found)


def test_held_out_documents_depend_on_their_text_alone(make_corpus, text):
    def held_out(content, name):
        directory = make_corpus(content, held_out=0.2, sequence_length=99, name=name)
        return sorted(records(directory, "held_out"))

    documents = text.strip().split("\n\n")
    whole = held_out(text, "whole")
    # 200 times 0.2, with a deviation of 5.7.
    assert 10 < len(whole) < 75
    assert held_out("\n\n".join(documents[::-1]), "reversed") == whole
    halves = (
        held_out("\n\n".join(documents[::2]), "even"),
        held_out("\n\n".join(documents[1::2]), "odd"),
    )
    assert sorted(halves[0] + halves[1]) == whole


def test_gzip_files_become_several_shards(make_corpus, finished_corpus, text, tmp_path):
    path = tmp_path / "text.gz"
    path.write_bytes(gzip.compress(text.encode()))
    packed = make_corpus(path, held_out=0.2, **SMALL)
    assert records(finished_corpus(text, held_out=0.2, **SMALL)) == records(packed)
    size = sum(len(line) for line in text.splitlines())
    assert len(list(packed.glob("train-00000-*"))) == -(-size // 2000) > 5


def test_one_document_of_many_batches_of_paragraphs(make_corpus, monkeypatch, text):
    document = text.replace("\n\n", "\n")
    expected = records(make_corpus(document, held_out=0.0, name="one"))
    monkeypatch.setattr(writing, "_TOKENIZED_BYTES", 50)
    assert records(make_corpus(document, held_out=0.0, name="many")) == expected


# === Interrupted ===


class Killed(BaseException):
    """What no code expects."""


def kill_at(monkeypatch, number):
    """Ends the process, as it were, at the writing of a sequence; returns what was written."""
    write, written = shards.ShardWriter.write, []

    def killing(self, sequence):
        written.append(sequence)
        if len(written) == number:
            raise Killed
        write(self, sequence)

    monkeypatch.setattr(shards.ShardWriter, "write", killing)
    return written


def leave_as_killed(directory):
    """A killed process does not clean up."""
    (directory / ".partial-1-train-00099-000.tfrecord").write_bytes(b"half")


def lose_and_cut(directory):
    (directory / "train-00000-000.tfrecord").unlink()
    (directory / "train-00001-000.tfrecord").write_bytes(b"cut")


@pytest.mark.parametrize("damage", [leave_as_killed, lose_and_cut])
def test_a_corpus_goes_on_to_the_same_bytes(
    make_corpus, finished_corpus, text, tmp_path, monkeypatch, damage
):
    options = {"held_out": 0.2, **SMALL}
    finished = finished_corpus(text, **options)
    # The header names the file, so it is of the same path.
    source, expected = finished.parent / "text.txt", files(finished)
    with monkeypatch.context() as patch:
        kill_at(patch, 300)
        with pytest.raises(Killed):
            make_corpus(source, **options)
    done = files(tmp_path / "corpus")
    assert "manifest.json" not in done
    # The shards that are there are whole.
    whole = {name: content for name, content in done.items() if name.endswith(".tfrecord")}
    assert whole and all(expected[name] == content for name, content in whole.items())
    damage(tmp_path / "corpus")
    with monkeypatch.context() as patch:
        second = kill_at(patch, None)
        assert files(make_corpus(source, **options)) == expected
    totals = json.loads(expected["manifest.json"])["totals"]
    # What was done was not done again.
    assert len(second) < sum(split["sequences"] for split in totals.values())


def test_a_corpus_is_not_finished_before_its_workers_are(make_corpus, text, tmp_path):
    """A runner of Beam may return at once."""
    with pytest.raises(TinyBertError, match=r"(\d+) of \1 parts are not done yet\. "):
        make_corpus(text, **SMALL, run=lambda corpus: None)
    assert not (tmp_path / "corpus" / "manifest.json").exists()


# === What is no corpus ===


@pytest.mark.parametrize("content", ["", "\n \n\n", "\u200b\n"])
def test_no_text(make_corpus, content):
    with pytest.raises(TinyBertError, match="There is no text to train on in"):
        make_corpus(content)


def test_another_corpus_is_not_gone_on_with(make_corpus):
    directory = make_corpus("a b c\n")
    made = files(directory)
    assert files(make_corpus("a b c\n")) == made
    for options, message in (
        ({"seed": 1}, "its options.seed is 0, here it is 1"),
        ({"lowercase": False}, "its vocabulary.lowercase is True, here it is False"),
    ):
        with pytest.raises(TinyBertError, match=f"holds another corpus: {message}"):
            make_corpus("a b c\n", **options)
    with pytest.raises(TinyBertError, match="holds another corpus: its inputs are others"):
        make_corpus("a b c d\n")
    assert files(directory) == made


def test_a_directory_of_other_things(make_corpus, tmp_path):
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "mine").touch()
    with pytest.raises(TinyBertError, match="is not empty and holds no corpus"):
        make_corpus("a\n")
    assert files(tmp_path / "corpus") == {"mine": b""}


def test_a_bad_line_stops_the_corpus_and_leaves_no_manifest(make_corpus, tmp_path):
    path = tmp_path / "bad.txt"
    path.write_bytes(b"a b\n\n" * 100 + b"\xff\n")
    with pytest.raises(TinyBertError, match=r"bad\.txt, line 201: byte 0xff is not UTF-8"):
        make_corpus(path, shard_megabytes=0.0001)
    assert not (tmp_path / "corpus" / "manifest.json").exists()
    with pytest.raises(TinyBertError, match="holds no finished corpus"):
        shards.read_manifest(str(tmp_path / "corpus"))
