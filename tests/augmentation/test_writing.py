import dataclasses
import functools
import json
import shutil

import numpy as np
import pytest

from tinybert_tf.augmentation import (
    AugmentationJob,
    AugmentationOptions,
    Augmenter,
    read_augmented,
    write_augmented,
    writing,
)
from tinybert_tf.data import Examples, Task, read_table
from tinybert_tf.errors import TinyBertError

TASK = Task("pairs", ("first", "second"), "kind", ("same", "other"))
SCORED = Task("scored", ("text",), "score", None, (0.0, 5.0))
# One part of two has no words, which makes an empty shard.
FIRST = ("a good film", "dull", "12", ".", "The plot: \u201cgood\u201d\u2028", "story")
SECOND = ("is bad", "fine plot", ".", "the", 'film \\ "movie"', "no film")
EXAMPLES = Examples((FIRST, SECOND), np.array([0, 1, 1, 0, 1, 0], "int32"))
OPTIONS = AugmentationOptions(copies=3, candidates=3)


def read_examples():
    return EXAMPLES


def _make_job(make_masked_lm, **changes):
    job = AugmentationJob(
        task=TASK,
        directory="",
        read_examples=read_examples,
        make_augmenter=lambda options: Augmenter(make_masked_lm(), options=options),
        options=OPTIONS,
        sources={"masked_lm": "tiny"},
        examples_per_shard=2,
    )
    return dataclasses.replace(job, **changes)


@pytest.fixture
def make_job(make_masked_lm, tmp_path):
    return functools.partial(_make_job, make_masked_lm, directory=str(tmp_path / "augmented"))


@pytest.fixture(scope="module")
def finished(make_masked_lm, tmp_path_factory):
    """The directory of a job without changes; not to be changed."""
    directory = tmp_path_factory.mktemp("finished") / "augmented"
    write_augmented(_make_job(make_masked_lm, directory=str(directory)))
    return directory


@pytest.fixture
def copied(finished, tmp_path):
    """A copy of it that may be damaged."""
    shutil.copytree(finished, tmp_path / "copy")
    return tmp_path / "copy"


def content(directory):
    return {path.name: path.read_bytes() for path in sorted(directory.iterdir())}


def rows_of(parts):
    return [
        row for part in parts for row in zip(*part.texts, part.labels.tolist(), strict=True)
    ]


def test_what_is_written_is_what_was_made(make_job, make_masked_lm, tmp_path):
    manifest = write_augmented(make_job())
    copies, statistics = Augmenter(make_masked_lm(), options=OPTIONS).augment(EXAMPLES)
    assert rows_of(read_augmented(TASK, tmp_path / "augmented")) == rows_of([copies])
    assert manifest.statistics == statistics
    assert [s.statistics.rows > 0 for s in manifest.shards] == [True, False, True]
    # Each shard is a table like any other.
    path = tmp_path / "augmented" / "augmented-00002.jsonl"
    assert len(read_table(TASK, path)) == manifest.shards[2].statistics.rows
    assert json.loads(path.read_text("utf-8").split("\n")[0]).keys() == {
        "first",
        "second",
        "kind",
    }
    assert sorted(content(tmp_path / "augmented")) == [
        *(f"augmented-0000{i}.jsonl" for i in range(3)),
        "manifest.json",
    ]


def test_rows_do_not_depend_on_the_shards(make_job, finished, tmp_path):
    write_augmented(make_job(examples_per_shard=5))
    one, other = finished, tmp_path / "augmented"
    assert rows_of(read_augmented(TASK, one)) == rows_of(read_augmented(TASK, other))


def test_scores(make_job, tmp_path):
    # 3.8 is no float32: what is nearest is 3.799999952316284.
    scores = np.array([3.8, 0.0, 1 / 3], "float32")
    examples = Examples((("a film", "plot", "bad"),), scores)
    write_augmented(make_job(task=SCORED, read_examples=lambda: examples))
    (part, last) = read_augmented(SCORED, tmp_path / "augmented")
    np.testing.assert_array_equal(part.labels, scores[[0] * 3 + [1] * 3])
    np.testing.assert_array_equal(last.labels, scores[[2] * 3])
    first = (tmp_path / "augmented" / "augmented-00000.jsonl").read_text("utf-8")
    assert first.split("\n")[0].endswith('"score": 3.8}')


def test_it_is_not_finished_before_its_workers_are(make_job, tmp_path, monkeypatch):
    """A runner of Beam may return at once."""
    monkeypatch.setattr(writing, "_run_in_process", lambda *arguments: None)
    with pytest.raises(TinyBertError, match=r"(\d) of \1 parts are not done yet"):
        write_augmented(make_job())
    assert not (tmp_path / "augmented" / "manifest.json").exists()


