"""Tables of the user's: what is read of them, and what is refused."""

import json

import numpy as np
import pytest

from tinybert_tf.data.tables import read_table, read_texts
from tinybert_tf.data.tasks import Task
from tinybert_tf.errors import TinyBertError

MOOD = Task("mood", ("text",), "label", ("bad", "good"))
PAIRS = Task("pairs", ("first", "second"), "label", ("no", "yes", "perhaps"))
SCORED = Task("scored", ("text",), "score", None, (0.0, 5.0))


# === What is read ===


def test_tsv_has_no_quoting_and_breaks_lines_at_line_feeds_only(
    assert_examples, write, tmp_path
):
    text = 'text\tlabel\n"a lone quote\tgood\none\x85two\u2028three\x0cfour\tbad\n'
    examples = read_table(MOOD, write(tmp_path / "a.tsv", text))
    assert_examples(examples, (('"a lone quote', "one\x85two\u2028three\x0cfour"),), [1, 0])


def test_columns_are_found_by_name_and_others_ignored(assert_examples, write, tmp_path):
    text = "id\tlabel\tsecond\tfirst\n7\tyes\ts1\tf1\n8\tperhaps\ts2\tf2\n9\tno\ts3\tf3\n"
    examples = read_table(PAIRS, write(tmp_path / "a.tsv", text))
    assert_examples(examples, (("f1", "f2", "f3"), ("s1", "s2", "s3")), [1, 2, 0])


def test_byte_order_mark_windows_line_ends_and_empty_lines(assert_examples, write, tmp_path):
    content = b"\xef\xbb\xbftext\tlabel\r\none\tgood\r\n\r\ntwo\tbad\r\n\r\n"
    for name in ("a.tsv", "b.TSV"):
        examples = read_table(MOOD, write(tmp_path / name, content))
        assert_examples(examples, (("one", "two"),), [1, 0])


def test_a_last_line_without_line_feed_counts(assert_examples, write, tmp_path):
    examples = read_table(MOOD, write(tmp_path / "a.tsv", "text\tlabel\none\tgood\ntwo\tbad"))
    assert_examples(examples, (("one", "two"),), [1, 0])


def test_a_csv_cell_longer_than_the_module_s_limit(write, tmp_path):
    long = "x" * 200_000
    examples = read_table(MOOD, write(tmp_path / "a.csv", f"text,label\n{long},good\n"))
    assert examples.texts == ((long,),)


def test_csv_quoting(assert_examples, write, tmp_path):
    text = 'label,text\ngood,"one, ""two""\nthree"\n\nbad,4 5" disks\n'
    examples = read_table(MOOD, write(tmp_path / "a.csv", text))
    assert_examples(examples, (('one, "two"\nthree', '4 5" disks'),), [1, 0])


def test_jsonl(assert_examples, write, tmp_path):
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
def test_a_column_of_indices(assert_examples, write, tmp_path, name, text):
    examples = read_table(MOOD, write(tmp_path / name, text))
    assert_examples(examples, (("one", "two"),), [1, 0])


def test_integer_names_are_names_and_no_indices(assert_examples, write, tmp_path):
    task = Task("reversed", ("text",), "label", ("1", "0"))
    examples = read_table(task, write(tmp_path / "a.tsv", "text\tlabel\none\t1\ntwo\t0\n"))
    assert_examples(examples, (("one", "two"),), [0, 1])
    task = Task("shifted", ("text",), "label", ("1", "2"))
    with pytest.raises(TinyBertError, match=r"unknown label '0', expected one of: 1, 2\.$"):
        read_table(task, write(tmp_path / "b.tsv", "text\tlabel\none\t1\ntwo\t0\n"))


