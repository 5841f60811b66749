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
    "print(text.TextClassifier.create_from_model_path({model!r})"
    ".classify({text!r}).classifications[0].categories[0])"
)


def next_steps(config, run) -> list[str]:
    """Returns the lines: a comment, what to paste, a comment, ...

    Args:
        config: `RunConfig`.
        run: `RunDirectory`. A finished run's.
    """
    task, name = config.resolved_task(), smallest_export(run.read_results())
    steps = {}
    if name and task.kind == "text":
        steps |= _steps_of_bundle(run.exports / name, _first_texts(run))
    steps["your own data: a CSV or JSON lines with texts and labels"] = (
        "tinybert-tf init --train my_data.csv --output my_task"
    )
    if not os.environ.get("VIRTUAL_ENV") and sys.prefix != sys.base_prefix:
        activate = os.path.relpath(sys.prefix) + "/bin/activate"
        steps = {"first, once a terminal": f"source {shlex.quote(activate)}", **steps}
    return [line for about, step in steps.items() for line in (f"# {about}", step)]


def _first_texts(run) -> list[str]:
    with run.predictions.open(encoding="utf-8") as lines:
        return json.loads(next(lines))["texts"]


def _steps_of_bundle(bundle: pathlib.Path, texts: list[str]) -> dict[str, str]:
    pair = " --pair" if len(texts) > 1 else ""
    quoted = " ".join(map(shlex.quote, texts))
    steps = {
        "classify a text of your own": f"tinybert-tf classify{pair} --model {bundle} {quoted}"
    }
    if pathlib.Path("android_demo").is_dir():
        steps["make the Android app of it (android_demo/README.md says what it needs)"] = (
            f"make demo-apk BUNDLE={bundle}"
        )
    info = json.loads((bundle / "bundle.json").read_text("utf-8"))
    has_mediapipe = importlib.util.find_spec("mediapipe") is not None
    if has_mediapipe and not pair and info["labels"] and "mediapipe" not in info:
        code = _MEDIAPIPE.format(model=str(bundle / "model.tflite"), text=texts[0])
        steps["run it in MediaPipe"] = f"python -c {shlex.quote(code)}"
    return steps
