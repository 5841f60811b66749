"""A look at a whole config before anything is trained: data, teacher, student, time, disk.

Every problem is told at once. What is looked at is what the steps will load and make.
"""

import contextlib
import dataclasses
import io
import os
import pathlib
import shutil
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from tinybert_tf.checkpoints.locations import (
    WeightsConfig,
    load_classifier,
    load_tokenizer,
    resolve_path,
)
from tinybert_tf.data import (
    EncodedExamples,
    _quality,
    check_training_labels,
    count_tokens,
    encode_examples,
)
from tinybert_tf.distillation import TinyBertDistiller
from tinybert_tf.errors import TinyBertError
from tinybert_tf.evaluation.glue_metrics import reason_near_chance
from tinybert_tf.export import plan_lengths
from tinybert_tf.files import missing_hint
from tinybert_tf.models import encoder_of
from tinybert_tf.runs import _estimates
from tinybert_tf.runs._estimates import PlannedStage
from tinybert_tf.runs.config import RunConfig
from tinybert_tf.runs.distilling import make_distiller
from tinybert_tf.runs.examples import read_further_splits, read_part, read_split, take_random
from tinybert_tf.runs.models import load_student_start, load_teacher, make_student
from tinybert_tf.runs.steps import task_steps
from tinybert_tf.runs.teacher_caching import cache_bytes, choose_contents
from tinybert_tf.tokenization import BertPreprocessor, BertTokenizer
from tinybert_tf.training import resolve_precision

# Random examples whose lengths stand for those of all, and questions, which have windows.
_MOST_TEXTS, _MOST_QUESTIONS = 20_000, 500
_MAX_CUT_SHARE = 0.1
_FEW_EXAMPLES = 50
# Classes that are all named.
_MOST_NAMED = 6


@dataclasses.dataclass(frozen=True)
class SplitFacts:
    """What a split holds.

    Args:
        examples: int.
        labels: str. How many examples each class has, or the range of the scores.
        lengths: int array. Tokens of each text, or pair of texts, before it is cut; empty if
            unknown. Of a random part if there are many.
        cut: float or `None`. Share of texts longer than `data.max_tokens`.
    """

    examples: int
    labels: str = ""
    lengths: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(0, "int64"))
    cut: float | None = None


@dataclasses.dataclass
class Findings:
    """What a check has found.

    Args:
        splits: dict of `SplitFacts` by split.
        models: dict of str by `teacher` and `student`. What they are.
        stages: list of `PlannedStage`.
        seconds: float or `None`. About, of the whole run.
        disk_bytes: int or `None`. About, of the run directory.
        warnings: list of str.
        errors: list of str. With any, the run cannot be done.
    """

    splits: dict[str, SplitFacts] = dataclasses.field(default_factory=dict)
    models: dict[str, str] = dataclasses.field(default_factory=dict)
    stages: list[PlannedStage] = dataclasses.field(default_factory=list)
    seconds: float | None = None
    disk_bytes: int | None = None
    warnings: list[str] = dataclasses.field(default_factory=list)
    errors: list[str] = dataclasses.field(default_factory=list)

    @contextlib.contextmanager
    def collecting(self) -> Iterator[None]:
        """Keeps an error that is raised inside; what else is looked at goes on."""
        try:
            yield
        except TinyBertError as error:
            if str(error) not in self.errors:
                self.errors.append(str(error))

    def raise_errors(self) -> None:
        """Raises one TinyBertError with every problem, if there are any."""
        if len(self.errors) == 1:
            raise TinyBertError(self.errors[0])
        if self.errors:
            lines = "\n".join(f"{i}. {error}" for i, error in enumerate(self.errors, start=1))
            raise TinyBertError(f"there are {len(self.errors)} problems.\n{lines}")


class _Sample(NamedTuple):
    """What is trained on, or a random part of it.

    Args:
        encoded: `EncodedExamples`.
        times: float. How many times as much all of it is.
    """

    encoded: EncodedExamples
    times: float


def check_run(config: RunConfig, trained: str | None = None) -> Findings:
    """Looks at everything that a run will need, and trains nothing.

    Args:
        config: `RunConfig`.
        trained: str or `None`. The teacher that the run has already, a preset; `None` is that
            of the config.
    """
    findings = Findings()
    examples = _read_splits(config, findings)
    if config.resolved_task().kind == "text":
        _check_labels(config, examples, findings)
        _check_duplicates(examples, findings)
    _check_paths(config, findings)
    tokenizer = None
    with findings.collecting():
        tokenizer = load_tokenizer(WeightsConfig(trained) if trained else config.teacher)
    sample = None
    if tokenizer is not None and "train" in examples:
        sample = _check_lengths(config, tokenizer, examples, findings)
    distiller = _check_models(config, trained, findings)
    if distiller is not None and sample is not None and not findings.errors:
        with findings.collecting():
            _plan(config, findings, distiller, sample, is_trained=trained is not None)
    return findings


