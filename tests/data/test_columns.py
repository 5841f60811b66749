"""What is told from a file whose columns are not known."""

import pytest

from tinybert_tf.data import find_label_field, find_score_range, find_text_fields, read_columns
from tinybert_tf.errors import TinyBertError

CSV = "id;Text;queue\n1;where is my order;orders\n2;pay by card?;billing\n" + "".join(
    f"{i};a text of {i};{'orders' if i % 2 else 'billing'}\n" for i in range(3, 13)
)


def table_of(tmp_path, text, name="file.csv"):
    path = tmp_path / name
    path.write_text(text, "utf-8")
    return read_columns(path)


def test_a_csv_with_semicolons(tmp_path):
    table = table_of(tmp_path, CSV)
    assert len(table) == 12
    assert table.column("Text")[:2] == ["where is my order", "pay by card?"]
    assert find_label_field(table) == "queue"
    assert find_text_fields(table, "queue") == ("Text",)


def test_json_lines_without_lists(tmp_path):
    lines = '{"q": "hi", "tags": ["a"], "n": 1, "b": null}\n\n{"q": "bye", "n": 2, "b": "x"}\n'
    table = table_of(tmp_path, lines, "file.jsonl")
    assert table.columns == {"q": ["hi", "bye"], "n": ["1", "2"], "b": ["", "x"]}


def test_pairs_are_found_by_name(tmp_path):
    rows = "".join(f"a {i}\tb {i}\t{i % 2}\n" for i in range(9))
    table = table_of(tmp_path, "Sentence1\tsentence2\tlabel\n" + rows, "file.tsv")
    assert find_text_fields(table, "label") == ("Sentence1", "sentence2")


def test_the_longest_column_is_the_text(tmp_path):
    rows = "".join(f"x{i},a much longer cell than that {i},{i % 2}\n" for i in range(9))
    table = table_of(tmp_path, "code,words,kind\n" + rows)
    assert find_label_field(table) == "kind"
    assert find_text_fields(table, "kind") == ("words",)


def test_a_named_label_column_goes_first(tmp_path):
    rows = "".join(f"text {i},{i % 3},{i % 2}\n" for i in range(12))
    assert find_label_field(table_of(tmp_path, "text,source,Intent\n" + rows)) == "Intent"


def test_two_that_could_be_labels(tmp_path):
    rows = "".join(f"text {i},{i % 3},{i % 2}\n" for i in range(12))
    with pytest.raises(TinyBertError, match=r"which column holds the labels.*--label_field"):
        find_label_field(table_of(tmp_path, "text,source,kind\n" + rows))


def test_two_that_could_be_texts(tmp_path):
    rows = "".join(f"one thing {i},one other {i},{i % 2}\n" for i in range(12))
    table = table_of(tmp_path, "left,right,label\n" + rows)
    with pytest.raises(TinyBertError, match=r"which column holds the texts.*--text_fields"):
        find_text_fields(table, "label")


@pytest.mark.parametrize(
    "labels, expected",
    [
        (["1", "2", "3"] * 9, None),
        (["good", *(str(i) for i in range(20))], None),
        ([str(i / 4) for i in range(21)], (0.0, 5.0)),
        ([*(str(i) for i in range(20)), "nan"], None),
    ],
)
def test_score_range(labels, expected):
    assert find_score_range(labels) == expected


@pytest.mark.parametrize(
    "text, name, message",
    [
        ("a,b\n1,2\n1,2,3\n", "file.csv", "line 3: 3 cells, expected 2"),
        ("a,b\n", "file.csv", "a header and no rows"),
        ("[1, 2]\n", "file.jsonl", "line 1: holds a list, expected an object"),
        ("{\n", "file.jsonl", "line 1: not valid JSON"),
        ("a", "file.xlsx", "ends in '.xlsx'"),
    ],
)
def test_what_cannot_be_read(tmp_path, text, name, message):
    with pytest.raises(TinyBertError, match=message):
        table_of(tmp_path, text, name)


def test_a_column_that_is_not_there(tmp_path):
    with pytest.raises(TinyBertError, match=r"no column 'label'. It has: id, Text, queue"):
        table_of(tmp_path, CSV).column("label")
