"""Running TFLite files, and timing models, on this machine."""

import statistics
import time
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tinybert_tf.data import EncodedExamples
from tinybert_tf.errors import TinyBertError
from tinybert_tf.export.convert import INPUT_NAMES


class TfliteClassifier:
    """A TFLite file run by LiteRT, one text at a time.

    Args:
        content: bytes. The file.
        num_threads: int.

    Raises:
        TinyBertError: if LiteRT is not installed.
    """

    def __init__(self, content: bytes, num_threads: int = 1):
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError as error:
            raise TinyBertError(
                "LiteRT is not installed; the exporter checks every file with it. Install it "
                "with `pip install 'tinybert-tf[export]'`."
            ) from error
        self._interpreter = Interpreter(model_content=content, num_threads=num_threads)
        self._run = self._interpreter.get_signature_runner("serving_default")
        details = self._run.get_input_details()
        self.sequence_length = int(details["ids"]["shape"][1])

    def operators(self) -> dict[str, int]:
        """Returns how often each operator of the file stands in it."""
        counts: dict[str, int] = {}
        # LiteRT adds DELEGATE nodes for what XNNPACK takes over; the file has none.
        for operator in self._interpreter._get_ops_details():
            if operator["op_name"] != "DELEGATE":
                counts[operator["op_name"]] = counts.get(operator["op_name"], 0) + 1
        return dict(sorted(counts.items()))

    def __call__(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        """Runs the file.

        Args:
            inputs: dict. Encoder inputs, int32 [1, sequence_length].

        Returns:
            float32 array [1, outputs].
        """
        (output,) = self._run(**{INPUT_NAMES[k]: v for k, v in inputs.items()}).values()
        return output

    def predict(self, encoded: EncodedExamples) -> np.ndarray:
        """Returns outputs [examples, outputs] in the order of the examples."""
        rows = np.arange(len(encoded))[:, None]
        return np.concatenate(
            [self(encoded.batch(row, self.sequence_length)[0]) for row in rows]
        )


def keras_function(model, sequence_length: int) -> Callable[[dict], np.ndarray]:
    """Returns a Keras model as a compiled graph for one text of a static length."""
    spec = tf.TensorSpec((1, sequence_length), tf.int32)
    function = tf.function(
        lambda inputs: model(inputs, training=False),
        input_signature=[dict.fromkeys(INPUT_NAMES, spec)],
    )
    return lambda inputs: function(inputs).numpy()


def median_milliseconds(
    function: Callable[[dict], np.ndarray], encoded: EncodedExamples, sequence_length: int
) -> float:
    """Times a model at batch 1: the median over up to 100 texts, after warming up.

    Args:
        function: of encoder inputs, int32 [1, sequence_length].
        encoded: `EncodedExamples`.
        sequence_length: int.
    """
    rows = np.arange(min(len(encoded), 100))[:, None]
    texts = [encoded.batch(row, sequence_length)[0] for row in rows]
    for inputs in texts[:10]:
        function(inputs)
    times = []
    for inputs in texts:
        started = time.perf_counter()
        function(inputs)
        times.append(time.perf_counter() - started)
    return 1e3 * statistics.median(times)
