"""Twenty augmented sentences, to look at: docs/augment.md shows them.

    python benchmarks/augmented_examples.py --masked_lm runs/masked_lm/masked_lm

Sentences are those of the reviews in the package, evenly spaced; of each the first copy is
taken, good or bad.
"""

import pathlib

from tinybert_tf.commands.scripts import parse_flags, reporting_errors

import numpy as np
from absl import app, flags

from tinybert_tf.augmentation import AugmentationOptions, Augmenter, read_word_vectors
from tinybert_tf.checkpoints.locations import WeightsConfig, load_masked_lm, resolve_path
from tinybert_tf.data import Task, read_table
from tinybert_tf.files import write_json
from tinybert_tf.runs.environment import environment

_COUNT = 20
_TASK = Task("reviews", ("sentence",), "label", ("negative", "positive"))
_SENTENCES = "package:tinybert_tf.data.reviews/train.tsv"
_OUTPUT = pathlib.Path(__file__).parent.parent / "docs" / "results" / "augmented_examples.json"

_MASKED_LM = flags.DEFINE_string("masked_lm", "runs/masked_lm/masked_lm", "Its weights.")
_WORD_VECTORS = flags.DEFINE_string("word_vectors", None, "For words of several tokens.")


@reporting_errors
def main(argv):
    """Writes the sentences and their copies."""
    del argv
    examples = read_table(_TASK, resolve_path(_SENTENCES))
    rows = np.linspace(0, len(examples) - 1, _COUNT).astype(int)
    masked_lm = load_masked_lm(WeightsConfig(weights=_MASKED_LM.value), "float32")
    vectors = read_word_vectors(_WORD_VECTORS.value) if _WORD_VECTORS.value else None
    augmenter = Augmenter(masked_lm, vectors, AugmentationOptions(copies=1))
    pairs = []
    for row in rows:
        example = examples.take([row])
        copies, _ = augmenter.augment(example)
        if len(copies):
            pairs.append({"sentence": example.texts[0][0], "copy": copies.texts[0][0]})
    report = {**environment("python benchmarks/augmented_examples.py"), "examples": pairs}
    write_json(_OUTPUT, report)
    for pair in pairs:
        print(f"- {pair['sentence']}\n+ {pair['copy']}")


if __name__ == "__main__":
    app.run(main, flags_parser=parse_flags)
