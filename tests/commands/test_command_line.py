"""What the command line takes, lists and refuses; and its three entry points, as processes."""

import os
import pathlib
import re
import shlex
import subprocess
import sys

import pytest

from tinybert_tf.commands import command_line
from tinybert_tf.commands.command_line import COMMANDS, EXPORTER, MODULE, main, parse

PROJECT = pathlib.Path(__file__).resolve().parent.parent.parent

# === As processes ===

PYTHON = pathlib.Path(sys.executable)
ENTRY_POINTS = {
    "python -m tinybert_tf": ([PYTHON, "-m", "tinybert_tf"], COMMANDS),
    "python -m tinybert_tf.export": ([PYTHON, "-m", "tinybert_tf.export"], EXPORTER.commands),
    "tinybert-tf": ([PYTHON.with_name("tinybert-tf")], COMMANDS),
}
each_entry_point = pytest.mark.parametrize("name", ENTRY_POINTS)


def run(program, *arguments, **environment):
    return subprocess.run(
        [*program, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )


@each_entry_point
def test_help_lists_the_commands_and_does_not_wait_for_tensorflow(name):
    program, commands = ENTRY_POINTS[name]
    done = run(program, "--help", PYTHONPROFILEIMPORTTIME="1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"usage: {name} [-h]")
    lines = done.stdout.splitlines()
    listed = [line.split()[0] for line in lines if re.match(r" {4}[a-z-]+ +\w", line)]
    assert listed == list(commands)
    assert max(map(len, lines[:-1])) <= 80
    # Of absl's flags there is not one.
    assert re.findall(r"--\w+", done.stdout) == ["--helpfull", "--help", "--helpfull", "--help"]
    imported = re.findall(r"\| +(\w+)", done.stderr)
    assert "tinybert_tf" in imported
    assert not {"tensorflow", "keras", "numpy"} & set(imported)


@each_entry_point
def test_a_mistake_is_one_message_and_does_not_wait_for_tensorflow(name):
    program, _ = ENTRY_POINTS[name]
    done = run(program, "verfy", PYTHONPROFILEIMPORTTIME="1")
    assert done.returncode == 2
    said = [line for line in done.stderr.splitlines() if not line.startswith("import time:")]
    commands = ", ".join(ENTRY_POINTS[name][1])
    assert said == [
        f"error: unknown command 'verfy'. Did you mean 'verify'? Commands: {commands}.",
        f"`{name} --help` says what it takes.",
    ]
    assert "tensorflow" not in done.stderr


# === Help ===


# Of those that do not take a config.
FLAG_OF = {
    **dict.fromkeys(("report", "predict", "pack", "export", "benchmark"), "--run"),
    **{"corpus": "--input", "install": "--android", "verify": "--help", "init": "--train"},
    "classify": "--model",
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_s_help(command, capsys):
    with pytest.raises(SystemExit) as caught:
        main([command, "--help"])
    assert caught.value.code == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"usage: python -m tinybert_tf {command} [-h]")
    assert shown.splitlines()[-1] and "\noptions:\n" in shown
    # Flags of its own, and none of absl's.
    flags = set(re.findall(r"^  (?:-h, )?(--[a-z_-]+)", shown, re.MULTILINE))
    assert flags >= {"--help", FLAG_OF.get(command, "--config")}
    assert "--verbosity" not in shown and "--logtostderr" not in shown


def test_defaults_are_shown(capsys):
    with pytest.raises(SystemExit):
        main(["corpus", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert "tokens of a full sequence (default: 128)" in shown
    assert "share of the tokens to mask; BERT's is 0.15 (default: 0.0)" in shown
    assert "a vocab.txt in place of the teacher's --cased" in shown
    assert "tfds:NAME" in shown


def test_the_exporter_s_help_without_a_command(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--tflite", "--help"], EXPORTER)
    assert caught.value.code == 0
    shown = capsys.readouterr().out
    assert shown.startswith("usage: python -m tinybert_tf.export [-h]")
    assert "--quantization NAME" in shown


def test_every_file_of_a_command_is_in_the_table():
    folder = pathlib.Path(command_line.__file__).parent
    files = {path.stem for path in folder.glob("[!_]*.py")} - {"command_line", "scripts"}
    assert files == {command.replace("-", "_") for command in COMMANDS}


# === What it takes ===


def documented():
    """The commands that stand on lines of their own, with the files they are in."""
    folders = [PROJECT / name for name in ("docs", "configs", "benchmarks")]
    files = [
        path for f in folders for path in f.rglob("*") if path.suffix not in (".json", ".png")
    ]
    files += [PROJECT / name for name in ("README.md", "Makefile", "android_demo/README.md")]
    found = {}
    for path in sorted(path for path in files if path.is_file()):
        text = re.sub(r"\\+\n[ \t#]*", " ", path.read_text("utf-8"))
        pattern = r"^[ \t#]*(?:\$\(BIN\)/)?python -m (tinybert_tf\S*) (.+)$"
        for module, line in re.findall(pattern, text, re.MULTILINE):
            found.setdefault((module, line), path)
    return found


def test_every_documented_command_is_understood():
    commands = documented()
    assert len(commands) > 40
    assert {"README.md", "Makefile", "export.md"} <= {path.name for path in commands.values()}
    understood = set()
    for (module, line), path in commands.items():
        program = {"tinybert_tf": MODULE, "tinybert_tf.export": EXPORTER}[module]
        # As a shell would, in a loop over profiles.
        line = re.sub(r"\$(\w+)", r"\1", line)
        try:
            parsed = parse(shlex.split(line, comments=True), program)
        except SystemExit:
            pytest.fail(f"{path}: python -m {module} {line}")
        understood.add(parsed.command)
    assert understood >= {*COMMANDS} - {"evaluate"}


@pytest.mark.parametrize("program", [MODULE, EXPORTER])
def test_an_export_in_all_spellings(program):
    command = [] if program is EXPORTER else ["export"]
    flags = ["--run=r", "--output", "o", "--quantization=small", "--lengths", "16,32"]
    parsed = parse([*command, "--tflite", *flags, "--model_version=2"], program)
    assert (parsed.command, parsed.format) == ("export", "tflite")
    assert (parsed.run, parsed.output, parsed.profile) == ("r", "o", "small")
    assert (parsed.lengths, parsed.sequence_length, parsed.version) == ([16, 32], None, "2")
    parsed = parse([*command, "--saved-model", "--run", "r", "--output", "o"], program)
    assert (parsed.format, parsed.profile) == ("saved_model", None)


def test_lists_of_a_benchmark():
    parsed = parse(["benchmark", "a", "b", "--threads", "1,2", "--against=x,y"], EXPORTER)
    assert (parsed.bundles, parsed.threads, parsed.lengths) == (["a", "b"], [1, 2], None)
    assert parsed.against == ["x", "y"]
    parsed = parse(["benchmark", "a", "--lengths=8"], EXPORTER)
    assert (parsed.threads, parsed.lengths, parsed.against) == ([1], [8], [])


def test_flags_that_are_given_several_times():
    parsed = parse(["run", "--set", "a=1", "--config=c", "--set=b=-2", "--resume"], MODULE)
    assert (parsed.config, parsed.set, parsed.resume) == ("c", ["a=1", "b=-2"], True)
    parsed = parse(["finetune", "--config", "c"], MODULE)
    assert (parsed.set, parsed.resume) == ([], False)
    parsed = parse(["report", "--run", "a", "--run=b", "--output", "o"], MODULE)
    assert parsed.run == ["a", "b"]


def test_texts_that_begin_with_a_dash():
    texts = ["--text", "-- or not", "--text_pair=-1"]
    parsed = parse(["report", "--run", "r", *texts], MODULE)
    assert (parsed.text, parsed.text_pair) == ("-- or not", "-1")
    assert parse(["report", "--run", "r", "--text", "-5"], MODULE).text == "-5"


def test_options_of_a_runner():
    options = ["--runner=FlinkRunner", "--", "--help"]
    assert parse(["augment", "--config", "c", "--", *options], MODULE).runner_options == options
    parsed = parse(["corpus", "--input", "a", "b", "--output", "o", "--", *options], MODULE)
    assert (parsed.input, parsed.runner_options) == (["a", "b"], options)
    assert parse(["augment", "--config", "c"], MODULE).runner_options == []


def test_absl_s_flags_are_taken_but_not_shown():
    parsed = parse(["--verbosity=-1", "run", "--stderrthreshold=info", "--config=c"], MODULE)
    assert (parsed.command, parsed.config) == ("run", "c")


# === Mistakes ===


def test_unknown_command(mistake):
    message = mistake("distil", "--config", "no.yaml")
    assert message.startswith(
        "unknown command 'distil'. Did you mean 'distill'? Commands: run,"
    )
    assert all(command in message for command in COMMANDS)
    assert "python -m tinybert_tf --help" in message
    assert "Did you mean 'corpus'?" in mistake("corpsu")
    assert "Did you mean 'report'?" in mistake("reports", "--run", "x")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            [],
            "expected a command; got nothing. Commands: run, init, check, finetune",
        ),
        (["--config", "x", "run"], "expected a command before --config."),
        # Flags.
        (
            ["run", "--config", "x", "--resum"],
            "run has no flag --resum. Did you mean '--resume'",
        ),
        (["run", "--confg=x"], "run has no flag --confg. Did you mean '--config'?"),
        (["run", "-config", "x"], "run has no flag -config. Did you mean '--config'?"),
        (["corpus", "--sequence_lenght", "3"], "Did you mean '--sequence_length'?"),
        (["run", "--config"], "argument --config: expected one argument"),
        (["run"], "the following arguments are required: --config"),
        (["run", "--config", "x", "y"], "unexpected argument 'y'"),
        (["evaluate", "x"], "the following arguments are required: --config"),
        # Flags of other commands.
        (
            ["report", "--run", "x", "--config", "x.yaml"],
            "report has no flag --config. It is a flag of run, check, finetune, augment",
        ),
        (
            ["report", "--run", "x", "--resume"],
            "report has no flag --resume. It is a flag of run",
        ),
        (["evaluate", "--run", "x"], "evaluate has no flag --run. It is a flag of report, "),
        (
            ["run", "--run", "x", "--config", "x"],
            "run has no flag --run. It is a flag of report,",
        ),
        (
            ["run", "--output", "x", "--config", "x"],
            "run has no flag --output. It is a flag of",
        ),
        (
            ["run", "--text", "", "--config", "x"],
            "run has no flag --text. It is a flag of report.",
        ),
        (
            ["distill", "--text_pair=x", "--config", "x"],
            "distill has no flag --text_pair. It is a flag of report.",
        ),
        (["pack", "--run", "x", "--set", "a=1"], "pack has no flag --set. It is a flag of run"),
        (
            ["distill", "--config", "x", "--", "--runner=FlinkRunner"],
            "unexpected argument '--runner=FlinkRunner'",
        ),
        # Reports.
        (["report"], "the following arguments are required: --run"),
        (
            ["report", "--run", "x", "--output", "y"],
            "--output is for a report of several --run",
        ),
        (["report", "--run", "x", "--run", "y"], "A report of several --run needs --output"),
        (
            ["report", "--run", "x", "--run", "y", "--output", "z", "--text", ""],
            "--text is for the report of one --run",
        ),
        (["report", "--run", "x", "--text_pair", "y"], "--text_pair needs --text"),
        (["report", "--run", "x"], "x is no run directory"),
    ],
)
def test_mistakes(arguments, message, mistake, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert message in mistake(*arguments)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("command", ["pack", "predict"])
def test_a_command_on_a_run_without_its_flags(command, mistake, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    required = "the following arguments are required:"
    assert f"{required} --run, --output" in mistake(command)
    message = mistake(command, "--run", "x")
    assert f"{required} --output" in message and f"tinybert_tf {command} --help" in message
    message = mistake(command, "--run", "x", "--run", "y", "--output", "z")
    assert f"{command} takes one --run; got x, y" in message
    message = mistake(command, "--run", "x", "--output", "z", "--text", "t")
    assert f"{command} has no flag --text. It is a flag of report." in message
    assert "x is no run directory" in mistake(command, "--run", "x", "--output", "z")
