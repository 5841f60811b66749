"""Sixty spoilt configs, data files and teachers: one message, exit code 2, nothing left behind.

Each kind of fault has a function that spoils a good run and returns what is to be said of it.
Where (which split, row or key) is chosen by the seed of the case.
"""

import json
import pathlib
import random
import re
import shutil
import time

import pytest
import yaml

# Each kind comes once or twice.
CASES = 60
# These are in every run of the tests, the others are slow.
QUICK = range(0, CASES, 6)
_SECONDS = 15.0


class Run:
    """A good run in a folder of its own: `values` of its config, and copies of its inputs."""

    def __init__(self, folder, values, teacher, data, seed):
        self.folder = folder
        self.random = random.Random(seed)
        self.values = values
        self.teacher = pathlib.Path(shutil.copytree(teacher, folder / "bert"))
        self.data = pathlib.Path(shutil.copytree(data, folder / "data"))
        values["teacher"]["weights"] = str(self.teacher)
        for split in ("train", "dev", "test"):
            values["data"][split] = str(self.data / f"{split}.tsv")
        self.split = self.random.choice(("train", "dev", "test"))
        self.file = self.data / f"{self.split}.tsv"

    def lines(self):
        return self.file.read_text("utf-8").splitlines()

    def write(self, lines):
        self.file.write_text("\n".join(lines) + "\n", "utf-8")

    def change_row(self, row):
        """Puts a line into the place of a random one; returns how messages name it."""
        lines = self.lines()
        number = self.random.randrange(1, len(lines))
        lines[number] = row
        self.write(lines)
        return rf"{self.split}\.tsv, line {number + 1}: "

    def rename(self, suffix):
        self.file = self.file.rename(self.file.with_suffix(suffix))
        self.values["data"][self.split] = str(self.file)


# === Data ===


def missing_file(run):
    run.values["data"][run.split] = str(run.data / f"{run.split}s.tsv")
    return rf"There is no data file .*Did you mean '{run.split}\.tsv'"


def folder_for_a_file(run):
    run.values["data"][run.split] = str(run.data)
    return "data is a folder, expected a data file"


def empty_file(run):
    run.file.write_text(run.random.choice(["", "\n\n", "\ufeff"]), "utf-8")
    return "is empty, expected rows"


def header_alone(run):
    run.write(run.lines()[:1])
    return "there are no rows"


def renamed_column(run):
    run.write(["sentense\tlabel", *run.lines()[1:]])
    return "there is no column 'sentence'.*Did you mean 'sentense'"


def unknown_label(run):
    return run.change_row("good thing\tpositiv") + "unknown label 'positiv'.*mean 'positive'"


def too_few_fields(run):
    return run.change_row("good thing positive") + "too few fields: 1, expected 2"


def empty_text(run):
    return run.change_row(" \tpositive") + "the text in 'sentence' is empty"


def several_labels(run):
    return run.change_row("thing\tpositive,negative") + "the label is .* 2 labels"


def columns_of_labels(run):
    run.write(["sentence\tnegative\tpositive", "good thing\t0\t1"])
    return "one a label. A text has one label here"


