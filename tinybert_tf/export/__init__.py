"""From a Keras student to the file a phone runs: convert, quantize, verify, write."""

from tinybert_tf.export.convert import QUANTIZATIONS, convert
from tinybert_tf.export.runtime import TfliteClassifier, keras_function, median_milliseconds
from tinybert_tf.export.tflite import export_tflite
from tinybert_tf.export.verify import Verification, verify

__all__ = [
    "QUANTIZATIONS",
    "TfliteClassifier",
    "Verification",
    "convert",
    "export_tflite",
    "keras_function",
    "median_milliseconds",
    "verify",
]
