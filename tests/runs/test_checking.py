"""What a check of a whole config finds, before anything is trained."""

import math

import numpy as np
import pytest

from tinybert_tf.checkpoints import load_text_classifier
from tinybert_tf.checkpoints.presets import save_preset
from tinybert_tf.data.batches import EncodedExamples
from tinybert_tf.errors import TinyBertError
from tinybert_tf.models import BertEncoder
from tinybert_tf.reports import tables
from tinybert_tf.runs import _estimates, checking
from tinybert_tf.runs.checking import check_run
from tinybert_tf.runs.config_file import parse_config
from tinybert_tf.tokenization import BertPreprocessor, BertTokenizer


@pytest.fixture
def write_split(tiny_values, tmp_path):
    """A function that writes rows as a split of the config."""

    def write(split, *rows):
        path = tmp_path / f"{split}.tsv"
        path.write_text("sentence\tlabel\n" + "".join(f"{row}\n" for row in rows), "utf-8")
        tiny_values["data"][split] = str(path)
        return path

    return write


def rows_of(count, first=0):
    kinds = (("good", "positive"), ("bad", "negative"))
    return [f"{kinds[i % 2][0]} thing {i + first}\t{kinds[i % 2][1]}" for i in range(count)]


def found(values):
    return check_run(parse_config(values, "values"))


def test_a_config_without_a_fault(tiny_values, tmp_path):
    findings = found(tiny_values)
    assert findings.errors == []
    assert {name: facts.examples for name, facts in findings.splits.items()} == {
        "train": 64,
        "dev": 32,
        "test": 32,
    }
    assert findings.splits["train"].labels == "negative 32, positive 32"
    # [CLS] good thing 7 [SEP].
    assert set(findings.splits["train"].lengths.tolist()) == {5}
    # 128 tokens of length 8 are 16 examples a step; 64 examples are 4 steps.
    steps = {stage.name: stage.steps for stage in findings.stages}
    assert steps.pop("teacher's outputs") == 0
    assert steps == {"finetune": 5 * 4, "intermediate": 4, "prediction": 2 * 4}
    assert findings.seconds > sum(stage.seconds for stage in findings.stages)
    assert findings.models["teacher"].startswith("2 layers, width 24, 4 heads, 72 tokens")
    assert findings.models["student"].startswith("1 layers, width 16, 4 heads, 72 tokens")
    assert not (tmp_path / "run").exists()
    text = [" ".join(row) for table in tables.check_tables(findings, 16) for row in table.rows]
    assert text[0] == "train 64 5 5 5 0.0% negative 32, positive 32"


def test_every_problem_is_told_at_once(tiny_values, write_split, tmp_path):
    write_split("dev", *[f"good thing {i}\tpositive" for i in range(60)])
    write_split("test", "sentense\tpositive")
    tiny_values["task"]["labels"] = ["negative", "positive", "mixed"]
    tiny_values["data"]["test"] = str(tmp_path / "tset.tsv")
    tiny_values["student"]["overrides"] |= {"num_heads": 2, "vocabulary_size": 70}
    tiny_values["run_directory"] = f"{tmp_path}/test.tsv/run"
    findings = found(tiny_values)
    with pytest.raises(TinyBertError) as caught:
        findings.raise_errors()
    message = str(caught.value)
    assert message.startswith(f"there are {len(findings.errors)} problems.\n1. ")
    for expected in (
        "all 60 examples have 'positive', so no score on them says anything",
        "There is no data file",
        "Did you mean 'test.tsv'?",
        "The vocabulary has 72 tokens, the model's embedding 70",
        "test.tsv is no folder that can be written",
    ):
        assert expected in message


def test_a_student_that_does_not_fit_its_teacher(tiny_values):
    tiny_values["student"]["overrides"]["num_heads"] = 2
    assert ["2 attention heads and the teacher 4" in e for e in found(tiny_values).errors] == [
        True
    ]
    tiny_values["student"]["overrides"]["num_heads"] = 3
    assert "student.overrides" in found(tiny_values).errors[0]


def test_a_dev_set_that_no_teacher_can_pass(tiny_values, write_split):
    """A correlation of 1 is above 2 / sqrt(n) from 5 examples on."""
    write_split("dev", *rows_of(4, first=200))
    assert (
        "has 4 examples, too few to tell a teacher without err" in found(tiny_values).errors[0]
    )
    write_split("dev", *rows_of(6, first=200))
    findings = found(tiny_values)
    assert findings.errors == []
    assert f"of {2 / math.sqrt(6):.2f} is reached by chance" in findings.warnings[0]


