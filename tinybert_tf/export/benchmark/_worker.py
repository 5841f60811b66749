"""One measurement in a process of its own, which `measure.py` starts; nobody else needs to.

It imports numpy and one runtime and nothing of this project, so that memory and start are the
runtime's alone. It reads one JSON object from standard input, the arguments of `measure`, and
answers with one line on standard output.
"""

import json
import pathlib
import runpy
import sys
import time

import numpy as np

# Enough for caches, frequency and lazy initialization to settle.
_WARM_UP_SHARE = 0.25


class LiteRt:
    """Runs a TFLite file.

    This is what every runtime's class has: the type of its integers, a constructor that
    imports the runtime, `load` of a model, `prepare` of a text's inputs, and the call.
    """

    integers = np.int32

    def __init__(self):
        from ai_edge_litert.interpreter import Interpreter

        self._make_interpreter = Interpreter

    def load(self, path, threads, signatures):
        interpreter = self._make_interpreter(model_path=path, num_threads=threads)
        self._runners = {
            length: interpreter.get_signature_runner(name)
            for name, length in signatures.items()
        }

    def prepare(self, inputs):
        return inputs

    def __call__(self, inputs):
        outputs = self._runners[inputs["ids"].shape[1]](**inputs)
        return np.concatenate([outputs[name] for name in sorted(outputs)], axis=-1)


def measure(*, runtime, path, threads, signatures, texts, seconds, outputs=None) -> dict:
    """Loads a model and runs it on texts, one at a time, whole passes over them.

    Args:
        runtime: list of two str. A Python file, and the class in it that runs the model.
        path: str. The model.
        threads: int.
        signatures: dict. The length of each signature that may be used; a text is padded to
            the shortest that holds it. Empty: the model takes every length, and a text is not
            padded.
        texts: str. An `.npz` of `ids` and `segment_ids`, int [texts, length], and `tokens`,
            int [texts].
        seconds: float. The pass that exceeds them is the last; 0 is one pass.
        outputs: str or `None`. An `.npy` to write the outputs of the first pass to.

    Returns:
        dict. `import_seconds` of the runtime; `load_seconds` from there to a model that can be
        called, its file in the page cache; `first_seconds` of its first call; `seconds` of
        each later call, from padded integers to outputs in memory; `cpu_seconds` a second of
        them; `runtime_bytes` and `peak_bytes` of resident memory, before the model and at
        most, `None` where there is no /proc.
    """
    with np.load(texts) as arrays:
        texts = dict(arrays)
    file, kind = runtime
    make_model = runpy.run_path(file)[kind]
    started = time.perf_counter()
    model = make_model()
    imported = time.perf_counter()
    runtime_bytes = _memory("VmRSS")
    loading = time.perf_counter()
    model.load(path, threads, signatures)
    loaded = time.perf_counter()
    inputs = [model.prepare(x) for x in _pad(texts, signatures, model.integers)]
    calling = time.perf_counter()
    model(inputs[0])
    called = time.perf_counter()
    _warm_up(model, inputs, _WARM_UP_SHARE * seconds)
    times, busy, results = _run(model, inputs, seconds)
    if outputs:
        np.save(outputs, np.concatenate(results))
    return {
        "import_seconds": imported - started,
        "load_seconds": loaded - loading,
        "first_seconds": called - calling,
        "seconds": times,
        "cpu_seconds": busy,
        "runtime_bytes": runtime_bytes,
        "peak_bytes": _memory("VmHWM"),
    }


def _pad(texts, signatures, integers):
    """Returns the inputs of each text, [1, length]."""
    lengths = np.array(sorted(signatures.values()))
    for ids, segment_ids, tokens in zip(
        texts["ids"], texts["segment_ids"], texts["tokens"], strict=True
    ):
        length = lengths[lengths >= tokens][0] if len(lengths) else tokens
        mask = np.arange(length) < tokens
        inputs = {"ids": ids[:length], "segment_ids": segment_ids[:length], "mask": mask}
        yield {name: value[None].astype(integers) for name, value in inputs.items()}


def _warm_up(model, inputs, seconds):
    by_length = {next(iter(x.values())).shape[1]: x for x in inputs}
    started = time.perf_counter()
    while True:
        for x in by_length.values():
            model(x)
        if time.perf_counter() - started >= seconds:
            return


def _run(model, inputs, seconds):
    """Returns seconds of each call, CPU seconds a second, and the outputs of the first pass."""
    times, results = [], []
    started, cpu_started = time.perf_counter(), time.process_time()
    while not times or time.perf_counter() - started < seconds:
        for x in inputs:
            before = time.perf_counter()
            result = model(x)
            times.append(time.perf_counter() - before)
            if len(results) < len(inputs):
                results.append(result)
    busy = (time.process_time() - cpu_started) / (time.perf_counter() - started)
    return times, busy, results


def _memory(name) -> int | None:
    """Returns a size from `/proc/self/status`, in bytes."""
    status = pathlib.Path("/proc/self/status")
    if not status.exists():
        return None
    lines = status.read_text("utf-8").splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def main():
    """Answers one request."""
    # What libraries print must not get into the answer.
    answers, sys.stdout = sys.stdout, sys.stderr
    print(json.dumps(measure(**json.load(sys.stdin))), file=answers, flush=True)


if __name__ == "__main__":
    main()
