import dataclasses
import json
import pathlib
import warnings

import numpy as np
import pytest

from tinybert_tf.data.examples import Examples, check_training_labels
from tinybert_tf.data.glue import read_glue
from tinybert_tf.data.tables import read_table
from tinybert_tf.data.tasks import GLUE_TASKS, Task
from tinybert_tf.data.tfds import read_tfds
from tinybert_tf.errors import TinyBertError

SHARED_GLUE = pathlib.Path(__file__).resolve().parents[2].parent / "shared" / "data" / "glue"

MOOD = Task("mood", ("text",), "label", ("bad", "good"))
PAIRS = Task("pairs", ("first", "second"), "label", ("no", "yes", "perhaps"))
SCORED = Task("scored", ("text",), "score", None, (0.0, 5.0))


def write(path: pathlib.Path, content: str | bytes) -> pathlib.Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def assert_examples(examples: Examples, texts, labels, dtype=np.int32):
    assert examples.texts == texts
    assert examples.labels.dtype == dtype
    np.testing.assert_array_equal(examples.labels, np.array(labels, dtype))
    assert len(examples) == len(labels)


# === Examples ===


def test_take_returns_the_rows_in_the_order_asked_for():
    examples = Examples((("a", "b", "c"), ("d", "e", "f")), np.array([0, 1, 2], np.int32))
    assert_examples(examples.take([2, 0, 2]), (("c", "a", "c"), ("f", "d", "f")), [2, 0, 2])
    assert_examples(examples.take(np.array([1])), (("b",), ("e",)), [1])
    assert_examples(examples.take([]), ((), ()), [])


@pytest.mark.parametrize(
    ("indices", "message"),
    [
        ([3], "index 3, expected 0 to 2"),
        ([-1], "index -1, expected 0 to 2"),
        ([1.0], "indices of type float64"),
        ([True, False, True], r"type bool .* np.flatnonzero"),
        ([[0, 1]], r"shape \(1, 2\)"),
    ],
)
def test_take_refuses_what_is_no_position(indices, message):
    examples = Examples((("a", "b", "c"),), np.zeros(3, np.int32))
    with pytest.raises(TinyBertError, match=message):
        examples.take(indices)


@pytest.mark.parametrize(
    ("texts", "labels"), [((("a", "b"),), [0]), ((("a",), ()), [0]), ((), [0]), ((("a",),), 0)]
)
def test_examples_of_different_lengths_are_refused(texts, labels):
    with pytest.raises(TinyBertError, match="each as long as the labels"):
        Examples(texts, np.array(labels))


# === Tables: what is read ===


def test_tsv_has_no_quoting_and_breaks_lines_at_line_feeds_only(tmp_path):
    text = 'text\tlabel\n"a lone quote\tgood\none\x85two\u2028three\x0cfour\tbad\n'
    examples = read_table(MOOD, write(tmp_path / "a.tsv", text))
    assert_examples(examples, (('"a lone quote', "one\x85two\u2028three\x0cfour"),), [1, 0])


def test_columns_are_found_by_name_and_others_ignored(tmp_path):
    text = "id\tlabel\tsecond\tfirst\n7\tyes\ts1\tf1\n8\tperhaps\ts2\tf2\n9\tno\ts3\tf3\n"
    examples = read_table(PAIRS, write(tmp_path / "a.tsv", text))
    assert_examples(examples, (("f1", "f2", "f3"), ("s1", "s2", "s3")), [1, 2, 0])


def test_byte_order_mark_windows_line_ends_and_empty_lines(tmp_path):
    content = b"\xef\xbb\xbftext\tlabel\r\none\tgood\r\n\r\ntwo\tbad\r\n\r\n"
    for name in ("a.tsv", "b.TSV"):
        examples = read_table(MOOD, write(tmp_path / name, content))
        assert_examples(examples, (("one", "two"),), [1, 0])


