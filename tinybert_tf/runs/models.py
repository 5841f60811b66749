"""From a config to models: the teacher, and a student for it."""

import inspect

from tinybert_tf import checkpoints
from tinybert_tf.checkpoints.locations import check_vocabulary, resolve_path
from tinybert_tf.errors import TinyBertError, nearest_name
from tinybert_tf.models import (
    ARCHITECTURES,
    BertEncoder,
    BertSpanClassifier,
    BertTextClassifier,
)
from tinybert_tf.presets import PRESETS
from tinybert_tf.runs.config import GeneralConfig, RunConfig
from tinybert_tf.runs.steps import task_steps
from tinybert_tf.tokenization import BertPreprocessor, BertTokenizer
from tinybert_tf.training import resolve_precision


def load_teacher(config: RunConfig) -> BertTextClassifier | BertSpanClassifier:
    """Loads the teacher's weights under the task's head.

    Where the config fine-tunes it, the head is new; otherwise the weights must bring one.

    Args:
        config: `RunConfig`.

    Raises:
        TinyBertError: if the weights cannot be read or do not fit task or lengths.
    """
    teacher, max_tokens = config.teacher, config.data.max_tokens
    steps, dtype = task_steps(config), resolve_precision(config.precision)
    options = {"vocabulary": teacher.vocabulary, "dtype": dtype}
    if teacher.fine_tune is None:
        model = checkpoints.load_teacher(
            teacher.weights,
            teacher.lowercase,
            sequence_length=max_tokens,
            kind=steps.classifier,
            **options,
        )
        steps.check_classifier(model)
    else:
        encoder, tokenizer = checkpoints.load_teacher_encoder(
            teacher.weights, teacher.lowercase, dropout=teacher.dropout, **options
        )
        preprocessor = BertPreprocessor(tokenizer, sequence_length=max_tokens)
        model = steps.new_classifier(encoder, preprocessor)
    _check_sizes(model.backbone, model.preprocessor.tokenizer, max_tokens)
    return model


def make_student_encoder(config: RunConfig | GeneralConfig, source: BertEncoder) -> BertEncoder:
    """Makes a random student for a teacher.

    Args:
        config: `RunConfig` or `GeneralConfig`.
        source: `BertEncoder`. The teacher's.

    Raises:
        TinyBertError: if its sizes cannot be.
    """
    arguments = {
        **ARCHITECTURES[config.student.architecture],
        "vocabulary_size": source.vocabulary_size,
        "max_sequence_length": source.max_sequence_length,
        "num_segments": source.num_segments,
        "activation": source.activation,
        "layer_norm_epsilon": source.layer_norm_epsilon,
        "dropout": config.student.dropout,
        "dtype": resolve_precision(config.precision),
        **config.student.overrides,
    }
    # The encoder would take what it does not know for an argument of Keras.
    known = [*inspect.signature(BertEncoder.__init__).parameters][1:-1]
    unknown = [name for name in arguments if name not in known]
    if unknown:
        raise TinyBertError(
            f"student.overrides has '{unknown[0]}', expected some of {', '.join(known)}."
            f"{nearest_name(unknown[0], known)}"
        )
    try:
        return BertEncoder(**arguments)
    except (TypeError, ValueError) as error:
        raise TinyBertError(f"student.overrides {config.student.overrides}: {error}") from error


def make_student(
    config: RunConfig, teacher: BertTextClassifier | BertSpanClassifier
) -> BertTextClassifier | BertSpanClassifier:
    """Makes a random student with the teacher's vocabulary, labels and preprocessor.

    Args:
        config: `RunConfig`.
        teacher: `BertTextClassifier` or `BertSpanClassifier`. The student is of its class.

    Raises:
        TinyBertError: if its sizes cannot be, or do not fit the lengths, or it is to start
            from a preset of another vocabulary.
    """
    check_start_vocabulary(config, teacher.preprocessor.tokenizer)
    encoder = make_student_encoder(config, teacher.backbone)
    _check_sizes(encoder, teacher.preprocessor.tokenizer, config.data.max_tokens)
    return teacher.like(encoder, config.student.dropout)


def check_start_vocabulary(config: RunConfig | GeneralConfig, tokenizer: BertTokenizer) -> None:
    """Compares the vocabulary of the preset that `student.start` names with the teacher's.

    Args:
        config: `RunConfig` or `GeneralConfig`.
        tokenizer: `BertTokenizer`. The teacher's.

    Raises:
        TinyBertError: if they differ: of one size, they would fit and mean other words.
    """
    if config.student.start in ("teacher", "random"):
        return
    location = resolve_path(config.student.start)
    try:
        theirs = BertTokenizer.from_preset(location)
    except (ValueError, OSError):
        # No preset, which `load_student_start` tells; or one of weights alone.
        return
    if theirs.settings() != tokenizer.settings():
        raise TinyBertError(
            f"student.start '{location}' reads texts otherwise than the teacher: its tokenizer "
            f"has {theirs.settings()}, the teacher's {tokenizer.settings()}. Give a preset "
            "that was made with the teacher's, or student.start: teacher."
        )
    if theirs.get_vocabulary() != tokenizer.get_vocabulary():
        raise TinyBertError(
            f"student.start '{location}' has another vocabulary than the teacher "
            f"({theirs.vocabulary_size():,} and {tokenizer.vocabulary_size():,} tokens): its "
            "token embeddings would stand for other words. Give a preset that was made with "
            "the teacher's vocabulary, or student.start: teacher."
        )


def load_student_start(config: RunConfig | GeneralConfig, encoder: BertEncoder) -> None:
    """Sets a student's weights to those of the preset that `student.start` names.

    Args:
        config: `RunConfig` or `GeneralConfig`. With a preset as `student.start`.
        encoder: `BertEncoder`. The student's, changed in place.

    Raises:
        TinyBertError: if there is no such preset, or it has another shape.
    """
    location = resolve_path(config.student.start)
    try:
        start = BertEncoder.from_preset(location)
    except (ValueError, OSError) as error:
        raise TinyBertError(
            f"student.start '{location}' is neither teacher nor random nor a preset of an "
            f"encoder, such as {', '.join(PRESETS)} or a directory: {error}"
        ) from error
    for theirs, ours in zip(start.weights, encoder.weights, strict=False):
        if theirs.shape != ours.shape:
            raise TinyBertError(
                f"student.start '{location}' has {theirs.path} of shape {theirs.shape}, the "
                f"student's is {ours.shape}. Set student.architecture, student.overrides and "
                "the teacher to what it was made with."
            )
    if len(start.weights) != len(encoder.weights):
        raise TinyBertError(
            f"student.start '{location}' has {start.num_layers} blocks, the student "
            f"{encoder.num_layers}. Set student.architecture to its."
        )
    encoder.set_weights(start.get_weights())


def _check_sizes(encoder: BertEncoder, tokenizer: BertTokenizer, max_tokens: int) -> None:
    if max_tokens > encoder.max_sequence_length:
        raise TinyBertError(
            f"data.max_tokens is {max_tokens}, but the model's position table ends at "
            f"{encoder.max_sequence_length}. Set data.max_tokens to at most that."
        )
    check_vocabulary(encoder, tokenizer)
