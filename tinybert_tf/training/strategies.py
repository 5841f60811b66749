"""`tf.distribute` strategies and dtype policies by name."""

import pathlib

import tensorflow as tf

from tinybert_tf.training.workers import join_workers

# Linux's names of the instructions that multiply bfloat16.
_BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16"}


def make_strategy(name: str) -> tf.distribute.Strategy:
    """Makes a strategy.

    Args:
        name: str. `"none"`: one device; `"mirrored"`: all GPUs of this machine (or its logical
            CPUs); `"multi_worker"`: those of all machines that `TF_CONFIG` names, see
            `join_workers`.

    Raises:
        TinyBertError: if the workers cannot be joined.
    """
    return {
        "none": tf.distribute.get_strategy,
        "mirrored": tf.distribute.MirroredStrategy,
        "multi_worker": join_workers,
    }[name]()


def resolve_precision(name: str) -> str:
    """Returns the Keras dtype policy of a config's `precision`.

    Args:
        name: str. A policy, or `"auto"`: mixed_bfloat16 on a processor (without GPU) that
            multiplies bfloat16 itself, float32 elsewhere.
    """
    if name != "auto":
        return name
    has_gpu = bool(tf.config.list_physical_devices("GPU"))
    return "mixed_bfloat16" if not has_gpu and _BFLOAT16_FLAGS & _cpu_flags() else "float32"


def _cpu_flags() -> set[str]:
    try:
        text = pathlib.Path("/proc/cpuinfo").read_text("utf-8")
    except OSError:
        return set()
    return {flag for line in text.splitlines() if "flags" in line for flag in line.split()}
