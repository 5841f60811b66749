"""`tf.distribute` strategies by name."""

import tensorflow as tf


def make_strategy(name: str) -> tf.distribute.Strategy:
    """Makes a strategy.

    Args:
        name: str. `"none"`: one device; `"mirrored"`: all GPUs of this machine (or its logical
            CPUs); `"multi_worker_mirrored"`: the machines of `TF_CONFIG`.
    """
    return {
        "none": tf.distribute.get_strategy,
        "mirrored": tf.distribute.MirroredStrategy,
        "multi_worker_mirrored": tf.distribute.MultiWorkerMirroredStrategy,
    }[name]()
