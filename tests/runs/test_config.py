"""Configs: what is read, what is refused and what the messages say."""

import copy
import pathlib

import pytest
import yaml

from tinybert_tf.data import GLUE_TASKS
from tinybert_tf.errors import TinyBertError
from tinybert_tf.runs.config_file import load_config, parse_config

CONFIGS = pathlib.Path(__file__).parents[2] / "configs"


def refused(values, tmp_path, *overrides):
    """The message that a config with some overrides is refused with."""
    with pytest.raises(TinyBertError) as caught:
        load_config(write(tmp_path, values), overrides)
    return str(caught.value)


def write(tmp_path, values):
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(values), "utf-8")
    return path


@pytest.mark.parametrize("path", sorted(CONFIGS.rglob("*.yaml")), ids=lambda path: path.stem)
def test_the_configs_of_the_project_load(path):
    config = load_config(path)
    assert parse_config(config.to_dict(), "its own values") == config


def test_resolved_config_round_trips(tiny_values, tmp_path):
    tiny_values["distillation"]["mapping"] = [2]
    config = parse_config(tiny_values, "values")
    resolved = config.to_dict()
    # Plain values, defaults included: the file of a run does not depend on later defaults.
    assert resolved["distillation"]["mapping"] == [2]
    assert resolved["teacher"]["fine_tune"]["optimizer"]["clip_norm"] == 1.0
    assert load_config(write(tmp_path, resolved)) == config


# === Tasks ===


@pytest.mark.parametrize(
    "written", ["[no, yes]", "[true, False]", "[0, 1.0]", "['on', off]", "[~, null]"]
)
def test_labels_are_taken_as_they_are_written(tiny_values, tmp_path, written):
    del tiny_values["task"]["labels"]
    path = write(tmp_path, tiny_values)
    text = path.read_text("utf-8")
    path.write_text(text.replace("task:\n", f"task:\n  labels: {written}\n"), "utf-8")
    expected = tuple(written.strip("[]").replace("'", "").split(", "))
    assert load_config(path).resolved_task().labels == expected
    # Elsewhere, YAML's own values hold.
    assert load_config(path, ["seed=1"]).seed == 1
    # And what a run keeps of its config is read in the same way.
    resolved = load_config(path).to_dict()
    assert load_config(write(tmp_path, resolved)).resolved_task().labels == expected


def test_labels_in_overrides(tiny_values, tmp_path):
    path = write(tmp_path, tiny_values)
    for override, expected in (
        ("task.labels=[no, yes]", ("no", "yes")),
        ("task.labels.1=yes", ("negative", "yes")),
    ):
        assert load_config(path, [override]).resolved_task().labels == expected


def test_a_glue_task_by_name(tiny_values):
    task = parse_config({**tiny_values, "task": "mnli"}, "values").resolved_task()
    assert task == GLUE_TASKS["mnli"]


def test_a_task_of_one_s_own(tiny_values):
    described = {
        "name": "grades",
        "text_fields": ["question", "answer"],
        "label_field": "grade",
        "score_range": [0, 10],
        "metrics": ["spearman"],
    }
    task = parse_config({**tiny_values, "task": described}, "values").resolved_task()
    assert task.is_regression and task.num_outputs == 1
    assert task.text_fields == ("question", "answer")
    assert task.score_range == (0.0, 10.0) and task.metrics == ("spearman",)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("task=sst3", "Did you mean 'sst2'?"),
        ("task.labels=[only]", "labels holds 1 name(s), expected 2 or more"),
        ("task.metrics=[acuracy]", "Did you mean 'accuracy'?"),
        ("task.score_range=[0, 5]", "labels and score_range are both given"),
    ],
)
def test_unusable_tasks(tiny_values, tmp_path, override, message):
    assert message in refused(tiny_values, tmp_path, override)


# === Keys and kinds ===


@pytest.mark.parametrize(
    ("override", "nearest"),
    [
        ("sede=3", "seed"),
        ("data.trian=x", "train"),
        ("student.dropuot=0", "dropout"),
        ("task.label_feild=x", "label_field"),
        ("teacher.fine_tune.epoch=1", "epochs"),
        ("teacher.fine_tune.optimizer.learning_rat=1", "learning_rate"),
        ("distillation.stages.1.predicton=1", "prediction"),
        ("distillation.stages.0.fit.optimizer.warm_up=0", "warmup"),
    ],
)
def test_an_unknown_key_names_the_nearest(tiny_values, tmp_path, override, nearest):
    message = refused(tiny_values, tmp_path, override)
    key = override.partition("=")[0]
    assert f"config.yaml:\n  unknown key '{key}'. Did you mean '{nearest}'?" in message
    # One problem, one line.
    assert message.count("\n") == 1


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("seed=many", "'seed' is 'many': Input should be a valid integer"),
        ("seed=-1", "'seed' is -1: Input should be greater than or equal to 0"),
        ("run_directory=null", "'run_directory' is None: Input should be a valid string"),
        ("precision=float8", "'precision' is 'float8': Input should be"),
        ("data=3", "'data' is 3: "),
        ("data.max_tokens=2", "'data.max_tokens' is 2: "),
        ("data.format=glue", "data.format glue wants a source; got None"),
        ("data.source=folder", "data.format table wants no source; got 'folder'"),
        ("teacher.fine_tune.epochs=2.5", "'teacher.fine_tune.epochs' is 2.5: "),
        ("teacher.fine_tune.optimizer.learning_rate=0", "greater than 0"),
        ("student.dropout=1", "'student.dropout' is 1: Input should be less than 1"),
        ("student.architecture=tinybert_4l", "Did you mean 'tinybert_4l_312d'?"),
        ("distillation.stages=[]", "stages must be at least one"),
        ("distillation.stages.1.name=intermediate", "of different names"),
        ("distillation.stages.1.name=teacher", "'teacher' means something else in a run"),
        ("distillation.stages.0.temperature=0", "temperature is 0.0; it must be positive"),
        ("distillation.stages.0={name: x}", "'distillation.stages.0.fit' is missing."),
        ("distillation.mapping=[1, x]", "'distillation.mapping.1' is 'x': "),
        ("export.profiles=[int8]", "export: There is no profile 'int8'"),
    ],
)
def test_values_of_the_wrong_kind(tiny_values, tmp_path, override, message):
    assert message in refused(tiny_values, tmp_path, override)