# === Data ===


def _read_splits(config: RunConfig, findings: Findings) -> dict:
    task, data, examples = config.resolved_task(), config.data, {}
    for split in ("train", "dev", *(["test"] if data.test else [])):
        with findings.collecting():
            if split == "test":
                examples[split] = read_split(task, data, split)
            else:
                examples[split] = read_part(task, data, split, config.seed)
            findings.splits[split] = SplitFacts(len(examples[split]))
    with findings.collecting():
        read_further_splits(task, data)
    return examples


def _check_labels(config: RunConfig, examples: dict, findings: Findings) -> None:
    task = config.resolved_task()
    for split, part in examples.items():
        labels, source = part.labels, f"data.{split} ({getattr(config.data, split)})"
        if task.is_regression:
            shown = f"{labels.min():g} to {labels.max():g}" if len(labels) else ""
        else:
            counts = _quality.count_labels(task, labels)
            shown = _describe_counts(counts)
        findings.splits[split] = SplitFacts(len(part), shown)
        if split == "train":
            with findings.collecting():
                check_training_labels(task, part, source)
            continue
        if constant := _quality.find_constant_label(task, labels):
            findings.errors.append(
                f"{source}: all {len(part)} examples have {constant}, so no score on them says "
                "anything. Take examples of all labels; check that the file is not sorted and "
                "cut."
            )
        elif split == "dev":
            _check_size(task, labels, source, findings)
        train = examples.get("train")
        unlearned = _quality.find_unlearned(task, train.labels, labels) if train else []
        if unlearned:
            findings.errors.append(
                f"{source} has {', '.join(map(repr, unlearned))}, of which data.train has no "
                "example: it cannot be learned. Divide the examples at random, or take the "
                "label out."
            )


def _describe_counts(counts: dict[str, int]) -> str:
    """Returns the classes with their counts; of many, the least and the most frequent."""
    if len(counts) > _MOST_NAMED:
        least, most = min(counts, key=counts.get), max(counts, key=counts.get)
        if counts[least] == counts[most]:
            return f"{len(counts)} of {counts[most]:,} each"
        return f"{len(counts)}, from {least} {counts[least]:,} to {most} {counts[most]:,}"
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())


def _check_size(task, labels: np.ndarray, source: str, findings: Findings) -> None:
    """Looks whether a teacher without errors would be told from one that guesses."""
    perfect = labels[:, None] if task.is_regression else np.eye(task.num_outputs)[labels]
    if reason_near_chance(task, labels, perfect):
        findings.errors.append(
            f"{source}: has {len(labels)} examples, too few to tell a teacher without errors "
            "from one that guesses. Take 100 or more."
        )
    elif len(labels) < _FEW_EXAMPLES:
        findings.warnings.append(
            f"{source}: has {len(labels)} examples; a correlation with their labels of "
            f"{2 / np.sqrt(len(labels)):.2f} is reached by chance, and a teacher must be above "
            "it. 100 or more tell models apart."
        )


def _check_duplicates(examples: dict, findings: Findings) -> None:
    train = examples.get("train")
    for split, part in examples.items():
        if split == "train" or train is None:
            continue
        duplicates = _quality.find_duplicates(train, part)
        if len(duplicates) > _quality.MAX_DUPLICATE_SHARE * len(part):
            shown = "; ".join(repr(" | ".join(texts)[:60]) for texts in duplicates[:3])
            findings.warnings.append(
                f"{len(duplicates):,} of the {len(part):,} {split} texts are training texts "
                f"({len(duplicates) / len(part):.0%}), so scores are too good. Such as {shown}."
            )


def _check_lengths(
    config: RunConfig, tokenizer: BertTokenizer, examples: dict, findings: Findings
) -> _Sample | None:
    """Counts tokens; returns what is trained on, or a random part of it."""
    limit, seed = config.data.max_tokens, config.seed
    steps, count = task_steps(config), len(examples["train"])
    if steps.task.kind == "span":
        sample = take_random(examples["train"], _MOST_QUESTIONS, seed)
        with findings.collecting():
            windows = steps.encode_training(sample, BertPreprocessor(tokenizer, limit))
            return _Sample(windows, count / len(sample))
        return None
    for split, part in examples.items():
        sample = take_random(part, _MOST_TEXTS, seed)
        lengths = count_tokens(sample, tokenizer)
        cut = float(np.mean(lengths > limit))
        findings.splits[split] = dataclasses.replace(
            findings.splits[split], lengths=lengths, cut=cut
        )
        if split == "train":
            encoded = encode_examples(sample, BertPreprocessor(tokenizer, limit))
            train = _Sample(encoded, count / len(sample))
        if cut > _MAX_CUT_SHARE:
            enough = int(np.ceil(np.quantile(lengths, 0.99)))
            share = "All" if cut == 1.0 else f"{cut:.0%} of the"
            findings.warnings.append(
                f"{share} {split} texts are cut at data.max_tokens {limit}: what comes after "
                f"is not seen. {enough} would hold 99 % of them whole."
            )
    return train


