"""The PyTorch side of `distill_step.py`, in a process of its own."""

import json
import pathlib
import subprocess
import sys

from tinybert_tf.errors import TinyBertError


class Peer:
    """The PyTorch side: `distill_step_torch.py` in a process of its own."""

    def __init__(self):
        script = pathlib.Path(__file__).with_name("distill_step_torch.py")
        self._process = subprocess.Popen(
            [sys.executable, str(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, do: str, **arguments) -> dict:
        """Has the process run a method of `TorchStep`.

        Raises:
            TinyBertError: if the process ended instead.
        """
        try:
            print(json.dumps({"do": do, **arguments}), file=self._process.stdin, flush=True)
            return json.loads(self._process.stdout.readline())
        except (BrokenPipeError, json.JSONDecodeError) as error:
            raise TinyBertError(
                f"The PyTorch process ended while asked to {do}; its own message is above."
            ) from error

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.terminate()
        self._process.communicate()