def test_a_missing_key(tiny_values, tmp_path):
    del tiny_values["data"]["dev"]
    assert refused(tiny_values, tmp_path).endswith("config.yaml:\n  'data.dev' is missing.")


def test_all_problems_are_named_at_once(tiny_values, tmp_path):
    message = refused(tiny_values, tmp_path, "seed=x", "precision=y", "data.trian=z")
    assert all(f"\n  {start}" in message for start in ("'seed'", "'precision'", "unknown key"))


# === Overrides ===


def test_overrides(tiny_values, tmp_path):
    config = load_config(
        write(tmp_path, tiny_values),
        [
            "seed=7",
            "teacher.fine_tune.optimizer.learning_rate=5e-5",
            "distillation.stages.1.fit.epochs=9",
            "distillation.stages.0.name=first=second",
            "task.text_fields.0=text",
            "task.labels=[bad, good]",
            "export={profiles: [float32, float16], sequence_length: 8}",
            "data.test=",
        ],
    )
    assert config.seed == 7
    assert config.teacher.fine_tune.optimizer.learning_rate == 0.00005
    assert [stage.fit.epochs for stage in config.distillation.stages] == [1, 9]
    assert config.distillation.stages[0].name == "first=second"
    assert config.resolved_task().text_fields == ("text",)
    assert config.resolved_task().labels == ("bad", "good")
    assert config.export.profiles == ("float32", "float16")
    assert config.export.sequence_length == 8
    assert config.data.test is None


@pytest.mark.parametrize("text", ["5e-5", "5.0e-5", "0.00005"])
def test_numbers_as_people_write_them(tiny_values, tmp_path, text):
    """YAML 1.1 takes 5e-5 for a word."""
    values = copy.deepcopy(tiny_values)
    values["teacher"]["fine_tune"]["optimizer"]["learning_rate"] = "RATE"
    path = write(tmp_path, values)
    path.write_text(path.read_text("utf-8").replace("RATE", text), "utf-8")
    assert load_config(path).teacher.fine_tune.optimizer.learning_rate == 0.00005


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("seed", "--set wants key=value, such as seed=7; got 'seed'."),
        ("seed=[1", "--set seed: '[1' is not YAML"),
        ("task.name.x=1", "--set task.name.x: 'x' is no key, because there is the value"),
        ("data.format.x.y=1", "--set data.format.x.y: 'x' is no key"),
        ("distillation.stages.2.name=x", "'2' is no key, because there is a list of 2."),
        ("distillation.stages.-1.name=x", "'-1' is no key, because there is a list of 2."),
        ("distillation.stages.first=x", "'first' is no key, because there is a list of 2."),
    ],
)
def test_bad_overrides(tiny_values, tmp_path, override, message):
    assert message in refused(tiny_values, tmp_path, override)


# === Files ===


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "Cannot read the config"),
        (b"seed: [1", "config.yaml is not YAML"),
        (b"seed: 1\ntask: caf\xe9\n", "line 2: byte 0xe9 is not UTF-8"),
        (b"- seed\n", "config.yaml holds list, not a mapping of keys"),
        (b"", "config.yaml holds NoneType, not a mapping of keys"),
    ],
)
def test_files_that_are_no_config(tmp_path, content, message):
    path = tmp_path / "config.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(TinyBertError) as caught:
        load_config(path)
    assert message in str(caught.value)


def test_damaged_and_hostile_configs(tiny_values, tmp_path, harness, fuzzing):
    """No error but ours, and in a gigabyte."""
    path = tmp_path / "config.yaml"
    text = yaml.safe_dump(tiny_values, sort_keys=False)
    path.write_text(text, "utf-8")
    marks = [
        "&a ",
        "*a",
        "<<: ",
        "!!int ",
        "!!python/name:os.system ",
        "? ",
        "- ",
        "{",
        "[" * 50,
    ]
    marks += ["2024-13-45", "1" * 5000, "\t", '"\\ud800"', "|\n", "%YAML 9\n", "---\n", ".inf"]

    def mutate(generator):
        kind = generator.random()
        if kind < 0.4:
            return {"config.yaml": fuzzing.mutate_json(generator, tiny_values).encode()}
        if kind < 0.7:
            at = generator.choice([i for i, c in enumerate(text) if c in " \n"]) + 1
            mark = generator.choice(marks)
            return {"config.yaml": (text[:at] + mark + text[at:]).encode()}
        return {"config.yaml": fuzzing.mutate_bytes(generator, text.encode())}

    def load(directory):
        config = load_config(directory / "config.yaml")
        assert parse_config(config.to_dict(), "again") == config

    loaded, refused = harness.run(tmp_path, mutate, load)
    assert loaded and refused
