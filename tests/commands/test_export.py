"""The commands that export, and what is done with bundles: what they say and refuse."""

import os
import shutil

import numpy as np
import pytest

from tinybert_tf.commands import command_line
from tinybert_tf.data import Examples
from tinybert_tf.export import ModelCard, export_bundle
from tinybert_tf.models import BertEncoder, BertTextClassifier
from tinybert_tf.tokenization import BertPreprocessor, BertTokenizer


@pytest.fixture(scope="module")
def bundle(vocabulary_file, tmp_path_factory):
    """Of a classifier of two classes."""
    tokenizer = BertTokenizer(str(vocabulary_file))
    model = BertTextClassifier(
        BertEncoder(
            tokenizer.vocabulary_size(), 1, 2, 8, 16, dropout=0.0, max_sequence_length=8
        ),
        2,
        labels=("no", "yes"),
        preprocessor=BertPreprocessor(tokenizer, sequence_length=8),
    )
    examples = Examples((("a b", "c", "d e f"),), np.array([0, 1, 0], "int32"))
    output = tmp_path_factory.mktemp("export") / "bundle"
    export_bundle(
        model,
        examples=examples,
        output=output,
        profile="float32",
        sequence_length=8,
        lengths=(4,),
        card=ModelCard("tiny", "A tiny model.", "1.2.3"),
    )
    return output


def test_verify(bundle, mistake, tmp_path, capsys):
    command_line.main(["verify", str(bundle)], command_line.EXPORTER)
    shown = capsys.readouterr().out
    assert shown.startswith(f"{bundle}: tiny 1.2.3, float32, 5 files as listed, golden outputs")
    assert shown.count("\n") == 1
    copy = shutil.copytree(bundle, tmp_path / "bundle")
    (copy / "labels.txt").write_text("yes\nno\n")
    message = mistake("verify", bundle, copy)
    assert message.startswith(f"{copy / 'labels.txt'} has not the SHA-256")


def test_install(bundle, tmp_path, capsys):
    (tmp_path / "app" / "src" / "main").mkdir(parents=True)
    command_line.main(["install", str(bundle), f"--android={tmp_path}"])
    place = tmp_path / "app" / "src" / "main" / "assets" / "bundle"
    assert capsys.readouterr().out == f"The app has it at {place}.\n"
    assert {"bundle.json", "vocab.txt"} < {path.name for path in place.iterdir()}


TO_X = ["--run=/nowhere", "--output=x"]


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["verify"], "the following arguments are required: BUNDLE"),
        (["verify", "/nowhere"], "/nowhere/bundle.json: No such file or directory"),
        (
            ["verify", "x", "--android=."],
            "verify has no flag --android. It is a flag of export, ",
        ),
        (["install", "x"], "the following arguments are required: --android"),
        (["install", "x", "y", "--android=."], "unexpected argument 'y'"),
        (["install", "x", "--android=."], ". has no app/src/main"),
        (["ship"], "unknown command 'ship'. Commands: export, verify, install, benchmark."),
        (["run"], "unknown command 'run'."),
        ([], "the following arguments are required: --run, --output"),
        (TO_X, "one of the arguments --tflite --saved-model --keras is required"),
        (["--tflite", "--keras"], "argument --keras: not allowed with argument --tflite"),
        (["--tflite"], "the following arguments are required: --run, --output"),
        (["--tflite", "--output=x"], "the following arguments are required: --run"),
        (["--tflit", *TO_X], "export has no flag --tflit. Did you mean '--tflite'?"),
        (["--tflite", *TO_X], "/nowhere is no run directory"),
        (["--keras", *TO_X], "/nowhere is no run directory"),
        (["--keras", *TO_X, "--quantization=small"], "--profile is for --tflite only"),
        (["--saved-model", *TO_X, "--model_version=2"], "--model_version is for --tflite only"),
        (
            ["--tflite", *TO_X, "--lengths=8,no"],
            "argument --lengths: expected positive numbers, as in 16,32; got 8,no",
        ),
        (
            ["--tflite", *TO_X, "--sequence_length=x"],
            "argument --sequence_length: invalid int value: 'x'",
        ),
        (["benchmark"], "the following arguments are required: BUNDLE"),
        (["benchmark", "x", "--threads=0"], "argument --threads: expected positive numbers"),
    ],
)
def test_mistakes(arguments, message, mistake, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert mistake(*arguments, program=command_line.EXPORTER).startswith(message)
    assert os.listdir(tmp_path) == []
