"""TensorFlow's chatter does not reach the terminal, and everything else does."""

import os
import subprocess
import sys

CHATTER = """\
WARNING: All log messages before absl::InitializeLog() is called are written to STDERR
W0000 00:00:1764331288.892533    4711 tf_tfl_flatbuffer_helpers.cc:365] Ignored output_format.
I0000 00:00:1764331288.892533    4711 cpu_feature_guard.cc:210] This TensorFlow binary is
2026-11-28 11:54:58.953456: I external/local_xla/xla/tsl/cuda/cudart_stub.cc:31] Could not find
2026-11-28 11:54:58.953456: W tensorflow/core/local_rendezvous.cc:407] Local rendezvous is
2026-11-28 11:54:58.953456: E external/x/cuda_platform.cc:51] failed call to cuInit: X (303)
2026-11-28 11:54:58.953456: E external/x/cuda_dnn.cc:5] Unable to register cuDNN factory
2026-11-28 11:54:58.953456: E tensorflow/core/util.cc:131] oneDNN supports DT_INT64 only on
INFO: Created TensorFlow Lite XNNPACK delegate for CPU.
"""
KEPT = """\
E0000 00:00:1764331288.892533    4711 lite.cc:31] a real error
F0000 00:00:1764331288.892533    4711 lite.cc:31] Check failed
2026-11-28 11:54:58.953456: E tensorflow/core/x.cc:31] another real error
2026-11-28 11:54:58.953456: E external/x/cuda_platform.cc:51] failed call to cuInit: X (999)
W1128 12:00:00.123456 140 student.py:12] a warning of Python
ERROR: something of TFLite
no newline"""
PROGRAM = f"""
import os, sys
from tinybert_tf.commands._chatter import hide_chatter
os.write(2, b"before\\n")
hide_chatter()
os.write(2, {CHATTER!r}.encode())
print("Python's", file=sys.stderr)
print(os.environ["TF_ENABLE_ONEDNN_OPTS"], sys.stderr.isatty())
os.write(2, {KEPT!r}.encode())
os.abort()
"""


def run(**environment):
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith("TF_")
    }
    return subprocess.run(
        [sys.executable, "-u", "-c", PROGRAM],
        capture_output=True,
        text=True,
        env={**inherited, **environment},
    )


def test_only_chatter_is_dropped_even_by_a_process_that_crashes():
    done = run()
    assert done.returncode < 0
    assert done.stdout == "1 False\n"
    # Python writes to the terminal itself, so its line may stand before those of native code.
    assert sorted(done.stderr.splitlines()) == sorted(
        ["before", "Python's", *KEPT.splitlines()]
    )


def test_whoever_asks_for_the_log_gets_it():
    done = run(TF_CPP_MIN_LOG_LEVEL="0", TF_ENABLE_ONEDNN_OPTS="0")
    assert done.stdout == "0 False\n"
    assert done.stderr.splitlines() == [
        *("before", *CHATTER.splitlines()),
        *("Python's", *KEPT.splitlines()),
    ]
