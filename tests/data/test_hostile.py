"""Damaged and hostile data files: no error but ours, in a gigabyte."""

import json

import pytest

from tinybert_tf.data import SPAN_TASKS, Task, read_squad, read_table
from tinybert_tf.data.columns import find_label_field, find_text_fields, read_columns

TASK = Task("things", ("sentence",), "label", ("negative", "positive"))
ROWS = [("good thing", "positive"), ('bad, "so" thing', "negative"), ("caf\u00e9", "positive")]


def table(suffix):
    if suffix == ".jsonl":
        return "".join(json.dumps({"sentence": t, "label": x}) + "\n" for t, x in ROWS)
    delimiter = {".csv": ",", ".tsv": "\t"}[suffix]
    lines = [("sentence", "label"), *ROWS]
    return "".join(
        f'"{text.replace(chr(34), chr(34) * 2)}"{delimiter}{label}\n'
        if suffix == ".csv"
        else f"{text}{delimiter}{label}\n"
        for text, label in lines
    )


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl"])
def test_tables(tmp_path, harness, fuzzing, suffix):
    name, content = f"train{suffix}", table(suffix)
    (tmp_path / name).write_text(content, "utf-8")
    rows = [json.loads(line) for line in table(".jsonl").splitlines()]
    marks = ["\x00", "\ufeff", '"', "\r", "\n\n", "\t", ",", "\u2028", "9" * 5000, "\ud800"]

    def mutate(generator):
        kind = generator.random()
        if suffix == ".jsonl" and kind < 0.5:
            lines = [*map(json.dumps, rows), fuzzing.mutate_json(generator, rows[0])]
            return {name: "\n".join(lines).encode()}
        if kind < 0.3:
            at = generator.randrange(len(content))
            text = content[:at] + generator.choice(marks) * generator.choice([1, 300])
            return {name: (text + content[at:]).encode("utf-8", "surrogatepass")}
        return {name: fuzzing.mutate_bytes(generator, content.encode())}

    def load(directory):
        read_table(TASK, directory / name)
        columns = read_columns(directory / name)
        find_text_fields(columns, find_label_field(columns))

    _, refused = harness.run(tmp_path, mutate, load)
    assert refused


def squad():
    context = "Norman nobles gave their name to Normandy, a region in France."
    answer = {"text": "Normandy", "answer_start": context.index("Normandy")}
    questions = [
        {"id": "1", "question": "Where?", "answers": [answer], "is_impossible": False},
        {"id": "2", "question": "Who?", "answers": [], "is_impossible": True},
    ]
    paragraphs = [{"context": context, "qas": questions}]
    return {"version": "v2.0", "data": [{"title": "Normans", "paragraphs": paragraphs}]}


@pytest.mark.parametrize("task", ["squad_v1", "squad_v2"])
def test_squad(tmp_path, harness, fuzzing, task):
    content = squad()
    if task == "squad_v1":
        del content["data"][0]["paragraphs"][0]["qas"][1]
    (tmp_path / "train.json").write_text(json.dumps(content), "utf-8")

    def mutate(generator):
        if generator.random() < 0.2:
            text = json.dumps(content).encode()
            return {"train.json": fuzzing.mutate_bytes(generator, text)}
        return {"train.json": fuzzing.mutate_json(generator, content).encode()}

    def load(directory):
        read_squad(SPAN_TASKS[task], directory / "train.json")

    _, refused = harness.run(tmp_path, mutate, load)
    assert refused
