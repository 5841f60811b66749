"""Files for gluebenchmark.com: names, lengths, spellings; and the test sets they answer."""

import dataclasses

import numpy as np
import pytest

from tinybert_tf.checkpoints.locations import load_classifier, load_plain_encoder
from tinybert_tf.checkpoints.presets import save_preset
from tinybert_tf.data import GLUE_TASKS, Task, further_dev_splits, read_glue, read_glue_test
from tinybert_tf.errors import TinyBertError
from tinybert_tf.models import BertTextClassifier
from tinybert_tf.runs import RunDirectory, glue_submission
from tinybert_tf.runs.config_file import parse_config
from tinybert_tf.runs.glue_submission import predict_glue, write_glue_predictions
from tinybert_tf.tokenization import BertPreprocessor


def one_hot(answers, classes):
    return np.eye(classes, dtype="float32")[answers]


# The rows of the sample submission that the site offers, by file; spelled labels by index.
@pytest.mark.parametrize(
    ("task", "file", "count", "labels"),
    [
        ("cola", "CoLA.tsv", 1063, ("0", "1")),
        ("sst2", "SST-2.tsv", 1821, ("0", "1")),
        ("mrpc", "MRPC.tsv", 1725, ("0", "1")),
        ("qqp", "QQP.tsv", 390965, ("0", "1")),
        ("mnli", "MNLI-m.tsv", 9796, ("entailment", "neutral", "contradiction")),
        ("mnli", "MNLI-mm.tsv", 9847, ("entailment", "neutral", "contradiction")),
        ("mnli", "AX.tsv", 1104, ("entailment", "neutral", "contradiction")),
        ("qnli", "QNLI.tsv", 5463, ("entailment", "not_entailment")),
        ("rte", "RTE.tsv", 3000, ("entailment", "not_entailment")),
        ("wnli", "WNLI.tsv", 146, ("0", "1")),
    ],
)
def test_files_of_classes(tmp_path, task, file, count, labels):
    answers = np.arange(count) % len(labels)
    path = tmp_path / "submission" / file
    write_glue_predictions(GLUE_TASKS[task], one_hot(answers, len(labels)), path)
    lines = path.read_text("utf-8").split("\n")
    assert lines[:3] == ["index\tprediction", f"0\t{labels[0]}", f"1\t{labels[1]}"]
    assert lines[3] == f"2\t{labels[2 % len(labels)]}"
    assert len(lines) == count + 2
    assert lines[-2:] == [f"{count - 1}\t{labels[answers[-1]]}", ""]


def test_scores_are_limited_and_rounded(tmp_path):
    scores = np.full((1379, 1), 2.71828)
    scores[:3, 0] = [-0.3, 5.2, 1.0005001]
    write_glue_predictions(GLUE_TASKS["stsb"], scores, tmp_path / "STS-B.tsv")
    lines = (tmp_path / "STS-B.tsv").read_text().splitlines()
    assert lines[1:5] == ["0\t0.000", "1\t5.000", "2\t1.001", "3\t2.718"]
    assert len(lines) == 1380


def test_labels_in_the_order_of_a_teacher(tmp_path):
    """The outputs mean what the task's names say, not what GLUE's order says."""
    sst2 = dataclasses.replace(GLUE_TASKS["sst2"], labels=("positive", "negative"))
    write_glue_predictions(sst2, one_hot([0] * 1821, 2), tmp_path / "SST-2.tsv")
    assert (tmp_path / "SST-2.tsv").read_text().splitlines()[1] == "0\t1"
    mnli = dataclasses.replace(
        GLUE_TASKS["mnli"], labels=("contradiction", "entailment", "neutral")
    )
    write_glue_predictions(mnli, one_hot([0] * 1104, 3), tmp_path / "AX.tsv")
    assert (tmp_path / "AX.tsv").read_text().splitlines()[1] == "0\tcontradiction"


