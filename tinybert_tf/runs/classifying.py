"""What a finished model says of texts: of a run, a preset or a bundle."""

import os
import pathlib
from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np

from tinybert_tf.checkpoints.locations import load_classifier
from tinybert_tf.data import EncodedExamples, Examples, count_tokens, encode_examples
from tinybert_tf.errors import TinyBertError, nearest_name
from tinybert_tf.evaluation import TextPredictor
from tinybert_tf.files import missing_hint
from tinybert_tf.models import BertTextClassifier
from tinybert_tf.presets import PRESETS, resolve_preset
from tinybert_tf.runs.directory import RunDirectory
from tinybert_tf.tokenization import BertPreprocessor


class TextModel(NamedTuple):
    """A finished classifier or regressor of any kind.

    Args:
        labels: tuple of str. Names of the classes; empty for a regressor.
        text_fields: tuple of str. The columns that it was trained on; empty if unknown.
        preprocessor: `BertPreprocessor`.
        outputs: function from `EncodedExamples` to probabilities, float32 [texts, classes], or
            scores [texts, 1].
    """

    labels: tuple[str, ...]
    text_fields: tuple[str, ...]
    preprocessor: BertPreprocessor
    outputs: Callable[[EncodedExamples], np.ndarray]

    def predict(self, texts: tuple[tuple[str, ...], ...]) -> np.ndarray:
        """Returns probabilities [texts, classes] or scores [texts, 1].

        Args:
            texts: tuple of one tuple of str, or for pairs of two of the same length.
        """
        examples = Examples(texts, np.zeros(len(texts[0]), "int32"))
        return self.outputs(encode_examples(examples, self.preprocessor))

    def count_cut(self, texts: tuple[tuple[str, ...], ...]) -> int:
        """Returns how many texts are longer than the model reads."""
        examples = Examples(texts, np.zeros(len(texts[0]), "int32"))
        lengths = count_tokens(examples, self.preprocessor.tokenizer)
        return int(np.sum(lengths > self.preprocessor.sequence_length))


def open_text_model(path: str | os.PathLike) -> TextModel:
    """Opens the student of a run, a preset of this library, or a bundle.

    Args:
        path: str or path. A folder, or the name of a preset in the package.

    Raises:
        TinyBertError: if there is none of these, or it does not classify or score texts.
    """
    path = pathlib.Path(resolve_preset(path))
    if not path.is_dir():
        hints = f"{nearest_name(str(path), PRESETS)}{missing_hint(path)}"
        raise TinyBertError(f"There is no folder {path}.{hints}")
    if (path / "bundle.json").exists():
        return _open_bundle(path)
    # Without a head it is told that it holds no classifier.
    if (path / "task.json").exists() or (path / "config.json").exists():
        return _open_preset(path)
    run = RunDirectory.open(path)
    config = run.config()
    if config.purpose != "a task":
        raise TinyBertError(
            f"{path} is a run that makes {config.purpose}: it classifies nothing."
        )
    fields = getattr(config.resolved_task(), "text_fields", ())
    return _open_preset(run.student)._replace(text_fields=fields)


def _open_preset(path: pathlib.Path) -> TextModel:
    model = load_classifier(path)
    if not isinstance(model, BertTextClassifier):
        raise _not_of_texts(path)
    preprocessor, model.preprocessor = model.preprocessor, None
    if preprocessor is None:
        raise TinyBertError(f"{path} has no preprocessor, so its vocabulary is unknown.")
    predictor = TextPredictor(model)
    is_logits = model.activation == keras.activations.linear and model.num_classes > 1

    def outputs(encoded: EncodedExamples) -> np.ndarray:
        values = predictor(encoded)
        return keras.ops.convert_to_numpy(keras.ops.softmax(values)) if is_logits else values

    labels = model.labels or tuple(map(str, range(model.num_classes)))
    return TextModel(labels if model.num_classes > 1 else (), (), preprocessor, outputs)


def _open_bundle(path: pathlib.Path) -> TextModel:
    from tinybert_tf.export import open_bundle

    info, tokenizer, model = open_bundle(path)
    (output,) = (o["name"] for o in info["outputs"]) if len(info["outputs"]) == 1 else ("",)
    if output not in ("probability", "score"):
        raise _not_of_texts(path)
    preprocessor = BertPreprocessor(tokenizer, max(model.signatures.values()))
    return TextModel(
        tuple(info["labels"]), (), preprocessor, lambda encoded: model.predict(encoded)[output]
    )


def _not_of_texts(path: pathlib.Path) -> TinyBertError:
    return TinyBertError(
        f"{path} answers questions with spans of a context. `classify` is for models that "
        "classify or score texts."
    )
