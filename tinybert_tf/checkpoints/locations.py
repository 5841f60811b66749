"""What lies at a path, a preset's name or `package:MODULE/FOLDER`: weights and tokenizers."""

import importlib.util
import json
import pathlib

import keras_nlp

from tinybert_tf import checkpoints
from tinybert_tf.checkpoints._families import family_of
from tinybert_tf.checkpoints._model_garden import PARAMS_NAME
from tinybert_tf.checkpoints._preset_files import load_preset
from tinybert_tf.checkpoints._tensor_files import config_path, read_config, read_json_object
from tinybert_tf.errors import TinyBertError, nearest_name
from tinybert_tf.files import PathString, missing_hint, read_text_file
from tinybert_tf.models import BertEncoder, BertMaskedLM, BertSpanClassifier, BertTextClassifier
from tinybert_tf.presets import resolve_preset
from tinybert_tf.strict import strict_dataclass
from tinybert_tf.tokenization import BertPreprocessor, BertTokenizer
from tinybert_tf.tokenization.files import check_case, load_tokenizer_files

_PACKAGE = "package:"
_MODULES = "modules.json"
# Rows of an embedding table beyond the vocabulary.
_MOST_PADDING = 1023
# BERT's. A masked LM reads a text twice, so it wants twice the length.
_MASKED_LM_LENGTH = 512
_CLASSIFIERS = {cls.__name__: cls for cls in (BertTextClassifier, BertSpanClassifier)}


@strict_dataclass
class WeightsConfig:
    """A BERT and its vocabulary.

    Args:
        weights: a directory in the Hugging Face layout, of Google's original BERT, of TF Model
            Garden or of sentence-transformers; a KerasHub preset (handle or directory) or
            `.keras` file; a preset of this package (`tinybert_tf.presets.PRESETS`); or
            `package:MODULE/FOLDER` for a directory inside an installed Python package.
        vocabulary: the vocabulary file; `None` is `vocab.txt` in the directory of the weights,
            or the preset's own.
        lowercase: whether the model is uncased.
    """

    weights: PathString
    vocabulary: PathString | None = None
    lowercase: bool = True


def resolve_path(location: str) -> str:
    """Turns what a config names into the path of weights.

    The name of a preset in this package is its folder, `package:MODULE/PATH` a path inside
    that installed package; of a directory of sentence-transformers, the encoder's folder.

    Raises:
        TinyBertError: if the package is not installed.
    """
    path = _resolve_package(location)
    return sentence_transformers_body(path) or path


def sentence_transformers_body(location: str) -> str | None:
    """Returns the encoder's folder in a directory of sentence-transformers or SetFit.

    Args:
        location: str. As configs name it.

    Returns:
        str, or `None` if it is another directory.

    Raises:
        TinyBertError: if the directory has no encoder.
    """
    modules = pathlib.Path(_resolve_package(location)) / _MODULES
    if not modules.exists():
        return None
    folder = _module_folder(modules, "Transformer")
    if folder is None:
        raise TinyBertError(
            f"{modules} names no module of the kind Transformer, so there is no BERT in it. "
            "Take a sentence-transformers model with one."
        )
    return str(folder)


def sentence_transformers_pooling(location: str) -> str | None:
    """Returns how a model of sentence-transformers or SetFit pools tokens.

    Args:
        location: str. As configs name it.

    Returns:
        `"mean"`, or `None` for every other way (`"cls"` there is the first token as it is,
        without a dense layer behind it) and for other directories.

    Raises:
        TinyBertError: if a file of the directory cannot be read.
    """
    modules = pathlib.Path(_resolve_package(location)) / _MODULES
    folder = _module_folder(modules, "Pooling") if modules.exists() else None
    if folder is None or not (folder / "config.json").exists():
        return None
    config = read_json_object(folder / "config.json", "config")
    # One name since their version 5, flags before.
    modes = [key for key, value in config.items() if key.startswith("pooling_mode_") and value]
    is_mean = config.get("pooling_mode") == "mean" or modes == ["pooling_mode_mean_tokens"]
    return "mean" if is_mean else None