def test_killed_and_resumed(make_job, make_masked_lm, finished, tmp_path):
    whole = content(finished)
    directory = tmp_path / "killed"
    augmented = []

    class Killed(Augmenter):
        def augment(self, examples):
            if len(augmented) == 2:
                raise KeyboardInterrupt
            augmented.append(examples)
            return super().augment(examples)

    job = make_job(
        directory=str(directory),
        make_augmenter=lambda options: Killed(make_masked_lm(), options=options),
    )
    with pytest.raises(KeyboardInterrupt):
        write_augmented(job)
    with pytest.raises(
        TinyBertError, match=r"no finished augmentation: it has no manifest\.json"
    ):
        list(read_augmented(TASK, directory))
    # One of the two shards that are there is cut: it is made again, the other is not.
    shard = directory / "augmented-00000.jsonl"
    shard.write_bytes(shard.read_bytes()[:-1])
    (directory / ".partial-x").write_bytes(b"left over")
    augmented.clear()
    write_augmented(job)
    assert [part.texts[0] for part in augmented] == [FIRST[:2], FIRST[4:]]
    assert content(directory) == whole
    # A finished one needs no model.
    write_augmented(dataclasses.replace(job, make_augmenter=None))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"options": AugmentationOptions(copies=4)},
            "its options.copies is 3, here it is 4",
        ),
        ({"sources": {"masked_lm": "b"}}, "its sources.masked_lm is tiny, here it is b"),
        ({"examples_per_shard": 3}, "its examples_per_shard is 2, here it is 3"),
        ({"read_examples": lambda: EXAMPLES.take(range(5))}, "its examples is 6, here it is 5"),
        (
            {"read_examples": lambda: Examples(EXAMPLES.texts, 1 - EXAMPLES.labels)},
            "its examples_sha256 is",
        ),
    ],
)
def test_another_augmentation(make_job, finished, changes, message):
    before = content(finished)
    with pytest.raises(TinyBertError, match=f"holds another augmentation: {message}"):
        write_augmented(make_job(directory=str(finished), **changes))
    assert content(finished) == before


def test_directories_that_cannot_be_used(make_job, tmp_path):
    (tmp_path / "notes.txt").write_text("mine", "utf-8")
    with pytest.raises(TinyBertError, match="is not empty and holds no augmentation"):
        write_augmented(make_job(directory=str(tmp_path)))
    with pytest.raises(TinyBertError, match=r"notes\.txt is a file, expected a directory"):
        write_augmented(make_job(directory=str(tmp_path / "notes.txt")))


def test_no_examples(make_job):
    with pytest.raises(TinyBertError, match="There are no examples to augment"):
        write_augmented(make_job(read_examples=lambda: EXAMPLES.take([])))


def test_a_text_that_is_no_string(make_job):
    examples = Examples((("a film",), (None,)), np.zeros(1, "int32"))
    with pytest.raises(TinyBertError, match="Example 0, text 2: is None, a NoneType, expected"):
        write_augmented(make_job(read_examples=lambda: examples))


def test_beam_is_missing(make_job, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(TinyBertError, match=r"Install the extra \[beam\]"):
        write_augmented(make_job(), beam_options=[])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.unlink(), r"augmented-00002\.jsonl is missing"),
        (
            lambda path: path.write_bytes(path.read_bytes()[:-5]),
            r"bytes, expected [\d,]+\. Copy it again",
        ),
        (
            lambda path: path.write_bytes(path.read_bytes()[:-2] + b" \n"),
            "is not the file that was written",
        ),
    ],
)
def test_damaged_shards(copied, damage, message):
    damage(copied / "augmented-00002.jsonl")
    with pytest.raises(TinyBertError, match=message):
        list(read_augmented(TASK, copied))


def test_manifests_that_cannot_be_used(copied):
    directory = copied
    other = dataclasses.replace(TASK, labels=("other", "same"))
    with pytest.raises(
        TinyBertError, match=r"\('same', 'other'\)\); those of the task 'pairs'"
    ):
        list(read_augmented(other, directory))
    path = directory / "manifest.json"
    manifest = json.loads(path.read_text("utf-8"))
    manifest["header"]["version"] = 9
    path.write_text(json.dumps(manifest), "utf-8")
    with pytest.raises(TinyBertError, match="is of version 9, expected 1"):
        list(read_augmented(TASK, directory))
    path.write_text("{", "utf-8")
    with pytest.raises(
        TinyBertError,
        match="remove the directory and make it again with `python -m tinybert_tf augment`",
    ):
        list(read_augmented(TASK, directory))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            '{"first": "a", "second": 5, "kind": "same"}',
            "line 2: 'second' is 5, expected a str",
        ),
        ('{"first": "a", "second": "b", "kind": null}', "line 2: the row has no label"),
    ],
)
def test_rows_that_cannot_be_used(make_job, tmp_path, row, message):
    path = tmp_path / "train.jsonl"
    path.write_text('{"first": "a", "second": "b", "kind": "same"}\n' + row, "utf-8")
    with pytest.raises(TinyBertError, match=rf"train\.jsonl, {message}"):
        write_augmented(make_job(read_examples=lambda: read_table(TASK, path)))
    assert not (tmp_path / "augmented").exists()


def test_an_unknown_runner_of_beam(make_job):
    pytest.importorskip("apache_beam", reason="needs the extra [beam]")
    message = "does not take the options --runner=SnailRunner: "
    with pytest.raises(TinyBertError, match=message):
        write_augmented(make_job(), beam_options=["--runner=SnailRunner"])


def test_beam_writes_the_same_bytes(make_job, finished, tmp_path):
    pytest.importorskip("apache_beam", reason="needs the extra [beam]")
    write_augmented(make_job(), beam_options=["--runner=DirectRunner"])
    assert content(tmp_path / "augmented") == content(finished)