def another_encoding(run):
    content = run.file.read_bytes()
    at = run.random.randrange(len(content) // 2, len(content))
    run.file.write_bytes(content[:at] + b"\xff" + content[at:])
    return "byte 0xff is not UTF-8"


def utf_16_without_a_mark(run):
    run.file.write_bytes(run.file.read_text("utf-8").encode("utf-16-le"))
    return "holds zero bytes"


def workbook(run):
    run.file.write_bytes(b"PK\x03\x04" + run.random.randbytes(100))
    return "is a workbook of Excel"


def unknown_suffix(run):
    run.rename(".dat")
    return r"ends in '\.dat', expected one of: \.tsv"


def broken_quotes(run):
    run.rename(".csv")
    run.write(["sentence,label", "good,positive", '"bad,negative'])
    return "line 3: the quoting is broken"


def broken_json(run):
    run.rename(".jsonl")
    run.write(['{"sentence": "a", "label": "positive"}', '{"sentence": "b"'])
    return "line 2: not valid JSON"


def json_of_another_type(run):
    run.rename(".jsonl")
    run.write(['{"sentence": 3, "label": "positive"}'])
    return "line 1: 'sentence' is 3, expected a string"


def dev_of_one_class(run):
    run.split, run.file = "dev", run.data / "dev.tsv"
    run.write([line for line in run.lines() if not line.endswith("negative")])
    return r"data\.dev .* all 16 examples have 'positive'"


def tiny_dev(run):
    run.split, run.file = "dev", run.data / "dev.tsv"
    run.write(run.lines()[: run.random.choice((3, 5))])
    return "examples, too few to tell a teacher without errors"


def train_of_one_class(run):
    run.split, run.file = "train", run.data / "train.tsv"
    run.write([line for line in run.lines() if not line.endswith("positive")])
    return "all 32 training examples have the label 'negative'"


def class_that_train_lacks(run):
    run.values["task"]["labels"].append("mixed")
    run.split = run.random.choice(("dev", "test"))
    run.file = run.data / f"{run.split}.tsv"
    run.write([*run.lines(), "thing\tmixed"])
    return "has 'mixed', of which data.train has no example"


# === The config ===


def unknown_key(run):
    part, key = run.random.choice([("data", "max_token"), ("student", "architectur")])
    run.values[part][key] = 8
    return rf"unknown key '{part}\.{key}'\. Did you mean '{key}"


def missing_key(run):
    key = run.random.choice(["task", "data", "distillation"])
    del run.values[key]
    return rf"'{key}' is missing"


def value_of_another_type(run):
    run.values["seed"] = run.random.choice(["many", -1, 1.5])
    return r"'seed' is "


def one_label(run):
    del run.values["task"]["labels"][1]
    return r"labels holds 1 name\(s\), expected 2 or more"


def delimiter_of_two_characters(run):
    run.values["data"]["delimiter"] = run.random.choice(["||", "", "\n"])
    return r"data: The delimiter is .*, expected one character"


def unset_variable(run):
    run.values["data"][run.split] = f"$NO_SUCH_FOLDER/{run.split}.tsv"
    return r"has \$NO_SUCH_FOLDER, which is not set"


def too_many_tokens(run):
    run.values["data"]["max_tokens"] = run.random.randrange(17, 600)
    return r"the model's position table ends at 16"


def unknown_profile(run):
    run.values["export"] = {"profiles": ["dynamic_int9"]}
    return "dynamic_int9"


def export_too_long(run):
    run.values["export"] = {"sequence_length": run.random.randrange(17, 600)}
    return "tokens does not fit the model: it takes 3 to 16"


def stages_of_one_name(run):
    for stage in run.values["distillation"]["stages"]:
        stage["name"] = "same"
    return "stages must be at least one, of different names"


def augmentation_without_its_files(run):
    run.values["augmentation"] = {
        "masked_lm": {"weights": str(run.folder / "bret")},
        "word_vectors": str(run.folder / "glove.txt"),
    }
    return r"augmentation\.word_vectors: there is no file"


# === Teacher and student ===


def heads_that_differ(run):
    run.values["student"]["overrides"]["num_heads"] = run.random.choice((1, 2))
    return "attention heads and the teacher 4: they cannot be compared one by one"


def heads_that_do_not_divide(run):
    run.values["student"]["overrides"]["num_heads"] = run.random.choice((3, 5, 7))
    return r"student\.overrides "


def unknown_architecture(run):
    run.values["student"]["architecture"] = "bert_tiney"
    return "architecture 'bert_tiney' is not known.*Did you mean 'bert_tiny'"


def unknown_override(run):
    run.values["student"]["overrides"]["num_layer"] = 2
    return "student.overrides has 'num_layer'.* Did you mean 'num_layers'"


def layers_that_are_not_there(run):
    run.values["distillation"]["mapping"] = [run.random.randrange(3, 9)]
    return "mapping"


def no_teacher(run):
    run.values["teacher"]["weights"] = str(run.folder / "brt")
    return r"brt.*Did you mean 'bert'"


def teacher_without_config(run):
    (run.teacher / "config.json").unlink()
    return "bert has no config.json"


def broken_teacher_config(run):
    path = run.teacher / "config.json"
    path.write_text(path.read_text("utf-8")[:-4], "utf-8")
    return r"config\.json"


def teacher_of_another_shape(run):
    path = run.teacher / "config.json"
    config = json.loads(path.read_text("utf-8"))
    config["intermediate_size"] += run.random.randrange(1, 9)
    path.write_text(json.dumps(config), "utf-8")
    return r"model\.safetensors does not fit"


def truncated_weights(run):
    path = run.teacher / "model.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[: -run.random.randrange(1, len(content) // 2)])
    return r"model\.safetensors is incomplete or damaged"


def vocabulary_of_another_model(run):
    path = run.teacher / "vocab.txt"
    path.write_text(path.read_text("utf-8") + "more\n" * 1, "utf-8")
    return "The vocabulary has 73 tokens, the model's embedding 72"


def cased_teacher(run):
    (run.teacher / "tokenizer_config.json").write_text('{"do_lower_case": false}', "utf-8")
    return "says that the model is cased"


# === Places ===


def run_directory_of_something_else(run):
    (run.folder / "run").mkdir()
    (run.folder / "run" / "notes.txt").write_text("mine", "utf-8")
    return "exists; --resume goes on"


def run_directory_below_a_file(run):
    run.values["run_directory"] = str(run.file / "run")
    return "Not a directory|no folder that can be written"


KINDS = [
    value
    for value in list(globals().values())
    if callable(value) and getattr(value, "__module__", None) == __name__ and value is not Run
]


def contents(folder):
    return {
        path.relative_to(folder): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


@pytest.mark.parametrize(
    "case",
    [pytest.param(i, marks=[] if i in QUICK else pytest.mark.slow) for i in range(CASES)],
    ids=lambda i: f"{i}-{KINDS[i % len(KINDS)].__name__}",
)
def test_one_message_and_nothing_left_behind(
    case, make_tiny_values, tiny_bert, tiny_data, tmp_path, mistake
):
    run = Run(tmp_path, make_tiny_values(tmp_path / "run"), tiny_bert, tiny_data, seed=case)
    expected = KINDS[case % len(KINDS)](run)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(run.values), "utf-8")
    before, started = contents(tmp_path), time.process_time()
    message = mistake("run", "--config", tmp_path / "config.yaml")
    assert time.process_time() - started < _SECONDS
    assert re.search(expected, message), message
    assert contents(tmp_path) == before


def test_every_kind_is_among_the_cases():
    assert CASES >= len(KINDS) >= 40
