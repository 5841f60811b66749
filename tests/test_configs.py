"""The configs of the project: each names its command, those of GLUE have the paper's settings.

That all of them load is tested in training/test_config.py.
"""

import pathlib

import pytest

from tinybert_tf.data import GLUE_TASKS, SPAN_TASKS
from tinybert_tf.runs.config import MaskedLMConfig
from tinybert_tf.runs.config_file import load_config

CONFIGS = pathlib.Path(__file__).resolve().parents[1] / "configs"

# arXiv 1909.10351, section 4.2, and the released code: length, epochs of the intermediate
# layers, copies of a text. WNLI, which the paper leaves out, as RTE; its copies are the usual.
PAPER = {
    "cola": (64, 50, 30),
    "sst2": (64, 20, 20),
    "mrpc": (128, 20, 30),
    "stsb": (128, 20, 30),
    "qqp": (128, 10, 10),
    "mnli": (128, 10, 10),
    "qnli": (128, 10, 20),
    "rte": (128, 20, 30),
    "wnli": (128, 20, 20),
}


@pytest.mark.parametrize("path", sorted(CONFIGS.rglob("*.yaml")), ids=lambda path: path.stem)
def test_it_names_its_command(path):
    commands = [line for line in path.read_text("utf-8").splitlines() if line.startswith("# ")]
    name = path.relative_to(CONFIGS.parent).as_posix()
    assert any(name in line or "make " in line for line in commands)


@pytest.mark.parametrize("name", GLUE_TASKS)
def test_the_settings_of_the_paper(name):
    config = load_config(CONFIGS / "glue" / f"{name}.yaml")
    length, epochs, copies = PAPER[name]
    assert config.resolved_task() == GLUE_TASKS[name]
    assert config.run_directory == f"runs/{name}"
    assert config.teacher.weights == "bert_base_en_uncased"
    assert config.data.max_tokens == length
    augmentation = config.augmentation
    assert augmentation.copies == copies
    assert (augmentation.replace_probability, augmentation.candidates) == (0.4, 15)

    intermediate, prediction = config.distillation.stages
    assert [intermediate.attention, intermediate.hidden, intermediate.embedding] == [1.0] * 3
    assert (intermediate.prediction, prediction.prediction) == (0.0, 1.0)
    assert prediction.attention == prediction.hidden == prediction.embedding == 0.0
    assert (intermediate.fit.epochs, prediction.fit.epochs) == (epochs, 3)
    # Batches of 32 of the longest examples.
    assert intermediate.fit.tokens_per_batch == prediction.fit.tokens_per_batch == 32 * length
    constant, linear = intermediate.fit.optimizer, prediction.fit.optimizer
    assert (constant.learning_rate, constant.warmup, constant.decay) == (5e-5, 0.0, "constant")
    assert (linear.learning_rate, linear.warmup, linear.decay) == (3e-5, 0.1, "linear")
    assert [stage.augmented for stage in config.distillation.stages] == (
        [None, False] if name == "stsb" else [None, None]
    )


@pytest.mark.parametrize("name", GLUE_TASKS)
def test_six_layers_are_one_override(name):
    path = CONFIGS / "glue" / f"{name}.yaml"
    config = load_config(path, ["student.architecture=tinybert_6l_768d"])
    assert config.student.start == "teacher"


@pytest.mark.parametrize("name", ["squad_v1", "squad_v2"])
def test_the_settings_of_squad(name):
    """Those of the large sets of GLUE, over the windows of `run_squad.py`."""
    config = load_config(CONFIGS / "squad" / f"{name}.yaml")
    assert config.resolved_task() == SPAN_TASKS[name]
    assert config.data.max_tokens == 384
    windows = config.data.windows
    assert (windows.doc_stride, windows.max_query_tokens) == (128, 64)
    assert windows.max_answer_tokens == 30
    intermediate, prediction = config.distillation.stages
    assert (intermediate.fit.epochs, prediction.fit.epochs) == (10, 3)
    assert intermediate.fit.tokens_per_batch == prediction.fit.tokens_per_batch == 32 * 384
    small = load_config(CONFIGS / "squad" / f"{name}_minilm.yaml")
    assert small.resolved_task() == SPAN_TASKS[name]
    assert small.data.windows == windows
    assert small.student.start == "teacher"


@pytest.mark.parametrize("name", ["cola", "mrpc", "rte", "stsb"])
def test_the_masked_lm_of_minilm_is_where_its_config_makes_it(name):
    maker = load_config(CONFIGS / "general" / "masked_lm_minilm.yaml")
    assert isinstance(maker, MaskedLMConfig)
    config = load_config(CONFIGS / "glue" / f"{name}_minilm.yaml")
    assert config.augmentation.masked_lm.weights == f"{maker.run_directory}/masked_lm"
    assert config.teacher.weights == maker.encoder.weights
    assert config.student.start == "teacher"