def _module_folder(modules: pathlib.Path, kind: str) -> pathlib.Path | None:
    """Returns the folder of the first module of a kind, `None` if there is none.

    Raises:
        TinyBertError: if the list of modules is no JSON.
    """
    try:
        listed = json.loads(read_text_file(modules, "list of modules"))
    except (ValueError, RecursionError) as error:
        raise TinyBertError(f"{modules} is not JSON: {error}. Save it again.") from error
    for module in listed if isinstance(listed, list) else ():
        name, folder = (
            str(module.get(key, "")) if isinstance(module, dict) else ""
            for key in ("type", "path")
        )
        # Not a path that leads elsewhere.
        if name.endswith(kind) and folder == pathlib.PurePath(folder).name:
            return modules.parent / folder
    return None


def _resolve_package(location: str) -> str:
    location = resolve_preset(location)
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


def load_plain_encoder(
    config: WeightsConfig, dtype: str, dropout: float | None = None, pooling: str | None = None
) -> tuple[BertEncoder, BertTokenizer]:
    """Loads an encoder without a head, and its vocabulary.

    Args:
        config: `WeightsConfig`.
        dtype: str. A Keras dtype policy.
        dropout: float or `None`. In place of the encoder's own.
        pooling: str or `None`. In place of the encoder's own; see `BertEncoder`.

    Raises:
        TinyBertError: if they cannot be read or do not fit each other.
    """
    location = resolve_path(config.weights)
    kind = layout_of(location)
    tokenizer = load_tokenizer_at(config, location, kind)
    encoder = load_encoder_at(location, kind, tokenizer, dtype, dropout, pooling)
    check_vocabulary(encoder, tokenizer)
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
    kind = layout_of(location)
    tokenizer = load_tokenizer_at(config, location, kind)
    if kind == "own":
        model = _load_own_masked_lm(location, dtype)
    elif kind == "hugging_face":
        size = table_size(location, tokenizer)
        model = checkpoints.load_masked_lm(location, dtype=dtype, **size)
    else:
        model = from_keras_hub_location(
            lambda name: checkpoints.masked_lm_from_keras_hub(name, dtype=dtype), location
        )
    encoder = model.backbone
    check_vocabulary(encoder, tokenizer)
    length = min(_MASKED_LM_LENGTH, encoder.max_sequence_length)
    model.preprocessor = BertPreprocessor(tokenizer, length)
    return model


def _load_own_masked_lm(location: str, dtype: str) -> BertMaskedLM:
    path = pathlib.Path(location) / "task.json"
    kind = read_json_object(path, "preset").get("class_name") if path.exists() else None
    # Without the head in it, KerasHub would make a random one and say nothing.
    if kind == BertMaskedLM.__name__:
        return load_preset(BertMaskedLM.from_preset, location, dtype=dtype)
    raise TinyBertError(
        f"{location} is the preset of a {kind or BertEncoder.__name__}, expected a "
        f"{BertMaskedLM.__name__}: what `python -m tinybert_tf pretrain-mlm` makes, say."
    )


def load_tokenizer(source: WeightsConfig) -> BertTokenizer:
    """Loads the vocabulary of a model, without the model.

    Raises:
        TinyBertError: if it cannot be read.
    """
    location = resolve_path(source.weights)
    return load_tokenizer_at(source, location, layout_of(location))


def layout_of(location: str) -> str:
    """Tells whose layout a location has: `"hugging_face"`, `"own"` or `"keras_hub"`.

    TensorFlow's checkpoints are read as if they were in the Hugging Face layout.
    """
    if location.endswith(".keras"):
        if not pathlib.Path(location).is_file():
            raise TinyBertError(f"There is no file {location}. Check the path.")
        return "keras_hub"
    path = config_path(location)
    if path.name == PARAMS_NAME:
        return "hugging_face"
    if not path.exists():
        if pathlib.Path(location).exists():
            raise TinyBertError(
                f"{location} has no config.json. Give a Hugging Face layout directory, a "
                "KerasHub preset or package:MODULE/FOLDER."
            )
        return "keras_hub"
    config = read_json_object(path, "config")
    if "registered_name" not in config:
        # Before its tokenizer, which would be refused for another reason.
        family_of(config, path)
        return "hugging_face"
    return "own" if str(config["registered_name"]).startswith("tinybert_tf>") else "keras_hub"


def load_tokenizer_at(source: WeightsConfig, location: str, layout: str) -> BertTokenizer:
    """Does as `load_tokenizer`, for a location whose layout is known."""
    vocabulary = resolve_path(source.vocabulary) if source.vocabulary else None
    if layout == "hugging_face":
        return load_tokenizer_files(location, source.lowercase, vocabulary)
    if vocabulary:
        tokenizer = BertTokenizer(vocabulary, lowercase=source.lowercase)
    elif layout == "own":
        return load_preset(BertTokenizer.from_preset, location)
    else:
        tokenizer = from_keras_hub_location(checkpoints.tokenizer_from_keras_hub, location)
    check_case(tokenizer, vocabulary or location)
    return tokenizer


