"""From a config to examples and models."""

import dataclasses
import importlib.util
import json
import pathlib

import keras_nlp
import numpy as np
from absl import logging

from tinybert_tf import checkpoints
from tinybert_tf.data import (
    Examples,
    SpanExamples,
    SpanTask,
    Task,
    further_dev_splits,
    read_glue,
    read_squad,
    read_table,
    read_tfds,
)
from tinybert_tf.errors import TinyBertError, nearest_name
from tinybert_tf.models import (
    ARCHITECTURES,
    BertEncoder,
    BertMaskedLM,
    BertSpanClassifier,
    BertTextClassifier,
)
from tinybert_tf.presets import PRESETS
from tinybert_tf.tokenization import BertPreprocessor, BertTokenizer
from tinybert_tf.training.config import DataConfig, GeneralConfig, RunConfig, WeightsConfig
from tinybert_tf.training.strategies import resolve_precision

_PACKAGE = "package:"
# BERT's. A masked LM reads a text twice, so it wants twice the length.
_MASKED_LM_LENGTH = 512
_CLASSIFIERS = {cls.__name__: cls for cls in (BertTextClassifier, BertSpanClassifier)}


def resolve_path(location: str) -> str:
    """Turns `package:MODULE/PATH` into the path inside that installed package.

    Raises:
        TinyBertError: if the package is not installed.
    """
    if not location.startswith(_PACKAGE):
        return location
    module, _, rest = location.removeprefix(_PACKAGE).partition("/")
    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        spec = None
    if spec is None or not spec.submodule_search_locations:
        raise TinyBertError(
            f"'{location}' is in the Python package {module}, which is not installed. "
            "`make setup` installs what the project's own configs want."
        )
    return str(pathlib.Path(spec.submodule_search_locations[0]) / rest)


def read_split(task: Task | SpanTask, data: DataConfig, split: str) -> Examples | SpanExamples:
    """Reads one split.

    Args:
        task: `Task` or `SpanTask`.
        data: `DataConfig`.
        split: str. `"train"`, `"dev"` or `"test"`.

    Raises:
        TinyBertError: if it cannot be read; file and line, or question, are named.
    """
    name = getattr(data, split) or data.dev
    if data.format == "squad":
        return read_squad(task, resolve_path(name))
    if data.format == "glue":
        return read_glue(task, resolve_path(data.source), name)
    if data.format == "tfds":
        return read_tfds(task, data.source, name)
    return read_table(task, resolve_path(name))


def read_further_splits(task: Task | SpanTask, data: DataConfig) -> dict[str, Examples]:
    """Reads what is scored beside the test split, if that is the dev split of a published set.

    Args:
        task: `Task` or `SpanTask`.
        data: `DataConfig`.

    Returns:
        dict of `Examples` by what the figures are called: see `further_dev_splits`.

    Raises:
        TinyBertError: see `read_split`.
    """
    names = {} if data.test else further_dev_splits(task, data.format)
    return {
        name: read_split(task, dataclasses.replace(data, test=split), "test")
        for name, split in names.items()
    }


def take_random(
    examples: Examples | SpanExamples, count: int | None, seed: int
) -> Examples | SpanExamples:
    """Returns `count` examples chosen by the seed, or all for `None`."""
    if count is None or count >= len(examples):
        return examples
    return examples.take(np.random.default_rng(seed).permutation(len(examples))[:count])


def read_part(
    task: Task | SpanTask, data: DataConfig, split: str, seed: int
) -> Examples | SpanExamples:
    """Reads what is trained on or checkpoints are chosen on.

    Args:
        task: `Task` or `SpanTask`.
        data: `DataConfig`. Its `max_train_examples` and `max_dev_examples` bound the part.
        split: str. `"train"` or `"dev"`.
        seed: int. Chooses the part.

    Raises:
        TinyBertError: see `read_split`.
    """
    counts = {"train": data.max_train_examples, "dev": data.max_dev_examples}
    return take_random(read_split(task, data, split), counts[split], seed)


