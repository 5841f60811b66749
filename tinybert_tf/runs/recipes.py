"""The steps of every task's run: fine-tune the teacher, distil the student, evaluate both.

Each step reads what the one before left in the run directory. Fine-tuning and distillation are
skipped where their result is there, and go on where they were killed. Not here: data
augmentation between them (`augmenting.py`), the export behind them (`exporting.py`), and
general distillation (`general.py`).
"""

import hashlib
import shutil
from typing import Any

import keras
import numpy as np

from tinybert_tf.checkpoints.locations import load_classifier
from tinybert_tf.checkpoints.presets import save_preset
from tinybert_tf.data import BucketedBatches, EncodedExamples
from tinybert_tf.errors import TinyBertError
from tinybert_tf.evaluation import Evaluator
from tinybert_tf.models import BertSpanClassifier, BertTextClassifier
from tinybert_tf.runs.augmenting import add_copies
from tinybert_tf.runs.config import RunConfig
from tinybert_tf.runs.directory import RunDirectory
from tinybert_tf.runs.distilling import START_TOKENS, fit_stages, make_distiller
from tinybert_tf.runs.examples import (
    read_further_splits,
    read_part,
    read_split,
    read_training_examples,
)
from tinybert_tf.runs.models import load_teacher, make_student
from tinybert_tf.runs.steps import TaskSteps, task_steps
from tinybert_tf.runs.teacher_caching import cache_teacher
from tinybert_tf.tokenization import BertPreprocessor
from tinybert_tf.training import (
    StageFit,
    make_optimizer,
    make_strategy,
    resolve_precision,
    workers,
)

# In a batch of the student's start: more would be more memory, fewer more calls.
_BATCH_TOKENS = 4096


def finetune(config: RunConfig, run: RunDirectory) -> None:
    """Fine-tunes the teacher on the task and saves the best one by the dev set.

    A teacher that has learned its task already (`teacher.fine_tune: null`) is saved as it is.
    One that is near chance on the dev set is not saved.

    Args:
        config: `RunConfig`.
        run: `RunDirectory`.

    Raises:
        TinyBertError: if data or weights cannot be used, or the teacher is near chance.
    """
    if workers.broadcast(run.teacher.exists()):
        return
    keras.utils.set_random_seed(config.seed)
    steps = task_steps(config)
    with make_strategy(config.strategy).scope():
        teacher = load_teacher(config)
    preprocessor, teacher.preprocessor = teacher.preprocessor, None
    train, dev = _training_data(config, steps, preprocessor)
    evaluator = steps.make_evaluator(teacher, dev)
    if config.teacher.fine_tune is not None:
        _fit_teacher(config, run, steps, teacher, train, evaluator)
    _check_teacher(config, run, steps, evaluator, dev)
    workers.on_chief(save_preset, teacher, preprocessor, run.teacher)


def _fit_teacher(
    config: RunConfig,
    run: RunDirectory,
    steps: TaskSteps,
    teacher: BertTextClassifier | BertSpanClassifier,
    train: EncodedExamples,
    evaluator: Evaluator,
) -> None:
    fit = config.teacher.fine_tune
    batches = BucketedBatches(train, fit.tokens_per_batch, seed=config.seed)
    with teacher.distribute_strategy.scope():
        optimizer = make_optimizer(
            fit.optimizer, fit.epochs * batches.steps_per_epoch, config.precision
        )
        teacher.compile(optimizer, jit_compile=False)
    stage = StageFit(
        "finetune",
        teacher,
        batches=batches,
        evaluator=evaluator,
        config=fit,
        run=run,
        save_minutes=config.checkpoint_minutes,
    )
    # The mean is what a sentence encoder was trained for; a pooler is yet to learn anything.
    if teacher.backbone.pooling == "mean" and not stage.has_begun():
        steps.fit_new_head(teacher, train, config.seed)
    stage.fit()
    stage.load_best()


def distill(config: RunConfig, run: RunDirectory) -> None:
    """Distils the teacher of the run into a student, stage by stage, and saves the best.

    The student that is saved is the one that scored best on the dev set in the last stage,
    its start included.

    Args:
        config: `RunConfig`.
        run: `RunDirectory`. With a teacher and, if the config augments, augmented copies.

    Raises:
        TinyBertError: if there is no teacher or no copies, or the teacher does not fit.
    """
    if workers.broadcast(run.student.exists()):
        return
    keras.utils.set_random_seed(config.seed)
    steps = task_steps(config)
    with make_strategy(config.strategy).scope():
        teacher = load_classifier(run.teacher, dtype=resolve_precision(config.precision))
        student = make_student(config, teacher)
        distiller = make_distiller(config, student, teacher)
    preprocessor, student.preprocessor = student.preprocessor, None
    train, dev = _training_data(config, steps, preprocessor)
    with_copies = add_copies(config, run, train, preprocessor)
    cache = cache_teacher(config, run, distiller, with_copies)

    def batches_of(stage):
        # The copies stand behind the examples: a row is the same one in both.
        examples = train if stage.augmented is False else with_copies
        further = cache and cache.of_stage(stage.stage())
        return BucketedBatches(
            examples, stage.fit.tokens_per_batch, seed=config.seed, further=further
        )

    evaluator = steps.make_evaluator(student, dev)
    sample = _start_sample(train, config.seed)
    fit_stages(
        config, run, distiller, evaluator=evaluator, batches_of=batches_of, sample=sample
    )
    workers.on_chief(save_preset, student, preprocessor, run.student)
    if workers.is_chief() and not config.distillation.keep_teacher_cache:
        shutil.rmtree(run.teacher_cache, ignore_errors=True)