def test_a_last_line_without_line_feed_counts(tmp_path):
    examples = read_table(MOOD, write(tmp_path / "a.tsv", "text\tlabel\none\tgood\ntwo\tbad"))
    assert_examples(examples, (("one", "two"),), [1, 0])


def test_a_csv_cell_longer_than_the_module_s_limit(tmp_path):
    long = "x" * 200_000
    examples = read_table(MOOD, write(tmp_path / "a.csv", f"text,label\n{long},good\n"))
    assert examples.texts == ((long,),)


def test_csv_quoting(tmp_path):
    text = 'label,text\ngood,"one, ""two""\nthree"\n\nbad,4 5" disks\n'
    examples = read_table(MOOD, write(tmp_path / "a.csv", text))
    assert_examples(examples, (('one, "two"\nthree', '4 5" disks'),), [1, 0])


def test_jsonl(tmp_path):
    rows = [
        {"text": "tab\tand\nbreak", "label": "good", "more": [1, None]},
        {"label": "bad", "text": "a\u2028b 😀"},
    ]
    lines = [json.dumps(rows[0]), "", json.dumps(rows[1], ensure_ascii=False)]
    examples = read_table(MOOD, write(tmp_path / "a.jsonl", "\n".join(lines)))
    assert_examples(examples, (("tab\tand\nbreak", "a\u2028b 😀"),), [1, 0])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.tsv", "text\tlabel\none\t1\ntwo\t0\n"),
        ("a.csv", "text,label\none,1\ntwo,0\n"),
        ("a.jsonl", '{"text": "one", "label": 1}\n{"text": "two", "label": "0"}\n'),
    ],
)
def test_a_column_of_indices(tmp_path, name, text):
    examples = read_table(MOOD, write(tmp_path / name, text))
    assert_examples(examples, (("one", "two"),), [1, 0])


def test_integer_names_are_names_and_no_indices(tmp_path):
    task = Task("reversed", ("text",), "label", ("1", "0"))
    examples = read_table(task, write(tmp_path / "a.tsv", "text\tlabel\none\t1\ntwo\t0\n"))
    assert_examples(examples, (("one", "two"),), [0, 1])
    task = Task("shifted", ("text",), "label", ("1", "2"))
    with pytest.raises(TinyBertError, match=r"unknown label '0', expected one of: 1, 2\.$"):
        read_table(task, write(tmp_path / "b.tsv", "text\tlabel\none\t1\ntwo\t0\n"))


def test_scores(tmp_path):
    text = "text\tscore\na\t0\nb\t5.000\nc\t3.8\n"
    examples = read_table(SCORED, write(tmp_path / "a.tsv", text))
    assert_examples(examples, (("a", "b", "c"),), [0.0, 5.0, 3.8], np.float32)
    text = (
        '{"text": "a", "score": 0}\n{"text": "b", "score": 2.25}\n{"text": "c", "score": "1"}'
    )
    examples = read_table(SCORED, write(tmp_path / "a.jsonl", text))
    assert_examples(examples, (("a", "b", "c"),), [0.0, 2.25, 1.0], np.float32)