def test_a_class_that_train_lacks(tiny_values, write_split):
    tiny_values["task"]["labels"] = ["negative", "positive", "mixed"]
    write_split("dev", *rows_of(60, first=200), "thing\tmixed")
    (error,) = found(tiny_values).errors
    assert "has 'mixed', of which data.train has no example" in error


def test_duplicates_and_cut_texts_are_warned_of(tiny_values, write_split):
    write_split("train", *rows_of(100))
    write_split("dev", *rows_of(60, first=98), *rows_of(2))
    write_split("test", *rows_of(60, first=200))
    tiny_values["data"]["max_tokens"] = 4
    warnings = found(tiny_values).warnings
    (duplicates,) = [w for w in warnings if "are training texts" in w]
    assert duplicates.startswith("4 of the 62 dev texts are training texts (6%)")
    assert duplicates.count("thing") == 3
    cut = [w for w in warnings if "are cut at data.max_tokens 4" in w]
    assert (
        len(cut) == 3 and cut[0].startswith("All train texts") and "5 would hold 99 %" in cut[0]
    )


# === Estimates ===


def encoded_of(*lengths):
    total = sum(lengths)
    splits = np.concatenate([[0], np.cumsum(lengths)])
    zeros = np.zeros(total, "int32")
    return EncodedExamples(zeros, zeros, splits, np.zeros(len(lengths), "int32"), 0)


def test_planned_steps_of_a_sample(tiny_values):
    """Ten times the four examples; of augmented ones, each and its copies."""
    tiny_values["augmentation"] = {"masked_lm": {"weights": "any"}, "copies": 3}
    tiny_values["distillation"]["stages"][0]["augmented"] = False
    config = parse_config(tiny_values, "values")
    plans = _estimates.plan_stages(config, encoded_of(5, 8, 9, 16), 10.0, "none")
    by_name = {plan.name: (plan.steps, plan.tokens) for plan in plans}
    # Padded to 8, 8, 16, 16: 48 tokens, one step of at most 128.
    assert by_name == {
        "finetune": (5 * 10, 5 * 10 * 48),
        "intermediate": (10, 10 * 48),
        "prediction": (2 * 40, 2 * 40 * 48),
    }


def test_planned_teacher_that_is_kept(tiny_values):
    """Its outputs are computed once, without padding; then no step, or one stage's, asks it."""
    config = parse_config(tiny_values, "values")
    asking = {}
    for cached in ("outputs", "predictions"):
        plans = _estimates.plan_stages(config, encoded_of(5, 8, 9, 16), 10.0, cached)
        assert [plan.name for plan in plans][:2] == ["finetune", "teacher's outputs"]
        assert (plans[1].steps, plans[1].tokens) == (0, 380)
        asking[cached] = [plan.name for plan in plans[2:] if plan.asks_teacher]
    assert asking == {"outputs": [], "predictions": ["intermediate"]}


def test_operations_of_a_block():
    encoder = BertEncoder(
        vocabulary_size=10,
        num_layers=2,
        num_heads=2,
        hidden_dim=4,
        intermediate_dim=8,
        max_sequence_length=8,
    )
    # Four products of 4 x 4, two of 4 x 8, and with 5 tokens scores and their sums, 5 x 4 each.
    assert _estimates.forward_operations(encoder, 5) == 2 * 2 * (4 * 16 + 2 * 32 + 2 * 20)


def test_speed_is_measured():
    speed = _estimates.measure_speed(16, "float32")
    assert speed.operations > 1e6 and speed.values > 1e6


def test_a_teacher_that_is_trained_takes_the_config_s_place(tiny_values, tiny_bert, tmp_path):
    """The weights that it was made of may be gone."""
    model = load_text_classifier(tiny_bert)
    preprocessor = BertPreprocessor(BertTokenizer(tiny_bert / "vocab.txt"), 16)
    save_preset(model, preprocessor, tmp_path / "teacher")
    tiny_values["teacher"]["weights"] = "gone"
    findings = check_run(parse_config(tiny_values, "values"), str(tmp_path / "teacher"))
    assert findings.errors == []
    assert [stage.name for stage in findings.stages] == [
        "teacher's outputs",
        "intermediate",
        "prediction",
    ]


def test_many_classes_are_summed_up():
    names = {f"class {i}": 5 for i in range(12)}
    assert checking._describe_counts(names) == "12 of 5 each"
    uneven = names | {"class 3": 1, "class 7": 1200}
    assert checking._describe_counts(uneven) == "12, from class 3 1 to class 7 1,200"
