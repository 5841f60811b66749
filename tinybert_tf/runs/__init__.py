"""Runs, the application's steps: a YAML file, a frozen dataclass, a directory.

Read in this order:

- `config.py`, what a run may say of itself; `config_file.py` reads it from YAML;
- `directory.py`, what a run leaves behind; `changes.py`, what of it a changed config keeps;
- `steps.py`, what differs by kind of task: `text_steps.py`, `span_steps.py`;
- the steps: `recipes.py` (fine-tune, distil, evaluate), `augmenting.py`, `exporting.py`; and
  `general.py` and `masked_lm.py`, for models without a task.

From Python:

    config = load_config("configs/quickstart.yaml")
    with RunDirectory.creating(config, resume=True) as run:
        finetune(config, run)
        distill(config, run)
        evaluate(config, run)
        export_all(config, run)
"""

from tinybert_tf.runs.augmenting import augment
from tinybert_tf.runs.config_file import load_config
from tinybert_tf.runs.directory import RunDirectory
from tinybert_tf.runs.exporting import export_all, export_student, export_text_model
from tinybert_tf.runs.general import general_distill
from tinybert_tf.runs.masked_lm import pretrain_masked_lm
from tinybert_tf.runs.recipes import distill, evaluate, finetune

__all__ = [
    "RunDirectory",
    "augment",
    "distill",
    "evaluate",
    "export_all",
    "export_student",
    "export_text_model",
    "finetune",
    "general_distill",
    "load_config",
    "pretrain_masked_lm",
]
