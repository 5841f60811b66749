"""Bad input: one clear message, exit code 2, no traceback and nothing left behind."""

import json
import shutil
import zipfile

import pytest
import yaml

from tinybert_tf.checkpoints.locations import load_tokenizer
from tinybert_tf.errors import TinyBertError
from tinybert_tf.runs import recipes
from tinybert_tf.runs.checking import check_run
from tinybert_tf.runs.config_file import load_config, parse_config
from tinybert_tf.runs.directory import RunDirectory


def assert_nothing_left(values, tmp_path):
    assert not (tmp_path / "run").exists()
    assert not list(tmp_path.rglob(".partial-*"))
    assert values["run_directory"] == str(tmp_path / "run")


def refused(values, tmp_path):
    """The message that a run is refused with, as the command `run` begins."""
    with pytest.raises(TinyBertError) as caught:
        config = parse_config(values, "values")
        with RunDirectory.creating(config, resume=False) as run:
            run.record_command(config.seed)
            check_run(config).raise_errors()
            recipes.finetune(config, run)
            recipes.distill(config, run)
    assert_nothing_left(values, tmp_path)
    return str(caught.value)


# === Data ===


def test_wrong_column(tiny_values, tmp_path, mistake):
    train = tmp_path / "train.tsv"
    train.write_text("sentense\tlabel\ngood thing\tpositive\n", "utf-8")
    tiny_values["data"]["train"] = str(train)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(tiny_values), "utf-8")
    message = mistake("run", "--config", tmp_path / "config.yaml")
    assert "train.tsv: there is no column 'sentence'" in message
    assert "Did you mean 'sentense'?" in message
    assert_nothing_left(tiny_values, tmp_path)


GOOD = b"good thing\tpositive\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "There is no data file"),
        (b"", "train.tsv is empty"),
        (b"sentence\tlabel\n", "there are no rows"),
        (b"sentence\tlabel\n" + GOOD + b"bad\tnegativ\n", "line 3: unknown label 'negativ'"),
        (b"sentence\tlabel\n" + GOOD * 2, "all 2 training examples have the label 'positive'"),
        (
            b"sentence\tlabel\n" + GOOD + b"caf\xe9\tnegative\n",
            "line 3: byte 0xe9 is not UTF-8",
        ),
        (b"sentence\tlabel\nbad\n", "line 2: too few fields: 1, expected 2"),
    ],
    ids=["missing", "empty", "header", "label", "one_class", "encoding", "fields"],
)
def test_bad_training_data(tiny_values, tmp_path, content, message):
    train = tmp_path / "train.tsv"
    if content is not None:
        train.write_bytes(content)
    tiny_values["data"]["train"] = str(train)
    refusal = refused(tiny_values, tmp_path)
    assert message in refusal and str(train) in refusal


def test_a_folder_for_a_file(tiny_values, tmp_path):
    tiny_values["data"]["dev"] = str(tmp_path)
    assert f"{tmp_path} is a folder, expected a data file" in refused(tiny_values, tmp_path)


def test_bad_data_after_a_teacher_that_needs_no_training(tiny_values, tmp_path):
    """The copy of the teacher in the run directory is no reason to keep it."""
    tiny_values["teacher"]["fine_tune"] = None
    tiny_values["data"]["train"] = str(tmp_path / "train.tsv")
    assert "There is no data file" in refused(tiny_values, tmp_path)


# === Weights ===


@pytest.fixture
def damaged(tiny_bert, tiny_values, tmp_path):
    """A copy of the teacher's weights, for a test to damage."""
    directory = shutil.copytree(tiny_bert, tmp_path / "bert")
    tiny_values["teacher"]["weights"] = str(directory)
    return directory


def test_another_shape(damaged, tiny_values, tmp_path):
    config = json.loads((damaged / "config.json").read_text("utf-8"))
    (damaged / "config.json").write_text(json.dumps({**config, "intermediate_size": 50}))
    message = refused(tiny_values, tmp_path)
    assert "model.safetensors does not fit" in message
    name = "encoder.layer.1.output.dense.weight"
    assert f"wrong shape: {name} is (24, 48), the config says (24, 50)" in message


def test_truncated_weights(damaged, tiny_values, tmp_path):
    content = (damaged / "model.safetensors").read_bytes()
    (damaged / "model.safetensors").write_bytes(content[:-100])
    assert "model.safetensors is incomplete or damaged" in refused(tiny_values, tmp_path)


def test_a_pickle_that_calls_a_command(damaged, tiny_values, tmp_path):
    (damaged / "model.safetensors").unlink()
    command = f"touch {tmp_path / 'called'}"
    with zipfile.ZipFile(damaged / "pytorch_model.bin", "w") as archive:
        archive.writestr("archive/data.pkl", f"cos\nsystem\n(V{command}\ntR.")
    message = refused(tiny_values, tmp_path)
    assert "pytorch_model.bin was refused" in message and "os.system" in message
    assert not (tmp_path / "called").exists()


def test_no_config_json(damaged, tiny_values, tmp_path):
    (damaged / "config.json").unlink()
    assert f"{damaged} has no config.json" in refused(tiny_values, tmp_path)


def test_vocabulary_of_another_model(damaged, tiny_values, tmp_path):
    with open(damaged / "vocab.txt", "a", encoding="utf-8") as file:
        file.write("further\n")
    expected = "The vocabulary has 73 tokens, the model's embedding 72."
    assert expected in refused(tiny_values, tmp_path)


