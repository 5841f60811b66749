"""The layouts of GLUE's folders, against rows written by hand and the official counts."""

import dataclasses
import pathlib
import warnings

import numpy as np
import pytest

from tinybert_tf.data.glue import read_glue
from tinybert_tf.data.tasks import GLUE_TASKS, Task
from tinybert_tf.errors import TinyBertError

MOOD = Task("mood", ("text",), "label", ("bad", "good"))
SHARED_GLUE = pathlib.Path(__file__).resolve().parents[2].parent / "shared" / "data" / "glue"


@pytest.mark.parametrize(
    ("task", "folder", "split", "counts"),
    [
        # Official counts of rows, and of label 0 and 1 among them (counted with awk).
        ("sst2", "SST-2", "train", (67_349, 29_780, 37_569)),
        ("sst2", "SST-2", "dev", (872, 428, 444)),
        ("cola", "CoLA", "train", (8_551, 2_528, 6_023)),
        ("cola", "CoLA", "dev", (1_043, 322, 721)),
        ("mrpc", "MRPC", "train", (3_668, 1_194, 2_474)),
        ("mrpc", "MRPC", "dev", (408, 129, 279)),
        ("rte", "RTE", "train", (2_490, 1_249, 1_241)),
        ("rte", "RTE", "dev", (277, 146, 131)),
    ],
)
def test_official_glue_counts(task, folder, split, counts):
    if not SHARED_GLUE.is_dir():
        pytest.skip(f"the GLUE files are not at {SHARED_GLUE}")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # no row of these sets is unusable
        examples = read_glue(GLUE_TASKS[task], SHARED_GLUE / folder, split)
    assert (len(examples), *np.bincount(examples.labels)) == counts


@pytest.mark.parametrize(("split", "count"), [("train", 5_749), ("dev", 1_500)])
def test_official_stsb_counts(split, count):
    if not SHARED_GLUE.is_dir():
        pytest.skip(f"the GLUE files are not at {SHARED_GLUE}")
    examples = read_glue(GLUE_TASKS["stsb"], SHARED_GLUE / "STS-B", split)
    assert len(examples) == count
    assert examples.labels.dtype == np.float32
    assert (examples.labels.min(), examples.labels.max()) == (0.0, 5.0)


MNLI_HEADER = "index\tgenre\tsentence1_parse\tsentence1\tsentence2\tlabel1\tgold_label\n"


@pytest.mark.parametrize(
    ("task", "content", "texts", "labels"),
    [
        ("cola", "gj04\t1\t\tfine\nbc01\t0\t*\tnot fine\n", (("fine", "not fine"),), [1, 0]),
        ("sst2", "sentence\tlabel\nfun \t1\nno fun \t0\n", (("fun ", "no fun "),), [1, 0]),
        (
            "mrpc",
            "\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String\r\n"
            '1\t10\t11\ta "\tb\r\n0\t12\t13\tc\td\r\n',
            (('a "', "c"), ("b", "d")),
            [1, 0],
        ),
        (
            "qqp",
            "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n0\t1\t2\ta\tb\t0\n1\t3\t4\tc\td\t1\n",
            (("a", "c"), ("b", "d")),
            [0, 1],
        ),
        (
            "qnli",
            "index\tquestion\tsentence\tlabel\n0\ta\tb\tnot_entailment\n1\tc\td\tentailment\n",
            (("a", "c"), ("b", "d")),
            [1, 0],
        ),
        (
            "rte",
            "index\tsentence1\tsentence2\tlabel\n0\ta\tb\tnot_entailment\n1\tc\td\tentailment\n",
            (("a", "c"), ("b", "d")),
            [1, 0],
        ),
        (
            "wnli",
            "index\tsentence1\tsentence2\tlabel\n0\ta\tb\t1\n1\tc\td\t0\n",
            (("a", "c"), ("b", "d")),
            [1, 0],
        ),
    ],
)
def test_glue_layouts(assert_examples, write, tmp_path, task, content, texts, labels):
    write(tmp_path / "train.tsv", content)
    assert_examples(read_glue(GLUE_TASKS[task], tmp_path, "train"), texts, labels)


def test_stsb_layout(assert_examples, write, tmp_path):
    columns = "index genre filename year old_index source1 source2 sentence1 sentence2 score"
    row = "0 news x 2012 1 none none a b 3.8"
    write(tmp_path / "dev.tsv", "\n".join(columns.split(" ")).replace("\n", "\t") + "\n")
    with (tmp_path / "dev.tsv").open("a") as file:
        file.write(row.replace(" ", "\t"))
    examples = read_glue(GLUE_TASKS["stsb"], tmp_path, "dev")
    assert_examples(examples, (("a",), ("b",)), [3.8], np.float32)


