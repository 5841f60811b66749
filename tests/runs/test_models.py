"""From a config to examples and models."""

import pytest

from tinybert_tf import presets
from tinybert_tf.data import read_table
from tinybert_tf.errors import TinyBertError
from tinybert_tf.runs.config_file import parse_config
from tinybert_tf.runs.examples import read_part, read_split
from tinybert_tf.runs.models import check_start_vocabulary, load_teacher
from tinybert_tf.tokenization import BertTokenizer


def rows_of(examples):
    return list(zip(*examples.texts, examples.labels.tolist(), strict=True))


@pytest.mark.parametrize("split", ["train", "dev"])
def test_a_part_of_a_split(tiny_values, split):
    tiny_values["data"][f"max_{split}_examples"] = 7
    config = parse_config(tiny_values, "values")
    task = config.resolved_task()
    whole = rows_of(read_table(task, tiny_values["data"][split]))
    part, again, other = (
        rows_of(read_part(task, config.data, split, seed)) for seed in (0, 0, 1)
    )
    assert len(part) == len(other) == 7 and part == again != other
    assert all(whole.count(row) >= part.count(row) for row in part)
    # The figures at the end are of whole splits, and the other one is not cut.
    assert rows_of(read_split(task, config.data, split)) == whole
    uncut = {"train": "dev", "dev": "train"}[split]
    expected = rows_of(read_table(task, tiny_values["data"][uncut]))
    assert rows_of(read_part(task, config.data, uncut, 0)) == expected


@pytest.mark.parametrize("key", ["max_train_examples", "max_dev_examples"])
def test_a_part_of_nothing(tiny_values, key):
    tiny_values["data"][key] = 0
    with pytest.raises(TinyBertError, match=rf"'data\.{key}' is 0"):
        parse_config(tiny_values, "values")


def test_a_start_of_another_vocabulary(tiny_values):
    """Of the same size, it would fit; its embeddings would stand for other words."""
    start = "tinybert_4l_312d_en"
    tiny_values["student"]["start"] = start
    config = parse_config(tiny_values, "values")
    theirs = BertTokenizer.from_preset(start).get_vocabulary()
    check_start_vocabulary(config, BertTokenizer(theirs))
    swapped = [*theirs[:-2], theirs[-1], theirs[-2]]
    with pytest.raises(TinyBertError, match=r"another vocabulary than .*30,522 and 30,522"):
        check_start_vocabulary(config, BertTokenizer(swapped))
    assert start in presets.PRESETS


def test_a_teacher_without_names_of_labels_has_the_task_s(tiny_values):
    tiny_values["teacher"]["fine_tune"] = None
    config = parse_config(tiny_values, "values")
    task = config.resolved_task()
    assert load_teacher(config).labels == task.labels
    tiny_values["task"]["labels"] = [*task.labels, "other"]
    with pytest.raises(TinyBertError, match=r"has 2 outputs, the task 'things' wants 3"):
        load_teacher(parse_config(tiny_values, "values"))
