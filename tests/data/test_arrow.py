"""Parquet files and Hugging Face `datasets` on disk, written here as those tools write them."""

import json

import numpy as np
import pytest

from tinybert_tf.data.tables import read_table, read_texts
from tinybert_tf.data.tasks import Task
from tinybert_tf.errors import TinyBertError

pyarrow = pytest.importorskip("pyarrow", exc_type=ImportError)
ipc = pytest.importorskip("pyarrow.ipc")
parquet = pytest.importorskip("pyarrow.parquet")

MOOD = Task("mood", ("text",), "label", ("bad", "good"))
FEATURES = {
    "text": {"dtype": "string", "_type": "Value"},
    "label": {"names": ["good", "bad"], "_type": "ClassLabel"},
}


def table(texts=("one", "two"), labels=(0, 1)):
    return pyarrow.table({"id": list(range(len(texts))), "text": texts, "label": labels})


def save_to_disk(folder, features=FEATURES):
    """Two files of one split."""
    folder.mkdir()
    names = ["data-00000-of-00002.arrow", "data-00001-of-00002.arrow"]
    for name, rows in zip(names, (table(), table(("three",), (0,))), strict=True):
        with ipc.new_stream(str(folder / name), rows.schema) as writer:
            writer.write_table(rows)
    state = {"_data_files": [{"filename": name} for name in names]}
    (folder / "state.json").write_text(json.dumps(state))
    (folder / "dataset_info.json").write_text(json.dumps({"features": features}))
    return folder


def test_parquet(assert_examples, tmp_path):
    path = tmp_path / "a.parquet"
    parquet.write_table(table(("one", "two"), ("good", "bad")), path)
    assert_examples(read_table(MOOD, path), (("one", "two"),), [1, 0])
    parquet.write_table(table(("one", "two"), (1, 0)), path)
    assert_examples(read_table(MOOD, path), (("one", "two"),), [1, 0])


def test_numbers_of_a_class_label_are_its_names(assert_examples, tmp_path):
    """Their order is that of the file, not of the task."""
    path = tmp_path / "a.parquet"
    metadata = {"huggingface": json.dumps({"info": {"features": FEATURES}})}
    parquet.write_table(table().replace_schema_metadata(metadata), path)
    assert_examples(read_table(MOOD, path), (("one", "two"),), [1, 0])


def test_a_split_that_datasets_saved(assert_examples, tmp_path):
    examples = read_table(MOOD, save_to_disk(tmp_path / "train"))
    assert_examples(examples, (("one", "two", "three"),), [1, 0, 1])


def test_scores(assert_examples, tmp_path):
    path = tmp_path / "a.parquet"
    parquet.write_table(pyarrow.table({"text": ["a"], "score": [2.5]}), path)
    task = Task("scored", ("text",), "score", None, (0.0, 5.0))
    assert_examples(read_table(task, path), (("a",),), [2.5], np.float32)


def test_what_is_refused(tmp_path):
    path = tmp_path / "a.parquet"
    cases = [
        (table(("one", None), (1, 0)), "row 2: the text in 'text' is empty"),
        (table(("one", "two"), ("good", None)), "row 2: the row has no label"),
        (table(("one", "two"), (-1, 1)), "row 1: the row has no label"),
        (table(("one",), ([0, 1],)), "row 1: 'label' is .* 2 labels: a text has one"),
        (table((1, 2)), "row 1: 'text' is '1', expected text"),
        (table().drop_columns("label"), "there is no column 'label'. Columns found: 'id'"),
    ]
    for rows, message in cases:
        parquet.write_table(rows, path)
        with pytest.raises(TinyBertError, match=message):
            read_table(MOOD, path)
    path.write_bytes(b"PAR1....")
    with pytest.raises(TinyBertError, match=r"a\.parquet cannot be read: "):
        read_table(MOOD, path)
    with pytest.raises(TinyBertError, match=r"no data file .*b\.parquet.*'a\.parquet'"):
        read_table(MOOD, tmp_path / "b.parquet")


def test_a_folder_of_several_splits_is_named(tmp_path):
    (tmp_path / "dataset_dict.json").write_text(json.dumps({"splits": ["train", "test"]}))
    with pytest.raises(TinyBertError, match=r"splits train, test of .*Name the folder of one"):
        read_table(MOOD, tmp_path)


def test_texts_without_labels(tmp_path):
    path = tmp_path / "a.parquet"
    columns = {"id": [1, 2], "first": ["a", "b"], "second": ["c", "d"]}
    parquet.write_table(pyarrow.table(columns), path)
    assert read_texts(path, ("second", "first")) == (("c", "d"), ("a", "b"))
    for missing in (None, " "):
        parquet.write_table(pyarrow.table({"text": ["a", missing]}), path)
        with pytest.raises(TinyBertError, match=r"a\.parquet, row 2: a text is empty"):
            read_texts(path, ("text",))
    parquet.write_table(pyarrow.table({"text": [["a"], ["b"]]}), path)
    with pytest.raises(TinyBertError, match=r"row 1: 'text' is \"\['a'\]\", expected text"):
        read_texts(path, ("text",))
