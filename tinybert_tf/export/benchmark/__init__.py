"""Latency, start, memory and size of bundles on this machine, beside peers in the same run.

Every measurement is made by `_worker.py` in a process of its own, one at a time, and every
round makes each of them once: what else the machine does, and how a process happens to lie in
memory, hits all alike, and no runtime's idle threads take another's time.

Deliberately not here: tokenization, batches of several texts, GPUs, and the phone, for which
`phone_commands` says what to run.
"""

from tinybert_tf.export.benchmark.figures import STATIC_FILE, print_report
from tinybert_tf.export.benchmark.measure import Settings, benchmark
from tinybert_tf.export.benchmark.peers import BERT_BASE, PEERS, TEACHER, Peer, check_peers
from tinybert_tf.export.benchmark.phone import PHONE_FOLDER, phone_commands
from tinybert_tf.export.benchmark.process import run_script, with_progress
from tinybert_tf.export.benchmark.subjects import (
    STUDENT,
    Bundle,
    Runtime,
    Subject,
    read_bundles,
)

__all__ = [
    "BERT_BASE",
    "PEERS",
    "PHONE_FOLDER",
    "STATIC_FILE",
    "STUDENT",
    "TEACHER",
    "Bundle",
    "Peer",
    "Runtime",
    "Settings",
    "Subject",
    "benchmark",
    "check_peers",
    "phone_commands",
    "print_report",
    "read_bundles",
    "run_script",
    "with_progress",
]
