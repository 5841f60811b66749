"""Keeps what TensorFlow's native code says about itself off the terminal.

Imported before TensorFlow, which reads the environment variables set here when it is imported.
They silence most of it. What is written before TensorFlow has set up its log, and what the
converter and TFLite write, goes to file descriptor 2 whatever they say; `hide_chatter` drops it
there. Set TF_CPP_MIN_LOG_LEVEL=0 to see everything.
"""

import os
import re
import sys

_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
# Errors only. Information and warnings are about the processor, the absence of a GPU, and
# every data set that came to its end.
_ERRORS = "2"
os.environ.setdefault(_LEVEL, _ERRORS)
# By itself TensorFlow uses oneDNN only on processors with AVX512 for neural networks. Those
# with AVX2 alone train faster with it, too; see benchmarks/onednn.py.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

# Information (I) and warnings (W) of C++ files, in the two forms that they have. Python's
# messages name files that end in .py. Of the errors (E) three that are none: there is no driver
# of a GPU on this machine, TensorFlow registers a library of one twice, oneDNN has a fallback.
_CHATTER = re.compile(
    rb"[IW]\d{4} [\d:.]+ +\d+ [\w./-]+\.(cc|h):\d+\]"
    rb"|[\d-]+ [\d:.]+: [IW] [\w./-]+\.(cc|h):\d+\]"
    rb"|.*\] failed call to cuInit: .*\(303\)"
    rb"|.*\] Unable to register cu(DNN|FFT|BLAS) factory"
    rb"|.*\] oneDNN supports DT_"
    rb"|WARNING: All log messages before absl::InitializeLog"
    rb"|INFO: (Created|Initialized) TensorFlow Lite "
)


def hide_chatter() -> None:
    """Filters what native code writes to standard error, until the process ends.

    A process of its own passes on every line that is not known chatter, so that the last words
    of a process that crashes are still shown. Python's `sys.stderr` goes past it, to the
    terminal as before. Does nothing if the user has asked for TensorFlow's log.
    """
    if os.environ[_LEVEL] < _ERRORS or not hasattr(os, "fork"):
        return
    sys.stderr.flush()
    terminal = os.dup(2)
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.close(writing)
        _pass_on(reading, terminal)
    os.close(reading)
    os.dup2(writing, 2)
    os.close(writing)
    old = sys.stderr
    sys.stderr = os.fdopen(terminal, "w", 1, encoding=old.encoding, errors=old.errors)


def _pass_on(source: int, target: int) -> None:
    """The filtering process: copies lines from `source` to `target`, and ends with them."""
    try:
        # Ctrl-C is for the command; what that says afterwards is passed on, too.
        os.setsid()
        os.closerange(0, 3)
        with open(source, "rb") as lines:
            for line in lines:
                if not _CHATTER.match(line):
                    os.write(target, line)
    finally:
        os._exit(0)
