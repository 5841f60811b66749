"""From a config to examples and models."""

import json
import shutil
import types

import keras_nlp
import numpy as np
import pytest

from tinybert_tf import presets
from tinybert_tf.data import read_table
from tinybert_tf.errors import TinyBertError
from tinybert_tf.runs.config_file import parse_config
from tinybert_tf.runs.examples import read_part, read_split
from tinybert_tf.runs.models import check_start_vocabulary, load_teacher
from tinybert_tf.runs.steps import task_steps
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


# === Finished teachers ===


@pytest.fixture(scope="module")
def keras_hub_teacher(tmp_path_factory):
    """A random KerasHub classifier of two classes, as preset and as file."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "thing"]
    classifier = keras_nlp.models.BertTextClassifier(
        keras_nlp.models.BertBackbone(
            vocabulary_size=len(words),
            num_layers=1,
            num_heads=2,
            hidden_dim=8,
            intermediate_dim=8,
            max_sequence_length=16,
        ),
        num_classes=2,
        preprocessor=keras_nlp.models.BertTextClassifierPreprocessor(
            keras_nlp.models.BertTokenizer(words, lowercase=True, strip_accents=False),
            sequence_length=9,
        ),
    )
    directory = tmp_path_factory.mktemp("keras_hub")
    classifier.save_to_preset(str(directory / "preset"))
    classifier.save(str(directory / "model.keras"))
    return directory, classifier


@pytest.mark.parametrize("name", ["preset", "model.keras"])
def test_a_finished_teacher_of_keras_hub(tiny_values, keras_hub_teacher, name, capsys):
    directory, theirs = keras_hub_teacher
    tiny_values["teacher"] = {"weights": str(directory / name), "fine_tune": None}
    teacher = load_teacher(parse_config(tiny_values, "values"))
    assert f"{directory / name}: Keras" in capsys.readouterr().out
    assert teacher.labels == ("negative", "positive")
    assert teacher.preprocessor.sequence_length == tiny_values["data"]["max_tokens"]
    assert not teacher.preprocessor.tokenizer.strip_accents
    texts = ["good thing", "bad"]
    ours, expected = (
        np.asarray(m(m.preprocessor(texts), training=False)) for m in (teacher, theirs)
    )
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-5)


def test_a_teacher_s_outputs_are_put_into_the_task_s_order(tiny_values, tiny_bert, tmp_path):
    expected = load_teacher(
        parse_config({**tiny_values, "teacher": teacher_at(tiny_bert)}, "v")
    )
    shutil.copytree(tiny_bert, tmp_path / "named")
    config = json.loads((tiny_bert / "config.json").read_text("utf-8"))
    config["id2label"] = {"0": "POSITIVE", "1": "NEGATIVE"}
    (tmp_path / "named" / "config.json").write_text(json.dumps(config), "utf-8")
    tiny_values["teacher"] = teacher_at(tmp_path / "named")
    teacher = load_teacher(parse_config(tiny_values, "values"))
    assert teacher.labels == ("negative", "positive")
    kernels = [np.asarray(model.output_dense.kernel) for model in (teacher, expected)]
    np.testing.assert_array_equal(kernels[0], kernels[1][:, ::-1])
    biases = [np.asarray(model.output_dense.bias) for model in (teacher, expected)]
    np.testing.assert_array_equal(biases[0], biases[1][::-1])
    tiny_values["task"]["labels"] = ["good", "bad"]
    with pytest.raises(
        TinyBertError, match=r"'POSITIVE', 'NEGATIVE', the task's are 'good', 'b"
    ):
        load_teacher(parse_config(tiny_values, "values"))


def teacher_at(directory):
    return {"weights": str(directory), "fine_tune": None}


@pytest.mark.parametrize(
    ("order", "moved"),
    [
        ([1, 0, 2], r"the one for 'a' says 'b', the one for 'b' says 'a'\."),
        (
            [1, 2, 0],
            "the one for 'a' says 'b', the one for 'b' says 'c', the one for 'c' says 'a'",
        ),
    ],
)
def test_a_teacher_whose_outputs_stand_in_another_order(tiny_values, order, moved):
    tiny_values["task"]["labels"] = ["a", "b", "c"]
    steps = task_steps(parse_config(tiny_values, "values"))
    labels = np.arange(60, dtype="int32") % 3
    dev = types.SimpleNamespace(labels=labels)
    # Nine of ten answers are right.
    right = np.eye(3, dtype="float32")[np.where(np.arange(60) % 10 > 0, labels, 0)]
    steps.check_answers(dev, right)
    names = ", ".join("abc"[i] for i in order)
    with pytest.raises(TinyBertError, match=rf"{moved}.* set task\.labels to \[{names}\]"):
        steps.check_answers(dev, right[:, order])
    # One that always says the same is no better in another order.
    steps.check_answers(dev, np.eye(3, dtype="float32")[np.full(60, 1)])
