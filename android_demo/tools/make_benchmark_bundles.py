"""Exports the package's general student, with a head of random weights, in every profile.

    .venv/bin/python android_demo/tools/make_benchmark_bundles.py --output runs/demo_benchmark

Size and speed of a model do not depend on the weights of its head. The bundles are what
`make demo-test` and `make demo-benchmark` run; one that is there already is kept.
"""

import argparse
import dataclasses
import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from tinybert_tf.data import Examples
from tinybert_tf.export.bundle import TaskCard, export_bundle
from tinybert_tf.export.metadata import ModelCard
from tinybert_tf.export.profiles import Tolerance, load_profile, profile_names
from tinybert_tf.models import BertTextClassifier
from tinybert_tf.presets import PRESETS

LENGTHS = (16, 64, 128)
WORDS = [
    "a",
    "film",
    "that",
    "is",
    "warm",
    "and",
    "funny",
    "but",
    "long",
    "the",
    "small",
    "town",
    "story",
    "of",
    "two",
    "old",
    "friends",
    "who",
    "meet",
    "again",
    "after",
    "many",
    "years",
    "with",
    "music",
    "by",
    "someone",
    "we",
    "had",
    "never",
    "heard",
    "before",
]
# A head of random weights decides most texts by a hair, which int8 may tip.
ANY = Tolerance(max_difference=10.0, mean_difference=10.0, label_agreement=0.0, metric_drop=1.0)


def random_examples(seed: int, count: int) -> Examples:
    """Returns texts of 3 to 120 words."""
    random = np.random.default_rng(seed)
    texts = tuple(" ".join(random.choice(WORDS, random.integers(3, 121))) for _ in range(count))
    return Examples((texts,), np.zeros(count, "int32"))


def main() -> None:
    """Writes a folder a profile."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--output", type=pathlib.Path, required=True)
    parser.add_argument("--profile", nargs="+", default=profile_names())
    arguments = parser.parse_args()
    keras.utils.set_random_seed(0)
    model = BertTextClassifier.from_preset(
        next(iter(PRESETS)), num_classes=2, labels=("no", "yes")
    )
    model.preprocessor.sequence_length = LENGTHS[-1]
    for name in arguments.profile:
        folder = arguments.output / name
        if (folder / "bundle.json").exists():
            continue
        export_bundle(
            model,
            random_examples(0, 24),
            folder,
            profile=dataclasses.replace(load_profile(name), tolerance=ANY),
            lengths=LENGTHS,
            calibration=random_examples(1, 100),
            task=TaskCard(name="random", split="random"),
            card=ModelCard("benchmark", description="The general student, a random head."),
        )
        print(folder)


if __name__ == "__main__":
    main()
