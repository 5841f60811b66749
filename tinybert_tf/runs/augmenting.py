"""Data augmentation as a step of a run, and its copies as training data."""

import dataclasses
import functools
from collections.abc import Sequence

from rich.progress import track

from tinybert_tf.augmentation import (
    AugmentationJob,
    AugmentationOptions,
    Augmenter,
    read_augmented,
    read_word_vectors,
    write_augmented,
)
from tinybert_tf.augmentation.shards import FORMAT
from tinybert_tf.checkpoints.locations import load_masked_lm, resolve_path
from tinybert_tf.data import EncodedExamples, concatenate_examples, encode_examples
from tinybert_tf.errors import TinyBertError
from tinybert_tf.runs.config import AugmentationConfig, RunConfig
from tinybert_tf.runs.directory import RunDirectory
from tinybert_tf.runs.examples import read_training_examples
from tinybert_tf.tokenization import BertPreprocessor
from tinybert_tf.training import resolve_precision


def augment(
    config: RunConfig, run: RunDirectory, beam_options: Sequence[str] | None = None
) -> None:
    """Makes `augmented/` of the run: copies of the examples that are trained on.

    Args:
        config: `RunConfig`. With `augmentation`.
        run: `RunDirectory`.
        beam_options: see `write_augmented`.

    Raises:
        TinyBertError: if the config has no augmentation, or data, masked LM or word vectors
            cannot be used.
    """
    if config.augmentation is None:
        raise TinyBertError(
            f"The config of {run.path} has no augmentation. Say what the copies are made with "
            "(augmentation.masked_lm) in the config of a new run."
        )
    manifest = write_augmented(make_job(config, run), beam_options)
    made = manifest.statistics
    run.add_results(augmentation=dataclasses.asdict(made))
    print(
        f"{made.rows:,} copies of {made.examples:,} examples; {made.short:,} have fewer than "
        f"{config.augmentation.copies} of a text, {made.unchanged:,} of these have none (too "
        "few words to replace)",
        flush=True,
    )


def make_job(config: RunConfig, run: RunDirectory) -> AugmentationJob:
    """Returns what there is to do, so that it can be sent to the workers of Beam.

    Args:
        config: `RunConfig`. With `augmentation`.
        run: `RunDirectory`.
    """
    options = config.augmentation
    return AugmentationJob(
        config.resolved_task(),
        str(run.augmented),
        functools.partial(read_training_examples, config),
        # Resolved here: workers of another kind are to make the same copies.
        functools.partial(make_augmenter, options, resolve_precision(config.precision)),
        options.options(),
        {
            "masked_lm": options.masked_lm.weights,
            "word_vectors": options.word_vectors or "",
        },
        options.examples_per_shard,
    )


def make_augmenter(
    config: AugmentationConfig, dtype: str, options: AugmentationOptions
) -> Augmenter:
    """Loads masked LM and word vectors.

    Args:
        config: `AugmentationConfig`.
        dtype: str. A Keras dtype policy, of the masked LM.
        options: `AugmentationOptions`.

    Raises:
        TinyBertError: if they cannot be read or used.
    """
    masked_lm = load_masked_lm(config.masked_lm, dtype)
    word_vectors = None
    if config.word_vectors is not None:
        word_vectors = read_word_vectors(resolve_path(config.word_vectors))
    return Augmenter(masked_lm, word_vectors, options)


def check_augmentation(config: RunConfig, run: RunDirectory) -> None:
    """Loads once what `augment` will want, before a teacher is fine-tuned for hours.

    Raises:
        TinyBertError: see `make_augmenter`.
    """
    if config.augmentation is not None and not run.teacher.exists():
        job = make_job(config, run)
        job.make_augmenter(job.options)


def add_copies(
    config: RunConfig, run: RunDirectory, train: EncodedExamples, preprocessor: BertPreprocessor
) -> EncodedExamples:
    """Returns the training examples and behind them, if the config augments, their copies.

    Args:
        config: `RunConfig`.
        run: `RunDirectory`. With the copies.
        train: `EncodedExamples`.
        preprocessor: `BertPreprocessor`. What `train` was encoded with.

    Raises:
        TinyBertError: if there are no copies, or their files are not as they were written.
    """
    if config.augmentation is None:
        return train
    directory = str(run.augmented)
    if not run.augmented.exists():
        raise TinyBertError(
            f"{directory} is missing, but the config has augmentation. Make it with "
            "`python -m tinybert_tf augment --config FILE`."
        )
    manifest = FORMAT.read_manifest(directory)
    parts = track(
        read_augmented(config.resolved_task(), directory),
        description="encoding copies",
        total=sum(shard.statistics.rows > 0 for shard in manifest.shards),
    )
    copies = [encode_examples(part, preprocessor) for part in parts]
    print(f"{manifest.statistics.rows:,} augmented copies", flush=True)
    return concatenate_examples([train, *copies])