@pytest.mark.parametrize(
    ("task", "file", "predictions", "message"),
    [
        ("sst2", "SST2.tsv", np.zeros((1821, 2)), r"no file SST2\.tsv .* Did you mean 'SST-2"),
        ("mnli", "MNLI.tsv", np.zeros((9796, 3)), r"but MNLI-m\.tsv, MNLI-mm\.tsv, AX\.tsv"),
        ("sst2", "SST-2.tsv", np.zeros((1820, 2)), r"\(1820, 2\), expected \(1821, 2\)"),
        ("sst2", "SST-2.tsv", np.zeros((1821, 1)), r"\(1821, 1\), expected \(1821, 2\)"),
        ("stsb", "STS-B.tsv", np.full((1379, 1), np.nan), r"prediction 0 is \[nan\]"),
    ],
)
def test_unusable_predictions_are_refused(tmp_path, task, file, predictions, message):
    with pytest.raises(TinyBertError, match=message):
        write_glue_predictions(GLUE_TASKS[task], predictions, tmp_path / file)
    assert not list(tmp_path.iterdir())


def test_other_tasks_are_refused(tmp_path):
    mood = Task("sst2", ("text",), "label", ("bad", "good"))
    with pytest.raises(TinyBertError, match=r"'sst2' with the labels .* not one of GLUE: cola"):
        write_glue_predictions(mood, np.zeros((1821, 2)), tmp_path / "SST-2.tsv")


# === Test sets, and the second dev set of MNLI ===


@pytest.mark.parametrize(
    ("task", "split", "content", "texts"),
    [
        ("cola", "test", "index\tsentence\n0\tone\n1\t\n", (("one", ""),)),
        (
            "mrpc",
            "test",
            "\ufeffindex\t#1 ID\t#2 ID\t#1 String\t#2 String\r\n"
            "0\t1\t2\ta\tb\r\n1\t3\t4\tc\td\r\n",
            (("a", "c"), ("b", "d")),
        ),
        ("qqp", "test", "id\tquestion1\tquestion2\n0\ta\tb\n", (("a",), ("b",))),
        (
            "mnli",
            "test_mismatched",
            "index\tgenre\tsentence1\tsentence2\n0\tx\ta\tb\n",
            (("a",), ("b",)),
        ),
    ],
)
def test_read_glue_test(tmp_path, task, split, content, texts):
    (tmp_path / f"{split}.tsv").write_bytes(content.encode())
    examples = read_glue_test(GLUE_TASKS[task], tmp_path, split)
    assert examples.texts == texts
    assert examples.labels.tolist() == [-1] * len(texts[0])
    assert examples.labels.dtype == np.int32


def test_a_test_set_of_scores(tmp_path):
    (tmp_path / "test.tsv").write_text("index\tsentence1\tsentence2\n0\ta\tb\n")
    labels = read_glue_test(GLUE_TASKS["stsb"], tmp_path).labels
    assert np.isnan(labels).all()
    assert labels.dtype == np.float32


def test_unusable_test_sets_are_refused(tmp_path):
    sst2, mnli = GLUE_TASKS["sst2"], GLUE_TASKS["mnli"]
    with pytest.raises(TinyBertError, match=r"holds no test\.tsv, .* 'SST-2' with test\.tsv"):
        read_glue_test(sst2, tmp_path)
    with pytest.raises(
        TinyBertError, match=r"MNLI has no test split 'test'\. Known: test_match"
    ):
        read_glue_test(mnli, tmp_path)
    (tmp_path / "test.tsv").write_text("index\tsentence\n0\ta\n1\tb\tc\n")
    with pytest.raises(TinyBertError, match=r"test\.tsv, line 3: 3 fields, expected 2"):
        read_glue_test(sst2, tmp_path)
    (tmp_path / "test.tsv").write_text("index\tsentence\n")
    with pytest.raises(TinyBertError, match="there are no rows"):
        read_glue_test(sst2, tmp_path)