def read_training_examples(config: RunConfig) -> Examples | SpanExamples:
    """Reads what a run trains on, see `read_part`."""
    return read_part(config.resolved_task(), config.data, "train", config.seed)


def load_teacher(
    config: RunConfig, task: Task | SpanTask
) -> BertTextClassifier | BertSpanClassifier:
    """Loads the teacher's weights under the task's head.

    Where the config fine-tunes it, the head is new; otherwise the weights must bring one.

    Args:
        config: `RunConfig`.
        task: `Task` or `SpanTask`.

    Raises:
        TinyBertError: if the weights cannot be read or do not fit task or lengths.
    """
    teacher, location = config.teacher, resolve_path(config.teacher.weights)
    precision = resolve_precision(config.precision)
    kind = _layout(location)
    tokenizer = _load_tokenizer(teacher, location, kind)
    preprocessor = BertPreprocessor(tokenizer, sequence_length=config.data.max_tokens)
    if teacher.fine_tune is None:
        model = _load_classifier(task, location, kind, precision)
        model.preprocessor = preprocessor
        _check_head(model, task)
    else:
        encoder = _load_encoder(location, kind, precision, teacher.dropout)
        model = _add_head(task, encoder, preprocessor)
    _check_sizes(model.backbone, tokenizer, config.data.max_tokens)
    return model


def _add_head(task, encoder: BertEncoder, preprocessor: BertPreprocessor):
    if isinstance(task, SpanTask):
        return BertSpanClassifier(encoder, preprocessor=preprocessor)
    return BertTextClassifier(
        encoder,
        task.num_outputs,
        preprocessor=preprocessor,
        labels=task.labels,
        dropout=encoder.dropout,
    )


def load_plain_encoder(
    config: WeightsConfig, precision: str, dropout: float | None = None
) -> tuple[BertEncoder, BertTokenizer]:
    """Loads an encoder without a head, and its vocabulary.

    Args:
        config: `WeightsConfig`.
        precision: str. See `RunConfig`.
        dropout: float or `None`. In place of the encoder's own.

    Raises:
        TinyBertError: if they cannot be read or do not fit each other.
    """
    location = resolve_path(config.weights)
    kind = _layout(location)
    tokenizer = _load_tokenizer(config, location, kind)
    encoder = _load_encoder(location, kind, resolve_precision(precision), dropout)
    _check_vocabulary(encoder, tokenizer)
    return encoder, tokenizer


def load_masked_lm(config: WeightsConfig, dtype: str) -> BertMaskedLM:
    """Loads a masked LM with its head and a preprocessor of its own vocabulary.

    Args:
        config: `WeightsConfig`.
        dtype: str. A Keras dtype policy.

    Raises:
        TinyBertError: if weights, head or vocabulary cannot be read or do not fit each other.
    """
    location = resolve_path(config.weights)
    kind = _layout(location)
    tokenizer = _load_tokenizer(config, location, kind)
    if kind == "own":
        model = _load_own_masked_lm(location, dtype)
    elif kind == "hugging_face":
        model = checkpoints.load_masked_lm(location, dtype=dtype)
    else:
        model = _from_keras_hub(
            lambda name: checkpoints.masked_lm_from_keras_hub(name, dtype=dtype), location
        )
    encoder = model.backbone
    _check_vocabulary(encoder, tokenizer)
    length = min(_MASKED_LM_LENGTH, encoder.max_sequence_length)
    model.preprocessor = BertPreprocessor(tokenizer, length)
    return model