def test_mnli_has_two_dev_sets(assert_examples, write, tmp_path):
    rows = (
        "0\tfiction\t( a )\ta\tb\tneutral\tcontradiction\n1\tx\t( c )\tc\td\tneutral\tneutral\n"
    )
    write(tmp_path / "dev_matched.tsv", MNLI_HEADER + rows)
    write(tmp_path / "dev_mismatched.tsv", MNLI_HEADER + "0\tx\ty\te\tf\tneutral\tentailment\n")
    task = GLUE_TASKS["mnli"]
    for split in ("dev", "dev_matched"):
        examples = read_glue(task, tmp_path, split)
        assert_examples(examples, (("a", "c"), ("b", "d")), [2, 1])
    assert_examples(read_glue(task, tmp_path, "dev_mismatched"), (("e",), ("f",)), [0])


def test_labels_in_the_order_of_a_teacher(assert_examples, write, tmp_path):
    write(tmp_path / "dev_matched.tsv", MNLI_HEADER + "0\tx\ty\te\tf\tneutral\tentailment\n")
    task = dataclasses.replace(
        GLUE_TASKS["mnli"], labels=("contradiction", "entailment", "neutral")
    )
    assert_examples(read_glue(task, tmp_path, "dev"), (("e",), ("f",)), [1])

    # 0 and 1 in the file keep GLUE's meaning: 1 is positive.
    write(tmp_path / "train.tsv", "sentence\tlabel\nfun\t1\nno fun\t0\n")
    task = dataclasses.replace(GLUE_TASKS["sst2"], labels=("positive", "negative"))
    assert_examples(read_glue(task, tmp_path, "train"), (("fun", "no fun"),), [0, 1])


def test_few_unusable_rows_of_a_published_set_are_left_out_with_a_warning(write, tmp_path):
    # As in the real file: a question with a line break makes two short lines, and there is a
    # row without its second question.
    lines = [f"{i}\t1\t2\tfirst {i}\tsecond {i}\t{i % 2}" for i in range(3000)]
    lines[10] = "10\t1\t2\tbegins"
    lines[11] = "ends\tsecond 10\t0"
    lines[20] = "20\t1\t2\tfirst 20\t\t0"
    header = "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate"
    path = write(tmp_path / "train.tsv", "\n".join([header, *lines]))
    message = (
        r"train\.tsv, line 12: too few fields: 4, expected 6.* 3 such row\(s\) of 3000 left"
    )
    with pytest.warns(UserWarning, match=message):
        examples = read_glue(GLUE_TASKS["qqp"], tmp_path, "train")
    assert len(examples) == 2997
    assert examples.texts[0][9:12] == ("first 9", "first 12", "first 13")
    assert examples.labels.sum() == 1499

    lines[30] = "30\t1\t2\tfirst 30\t\t0"  # one more than one in a thousand
    write(path, "\n".join([header, *lines]))
    with pytest.raises(TinyBertError, match=r"line 12: too few fields.* Repair or remove"):
        read_glue(GLUE_TASKS["qqp"], tmp_path, "train")


def test_a_wrong_glue_folder_split_or_task_is_refused(write, tmp_path):
    write(tmp_path / "SST-2" / "train.tsv", "sentence\tlabel\nfun\t1\n")
    sst2 = GLUE_TASKS["sst2"]
    with pytest.raises(
        TinyBertError, match=r"holds no train\.tsv, .* Did you mean '.*SST-2'\?"
    ):
        read_glue(sst2, tmp_path, "train")
    with pytest.raises(TinyBertError, match=r"holds no dev\.tsv, .* with dev\.tsv, train\.tsv"):
        read_glue(sst2, tmp_path / "SST-2", "dev")
    with pytest.raises(TinyBertError, match="SST-2 has no labelled split 'test'"):
        read_glue(sst2, tmp_path / "SST-2", "test")
    with pytest.raises(TinyBertError, match="no labelled split 'dev_matched'"):
        read_glue(sst2, tmp_path / "SST-2", "dev_matched")
    with pytest.raises(
        TinyBertError, match=r"'mood' is no GLUE task\. Known: cola, .*read_table"
    ):
        read_glue(MOOD, tmp_path / "SST-2", "train")
    other_fields = dataclasses.replace(sst2, text_fields=("text",))
    with pytest.raises(TinyBertError, match=r"has text_fields \('text',\), expected \('senten"):
        read_glue(other_fields, tmp_path / "SST-2", "train")
    other_labels = dataclasses.replace(sst2, labels=("bad", "good"))
    with pytest.raises(TinyBertError, match="negative, positive there, expected bad, good"):
        read_glue(other_labels, tmp_path / "SST-2", "train")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"train\.tsv is empty"),
        ("sentence\tlabel\n", r"train\.tsv: there are no rows"),
        ("phrase\tlabel\na\t1\n", "no column 'sentence'. Columns found: 'phrase', 'label'"),
        ("sentence\tlabel\na\t1\nb\n", "line 3: too few fields: 1, expected 2"),
        ("sentence\tlabel\na\t1\nb\t2\n", "line 2: unknown label '1', .*negative, positive"),
        ("sentence\tlabel\na\tpositive\nb\t-\n", "line 3: the row has no label"),
    ],
)
def test_an_unusable_glue_file_is_refused(write, tmp_path, content, message):
    write(tmp_path / "train.tsv", content)
    with pytest.raises(TinyBertError, match=message):
        read_glue(GLUE_TASKS["sst2"], tmp_path, "train")
