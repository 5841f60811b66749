"""Latency, start, memory and size of bundles on this machine, beside peers in the same run.

Every measurement is made by `worker.py` in a process of its own, one at a time, and every round
makes each of them once: what else the machine does, and how a process happens to lie in memory,
hits all alike, and no runtime's idle threads take another's time.

Deliberately not here: tokenization, batches of several texts, GPUs, and the phone, for which
`phone_commands` says what to run.
"""

from tinybert_tf.export.benchmark.figures import STATIC_FILE
from tinybert_tf.export.benchmark.measure import benchmark
from tinybert_tf.export.benchmark.peers import PEERS
from tinybert_tf.export.benchmark.phone import phone_commands
from tinybert_tf.export.benchmark.subjects import Bundle, read_bundles

__all__ = [
    "PEERS",
    "STATIC_FILE",
    "Bundle",
    "benchmark",
    "phone_commands",
    "read_bundles",
]