def _load_own_masked_lm(location: str, dtype: str) -> BertMaskedLM:
    path = pathlib.Path(location) / "task.json"
    try:
        kind = json.loads(path.read_text("utf-8"))["class_name"] if path.exists() else None
        # Without the head in it, KerasHub would make a random one and say nothing.
        if kind == BertMaskedLM.__name__:
            return BertMaskedLM.from_preset(location, dtype=dtype)
    except (ValueError, OSError, KeyError) as error:
        raise TinyBertError(f"The preset {location} cannot be loaded: {error}") from error
    raise TinyBertError(
        f"{location} is the preset of a {kind or BertEncoder.__name__}, expected a "
        f"{BertMaskedLM.__name__}: what `python -m tinybert_tf pretrain-mlm` makes, say."
    )


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
    if isinstance(teacher, BertSpanClassifier):
        return BertSpanClassifier(encoder, preprocessor=teacher.preprocessor)
    return BertTextClassifier(
        encoder,
        teacher.num_classes,
        preprocessor=teacher.preprocessor,
        labels=teacher.labels,
        head_activation=teacher.head_activation,
        dropout=config.student.dropout,
    )


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


def load_tokenizer(source: WeightsConfig) -> BertTokenizer:
    """Loads the vocabulary of a model, without the model.

    Raises:
        TinyBertError: if it cannot be read.
    """
    location = resolve_path(source.weights)
    return _load_tokenizer(source, location, _layout(location))


def _layout(location: str) -> str:
    """Tells whose layout a directory has: `"hugging_face"`, `"own"` or `"keras_hub"`."""
    path = pathlib.Path(location) / "config.json"
    if not path.exists():
        if pathlib.Path(location).exists():
            raise TinyBertError(
                f"{location} has no config.json. Give a Hugging Face layout directory, a "
                "KerasHub preset or package:MODULE/FOLDER."
            )
        return "keras_hub"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise TinyBertError(f"{path} is not JSON: {error}.") from error
    if "registered_name" not in config:
        return "hugging_face"
    return "own" if config["registered_name"].startswith("tinybert_tf>") else "keras_hub"


def _load_tokenizer(teacher: WeightsConfig, location: str, kind: str) -> BertTokenizer:
    if teacher.vocabulary:
        return BertTokenizer(resolve_path(teacher.vocabulary), lowercase=teacher.lowercase)
    if kind == "hugging_face":
        _check_case(location, teacher.lowercase)
        return BertTokenizer(pathlib.Path(location) / "vocab.txt", lowercase=teacher.lowercase)
    if kind == "own":
        return BertTokenizer.from_preset(location)
    theirs = _from_keras_hub(keras_nlp.tokenizers.BertTokenizer.from_preset, location)
    return BertTokenizer(theirs.get_vocabulary(), lowercase=theirs.lowercase)


def _check_case(location: str, lowercase: bool) -> None:
    """Raises TinyBertError if a Hugging Face layout says otherwise of its case."""
    path = pathlib.Path(location) / "tokenizer_config.json"
    try:
        says = json.loads(path.read_text("utf-8")).get("do_lower_case", lowercase)
    except FileNotFoundError:
        return
    except (ValueError, AttributeError) as error:
        raise TinyBertError(f"{path} is no JSON of a tokenizer: {error}.") from error
    if says != lowercase:
        raise TinyBertError(
            f"{path} has do_lower_case={json.dumps(says)}, so its model is "
            f"{'uncased' if says else 'cased'}; lowercase is {json.dumps(lowercase)}. Set "
            f"lowercase to {json.dumps(says)} (`corpus`: {'no ' if says else ''}--cased)."
        )


def _load_encoder(
    location: str, kind: str, precision: str, dropout: float | None
) -> BertEncoder:
    if kind == "own":
        if dropout is not None:
            raise TinyBertError(
                f"dropout is {dropout}, but '{location}' is a preset of this library, which "
                "keeps its own. Leave dropout out."
            )
        return BertEncoder.from_preset(location, dtype=precision)
    options = {"dtype": precision}
    if dropout is not None:
        options.update(dropout=dropout, attention_dropout=dropout)
    if kind == "hugging_face":
        return checkpoints.load_encoder(location, **options)
    return _from_keras_hub(lambda name: checkpoints.from_keras_hub(name, **options), location)


