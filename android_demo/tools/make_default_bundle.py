"""Exports the package's classifier of sentiment: the model of an app that was given no other.

    .venv/bin/python android_demo/tools/make_default_bundle.py --output runs/demo_default

Nothing is trained. The file is compared with the Keras model, as any bundle is, on the reviews
in the package, which the model was not trained on. A bundle that is there already is kept.
"""

import argparse
import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from tinybert_tf.export import ModelCard, export_bundle
from tinybert_tf.models import BertTextClassifier
from tinybert_tf.presets import PRESETS
from tinybert_tf.runs.config_file import load_config
from tinybert_tf.runs.examples import read_split
from tinybert_tf.runs.steps import task_steps

NAME = "tinybert_4l_312d_en_sst2"
PROFILE = "dynamic_int8"
_ROOT = pathlib.Path(__file__).resolve().parents[2]


def main() -> None:
    """Writes the bundle."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--output", type=pathlib.Path, required=True)
    output = parser.parse_args().output
    if (output / "bundle.json").exists():
        return
    config = load_config(_ROOT / "configs" / "reviews.yaml")
    steps = task_steps(config)
    model = BertTextClassifier.from_preset(NAME)
    examples, score = steps.export_data(
        read_split(steps.task, config.data, "test"), model.preprocessor
    )
    report = export_bundle(
        model,
        examples,
        output,
        PROFILE,
        task=steps.task_card("test", score),
        card=ModelCard(NAME, description=PRESETS[NAME], license="Apache 2.0"),
    )
    print(f"{output}: {report['megabytes']:.1f} MB")


if __name__ == "__main__":
    main()