# === Paths ===


def _check_paths(config: RunConfig, findings: Findings) -> None:
    augmentation = config.augmentation
    if augmentation is not None:
        with findings.collecting():
            load_tokenizer(augmentation.masked_lm)
        vectors = augmentation.word_vectors and resolve_path(augmentation.word_vectors)
        if vectors and not os.path.exists(vectors):
            findings.errors.append(
                f"augmentation.word_vectors: there is no file {vectors}.{missing_hint(vectors)}"
            )
    place = _existing_parent(config.run_directory)
    if not place.is_dir() or not os.access(place, os.W_OK):
        findings.errors.append(
            f"run_directory {config.run_directory}: {place} is no folder that can be written. "
            "Set another run_directory."
        )


def _existing_parent(path: str) -> pathlib.Path:
    place = pathlib.Path(path).absolute()
    return next(folder for folder in (place, *place.parents) if folder.exists())


# === Models ===


def _check_models(
    config: RunConfig, trained: str | None, findings: Findings
) -> TinyBertDistiller | None:
    """Makes teacher and student, and returns their distiller if they fit each other."""
    checked = None
    with findings.collecting():
        # What was recognised is printed again by the step that trains it.
        with contextlib.redirect_stdout(io.StringIO()):
            teacher = load_classifier(trained) if trained else load_teacher(config)
        findings.models["teacher"] = _describe(teacher)
        student = make_student(config, teacher)
        findings.models["student"] = _describe(student)
        teacher.preprocessor = student.preprocessor = None
        if config.student.start not in ("teacher", "random"):
            load_student_start(config)
        with findings.collecting():
            length = config.export.sequence_length or config.data.max_tokens
            plan_lengths(student, length, config.export.lengths)
        distiller = make_distiller(config, student, teacher)
        for stage in config.distillation.stages:
            with findings.collecting():
                distiller.compile("sgd", stage=stage.stage())
        checked = distiller
    return checked


def _describe(model) -> str:
    encoder = encoder_of(model)
    parts = [
        f"{encoder.num_layers} layers, width {encoder.hidden_dim}, {encoder.num_heads} heads",
        f"{encoder.vocabulary_size:,} tokens",
        f"{model.count_params() / 1e6:.1f} M parameters",
    ]
    return ", ".join(parts)


# === Time and disk ===


def _plan(
    config: RunConfig,
    findings: Findings,
    distiller: TinyBertDistiller,
    sample: _Sample,
    *,
    is_trained: bool,
) -> None:
    """Counts the steps of each stage, and estimates time and disk."""
    encoded, models = sample.encoded, (distiller.teacher, distiller.student)
    times = sample.times * _estimates.with_copies(config)
    kept = {
        contents: times * size for contents, size in cache_bytes(distiller, encoded).items()
    }
    folder = _existing_parent(config.run_directory)
    contents = choose_contents(config.distillation, kept, folder)
    plans = _estimates.plan_stages(config, encoded, sample.times, contents)
    if is_trained:
        plans = [plan for plan in plans if plan.name != _estimates.FINE_TUNING]
    teacher, _ = models
    encoder, length = encoder_of(teacher), float(np.mean(encoded.lengths))
    speed = _estimates.measure_speed(encoder.hidden_dim, resolve_precision(config.precision))
    per_example = sample.times * len(encoded.token_ids) / findings.splits["train"].examples
    dev_tokens = findings.splits["dev"].examples * per_example
    plans = [
        _estimates.with_seconds(plan, models, speed, length=length, dev_tokens=dev_tokens)
        for plan in plans
    ]
    findings.seconds = _estimates.run_seconds(config, plans, teacher, speed, length)
    findings.stages += plans
    findings.disk_bytes = _estimates.disk_bytes(config, *models) + int(kept.get(contents, 0))
    free = shutil.disk_usage(folder).free
    if findings.disk_bytes > free:
        findings.warnings.append(
            f"The run fills about {findings.disk_bytes / 1e9:.1f} GB of disk, of which "
            f"{free / 1e9:.1f} GB are free."
        )