def test_longer_than_the_position_table(tiny_values, tmp_path):
    tiny_values["data"]["max_tokens"] = 17
    expected = "data.max_tokens is 17, but the model's position table ends at 16."
    assert expected in refused(tiny_values, tmp_path)


def test_package_that_is_not_installed(tiny_values, tmp_path):
    tiny_values["teacher"]["weights"] = "package:no_such_package_of_weights/model"
    expected = "Python package no_such_package_of_weights, which is not installed"
    assert expected in refused(tiny_values, tmp_path)


# === Configs and run directories ===


def test_unknown_key(tiny_values, tmp_path):
    tiny_values["data"]["max_token"] = 8
    expected = "unknown key 'data.max_token'. Did you mean 'max_tokens'?"
    assert expected in refused(tiny_values, tmp_path)


@pytest.mark.parametrize(
    ("command", "kind", "message"),
    [
        ("run", "general", "run needs the config of a task"),
        ("general-distill", "task", "general-distill needs the config of a general student"),
        ("pretrain-mlm", "task", "pretrain-mlm needs the config of a masked LM"),
    ],
)
def test_the_config_of_another_command(command, kind, message, tiny_values, tmp_path, mistake):
    values = tiny_values
    if kind == "general":
        values = {
            **{key: values[key] for key in ("run_directory", "teacher", "student")},
            "corpus": {"directory": "corpus"},
            "distillation": {"stages": values["distillation"]["stages"][:1]},
        }
        values["teacher"].pop("fine_tune")
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(values), "utf-8")
    refusal = mistake(command, "--config", path)
    assert message in refusal and f"{path} is that of" in refusal
    assert not (tmp_path / "run").exists()


def test_missing_config(tmp_path):
    with pytest.raises(TinyBertError, match=r"Cannot read the config .*no\.yaml"):
        load_config(tmp_path / "no.yaml")


@pytest.mark.parametrize("resume", [False, True])
def test_a_folder_of_something_else(tiny_values, tmp_path, resume):
    notes = tmp_path / "run" / "notes.txt"
    notes.parent.mkdir()
    notes.write_text("mine", "utf-8")
    config = parse_config(tiny_values, "values")
    expected = "has no config.yaml of a run" if resume else "exists; --resume goes on"
    with pytest.raises(TinyBertError, match=expected), RunDirectory.creating(config, resume):
        pass
    assert [path.name for path in notes.parent.iterdir()] == ["notes.txt"]


def test_a_run_of_another_config(tiny_values, tmp_path):
    RunDirectory.create(parse_config(tiny_values, "values"), resume=False)
    content = (tmp_path / "run" / "config.yaml").read_bytes()
    tiny_values["teacher"]["fine_tune"]["epochs"] = 3
    config = parse_config(tiny_values, "values")
    expected = r"started with teacher\.fine_tune\.epochs=5, the config now says 3"
    with pytest.raises(TinyBertError, match=expected), RunDirectory.creating(config, True):
        pass
    assert (tmp_path / "run" / "config.yaml").read_bytes() == content


def test_an_existing_run_survives_a_mistake(tiny_values, tmp_path):
    """Only the command that made the folder removes it."""
    config = parse_config(tiny_values, "values")
    RunDirectory.create(config, resume=False)
    with pytest.raises(TinyBertError), RunDirectory.creating(config, resume=True):
        raise TinyBertError("a mistake")
    assert (tmp_path / "run" / "config.yaml").exists()


@pytest.mark.parametrize("made", ["checkpoints", "augmented"])
def test_a_run_that_took_hours_survives_a_mistake(tiny_values, tmp_path, made):
    config = parse_config(tiny_values, "values")
    with (
        pytest.raises(TinyBertError),
        RunDirectory.creating(config, resume=False) as run,
    ):
        (run.path / made).mkdir()
        raise TinyBertError("a mistake")
    assert (tmp_path / "run" / "config.yaml").exists()


def test_what_was_half_written_is_no_run_and_goes(tiny_values, tmp_path):
    partial = tmp_path / "run" / ".partial-1"
    partial.mkdir(parents=True)
    config = parse_config(tiny_values, "values")
    run = RunDirectory.create(config, resume=True)
    for folder in (run.checkpoints, run.exports):
        (folder / ".partial-2").mkdir(parents=True)
        (folder / "kept").touch()
    RunDirectory.create(config, resume=True)
    left = {path.relative_to(run.path).as_posix() for path in run.path.rglob("*")}
    assert left == {"config.yaml", "checkpoints", "checkpoints/kept", "export", "export/kept"}


def test_a_test_split_that_is_not_there(tiny_values, tmp_path):
    """It is read last; hours before that somebody wants to know."""
    tiny_values["data"]["test"] = str(tmp_path / "test.tsv")
    message = refused(tiny_values, tmp_path)
    assert f"There is no data file {tmp_path / 'test.tsv'}" in message


def test_a_cased_model(damaged, tiny_values, tmp_path):
    (damaged / "tokenizer_config.json").write_text('{"do_lower_case": false}', "utf-8")
    message = refused(tiny_values, tmp_path)
    assert "says that the model is cased, but lowercase is true" in message
    tiny_values["teacher"]["lowercase"] = False
    config = parse_config(tiny_values, "values")
    assert not load_tokenizer(config.teacher).lowercase


def test_there_is_no_run(tmp_path):
    with pytest.raises(TinyBertError, match="is no run directory"):
        RunDirectory.open(tmp_path / "run")
    assert not (tmp_path / "run").exists()