def test_scores(assert_examples, write, tmp_path):
    text = "text\tscore\na\t0\nb\t5.000\nc\t3.8\n"
    examples = read_table(SCORED, write(tmp_path / "a.tsv", text))
    assert_examples(examples, (("a", "b", "c"),), [0.0, 5.0, 3.8], np.float32)
    text = (
        '{"text": "a", "score": 0}\n{"text": "b", "score": 2.25}\n{"text": "c", "score": "1"}'
    )
    examples = read_table(SCORED, write(tmp_path / "a.jsonl", text))
    assert_examples(examples, (("a", "b", "c"),), [0.0, 2.25, 1.0], np.float32)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "text;label\none, two;good\nthree;bad\n"),
        ("a.csv", "text|label\none, two|good\nthree|bad\n"),
        ("a.csv", 'text\tlabel\n"one, two"\tgood\nthree\tbad\n'),
        ("a.tsv", 'text,label\n"one, two",good\nthree,bad\n'),
        ("a.txt", "text\tlabel\none, two\tgood\nthree\tbad\n"),
        ("a.csv", "sep=;\r\ntext;label\r\none, two;good\r\nthree;bad\r\n"),
        ("a.csv", '"sep=|"\ntext|label\none, two|good\nthree|bad\n'),
        ("a.csv", 'text,label\r"one, two",good\rthree,bad\r'),
        ("a.tsv", "text\tlabel\rone, two\tgood\rthree\tbad"),
        ("a.csv", '\n text , label ,,\n"one, two",good,,\n,,,\n ,,,\nthree,bad,,\n,,,\n'),
        (
            "a.jsonl",
            '{"text": "one, two", "label": "good"}\r{"text": "three", "label": "bad"}\r',
        ),
    ],
    ids=[
        *("semicolon", "pipe", "tab", "comma in .tsv", ".txt", "sep line", "quoted sep line"),
        *("carriage returns", "carriage returns in .tsv", "Excel's blank cells", "jsonl"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_what_spreadsheets_write(assert_examples, write, tmp_path, name, content, encoding):
    examples = read_table(MOOD, write(tmp_path / name, content.encode(encoding)))
    assert_examples(examples, (("one, two", "three"),), [1, 0])


def test_a_given_delimiter_goes_first(assert_examples, write, tmp_path):
    path = write(tmp_path / "a.csv", "text~label\na,b;c~good\n")
    assert_examples(read_table(MOOD, path, "~"), (("a,b;c",),), [1])


@pytest.mark.parametrize(
    ("labels", "cells", "expected"),
    [
        (("bad", "good"), ("1.0", "0.0"), [1, 0]),
        (("1", "2", "5"), ("5", "1.0"), [2, 0]),
        (("1.0", "2.0"), ("2", "1"), [1, 0]),
        (("false", "true"), ("TRUE", "False"), [1, 0]),
        (("no", "yes"), (" Yes", "NO"), [1, 0]),
    ],
)
def test_labels_as_spreadsheets_spell_them(write, tmp_path, labels, cells, expected):
    task = Task("spelled", ("text",), "label", labels)
    path = write(tmp_path / "a.csv", f"text,label\na,{cells[0]}\nb,{cells[1]}\n")
    assert read_table(task, path).labels.tolist() == expected


def test_json_truth_values(write, tmp_path):
    task = Task("truth", ("text",), "label", ("false", "true"))
    path = write(tmp_path / "a.jsonl", '{"text": "a", "label": true}')
    assert read_table(task, path).labels.tolist() == [1]


def test_texts_without_labels(write, tmp_path):
    path = write(tmp_path / "a.csv", "id;first;second\n1;a;b, c\n;;\n2;d;e\n")
    assert read_texts(path, ("second", "first")) == (("b, c", "e"), ("a", "d"))
    path = write(tmp_path / "a.jsonl", '{"text": "a"}\n{"text": "b"}\n')
    assert read_texts(path, ("text",)) == (("a", "b"),)
    cases = {
        "text,more\n ,x\n": r"b\.csv, line 2: a text is empty",
        "text,more\na\n": "line 2: too few fields",
        "text\n\u3000\n": "there are no rows",
        "body\na\n": "there is no column 'text'",
    }
    for content, message in cases.items():
        with pytest.raises(TinyBertError, match=message):
            read_texts(write(tmp_path / "b.csv", content), ("text",))


# === What is refused ===


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.doc", "x", r"ends in '\.doc', expected one of: \.tsv, \.csv, \.txt, \.jsonl"),
        ("a.json", "x", r"ends in '\.json', expected one of"),
        ("a.tsv", "", r"a\.tsv is empty, expected rows"),
        ("a.jsonl", "\n \n", r"a\.jsonl is empty, expected rows"),
        ("a.tsv", "text\tlabel\n", r"a\.tsv: there are no rows"),
        ("a.csv", "text,label\n\n", r"a\.csv: there are no rows"),
        ("a.tsv", b"text\tlabel\nok\tgood\nf\xfcr\tbad\n", "line 3: byte 0xfc is not UTF-8"),
        (
            "a.csv",
            "text,label\nok,good\n".encode("utf-16-le"),
            "holds zero bytes",
        ),
        (
            "a.csv",
            b"\xff\xfet",
            r"begins like UTF-16, but is not\. Save the data",
        ),
        ("a.csv", b"PK\x03\x04....", r"a workbook of Excel, .*Save it as 'CSV UTF-8'"),
    ],
)
def test_an_unusable_file_is_refused(write, tmp_path, name, content, message):
    with pytest.raises(TinyBertError, match=message):
        read_table(MOOD, write(tmp_path / name, content))