def evaluate(config: RunConfig, run: RunDirectory) -> dict:
    """Scores teacher and student on the test split and compares them.

    What they say of each example, and their attention in one, is kept for the report.

    Args:
        config: `RunConfig`.
        run: `RunDirectory`. With a teacher and a student.

    Returns:
        dict. `teacher` and `student`: metrics and `parameters`; `agreement`: share of
        examples with the same label or answer; `retention`: the student's first metric over
        the teacher's, `None` where that is 0; `further`: metrics of both on other splits
        that belong to the task, by name (the mismatched dev set of MNLI).
    """
    steps = task_steps(config)
    examples = read_split(steps.task, config.data, "test")
    test = None
    models, predictions, figures = {}, {}, {}
    for name, directory in (("teacher", run.teacher), ("student", run.student)):
        model = models[name] = load_classifier(directory)
        if test is None:
            test = steps.encode(examples, model.preprocessor)
        evaluator = steps.make_evaluator(model, test)
        predictions[name] = evaluator.predict()
        figures[name] = {
            **evaluator.metrics(predictions[name]),
            "parameters": model.count_params(),
        }
    metric = steps.task.metrics[0]
    best = figures["teacher"][metric]
    figures["retention"] = figures["student"][metric] / best if best else None
    agreement = evaluator.agreement(*predictions.values())
    if agreement is not None:
        figures["agreement"] = agreement
    figures["examples"] = len(examples)
    figures["further"] = {}
    for split, further in read_further_splits(steps.task, config.data).items():
        encoded = steps.encode(further, model.preprocessor)
        scores = {name: steps.make_evaluator(m, encoded).score() for name, m in models.items()}
        figures["further"][split] = {**scores, "examples": len(further)}
    steps.save_predictions(run, models, examples, test, predictions)
    run.add_results(evaluation=figures)
    return figures


def _training_data(
    config: RunConfig, steps: TaskSteps, preprocessor: BertPreprocessor
) -> tuple[EncodedExamples, Any]:
    """Returns what is trained on, and the dev examples as evaluators take them."""
    train = read_training_examples(config)
    dev = read_part(steps.task, config.data, "dev", config.seed)
    print(f"{len(train):,} training and {len(dev):,} dev examples", flush=True)
    encoded = steps.encode_training(train, preprocessor)
    workers.check_alike(
        "what data.train holds", hashlib.sha256(encoded.token_ids.tobytes()).hexdigest()
    )
    return encoded, steps.encode(dev, preprocessor)


def _check_teacher(
    config: RunConfig, run: RunDirectory, steps: TaskSteps, evaluator: Evaluator, dev
) -> None:
    """Scores the teacher before hours go into what it says."""
    predictions = evaluator.predict()
    if config.teacher.fine_tune is None:
        steps.check_answers(dev, predictions)
    run.add_results(teacher={"dev": evaluator.metrics(predictions)})
    reason = evaluator.reason_near_chance(predictions)
    if reason:
        raise TinyBertError(
            f"The teacher is no better than chance on '{evaluator.task.name}': {reason}. "
            "A student can only learn what its teacher knows: fine-tune it first "
            "(teacher.fine_tune), longer or with another learning rate; and look whether its "
            "labels are in the task's order."
        )


def _start_sample(train: EncodedExamples, seed: int) -> list[dict]:
    """Returns batches of random examples, of like length, that the student is started on."""
    rows = np.random.default_rng(seed).permutation(len(train))
    rows = rows[: 1 + np.searchsorted(np.cumsum(train.lengths[rows]), START_TOKENS)]
    rows = rows[np.argsort(train.lengths[rows], kind="stable")]
    # As many tokens in each: those of long texts have fewer rows.
    ends = np.cumsum(train.lengths[rows])
    parts = np.split(
        rows, np.searchsorted(ends, np.arange(_BATCH_TOKENS, ends[-1], _BATCH_TOKENS))
    )
    return [train.batch(part)[0] for part in parts if len(part)]