# === Tables: what is refused ===


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", "x", r"ends in '\.txt', expected one of: \.tsv, \.csv, \.jsonl"),
        ("a.json", "x", r"ends in '\.json', expected one of"),
        ("a.tsv", "", r"a\.tsv is empty, expected rows"),
        ("a.jsonl", "\n \n", r"a\.jsonl is empty, expected rows"),
        ("a.tsv", "text\tlabel\n", r"a\.tsv: there are no rows"),
        ("a.csv", "text,label\n\n", r"a\.csv: there are no rows"),
        ("a.tsv", b"text\tlabel\nok\tgood\nf\xfcr\tbad\n", "line 3: byte 0xfc is not UTF-8"),
        ("a.csv", "text,label\nok,good\n".encode("utf-16"), "line 1: byte 0xff is not UTF-8"),
    ],
)
def test_an_unusable_file_is_refused(tmp_path, name, content, message):
    with pytest.raises(TinyBertError, match=message):
        read_table(MOOD, write(tmp_path / name, content))


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    write(tmp_path / "train.tsv", "text\tlabel\none\tgood\n")
    with pytest.raises(
        TinyBertError, match=r"There is no data file .*Did you mean 'train\.tsv'"
    ):
        read_table(MOOD, tmp_path / "trian.tsv")
    with pytest.raises(TinyBertError, match="There is no data file"):
        read_table(MOOD, tmp_path / "nowhere" / "train.tsv")
    with pytest.raises(TinyBertError, match="is a folder, expected a data file"):
        read_table(MOOD, tmp_path)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "a.tsv",
            "texts\tlabel\none\tgood\n",
            r"a\.tsv: there is no column 'text'\. Columns found: 'texts', 'label'\. "
            r"Did you mean 'texts'\? Name the columns",
        ),
        ("a.csv", "text;label\none;good\n", r"Columns found: 'text;label'\."),
        ("a.csv", "text,text,label\na,b,good\n", "column 'text' is there 2 times"),
        (
            "a.tsv",
            "text\tlabel\none\tgood\ntwo\n",
            r"line 3: too few fields: 1, expected 2 \(in",
        ),
        ("a.tsv", "text\tlabel\none\tgood\tx\n", "line 2: too many fields: 3, expected 2"),
        ("a.csv", "text,label\na, b,good\n", r"line 2: too many fields: 3.*\(quote the cells"),
        ("a.tsv", "text\tlabel\none\tgood\n\tbad\n", "line 3: the text in 'text' is empty"),
        ("a.tsv", "text\tlabel\none\tgood\n \u3000\tbad\n", "line 3: the text in 'text' is em"),
        ("a.tsv", "text\tlabel\none\tgood\n\ntwo\t\n", "line 4: the row has no label"),
        ("a.tsv", "text\tlabel\none\tgood\ntwo\t-1\n", "line 3: the row has no label"),
        (
            "a.tsv",
            "text\tlabel\none\tgood\ntwo\tGood\n",
            r"line 3: unknown label 'Good', expected one of: bad, good\. Did you mean 'good'\? "
            "Indices 0 to 1 do as well, if all rows have them",
        ),
        ("a.tsv", "text\tlabel\none\tgood\ntwo\t0\n", "line 3: unknown label '0'"),
        ("a.tsv", "text\tlabel\none\t0\ntwo\t2\n", "line 2: unknown label '0'"),
        ("a.tsv", "text\tlabel\none\t1.0\n", r"line 2: unknown label '1\.0'"),
        (
            "a.csv",
            'text,label\nx,good\n"one\ntwo,bad\n',
            r"line 3: the quoting is broken .*Close",
        ),
        ("a.csv", 'text,label\n"one"x,bad\n', "line 2: the quoting is broken"),
        ("a.csv", f'text,label\n"{"x" * 200_000}', "line 2: the quoting is broken"),
    ],
)
def test_an_unusable_row_of_a_table_is_refused(tmp_path, name, text, message):
    with pytest.raises(TinyBertError, match=message):
        read_table(MOOD, write(tmp_path / name, text))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            '{"text": "two", "label": "bad"',
            r"a\.jsonl, line 2: not valid JSON \(.*one complete",
        ),
        ("two\tbad", "line 2: not valid JSON"),
        ("[" * 100_000, "line 2: not valid JSON"),
        ('["two", "bad"]', "line 2: holds a list, expected an object with 'text', 'label'"),
        ('{"txt": "two", "label": "bad"}', "line 2: there is no column 'text'.*mean 'txt'"),
        ('{"text": "two"}', "line 2: there is no column 'label'. Columns found: 'text'"),
        ('{"text": 2, "label": "bad"}', "line 2: 'text' is 2, expected a string"),
        ('{"text": null, "label": "bad"}', "line 2: 'text' is null, expected a string"),
        ('{"text": ["two"], "label": "bad"}', r"line 2: 'text' is \[\"two\"\], expected a str"),
        ('{"text": "a \\ud83d", "label": "bad"}', r"line 2: 'text' holds '\\ud83d', half a ch"),
        ('{"text": "", "label": "bad"}', "line 2: the text in 'text' is empty"),
        ('{"text": "two", "label": null}', "line 2: the row has no label"),
        (
            '{"text": "two", "label": true}',
            "line 2: 'label' is true, expected a string or a nu",
        ),
        (
            '{"text": "two", "label": ["bad"]}',
            "line 2: 'label' is .*, expected a string or a n",
        ),
        ('{"text": "two", "label": 1.0}', r"line 2: unknown label '1\.0'"),
    ],
)
def test_an_unusable_line_of_jsonl_is_refused(tmp_path, line, message):
    path = write(tmp_path / "a.jsonl", '{"text": "one", "label": "good"}\n' + line + "\n")
    with pytest.raises(TinyBertError, match=message):
        read_table(MOOD, path)


