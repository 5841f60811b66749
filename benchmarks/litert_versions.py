"""How fast do older runtimes run the profiles?

    python benchmarks/litert_versions.py --bundles runs/demo_benchmark

Runs `model.tflite` of each bundle on published versions of TensorFlow Lite and LiteRT for this
processor, one thread. Writes `docs/results/litert_versions.json`: processor time of a run in
milliseconds, the least of many, which a busy machine changes little.
"""

import json
import os
import pathlib
import platform
import subprocess
import sys
import tempfile

from absl import app, flags

_BUNDLES = flags.DEFINE_string("bundles", "runs/demo_benchmark", "A folder with bundles.")
_SECONDS = flags.DEFINE_float("seconds", 1.0, "How long each model is run.")
_OUTPUT = flags.DEFINE_string("output", "docs/results/litert_versions.json", "Where it goes.")

# Each stands for a time in which an app may have been built: TensorFlow Lite's last
# package, then LiteRT. Old packages need the NumPy of their time.
RUNTIMES = {
    "TensorFlow Lite 2.14.0": ("tflite_runtime", ["tflite-runtime==2.14.0", "numpy<2"]),
    "LiteRT 1.0.1": ("ai_edge_litert", ["ai-edge-litert==1.0.1"]),
    "LiteRT 1.1.2": ("ai_edge_litert", ["ai-edge-litert==1.1.2"]),
    "LiteRT 1.4.0": ("ai_edge_litert", ["ai-edge-litert==1.4.0"]),
    "LiteRT 2.0.2": ("ai_edge_litert", ["ai-edge-litert==2.0.2"]),
    "LiteRT 2.3.0": ("ai_edge_litert", ["ai-edge-litert==2.3.0"]),
}
_WORKER = """
import importlib, sys, time
import numpy as np

package, path, seconds = sys.argv[1:]
interpreter = importlib.import_module(package + ".interpreter").Interpreter(path, num_threads=1)
run = interpreter.get_signature_runner("serving_default")
shape = run.get_input_details()["ids"]["shape"]
ids = (1000 + 37 * np.arange(shape[1], dtype=np.int32))[None]
inputs = {"ids": ids, "segment_ids": np.zeros_like(ids), "mask": np.ones_like(ids)}
least, end = float("inf"), time.monotonic() + float(seconds)
while time.monotonic() < end:
    start = time.thread_time()
    run(**inputs)
    least = min(least, time.thread_time() - start)
print(shape[1], least * 1e3)
"""


def install(requirements: list[str], folder: pathlib.Path) -> None:
    """Installs packages into a folder, without what else they ask for."""
    uv = pathlib.Path(sys.executable).parent / "uv"
    command = [uv, "pip", "install", "--quiet", "--python", sys.executable, "--no-deps"]
    subprocess.run([*command, "--target", folder, *requirements], check=True)


def measure(package: str, folder: pathlib.Path, model: pathlib.Path) -> tuple[int, float]:
    """Returns the length of a model in tokens, and milliseconds."""
    command = [sys.executable, "-c", _WORKER, package, str(model), str(_SECONDS.value)]
    process = subprocess.run(
        command,
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(folder)},
    )
    length, milliseconds = process.stdout.split()
    return int(length), round(float(milliseconds), 2)


def main(_) -> None:
    """Measures every bundle on every runtime."""
    bundles = sorted(path.parent for path in pathlib.Path(_BUNDLES.value).glob("*/bundle.json"))
    rows = []
    for name, (package, requirements) in RUNTIMES.items():
        with tempfile.TemporaryDirectory() as folder:
            install(requirements, pathlib.Path(folder))
            for bundle in bundles:
                tokens, time = measure(package, pathlib.Path(folder), bundle / "model.tflite")
                row = {"runtime": name, "profile": bundle.name, "tokens": tokens}
                rows.append({**row, "milliseconds": time})
                print(rows[-1])
    result = {
        "command": "python benchmarks/litert_versions.py",
        "machine": platform.platform(),
        "measure": "processor time of one thread, least of many runs",
        "results": rows,
    }
    pathlib.Path(_OUTPUT.value).write_text(json.dumps(result, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    app.run(main)
