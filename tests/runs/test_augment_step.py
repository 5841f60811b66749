"""Data augmentation as a step of a tiny run: whole, killed, and with what cannot be used."""

import contextlib
import io
import json
import pickle
import shutil

import numpy as np
import pytest
import yaml

from tinybert_tf.augmentation import Augmenter
from tinybert_tf.commands import command_line
from tinybert_tf.data import read_table
from tinybert_tf.errors import TinyBertError
from tinybert_tf.models import BertEncoder, BertMaskedLM
from tinybert_tf.runs import RunDirectory, augment, distill
from tinybert_tf.runs.augmenting import make_job
from tinybert_tf.runs.config_file import parse_config
from tinybert_tf.tokenization import BertPreprocessor, BertTokenizer

# Not the teacher's: other words, another order.
VOCABULARY = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "film",
    "bad",
    "plot",
    "thing",
    "good",
]
WORDS = {"film", "bad", "plot", "thing", "good"}


def make_masked_lm():
    encoder = BertEncoder(
        vocabulary_size=len(VOCABULARY),
        num_layers=1,
        num_heads=2,
        hidden_dim=8,
        intermediate_dim=16,
        max_sequence_length=32,
    )
    # The length is that of its training, not of augmentation.
    return BertMaskedLM(encoder, BertPreprocessor(BertTokenizer(VOCABULARY), 16))


@pytest.fixture(scope="module")
def masked_lm(tmp_path_factory):
    """The preset of a masked LM of random weights, as `pretrain-mlm` saves it."""
    directory = tmp_path_factory.mktemp("masked_lm") / "preset"
    make_masked_lm().save_to_preset(str(directory))
    return directory


@pytest.fixture(scope="module")
def make_values(make_tiny_values, masked_lm):
    """A function from a run directory to values: three copies, the second stage without."""

    def make(run_directory):
        values = make_tiny_values(run_directory)
        values["augmentation"] = {
            "masked_lm": {"weights": str(masked_lm)},
            "copies": 3,
            "examples_per_shard": 16,
        }
        values["distillation"]["stages"][1]["augmented"] = False
        values["export"] = {"profiles": []}
        return values

    return make


@pytest.fixture(scope="module")
def finished(make_values, finished_run, tmp_path_factory):
    """The run of the command `run`, from a fine-tuned teacher on, and what it printed."""
    folder = tmp_path_factory.mktemp("augmented")
    values = make_values(folder / "run")
    (folder / "config.yaml").write_text(yaml.safe_dump(values), "utf-8")
    run = RunDirectory.create(parse_config(values, "values"), resume=False)
    shutil.copytree(finished_run.teacher, run.teacher)
    shutil.copytree(finished_run.checkpoints, run.checkpoints)
    results = finished_run.read_results()
    run.add_results(finetune=results["finetune"], teacher=results["teacher"])
    for path in run.checkpoints.glob("*"):
        if not path.name.startswith("finetune."):
            path.unlink()
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        command_line.main(["run", "--config", str(folder / "config.yaml"), "--resume"])
    return run, printed.getvalue()