@pytest.mark.parametrize("score", ["5.01", "-0.1", "nan", "inf", "high", "3,5"])
def test_an_unusable_score_is_refused(tmp_path, score):
    path = write(tmp_path / "a.tsv", f"text\tscore\none\t1\ntwo\t{score}\n")
    with pytest.raises(TinyBertError, match=f"line 3: the score is '{score}', .* from 0 to 5"):
        read_table(SCORED, path)


def test_an_unusable_json_score_is_refused(tmp_path):
    for value, message in [("NaN", "'nan'"), ("1e999", "'inf'"), ("null", "no score")]:
        path = write(tmp_path / "a.jsonl", f'{{"text": "one", "score": {value}}}')
        with pytest.raises(TinyBertError, match=f"line 1: the .*{message}"):
            read_table(SCORED, path)


# === GLUE ===


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
def test_glue_layouts(tmp_path, task, content, texts, labels):
    write(tmp_path / "train.tsv", content)
    assert_examples(read_glue(GLUE_TASKS[task], tmp_path, "train"), texts, labels)


def test_stsb_layout(tmp_path):
    columns = "index genre filename year old_index source1 source2 sentence1 sentence2 score"
    row = "0 news x 2012 1 none none a b 3.8"
    write(tmp_path / "dev.tsv", "\n".join(columns.split(" ")).replace("\n", "\t") + "\n")
    with (tmp_path / "dev.tsv").open("a") as file:
        file.write(row.replace(" ", "\t"))
    examples = read_glue(GLUE_TASKS["stsb"], tmp_path, "dev")
    assert_examples(examples, (("a",), ("b",)), [3.8], np.float32)


def test_mnli_has_two_dev_sets(tmp_path):
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


def test_labels_in_the_order_of_a_teacher(tmp_path):
    write(tmp_path / "dev_matched.tsv", MNLI_HEADER + "0\tx\ty\te\tf\tneutral\tentailment\n")
    task = dataclasses.replace(
        GLUE_TASKS["mnli"], labels=("contradiction", "entailment", "neutral")
    )
    assert_examples(read_glue(task, tmp_path, "dev"), (("e",), ("f",)), [1])

    # 0 and 1 in the file keep GLUE's meaning: 1 is positive.
    write(tmp_path / "train.tsv", "sentence\tlabel\nfun\t1\nno fun\t0\n")
    task = dataclasses.replace(GLUE_TASKS["sst2"], labels=("positive", "negative"))
    assert_examples(read_glue(task, tmp_path, "train"), (("fun", "no fun"),), [0, 1])


def test_few_unusable_rows_of_a_published_set_are_left_out_with_a_warning(tmp_path):
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


def test_a_wrong_glue_folder_split_or_task_is_refused(tmp_path):
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
def test_an_unusable_glue_file_is_refused(tmp_path, content, message):
    write(tmp_path / "train.tsv", content)
    with pytest.raises(TinyBertError, match=message):
        read_glue(GLUE_TASKS["sst2"], tmp_path, "train")


