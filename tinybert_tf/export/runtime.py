"""Running TFLite files and Keras models on encoded examples."""

import collections
import os
import queue
import statistics
import time
from collections.abc import Callable
from multiprocessing.pool import ThreadPool

import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from rich.progress import track

from tinybert_tf.data import BucketedBatches, EncodedExamples
from tinybert_tf.export import _flatbuffer
from tinybert_tf.export.conversion import INPUT_NAMES, output_function

_TOKENS_PER_BATCH = 8192
# Each holds the file's weights once more.
_MOST_WORKERS = 8


class TfliteModel:
    """A TFLite file run by LiteRT on one thread, one text at a time.

    Args:
        content: bytes. The file.

    Attributes:
        signatures: dict from signature to its length in tokens, the shortest first.
    """

    def __init__(self, content: bytes):
        self._content = content
        interpreter = Interpreter(model_content=content, num_threads=1)
        runners = {
            n: interpreter.get_signature_runner(n) for n in interpreter.get_signature_list()
        }
        lengths = {n: int(r.get_input_details()["ids"]["shape"][1]) for n, r in runners.items()}
        self.signatures = dict(sorted(lengths.items(), key=lambda item: item[1]))
        self._runners = {lengths[name]: runner for name, runner in runners.items()}

    def operators(self) -> dict[str, int]:
        """Returns how often each operator of the file stands in it."""
        model = _flatbuffer.parse(self._content)
        counts = collections.Counter(
            _flatbuffer.operator_name(model, operator)
            for graph in model.subgraphs
            for operator in graph.operators
        )
        return dict(sorted(counts.items()))

    def __call__(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Runs the signature of the inputs' length.

        Args:
            inputs: dict. Encoder inputs, int32 [1, length].

        Returns:
            dict of float32 arrays [1, outputs].
        """
        run = self._runners[inputs["token_ids"].shape[1]]
        return run(**{INPUT_NAMES[k]: v for k, v in inputs.items()})

    def length_for(self, tokens: int) -> int:
        """Returns the shortest length that takes a text."""
        return min(length for length in self._runners if length >= tokens)

    def predict(self, encoded: EncodedExamples) -> dict[str, np.ndarray]:
        """Returns outputs [examples, outputs], each text run in the shortest length.

        Texts are run side by side on all cores: the outputs are those of one by one.
        See `stack_outputs` for outputs with a value for each token.
        """
        count = len(encoded)
        workers = min(os.cpu_count() or 1, count, _MOST_WORKERS)
        # An interpreter takes one text at a time, and lets other threads run meanwhile.
        idle = queue.SimpleQueue()
        for model in (self, *(TfliteModel(self._content) for _ in range(workers - 1))):
            idle.put(model)

        def run(row: int) -> dict[str, np.ndarray]:
            length = self.length_for(encoded.lengths[row])
            inputs, _ = encoded.batch(np.array([row]), length)
            model = idle.get()
            try:
                return {name: values[0] for name, values in model(inputs).items()}
            finally:
                idle.put(model)

        with ThreadPool(workers) as pool:
            # Ten thousand windows of SQuAD take minutes.
            results = pool.imap(run, range(count))
            rows = list(track(results, "running the file", total=count, transient=True))
        return stack_outputs(rows, encoded.lengths)


def keras_outputs(model, encoded: EncodedExamples) -> dict[str, np.ndarray]:
    """Returns what a file of the model should: named outputs [examples, outputs].

    Args:
        model: `BertTextClassifier` or `BertSpanClassifier`.
        encoded: `EncodedExamples`.
    """
    ids = tf.TensorSpec((None, None), tf.int32)
    function = tf.function(
        output_function(model), input_signature=[dict.fromkeys(INPUT_NAMES, ids)]
    )
    batches = BucketedBatches(encoded, _TOKENS_PER_BATCH)
    rows: list[dict] = [{}] * len(encoded)
    for part in batches.plan(0):
        outputs = {k: v.numpy() for k, v in function(encoded.batch(part)[0]).items()}
        for i, row in enumerate(part):
            rows[row] = {k: v[i] for k, v in outputs.items()}
    return stack_outputs(rows, encoded.lengths)


def stack_outputs(rows: list[dict], lengths: np.ndarray) -> dict[str, np.ndarray]:
    """Joins the outputs of single texts.

    Args:
        rows: list of dict of float32 arrays [outputs]. Outputs with a value for each token
            differ in length.
        lengths: int array [examples]. The tokens of each text.

    Returns:
        dict of float32 arrays [examples, outputs]; [examples, tokens of the longest text],
        0 at padding, for outputs with a value for each token.
    """
    stacked = {}
    for name in rows[0]:
        if name.endswith("_logits"):
            values = np.zeros((len(rows), max(lengths)), np.float32)
            for value, row, length in zip(values, rows, lengths, strict=True):
                value[:length] = row[name][:length]
        else:
            values = np.stack([row[name] for row in rows])
        stacked[name] = values
    return stacked


def keras_function(model, sequence_length: int) -> Callable[[dict], dict]:
    """Returns a Keras model as a compiled graph for one text of a static length."""
    spec = tf.TensorSpec((1, sequence_length), tf.int32)
    return tf.function(
        output_function(model), input_signature=[dict.fromkeys(INPUT_NAMES, spec)]
    )


def median_milliseconds(
    function: Callable[[dict], dict],
    encoded: EncodedExamples,
    length_for: Callable[[int], int],
) -> float:
    """Times a model at batch 1: the median over up to 100 texts, after warming up.

    Args:
        function: of encoder inputs, int32 [1, length].
        encoded: `EncodedExamples`.
        length_for: function from a text's tokens to the length that it is padded to.
    """
    lengths = encoded.lengths[:100]
    texts = [encoded.batch(np.array([i]), length_for(n))[0] for i, n in enumerate(lengths)]
    for inputs in texts[:10]:
        function(inputs)
    times = []
    for inputs in texts:
        started = time.perf_counter()
        outputs = function(inputs)
        [np.asarray(output) for output in outputs.values()]
        times.append(time.perf_counter() - started)
    return 1e3 * statistics.median(times)
