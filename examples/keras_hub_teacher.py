"""A KerasHub classifier becomes the teacher of a TinyBERT student.

    python examples/keras_hub_teacher.py --preset bert_small_en_uncased

The teacher is fine-tuned with KerasHub alone, as in its guides. KerasHub downloads the preset.
Not here: a run directory, early stopping, export; `python -m tinybert_tf run` has those.
"""

import argparse

import keras
import keras_nlp
import numpy as np

from tinybert_tf.checkpoints import text_classifier_from_keras_hub
from tinybert_tf.checkpoints.locations import resolve_path
from tinybert_tf.data import read_columns
from tinybert_tf.distillation import (
    INTERMEDIATE,
    PREDICTION,
    TinyBertDistiller,
    initialize_from_teacher,
    initialize_head,
)
from tinybert_tf.models import BertEncoder, BertTextClassifier


def read_sample(split: str) -> tuple[list[str], list[str]]:
    """Returns sentences and labels of `"train"`, `"dev"` or `"test"`."""
    table = read_columns(resolve_path(f"package:tinybert_tf.data.sample/{split}.tsv"))
    return table.column("sentence"), table.column("label")


def fine_tune(preset: str, texts: list[str], labels: np.ndarray, epochs: int):
    """Fine-tunes KerasHub's classifier; there is nothing of this library in it."""
    teacher = keras_nlp.models.BertTextClassifier.from_preset(
        preset, num_classes=int(labels.max()) + 1
    )
    teacher.compile(
        optimizer=keras.optimizers.AdamW(5e-5),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    teacher.fit(texts, labels, batch_size=32, epochs=epochs)
    return teacher


def distill(
    teacher, architecture: str, texts: list[str], labels: np.ndarray, epochs: int
) -> BertTextClassifier:
    """Distils a classifier of this library into a student that is cut out of it."""
    encoder = BertEncoder.from_preset(
        architecture,
        load_weights=False,
        vocabulary_size=teacher.backbone.vocabulary_size,
        max_sequence_length=teacher.backbone.max_sequence_length,
    )
    student = BertTextClassifier(
        encoder, teacher.num_classes, teacher.preprocessor, labels=teacher.labels
    )
    sample = [teacher.preprocessor(texts[i : i + 64]) for i in range(0, len(texts), 64)]
    initialize_from_teacher(student, teacher, sample)
    distiller = TinyBertDistiller(student, teacher)
    distiller.fit_projections(sample)
    for rate, stage in ((4e-4, INTERMEDIATE), (1e-4, PREDICTION)):
        if stage is PREDICTION:
            # The hidden states have moved away from it.
            initialize_head(student, teacher, sample)
        distiller.compile(keras.optimizers.AdamW(rate), stage=stage)
        distiller.fit(texts, labels, batch_size=32, epochs=epochs)
    return student


def main(preset: str, architecture: str, epochs: int, output: str) -> None:
    """Fine-tunes, converts, distils, saves and scores."""
    texts, names = read_sample("train")
    classes, labels = np.unique(names, return_inverse=True)
    theirs = fine_tune(preset, texts, labels, epochs)
    teacher = text_classifier_from_keras_hub(theirs, labels=classes.tolist())
    student = distill(teacher, architecture, texts, labels, epochs)
    student.save_to_preset(output)
    texts, names = read_sample("test")
    for name, model in (("teacher", teacher), ("student", student)):
        answers = classes[model.predict(texts, verbose=0).argmax(axis=-1)]
        print(f"{name}: accuracy {np.mean(answers == names):.4f} on the test sentences")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="bert_small_en_uncased", help="of KerasHub")
    parser.add_argument("--architecture", default="tinybert_4l_312d", help="the student's")
    parser.add_argument("--epochs", type=int, default=5, help="of each of the three fits")
    parser.add_argument("--output", default="runs/keras_hub_student", help="a preset")
    main(**vars(parser.parse_args()))