def content(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def read_copies(run, tiny_data):
    """The examples, and their copies in the order of the shards."""
    task = run.config().resolved_task()
    shards = sorted(run.augmented.glob("augmented-*.jsonl"))
    return read_table(task, tiny_data / "train.tsv"), [read_table(task, s) for s in shards]


def test_the_steps_follow_each_other(finished, tiny_data):
    run, printed = finished
    assert {path.name for path in run.path.iterdir()} >= {"teacher", "augmented", "student"}
    results = run.read_results()
    names = ["finetune", "augmentation", "student_start", "evaluation"]
    assert [name for name in results if name in names] == names
    assert "192 copies of 64 examples; 0 have fewer than 3 of a text, 0 of these" in printed
    # "good thing 12": a word that copies replace is asked for once in a shard, 16 examples.
    originals, shards = read_copies(run, tiny_data)
    replaced = {
        (number, original, place)
        for number, shard in enumerate(shards)
        for i, copy in enumerate(shard.texts[0])
        for original in [originals.texts[0][16 * number + i // 3]]
        for place, words in enumerate(zip(original.split(), copy.split(), strict=True))
        if len(set(words)) == 2
    }
    assert results["augmentation"] == {
        "examples": 64,
        "rows": 192,
        "short": 0,
        "unchanged": 0,
        "masked_lm_words": len(replaced),
        "word_vector_words": 0,
    }


def test_the_copies_are_of_the_masked_lm_s_words(finished, tiny_data):
    run, _ = finished
    originals, parts = read_copies(run, tiny_data)
    assert len(parts) == 4
    rows = [text.split() for part in parts for text in part.texts[0]]
    assert len(rows) == 192
    for i, (first, second, number) in enumerate(rows):
        original = originals.texts[0][i // 3].split()
        assert number == original[2] and [first, second] != original[:2]
        assert {first, second} <= WORDS
    # Words that the teacher does not have, too.
    assert {"film", "plot"} <= {word for row in rows for word in row}
    np.testing.assert_array_equal(
        np.concatenate([part.labels for part in parts]), np.repeat(originals.labels, 3)
    )


def test_what_the_stages_learn_from(finished):
    """16 rows of 8 tokens a batch: 64 + 192 examples are 16 steps, 64 are 4 an epoch."""
    run, _ = finished
    results = run.read_results()
    assert results["finetune"]["step"] == 5 * 4
    assert results["intermediate"]["step"] == 16
    assert results["prediction"]["step"] == 2 * 4


def test_a_finished_step_is_skipped(finished, monkeypatch):
    run, _ = finished
    before, results = content(run.augmented), run.read_results()
    monkeypatch.setattr(Augmenter, "augment", None)
    augment(run.config(), run)
    assert content(run.augmented) == before and run.read_results() == results


def test_killed_and_resumed(finished, tmp_path, monkeypatch):
    whole, _ = finished
    config, run = whole.config(), RunDirectory(tmp_path / "run")
    calls, real = [], Augmenter.augment

    def augment_and_die(augmenter, examples):
        calls.append(len(examples))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(augmenter, examples)

    monkeypatch.setattr(Augmenter, "augment", augment_and_die)
    with pytest.raises(KeyboardInterrupt):
        augment(config, run)
    assert "augmentation" not in run.read_results()
    shutil.copytree(whole.teacher, run.teacher)
    with pytest.raises(TinyBertError, match="holds no finished augmentation"):
        distill(config, run)

    augment(config, run)
    # Two parts were there already.
    assert calls == [16, 16, 16, 16, 16]
    assert content(run.augmented) == content(whole.augmented)
    assert run.read_results()["augmentation"] == whole.read_results()["augmentation"]


def test_the_chosen_examples_are_augmented(make_values, tmp_path):
    values = make_values(tmp_path / "run")
    values["data"]["max_train_examples"] = 20
    config = parse_config(values, "values")
    run = RunDirectory.create(config, resume=False)
    augment(config, run)
    task = config.resolved_task()
    numbers = [
        text.split()[2]
        for number in range(2)
        for text in read_table(task, run.augmented / f"augmented-{number:05d}.jsonl").texts[0]
    ]
    # As the run's seed, 42, chooses them to be trained on.
    chosen = np.random.default_rng(42).permutation(64)[:20]
    sentences = read_table(task, config.data.train).texts[0]
    assert numbers[::3] == [sentences[i].split()[2] for i in chosen]


def test_workers_can_be_sent_the_job(finished):
    """To workers of Beam, which unpickle it."""
    run, _ = finished
    job = pickle.loads(pickle.dumps(make_job(run.config(), run)))
    examples = job.read_examples()
    copies, _ = job.make_augmenter(job.options).augment(examples.take(range(16)))
    (texts,) = read_table(job.task, run.augmented / "augmented-00000.jsonl").texts
    assert copies.texts[0] == texts


def test_the_length_is_the_position_table_s(finished):
    run, _ = finished
    job = make_job(run.config(), run)
    propose = job.make_augmenter(job.options)._propose
    assert propose._masked_lm.preprocessor.sequence_length == 32
    assert propose.tokenizer.get_vocabulary() == VOCABULARY


# === What cannot be used ===


def refused(config, run):
    with pytest.raises(TinyBertError) as caught:
        augment(config, run)
    assert not run.augmented.exists() or not list(run.augmented.glob("*.jsonl"))
    return str(caught.value)


def test_a_config_without_augmentation(tiny_values):
    config = parse_config(tiny_values, "values")
    run = RunDirectory.create(config, resume=False)
    assert "has no augmentation. Say what the copies are made with" in refused(config, run)


def test_no_copies_yet(finished, tmp_path):
    whole, _ = finished
    run = RunDirectory(tmp_path / "run")
    shutil.copytree(whole.teacher, run.teacher)
    with pytest.raises(
        TinyBertError, match=r"augmented is missing.*tinybert_tf augment --conf"
    ):
        distill(whole.config(), run)


def use_a_classifier(augmentation, folder):
    preset = folder / "classifier"
    preset.mkdir()
    for name in ("config.json", "task.json"):
        value = {"registered_name": "tinybert_tf>X", "class_name": "BertTextClassifier"}
        (preset / name).write_text(json.dumps(value), "utf-8")
    augmentation["masked_lm"] = {
        "weights": str(preset),
        "vocabulary": str(write_vocabulary(folder, VOCABULARY)),
    }


def use_another_vocabulary(augmentation, folder):
    path = write_vocabulary(folder, [*VOCABULARY, "further"])
    augmentation["masked_lm"]["vocabulary"] = str(path)


def use_no_weights(augmentation, folder):
    preset = shutil.copytree(augmentation["masked_lm"]["weights"], folder / "preset")
    for path in preset.glob("*.h5"):
        path.unlink()
    augmentation["masked_lm"] = {"weights": str(preset)}


def use_broken_word_vectors(augmentation, folder):
    (folder / "vectors.txt").write_text("good 0.5 1.0\nbad 0.5 x\n", "utf-8")
    augmentation["word_vectors"] = str(folder / "vectors.txt")


def write_vocabulary(folder, tokens):
    path = folder / "words.txt"
    path.write_text("\n".join(tokens) + "\n", "utf-8")
    return path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (use_a_classifier, "is the preset of a BertTextClassifier, expected a BertMaskedLM"),
        (use_another_vocabulary, "The vocabulary has 11 tokens, the model's embedding 10."),
        (use_no_weights, "cannot be loaded"),
        (use_broken_word_vectors, "vectors.txt, line 2: "),
    ],
)
def test_sources_that_cannot_be_used(make_values, tmp_path, change, message):
    values = make_values(tmp_path / "run")
    change(values["augmentation"], tmp_path)
    config = parse_config(values, "values")
    assert message in refused(config, RunDirectory.create(config, resume=False))


def test_a_masked_lm_without_its_head(make_values, tiny_bert, tmp_path):
    values = make_values(tmp_path / "run")
    values["augmentation"]["masked_lm"] = {"weights": str(tiny_bert)}
    config = parse_config(values, "values")
    message = refused(config, RunDirectory.create(config, resume=False))
    assert "cls.predictions" in message


# === Configs ===


def test_the_number_of_copies_is_the_task_s(make_values, tmp_path):
    values = make_values(tmp_path / "run")
    del values["augmentation"]["copies"]
    assert parse_config(values, "values").to_dict()["augmentation"]["copies"] == 20
    assert parse_config({**values, "task": "cola"}, "values").augmentation.copies == 30


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("masked_lm", None, "'augmentation.masked_lm' is None"),
        ("copies", 0, "'augmentation.copies' is 0: Input should be greater than 0"),
        ("examples_per_shard", 0, "'augmentation.examples_per_shard' is 0: "),
        ("replace_probability", 1.5, "'augmentation.replace_probability' is 1.5: "),
        ("copy", 3, "unknown key 'augmentation.copy'. Did you mean 'copies'?"),
    ],
)
def test_values_of_the_wrong_kind(make_values, tmp_path, key, value, message):
    values = make_values(tmp_path / "run")
    values["augmentation"][key] = value
    with pytest.raises(TinyBertError) as caught:
        parse_config(values, "values")
    assert message in str(caught.value)


def test_an_augmented_stage_without_augmentation(tiny_values):
    tiny_values["distillation"]["stages"][0]["augmented"] = True
    with pytest.raises(
        TinyBertError, match="stage 'intermediate' has augmented: true, but the"
    ):
        parse_config(tiny_values, "values")


def test_copies_have_no_correct_labels(make_values, tmp_path):
    values = make_values(tmp_path / "run")
    _, second = values["distillation"]["stages"]
    second["labels"] = 0.5
    parse_config(values, "values")
    del second["augmented"]
    with pytest.raises(TinyBertError, match="'prediction' learns from the correct labels"):
        parse_config(values, "values")


# === The command line ===


def test_sources_are_looked_at_before_the_teacher_is_trained(make_values, tmp_path, capsys):
    values = make_values(tmp_path / "run")
    values["augmentation"]["word_vectors"] = str(tmp_path / "no.txt")
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(values), "utf-8")
    with pytest.raises(SystemExit) as ended:
        command_line.main(["run", "--config", str(path)])
    printed = capsys.readouterr()
    assert ended.value.code == 2
    assert "augmentation.word_vectors: there is no file" in printed.err
    assert "Traceback" not in printed.err and "finetune, step" not in printed.out
    assert not (tmp_path / "run").exists()