# === TensorFlow Datasets ===


@pytest.fixture(scope="module")
def tfds_dir(tmp_path_factory):
    """Defines and prepares two small data sets; returns their folder."""
    tfds = pytest.importorskip("tensorflow_datasets")
    features = tfds.features

    class TinyMood(tfds.core.GeneratorBasedBuilder):
        """Three labelled texts, and a split without labels."""

        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            columns = {
                "text": features.Text(),
                "words": features.Sequence(features.Text()),
                "number": np.int32,
                # The other way round than in the task.
                "label": features.ClassLabel(names=["good", "bad"]),
            }
            return tfds.core.DatasetInfo(builder=self, features=features.FeaturesDict(columns))

        def _split_generators(self, dl_manager):
            rows = [("gut", 0), ("schön", 0), ("schlimm", 1)]
            return {
                "train": self._generate_examples(rows),
                "test": self._generate_examples([("unbekannt", -1)]),
                "hollow": self._generate_examples([(" ", 1), ("a", 0), ("b", 0), ("c", 0)]),
            }

        def _generate_examples(self, rows):
            for number, (text, label) in enumerate(rows):
                words = text.split()
                yield number, {"text": text, "words": words, "number": 0, "label": label}

    class TinyScored(tfds.core.GeneratorBasedBuilder):
        """Two texts with scores."""

        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            columns = {"text": features.Text(), "score": np.float32}
            return tfds.core.DatasetInfo(builder=self, features=features.FeaturesDict(columns))

        def _split_generators(self, dl_manager):
            return {"train": self._generate_examples()}

        def _generate_examples(self):
            yield 0, {"text": "a", "score": 3.8}
            yield 1, {"text": "b", "score": 0.25}

    directory = tmp_path_factory.mktemp("tfds")
    for builder in (TinyMood, TinyScored):
        builder(data_dir=directory).download_and_prepare()
    return directory


def test_tfds_labels_are_matched_by_name(tfds_dir):
    examples = read_tfds(MOOD, "tiny_mood", "train", data_dir=tfds_dir)
    by_text = dict(zip(examples.texts[0], examples.labels.tolist(), strict=True))
    assert by_text == {"gut": 1, "schön": 1, "schlimm": 0}
    assert examples.labels.dtype == np.int32
    assert len(read_tfds(MOOD, "tiny_mood", "train[:2]", data_dir=tfds_dir)) == 2


def test_tfds_scores(tfds_dir):
    examples = read_tfds(SCORED, "tiny_scored", "train", data_dir=tfds_dir)
    by_text = dict(zip(examples.texts[0], examples.labels, strict=True))
    assert by_text == {"a": np.float32(3.8), "b": np.float32(0.25)}
    assert examples.labels.dtype == np.float32


@pytest.mark.parametrize(
    ("task", "name", "split", "message"),
    [
        (MOOD, "tiny_moot", "train", "no TFDS data set 'tiny_moot'. Did you mean 'tiny_mood'"),
        (MOOD, "tiny mood!", "train", "TFDS cannot open the data set 'tiny mood!'"),
        (MOOD, "glue/sst3", "train", "TFDS cannot open the data set 'glue/sst3'"),
        (MOOD, "tiny_mood", "trian", "no split 'trian'. Known: .*Did you mean 'train'"),
        (MOOD, "tiny_mood", "train[:", r"no split 'train\[:'. Known: "),
        (MOOD, "tiny_mood", "test", r"\(test\), example 0: the row has no label"),
        (
            Task("mood", ("texts",), "label", ("bad", "good")),
            "tiny_mood",
            "train",
            "no column 'texts'. Columns found: .*Did you mean 'text'",
        ),
        (Task("m", ("number",), "label", ("a", "b")), "tiny_mood", "train", "not a text"),
        (Task("m", ("words",), "label", ("a", "b")), "tiny_mood", "train", "not a text"),
        (
            Task("mood", ("text",), "label", ("bad", "fine")),
            "tiny_mood",
            "train",
            "not those of task 'mood': good, bad there, expected bad, fine",
        ),
        (
            Task("m", ("text",), "number", ("a", "b")),
            "tiny_mood",
            "train",
            "feature 'number' is .*, expected a ClassLabel",
        ),
        (
            Task("m", ("text",), "label", None, (0, 1)),
            "tiny_mood",
            "train",
            "good, bad there, expected scores",
        ),
        (
            Task("m", ("text",), "score", ("a", "b")),
            "tiny_scored",
            "train",
            "scores there, expected a, b",
        ),
        (
            Task("m", ("text",), "score", None, (0, 1)),
            "tiny_scored",
            "train",
            r"the score is '3\.8', expected a number from 0 to 1",
        ),
    ],
)
def test_what_tfds_cannot_give_is_refused(tfds_dir, task, name, split, message):
    with pytest.raises(TinyBertError, match=message):
        read_tfds(task, name, split, data_dir=tfds_dir)


