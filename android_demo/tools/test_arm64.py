"""Runs golden.json on the AAR's library for phones (arm64), on an emulated processor.

    android_demo/tools/install_tools.sh --arm64
    .venv/bin/python android_demo/tools/test_arm64.py BUNDLE...

It needs the AARs that `make demo-test` unpacks. Exits with 1 if an output of `model.tflite`
differs from Python's by more than the tests on x86-64 allow.
"""

import json
import pathlib
import shutil
import subprocess
import sys

import numpy as np

RUNTIME = pathlib.Path(__file__).resolve().parents[1] / "runtime"
LIBRARIES = RUNTIME / "target/aar/jni/arm64-v8a"
SHIM = RUNTIME / "target/bionic-arm64"
COMPILER, EMULATOR = "aarch64-linux-gnu-gcc", "qemu-aarch64-static"
SYSTEM = "/usr/aarch64-linux-gnu"
# As in device_engine's GoldenTest.
TOLERANCE = {"float32": 1e-5}
OTHER_TOLERANCE = 5e-3


def build() -> pathlib.Path:
    """Compiles the shim and the program; returns the program."""
    for tool in (COMPILER, EMULATOR):
        if shutil.which(tool) is None:
            sys.exit(f"{tool} is not installed: android_demo/tools/install_tools.sh --arm64")
    if not LIBRARIES.is_dir():
        sys.exit(f"{LIBRARIES} is not there: make demo-test unpacks it.")
    make = ["make", "--quiet", "-C", RUNTIME, f"CC={COMPILER}", f"OUT={SHIM}"]
    subprocess.run(make, check=True)
    program = SHIM / "run_model"
    source = RUNTIME / "src/main/c/run_model.c"
    # The linker need not see Android's libraries: the shim has their symbols' versions.
    link = [f"-L{LIBRARIES}", "-l:libtensorflowlite_jni.so", "-Wl,--allow-shlib-undefined"]
    subprocess.run([COMPILER, "-O2", "-Wall", source, "-o", program, *link], check=True)
    return program


def padded(example: dict, length: int) -> np.ndarray:
    """Returns ids, segment ids and mask, int32 [3, length]."""
    tokens = len(example["token_ids"])
    inputs = np.zeros((3, length), np.int32)
    inputs[0, :tokens] = example["token_ids"]
    inputs[1, :tokens] = example["segment_ids"]
    inputs[2, :tokens] = 1
    return inputs


def run(program: pathlib.Path, model: pathlib.Path, inputs: np.ndarray) -> np.ndarray:
    """Returns the outputs, float32 [examples, outputs]."""
    command = [
        *(EMULATOR, "-L", SYSTEM, "-E", f"LD_LIBRARY_PATH={SHIM}:{LIBRARIES}"),
        *("-E", f"LD_PRELOAD={SHIM / 'libthread_slots.so'}", program, model),
    ]
    process = subprocess.run(
        command, input=inputs.tobytes(), stdout=subprocess.PIPE, check=True
    )
    return np.frombuffer(process.stdout, np.float32).reshape(len(inputs), -1)


def main() -> int:
    """Checks every bundle that is named."""
    program = build()
    worst = 0
    for bundle in map(pathlib.Path, sys.argv[1:]):
        info = json.loads((bundle / "bundle.json").read_bytes())
        examples = json.loads((bundle / "golden.json").read_bytes())["examples"]
        (length,) = info["files"]["model.tflite"]["signatures"].values()
        name = info["outputs"][0]["name"]
        expected = np.array([e["outputs"]["model.tflite"][name] for e in examples], np.float32)
        inputs = np.stack([padded(example, length) for example in examples])
        actual = run(program, bundle / "model.tflite", inputs)
        difference = float(np.abs(actual - expected).max())
        allowed = TOLERANCE.get(info["quantization"]["activations"], OTHER_TOLERANCE)
        passes = difference <= allowed
        worst |= not passes
        verdict = "passes" if passes else "fails"
        print(
            f"{bundle.name}: {len(examples)} examples, {difference:.1e}, {verdict}", flush=True
        )
    return worst


if __name__ == "__main__":
    sys.exit(main())