def _load_classifier(task, location: str, kind: str, precision: str):
    if kind == "hugging_face":
        is_span = isinstance(task, SpanTask)
        load = checkpoints.load_span_classifier if is_span else checkpoints.load_text_classifier
        return load(location, dtype=precision)
    if kind == "own":
        return load_classifier(location, precision)
    raise TinyBertError(
        f"teacher.weights '{location}' is a KerasHub preset: an encoder without a head for the "
        "task. Give teacher.fine_tune."
    )


def load_classifier(
    directory, dtype: str = "float32"
) -> BertTextClassifier | BertSpanClassifier:
    """Loads a classifier that a run saved, of texts or of spans.

    Args:
        directory: str or path. A preset, such as a run's `student/`.
        dtype: str. A Keras dtype policy.

    Raises:
        TinyBertError: if there is none.
    """
    path = pathlib.Path(directory) / "task.json"
    if not path.exists():
        raise TinyBertError(
            f"{directory} holds no classifier (no task.json). It is made by the steps "
            "`finetune` (teacher) and `distill` (student) of `python -m tinybert_tf`."
        )
    kind = json.loads(path.read_text("utf-8"))["class_name"]
    if kind not in _CLASSIFIERS:
        raise TinyBertError(
            f"{directory} is the preset of a {kind}, expected a {' or '.join(_CLASSIFIERS)}."
        )
    return _CLASSIFIERS[kind].from_preset(str(directory), dtype=dtype)


def _from_keras_hub(load, location: str):
    try:
        return load(location)
    except TinyBertError:
        raise
    except (ValueError, OSError) as error:
        known = [*keras_nlp.models.BertBackbone.presets]
        raise TinyBertError(
            f"weights '{location}' is no directory and not to be had as a KerasHub "
            f"preset.{nearest_name(location, known)} KerasHub says: {error}"
        ) from error


def _check_sizes(encoder: BertEncoder, tokenizer: BertTokenizer, max_tokens: int) -> None:
    if max_tokens > encoder.max_sequence_length:
        raise TinyBertError(
            f"data.max_tokens is {max_tokens}, but the model's position table ends at "
            f"{encoder.max_sequence_length}. Set data.max_tokens to at most that."
        )
    _check_vocabulary(encoder, tokenizer)


def _check_vocabulary(encoder: BertEncoder, tokenizer: BertTokenizer) -> None:
    if tokenizer.vocabulary_size() != encoder.vocabulary_size:
        raise TinyBertError(
            f"The vocabulary has {tokenizer.vocabulary_size()} tokens, the model's embedding "
            f"{encoder.vocabulary_size}. Give the vocabulary that the model was trained with."
        )


def _check_head(model, task: Task | SpanTask) -> None:
    if isinstance(model, BertSpanClassifier) != isinstance(task, SpanTask):
        wanted = BertSpanClassifier if isinstance(task, SpanTask) else BertTextClassifier
        raise TinyBertError(
            f"The teacher is a {type(model).__name__}, the task '{task.name}' wants a "
            f"{wanted.__name__}. Give teacher.fine_tune, or the weights of one."
        )
    if isinstance(task, Task):
        _check_labels(model, task)


def _check_labels(model: BertTextClassifier, task: Task) -> None:
    if model.num_classes != task.num_outputs:
        raise TinyBertError(
            f"The teacher has {model.num_classes} outputs, the task '{task.name}' wants "
            f"{task.num_outputs}."
        )
    if model.labels and model.labels != task.labels:
        raise TinyBertError(
            f"The teacher's labels are {model.labels}, those of the task '{task.name}' are "
            f"{task.labels}. Describe the task with the teacher's names in the teacher's order."
        )
    if not model.labels and not task.is_regression:
        logging.warning(
            "The teacher's checkpoint names no labels; they are taken to be %s.", task.labels
        )
        model.labels = task.labels
