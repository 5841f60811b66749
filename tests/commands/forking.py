"""Runs commands in forks of one process that has imported TensorFlow: most of a start is that.

    python forking.py

It reads a JSON list from each line, `[file, argument, ...]`: a command line of the library,
whose output and errors go to that file. It forks, answers with the number of the process, waits
for it to end, and answers with its exit code: -9 if it was killed.
"""

import json
import os
import sys

from absl import flags

# The imports of the commands, none of which starts TensorFlow.
import tinybert_tf.commands.run
import tinybert_tf.export
import tinybert_tf.reports.run_page
import tinybert_tf.runs.augmenting
import tinybert_tf.runs.exporting
import tinybert_tf.runs.recipes  # noqa: F401
from tinybert_tf.commands import command_line


def run(path: str, *arguments: str) -> None:
    """Runs a command as a process of its own would."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(file, stream)
    sys.argv = ["tinybert_tf", *arguments]
    flags.FLAGS.unparse_flags()
    command_line.start(command_line.MODULE)


def main() -> None:
    for line in sys.stdin:
        process = os.fork()
        if not process:
            run(*json.loads(line))
            sys.exit()
        print(process, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
