"""Writes the small bundles of random weights that the tests of the desktop module run.

    .venv/bin/python android_demo/tools/make_test_bundles.py

The same versions of the libraries write the same bytes.
"""

import dataclasses
import os
import pathlib
import shutil

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from tinybert_tf.data import Examples, encode_examples
from tinybert_tf.export import SpanCard
from tinybert_tf.export.bundle import TaskCard, export_bundle
from tinybert_tf.export.metadata import ModelCard
from tinybert_tf.export.profiles import Tolerance, load_profile
from tinybert_tf.models import BertEncoder, BertSpanClassifier, BertTextClassifier
from tinybert_tf.tokenization import (
    AddedToken,
    BertPreprocessor,
    BertTokenizer,
    load_vocabulary,
)

RESOURCES = pathlib.Path(__file__).resolve().parents[1] / "desktop/src/test/resources"
LENGTH = 32
# Short windows, of which a short context has several.
SPANS = SpanCard(True, doc_stride=7, max_query_tokens=9, max_answer_tokens=5)
# Random weights decide most texts by a hair, which int8 may tip.
ANY = Tolerance(max_difference=10.0, mean_difference=10.0, label_agreement=0.0, metric_drop=1.0)


def random_classifier(
    seed: int, num_classes: int, labels: tuple[str, ...] | None, tokenizer: BertTokenizer
):
    """Returns a classifier of one layer, or with one class a regressor."""
    encoder, preprocessor = new_encoder(tokenizer)
    model = BertTextClassifier(encoder, num_classes, preprocessor=preprocessor, labels=labels)
    return randomized(model, seed)


def random_span_classifier(seed: int, tokenizer: BertTokenizer):
    """Returns a model of one layer that answers questions."""
    encoder, preprocessor = new_encoder(tokenizer)
    return randomized(BertSpanClassifier(encoder, preprocessor=preprocessor), seed)


def new_encoder(tokenizer: BertTokenizer) -> tuple[BertEncoder, BertPreprocessor]:
    """Returns an encoder of one layer, and what prepares texts for it."""
    encoder = BertEncoder(
        tokenizer.vocabulary_size(), 1, 2, 32, 64, dropout=0.0, max_sequence_length=LENGTH
    )
    return encoder, BertPreprocessor(tokenizer, sequence_length=LENGTH)


def randomized(model, seed: int):
    """Returns a model with random weights."""
    random = np.random.default_rng(seed)
    for variable in model.trainable_variables:
        near = 1.0 if variable.name == "gamma" else 0.0
        variable.assign(near + random.normal(0.0, 0.3, variable.shape))
    return model


def random_texts(random: np.random.Generator, count: int) -> tuple[str, ...]:
    """Returns texts of tokens of the vocabulary."""
    words = (RESOURCES / "vocab.txt").read_text("utf-8").split("\n")[5:-1]
    return tuple(" ".join(random.choice(words, random.integers(1, 24))) for _ in range(count))


def write(name: str, model, num_texts: int, lengths: list[int]) -> None:
    """Exports a model to a folder of the tests' resources."""
    random = np.random.default_rng(1)
    texts = tuple(random_texts(random, 16) for _ in range(num_texts))
    examples = Examples(texts, np.zeros(16, "int32"))
    folder = RESOURCES / name
    shutil.rmtree(folder, ignore_errors=True)
    export_bundle(
        model,
        # Ids, which do not say whether they are of texts or of windows.
        encode_examples(examples, model.preprocessor),
        folder,
        profile=dataclasses.replace(load_profile("dynamic_int8"), tolerance=ANY),
        lengths=lengths,
        task=TaskCard(name="random", split="random", spans=SPANS),
        card=ModelCard(name, description="Random weights, for tests."),
    )
    print(name, {path.name: path.stat().st_size for path in sorted(folder.iterdir())})


def keeping_tokenizer() -> BertTokenizer:
    """Returns one that keeps accents and Chinese words, and has added tokens."""
    added = [AddedToken("[URL]", normalized=False), AddedToken("covid-19")]
    return BertTokenizer(
        [*load_vocabulary(RESOURCES / "vocab.txt"), *(token.content for token in added)],
        strip_accents=False,
        tokenize_chinese_chars=False,
        added_tokens=added,
    )


def main() -> None:
    """Writes bundles: of several lengths, a score of pairs, another tokenizer, spans."""
    plain = BertTokenizer(RESOURCES / "vocab.txt")
    classifier = random_classifier(0, 3, ("neutral", "against", "for"), plain)
    write("classification_bundle", classifier, 1, [16, LENGTH])
    write("pair_regression_bundle", random_classifier(1, 1, None, plain), 2, [LENGTH])
    keeping = random_classifier(2, 2, ("no", "yes"), keeping_tokenizer())
    write("keeping_bundle", keeping, 1, [LENGTH])
    write("span_bundle", random_span_classifier(3, plain), 2, [16, LENGTH])


if __name__ == "__main__":
    main()