def test_mnli_has_a_second_dev_set(tmp_path):
    mnli = GLUE_TASKS["mnli"]
    assert further_dev_splits(mnli, "glue") == {"mismatched": "dev_mismatched"}
    assert further_dev_splits(mnli, "tfds") == {"mismatched": "validation_mismatched"}
    assert further_dev_splits(mnli, "table") == {}
    assert further_dev_splits(GLUE_TASKS["qnli"], "glue") == {}
    (tmp_path / "dev_mismatched.tsv").write_text(
        "index\tsentence1\tsentence2\tgold_label\n0\ta\tb\tneutral\n"
    )
    split = further_dev_splits(mnli, "glue")["mismatched"]
    assert read_glue(mnli, tmp_path, split).labels.tolist() == [1]


# === From a run to its files ===


@pytest.fixture
def mnli_run(tiny_values, tmp_path, monkeypatch):
    """A run of MNLI with a random student; its test sets are whole, and smaller than GLUE's."""
    counts = {"MNLI-m.tsv": 60, "MNLI-mm.tsv": 70, "AX.tsv": 80}
    monkeypatch.setitem(glue_submission._FILES, "mnli", counts)
    random = np.random.default_rng(1)
    for split, count in (("test_matched", 60), ("test_mismatched", 70)):
        words = [" ".join(map(str, row)) for row in random.integers(0, 64, (count, 3))]
        lines = [f"{i}\t{text}\tgood thing" for i, text in enumerate(words)]
        table = "\n".join(["index\tsentence1\tsentence2", *lines]) + "\n"
        (tmp_path / f"{split}.tsv").write_text(table, "utf-8")
    data = {"format": "glue", "source": str(tmp_path), "train": "train", "dev": "dev"}
    values = {**tiny_values, "task": "mnli", "data": {**data, "max_tokens": 16}}
    config = parse_config(values, "values")
    run = RunDirectory.create(config, resume=False)
    encoder, tokenizer = load_plain_encoder(config.teacher, "float32")
    student = BertTextClassifier(encoder, 3, labels=GLUE_TASKS["mnli"].labels)
    # Otherwise one label for all texts would pass.
    for weight in (encoder.pooled_dense.kernel, student.output_dense.kernel):
        weight.assign(random.normal(0.0, 2.0, weight.shape))
    save_preset(student, BertPreprocessor(tokenizer, 16), run.student)
    return run


def test_the_files_of_a_run(mnli_run, tmp_path):
    output = tmp_path / "submission"
    assert predict_glue(mnli_run, output) == ["MNLI-m.tsv", "MNLI-mm.tsv"]
    student = load_classifier(mnli_run.student)
    for file, split in (("MNLI-m.tsv", "test_matched"), ("MNLI-mm.tsv", "test_mismatched")):
        texts = [
            line.split("\t")[1:]
            for line in (tmp_path / f"{split}.tsv").read_text().splitlines()[1:51]
        ]
        logits = student(student.preprocessor(tuple(map(list, zip(*texts, strict=True)))))
        names = [student.labels[i] for i in np.asarray(logits).argmax(-1)]
        answers = [line.split("\t")[1] for line in (output / file).read_text().splitlines()]
        assert answers[1:51] == names
        assert len(set(names)) > 1


def test_a_part_of_a_test_set_is_refused(mnli_run, tmp_path):
    path = tmp_path / "test_mismatched.tsv"
    path.write_text("\n".join(path.read_text().splitlines()[:-1]) + "\n")
    with pytest.raises(TinyBertError, match=r"MNLI-mm\.tsv: got .* \(69, 3\), expected"):
        predict_glue(mnli_run, tmp_path / "submission")
    assert not (tmp_path / "submission").exists()


def test_a_run_of_another_task_is_refused(tiny_values, tmp_path):
    run = RunDirectory.create(parse_config(tiny_values, "values"), resume=False)
    with pytest.raises(
        TinyBertError, match=r"is no run of a GLUE task with `data.format: glue`"
    ):
        predict_glue(run, tmp_path / "submission")
