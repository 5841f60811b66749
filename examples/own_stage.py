"""A stage of one's own, and a Keras callback, on the teacher of a run.

    make quickstart
    python examples/own_stage.py --run runs/quickstart

All terms of TinyBERT's loss at once, with weights and a temperature that are not the paper's.
The callback watches the student alone: it scores it on dev after each epoch and keeps the best
weights. Any callback of Keras works as well; `EarlyStopping` is one here.
"""

import argparse
import pathlib

import keras
import numpy as np

from tinybert_tf.checkpoints.locations import resolve_path
from tinybert_tf.data import read_columns
from tinybert_tf.distillation import Stage, TinyBertDistiller
from tinybert_tf.models import BertTextClassifier

EVERYTHING = Stage(
    "everything", attention=0.5, hidden=1.0, embedding=0.1, prediction=2.0, temperature=2.0
)


class BestStudent(keras.callbacks.Callback):
    """Scores the student after each epoch, and puts its best weights back at the end.

    Args:
        texts: list of str. Not trained on.
        labels: int array [texts].
    """

    def __init__(self, texts: list[str], labels: np.ndarray):
        super().__init__()
        self.texts, self.labels = texts, labels
        self.best, self.weights = -1.0, None

    def on_epoch_end(self, epoch, logs=None):
        student = self.model.student
        answers = student.predict(self.texts, verbose=0).argmax(axis=-1)
        # Further callbacks see it beside the losses.
        logs["dev_accuracy"] = accuracy = float(np.mean(answers == self.labels))
        if accuracy > self.best:
            self.best, self.weights = accuracy, student.get_weights()

    def on_train_end(self, logs=None):
        self.model.student.set_weights(self.weights)
        print(f"the best student: accuracy {self.best:.4f} on the dev sentences")


def read_sample(split: str) -> tuple[list[str], list[str]]:
    """Returns sentences and labels of `"train"`, `"dev"` or `"test"`."""
    table = read_columns(resolve_path(f"package:tinybert_tf.data.sample/{split}.tsv"))
    return table.column("sentence"), table.column("label")


def main(run: str, epochs: int, output: str) -> None:
    """Trains the student of a run further, in one stage."""
    teacher, student = (
        BertTextClassifier.from_preset(str(pathlib.Path(run) / name))
        for name in ("teacher", "student")
    )
    (texts, names), (dev_texts, dev_names) = map(read_sample, ("train", "dev"))
    labels, dev_labels = (np.array([*map(teacher.labels.index, n)]) for n in (names, dev_names))
    distiller = TinyBertDistiller(student, teacher)
    distiller.fit_projections([teacher.preprocessor(texts)])
    distiller.compile(keras.optimizers.AdamW(1e-4), stage=EVERYTHING)
    distiller.fit(
        texts,
        labels,
        batch_size=64,
        epochs=epochs,
        callbacks=[
            BestStudent(dev_texts, dev_labels),
            keras.callbacks.EarlyStopping("dev_accuracy", mode="max", patience=2),
        ],
    )
    student.save_to_preset(output)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", default="runs/quickstart", help="with a teacher and a student")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--output", default="runs/own_stage", help="a preset")
    main(**vars(parser.parse_args()))