def load_encoder_at(
    location: str,
    layout: str,
    tokenizer: BertTokenizer,
    dtype: str,
    dropout: float | None,
    pooling: str | None,
) -> BertEncoder:
    """Loads an encoder without a head.

    Args:
        location: str. What `resolve_path` returned.
        layout: str. What `layout_of` says of it.
        tokenizer: `BertTokenizer`. Its own.
        dtype: str. A Keras dtype policy.
        dropout: float or `None`. In place of the encoder's own.
        pooling: str or `None`. In place of the encoder's own.

    Raises:
        TinyBertError: if it cannot be read.
    """
    if layout == "own":
        given = {"dropout": dropout, "pooling": pooling}
        name = next((name for name, value in given.items() if value is not None), None)
        if name:
            raise TinyBertError(
                f"{name} is {given[name]}, but '{location}' is a preset of this library, which "
                f"keeps its own. Leave {name} out."
            )
        return load_preset(BertEncoder.from_preset, location, dtype=dtype)
    options: dict = {"dtype": dtype}
    if pooling is not None:
        options["pooling"] = pooling
    if dropout is not None:
        options.update(dropout=dropout, attention_dropout=dropout)
    if layout == "hugging_face":
        options |= table_size(location, tokenizer)
        return checkpoints.load_encoder(location, new_pooler=True, **options)
    return from_keras_hub_location(
        lambda name: checkpoints.from_keras_hub(name, **options), location
    )


def table_size(location: str, tokenizer: BertTokenizer) -> dict[str, int]:
    """Returns `vocabulary_size` for a loader, if a checkpoint pads its embedding table.

    Args:
        location: str. A Hugging Face layout directory.
        tokenizer: `BertTokenizer`. Its own.
    """
    config = read_config(config_path(location))
    rows, tokens = config.get("vocab_size"), tokenizer.vocabulary_size()
    # More rows are no padding: the vocabulary is that of another model.
    is_padded = isinstance(rows, int) and 0 < rows - tokens <= _MOST_PADDING
    return {"vocabulary_size": tokens} if is_padded else {}


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
    kind = read_json_object(path, "preset").get("class_name")
    if not isinstance(kind, str) or kind not in _CLASSIFIERS:
        raise TinyBertError(
            f"{directory} is the preset of a {kind}, expected a {' or '.join(_CLASSIFIERS)}."
        )
    return load_preset(_CLASSIFIERS[kind].from_preset, directory, dtype=dtype)


def check_class(model, cls: type, task_name: str) -> None:
    """Looks whether a model is one that a task takes.

    Args:
        model: a task model.
        cls: type. What it is to be.
        task_name: str. For the message.

    Raises:
        TinyBertError: if it is another.
    """
    if type(model) is not cls:
        raise TinyBertError(
            f"The teacher is a {type(model).__name__}, the task '{task_name}' wants a "
            f"{cls.__name__}. Give teacher.fine_tune, or the weights of one."
        )


def from_keras_hub_location(load, location: str):
    """Loads something of KerasHub; what it raises itself is told in plain words.

    Args:
        load: function of the location.
        location: str. A preset's handle or directory, or a `.keras` file.

    Raises:
        TinyBertError: if it cannot be loaded.
    """
    try:
        return load_preset(load, location)
    except TinyBertError:
        raise
    except (ValueError, OSError) as error:
        known = [*keras_nlp.models.BertBackbone.presets]
        looks_like_path = "/" in location and "://" not in location
        hint = missing_hint(location) if looks_like_path else ""
        raise TinyBertError(
            f"weights '{location}' is no directory and not to be had as a KerasHub "
            f"preset.{nearest_name(location, known)}{hint} KerasHub says: {error}"
        ) from error


def check_vocabulary(encoder: BertEncoder, tokenizer: BertTokenizer) -> None:
    """Raises TinyBertError if a vocabulary has another size than an encoder's embedding."""
    if tokenizer.vocabulary_size() != encoder.vocabulary_size:
        raise TinyBertError(
            f"The vocabulary has {tokenizer.vocabulary_size()} tokens, the model's embedding "
            f"{encoder.vocabulary_size}. Give the vocabulary that the model was trained with."
        )