def test_the_number_of_a_tfds_example(tfds_dir):
    tfds = pytest.importorskip("tensorflow_datasets")
    dataset = tfds.load("tiny_mood", split="hollow", data_dir=tfds_dir)
    texts = [example["text"] for example in tfds.as_numpy(dataset)]
    assert texts[0] != b" "  # TFDS shuffles; at 0 the test would prove nothing
    message = rf"\(hollow\), example {texts.index(b' ')}: the text in 'text' is empty"
    with pytest.raises(TinyBertError, match=message):
        read_tfds(MOOD, "tiny_mood", "hollow", data_dir=tfds_dir)


def test_a_tfds_data_set_that_cannot_be_prepared_is_refused(tmp_path):
    tfds = pytest.importorskip("tensorflow_datasets")

    class TinyBroken(tfds.core.GeneratorBasedBuilder):
        """Fails as a download does without a network, or without an optional package."""

        VERSION = tfds.core.Version("1.0.0")
        error: Exception

        def _info(self):
            label = tfds.features.ClassLabel(names=["bad", "good"])
            columns = {"text": tfds.features.Text(), "label": label}
            return tfds.core.DatasetInfo(
                builder=self, features=tfds.features.FeaturesDict(columns)
            )

        def _split_generators(self, dl_manager):
            raise self.error

        def _generate_examples(self):
            yield 0, {}

    TinyBroken.error = ConnectionError("no route to host")
    with pytest.raises(TinyBertError, match=r"cannot be downloaded .*no route.* the network"):
        read_tfds(MOOD, "tiny_broken", "train", data_dir=tmp_path)
    TinyBroken.error = ModuleNotFoundError("No module named 'pretty'", name="pretty")
    with pytest.raises(TinyBertError, match=r"No module named .*Install the package 'pretty'"):
        read_tfds(MOOD, "tiny_broken", "train", data_dir=tmp_path)


# === Training sets ===


def test_check_training_labels():
    texts = (("a", "b"),)
    check_training_labels(MOOD, Examples(texts, np.array([0, 1], np.int32)), "a.tsv")
    check_training_labels(SCORED, Examples(texts, np.array([0, 0.5], np.float32)), "a.tsv")
    one_class = Examples(texts, np.array([1, 1], np.int32))
    with pytest.raises(TinyBertError, match=r"a\.tsv: all 2 .* label 'good', .*: bad, good"):
        check_training_labels(MOOD, one_class, "a.tsv")
    one_score = Examples(texts, np.array([2.5, 2.5], np.float32))
    with pytest.raises(TinyBertError, match=r"a\.tsv: all 2 .* the score 2\.5, expected diff"):
        check_training_labels(SCORED, one_score, "a.tsv")
    with pytest.raises(TinyBertError, match=r"a\.tsv: the training set is empty"):
        check_training_labels(MOOD, one_class.take([]), "a.tsv")
