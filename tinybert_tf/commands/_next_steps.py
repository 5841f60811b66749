"""What can be done with a finished run, as lines to paste."""

import importlib.util
import json
import os
import pathlib
import shlex
import sys

from tinybert_tf.reports.tables import smallest_export

_MEDIAPIPE = (
    "from mediapipe.tasks.python import text; "
    "print(text.TextClassifier.create_from_model_path({model})"
    ".classify({text}).classifications[0].categories[0])"
)


def next_steps(config, run) -> list[str]:
    """Returns lines to paste, each with a comment of what it does.

    Args:
        config: `RunConfig`.
        run: `RunDirectory`. A finished run's.
    """
    task, name = config.resolved_task(), smallest_export(run.read_results())
    steps = {}
    if name and task.kind == "text":
        steps |= _steps_of_bundle(run.exports / name, _first_texts(run))
    steps["a CSV or JSON lines of your own"] = (
        "tinybert-tf init --train my_data.csv --output my_task"
    )
    if not os.environ.get("VIRTUAL_ENV") and sys.prefix != sys.base_prefix:
        activate = os.path.relpath(sys.prefix) + "/bin/activate"
        steps = {"once a terminal": f"source {shlex.quote(activate)}", **steps}
    return [f"{step}  # {about}" for about, step in steps.items()]


def _first_texts(run) -> list[str]:
    with run.predictions.open(encoding="utf-8") as lines:
        return json.loads(next(lines))["texts"]


def _steps_of_bundle(bundle: pathlib.Path, texts: list[str]) -> dict[str, str]:
    pair = " --pair" if len(texts) > 1 else ""
    quoted, path = " ".join(map(shlex.quote, texts)), shlex.quote(str(bundle))
    steps = {"any text": f"tinybert-tf classify{pair} --model {path} {quoted}"}
    if pathlib.Path("android_demo").is_dir():
        steps["the app; see android_demo/README.md"] = f"make demo-apk BUNDLE={path}"
    info = json.loads((bundle / "bundle.json").read_text("utf-8"))
    has_mediapipe = importlib.util.find_spec("mediapipe") is not None
    if has_mediapipe and not pair and info["labels"] and "mediapipe" not in info:
        # In double quotes, as the shell takes single ones.
        model, text = map(json.dumps, (str(bundle / "model.tflite"), texts[0]))
        code = _MEDIAPIPE.format(model=model, text=text)
        steps["the same file in MediaPipe"] = f"python -c {shlex.quote(code)}"
    return steps
