"""What a run computes on."""

import os

import tensorflow as tf

from tinybert_tf.errors import TinyBertError
from tinybert_tf.runs.config import AnyRunConfig
from tinybert_tf.training import resolve_precision


def set_up_devices() -> None:
    """Makes TensorFlow take memory of a GPU as it needs it, in place of all at once.

    Raises:
        TinyBertError: if a GPU cannot be used.
    """
    if "TF_FORCE_GPU_ALLOW_GROWTH" in os.environ:
        return
    for gpu in tf.config.list_physical_devices("GPU"):
        try:
            tf.config.experimental.set_memory_growth(gpu, True)
        except RuntimeError:
            # TensorFlow has begun to use it, in a process that does more than one thing.
            return
        except ValueError as error:
            raise TinyBertError(f"{gpu.name} cannot be set up: {error}.") from error


def describe_devices(config: AnyRunConfig) -> str:
    """Returns a line on devices, precision and threads.

    Args:
        config: `AnyRunConfig`.
    """
    gpus = tf.config.list_physical_devices("GPU")
    names = [
        tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name)
        for gpu in gpus
    ]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    threads = tf.config.threading.get_intra_op_parallelism_threads()
    threads = threads or os.environ.get("TF_NUM_INTRAOP_THREADS") or cores
    devices = f"{len(gpus)} GPU ({', '.join(names)})" if gpus else "CPU"
    if len(gpus) > 1 and config.strategy == "none":
        devices += ", of which strategy none uses the first"
    return (
        f"devices: {devices}, {cores} cores, {threads} threads; precision: "
        f"{resolve_precision(config.precision)}"
    )