def test_a_missing_file_and_a_folder_are_refused(write, tmp_path):
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
        ("a.csv", "text:label\none:good\n", r"Columns found: 'text:label'\."),
        ("a.csv", "texts;label\none;good\n", r"'texts', 'label'\. Did you mean 'texts'\?"),
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
            "text\tlabel\none\tgood\ntwo\tGoods\n",
            r"line 3: unknown label 'Goods', expected one of: bad, good\. Did you mean 'good'\?"
            " Indices 0 to 1 do as well, if all rows have them",
        ),
        ("a.tsv", "text\tlabel\none\tgood\ntwo\t0\n", "line 3: unknown label '0'"),
        ("a.tsv", "text\tlabel\none\t0\ntwo\t2\n", "line 2: unknown label '0'"),
        ("a.tsv", "text\tlabel\none\t1.5\n", r"line 2: unknown label '1\.5'"),
        (
            "a.csv",
            'text,label\nx,good\n"one\ntwo,bad\n',
            r"line 3: the quoting is broken .*Close",
        ),
        ("a.csv", 'text,label\n"one"x,bad\n', "line 2: the quoting is broken"),
        ("a.csv", f'text,label\n"{"x" * 200_000}', "line 2: the quoting is broken"),
    ],
)
def test_an_unusable_row_of_a_table_is_refused(write, tmp_path, name, text, message):
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
        ('{"text": "two", "label": true}', "line 2: unknown label 'true'"),
        (
            '{"text": "two", "label": ["bad"]}',
            "line 2: 'label' is .*, expected a string or a n",
        ),
        ('{"text": "two", "label": 1.5}', r"line 2: unknown label '1\.5'"),
    ],
)
def test_an_unusable_line_of_jsonl_is_refused(write, tmp_path, line, message):
    path = write(tmp_path / "a.jsonl", '{"text": "one", "label": "good"}\n' + line + "\n")
    with pytest.raises(TinyBertError, match=message):
        read_table(MOOD, path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "a.csv",
            'text,label\na,"good,bad"\n',
            r"line 2: the label is 'good,bad', .* 2 labels",
        ),
        ("a.csv", "text,label\na,good; bad\n", "line 2: the label is 'good; bad', .* 2 labels"),
        ("a.csv", "text,label\na,0|1\n", r"line 2: the label is '0\|1', .* 2 labels"),
        ("a.tsv", "text\tlabel\na\t['bad', 'good']\n", "line 2: the label is .* 2 labels"),
        ("a.jsonl", '{"text": "a", "label": ["bad", "good"]}', r"'label' is \[.* 2 labels"),
        ("a.csv", "text,bad,good\na,1,1\n", "but columns 'bad', 'good', one a label"),
        ("a.jsonl", '{"text": "a", "bad": 1, "good": 0}', "but columns 'bad', 'good', one"),
    ],
)
def test_several_labels_a_text_are_refused_by_name(write, tmp_path, name, content, message):
    with pytest.raises(TinyBertError, match=rf"{message}.*several labels a text are not supp"):
        read_table(MOOD, write(tmp_path / name, content))


def test_what_excel_has_lost_is_refused(write, tmp_path):
    path = write(tmp_path / "a.csv", "text,label\n#NAME?,good\n")
    with pytest.raises(TinyBertError, match=r"line 2: a text is #NAME\?, which Excel writes"):
        read_table(MOOD, path)


@pytest.mark.parametrize("score", ["5.01", "-0.1", "nan", "inf", "high", "3,5"])
def test_an_unusable_score_is_refused(write, tmp_path, score):
    path = write(tmp_path / "a.tsv", f"text\tscore\none\t1\ntwo\t{score}\n")
    with pytest.raises(TinyBertError, match=f"line 3: the score is '{score}', .* from 0 to 5"):
        read_table(SCORED, path)


def test_an_unusable_json_score_is_refused(write, tmp_path):
    for value, message in [("NaN", "'nan'"), ("1e999", "'inf'"), ("null", "no score")]:
        path = write(tmp_path / "a.jsonl", f'{{"text": "one", "score": {value}}}')
        with pytest.raises(TinyBertError, match=f"line 1: the .*{message}"):
            read_table(SCORED, path)
