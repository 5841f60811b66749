"""From a config to models: the teacher, and a student for it."""

import inspect
import pathlib

from tinybert_tf import checkpoints
from tinybert_tf.checkpoints.locations import (
    WeightsConfig,
    check_vocabulary,
    layout_of,
    load_classifier,
    load_plain_encoder,
    load_tokenizer,
    resolve_path,
)
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
            teacher.weights,
            teacher.lowercase,
            dropout=teacher.dropout,
            pooling=teacher.pooling,
            **options,
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
        "pooling": source.pooling,
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
    """Compares the vocabulary of the model that `student.start` names with the teacher's.

    Args:
        config: `RunConfig` or `GeneralConfig`.
        tokenizer: `BertTokenizer`. The teacher's.

    Raises:
        TinyBertError: if they differ: of one size, they would fit and mean other words.
    """
    if config.student.start in ("teacher", "random"):
        return
    location = config.student.start
    try:
        theirs = load_tokenizer(WeightsConfig(location))
    except (ValueError, OSError):
        # No model, which `load_student_start` tells; or one of weights alone.
        return
    if theirs.settings() != tokenizer.settings():
        raise TinyBertError(
            f"student.start '{location}' reads texts otherwise than the teacher: its tokenizer "
            f"has {theirs.settings()}, the teacher's {tokenizer.settings()}. Give a model "
            "that was made with the teacher's, or student.start: teacher."
        )
    if theirs.get_vocabulary() != tokenizer.get_vocabulary():
        raise TinyBertError(
            f"student.start '{location}' has another vocabulary than the teacher "
            f"({theirs.vocabulary_size():,} and {tokenizer.vocabulary_size():,} tokens): its "
            "token embeddings would stand for other words. Give a model that was made with "
            "the teacher's vocabulary, or student.start: teacher."
        )


def load_student_start(config: RunConfig | GeneralConfig):
    """Loads the model that `student.start` names.

    Args:
        config: `RunConfig` or `GeneralConfig`. With a model as `student.start`.

    Returns:
        `BertTextClassifier` or `BertSpanClassifier`, if it is a preset of one that this
        library has saved; else `BertEncoder`.

    Raises:
        TinyBertError: if there is no such model.
    """
    location = resolve_path(config.student.start)
    dtype = resolve_precision(config.precision)
    try:
        if layout_of(location) == "own":
            if (pathlib.Path(location) / "task.json").exists():
                return load_classifier(location, dtype)
            # It may come without a tokenizer.
            return BertEncoder.from_preset(location, dtype=dtype)
        return load_plain_encoder(WeightsConfig(location), dtype)[0]
    except (ValueError, OSError) as error:
        raise TinyBertError(
            f"student.start '{location}' is neither teacher nor random nor a model, such as "
            f"{', '.join(PRESETS)} or a directory."
            f"{nearest_name(location, ('teacher', 'random', *PRESETS))} {error}"
        ) from error


def _check_sizes(encoder: BertEncoder, tokenizer: BertTokenizer, max_tokens: int) -> None:
    if max_tokens > encoder.max_sequence_length:
        raise TinyBertError(
            f"data.max_tokens is {max_tokens}, but the model's position table ends at "
            f"{encoder.max_sequence_length}. Set data.max_tokens to at most that."
        )
    check_vocabulary(encoder, tokenizer)
