"""Text in, probabilities out: a SavedModel for servers and a Keras file."""

import os
import pathlib

import keras
import numpy as np
import tensorflow as tf

from tinybert_tf.data import Examples
from tinybert_tf.errors import TinyBertError
from tinybert_tf.export.conversion import output_function
from tinybert_tf.files import atomic_directory, atomic_file, check_absent

# The texts that a written model is checked on.
_CHECKED = 64
_TOLERANCE = 1e-5


def export_saved_model(model, examples: Examples, output: str | os.PathLike) -> dict:
    """Writes a SavedModel with the tokenizer in its graph.

    The signature `serving_default` takes `text`, or for pairs `text_a` and `text_b`, string
    [batch], and returns `probability` [batch, classes], `score` [batch, 1], or `start_logits`
    and `end_logits` [batch, seq]. TensorFlow Serving
    has the operations of TensorFlow Text; elsewhere `import tensorflow_text` before loading.

    Args:
        model: `BertTextClassifier` or `BertSpanClassifier`, with a preprocessor.
        examples: `Examples`. Some are run through what was written.
        output: str or path. A folder that does not exist or is empty.

    Returns:
        dict. `verified_on`, `max_difference` to the Keras model.

    Raises:
        TinyBertError: if the folder is not empty or what was written differs from the model.
    """
    check_absent(output)
    names = _input_names(examples)
    with atomic_directory(output) as folder:
        module = _ServingModule(model, names)
        tf.saved_model.save(module, str(folder), {"serving_default": module.serve})
        served = tf.saved_model.load(str(folder)).signatures["serving_default"]
        texts = _some_texts(examples)
        results = served(**{n: tf.constant(t) for n, t in zip(names, texts, strict=True)})
        return _compare(results, _keras_results(model, texts), len(texts[0]))


def export_keras(model, examples: Examples, output: str | os.PathLike) -> dict:
    """Writes one `.keras` file.

    `keras.saving.load_model` reads it after `import tinybert_tf.models`.

    Args:
        model: `BertTextClassifier` or `BertSpanClassifier`, with a preprocessor.
        examples: `Examples`. Some are run through what was written.
        output: str or path. A file that does not exist, ending with `.keras`.

    Returns:
        dict. `verified_on`, `max_difference` to the Keras model.

    Raises:
        TinyBertError: if the file exists, has another ending, or differs from the model.
    """
    output = pathlib.Path(output)
    if output.suffix != ".keras":
        raise TinyBertError(f"{output} must end with .keras, as Keras names its files.")
    if output.exists():
        raise TinyBertError(f"{output} already exists. Remove it or name another file.")
    texts = _some_texts(examples)
    with atomic_file(output) as path:
        model.save(path)
        results = _keras_results(keras.saving.load_model(path, compile=False), texts)
        return _compare(results, _keras_results(model, texts), len(texts[0]))


class _ServingModule(tf.Module):
    def __init__(self, model, names: tuple[str, ...]):
        super().__init__()
        # A tf.Module does not see into a Keras model.
        self.variables_of_model = [variable.value for variable in model.variables]
        function, preprocessor = output_function(model), model.preprocessor

        def serve(*texts):
            return function(preprocessor(texts if len(texts) > 1 else texts[0]))

        self.serve = tf.function(
            serve, input_signature=[tf.TensorSpec((None,), tf.string, name=n) for n in names]
        )


def _input_names(examples: Examples) -> tuple[str, ...]:
    return ("text",) if len(examples.texts) == 1 else ("text_a", "text_b")


def _some_texts(examples: Examples) -> list[list[str]]:
    return [list(field[:_CHECKED]) for field in examples.texts]


def _keras_results(model, texts: list[list[str]]) -> dict:
    inputs = model.preprocessor(tuple(texts) if len(texts) > 1 else texts[0])
    return output_function(model)(inputs)


def _compare(results: dict, expected: dict, count: int) -> dict:
    difference = max(
        float(np.abs(np.asarray(results[name]) - np.asarray(value)).max())
        for name, value in expected.items()
    )
    if not difference <= _TOLERANCE:
        raise TinyBertError(
            f"What was written differs from the model by {difference:.6f}; at most "
            f"{_TOLERANCE} is expected. Nothing was kept."
        )
    return {"verified_on": count, "max_difference": difference}
