"""What distillation does differently for each kind of model.

A new kind is a class here and a line in `_KINDS`.
"""

import dataclasses
from typing import Protocol

import keras

from tinybert_tf.distillation import losses
from tinybert_tf.distillation.stages import Stage
from tinybert_tf.errors import TinyBertError
from tinybert_tf.models import BertEncoder, BertSpanClassifier, BertTextClassifier, encoder_of


@dataclasses.dataclass(frozen=True)
class HeadInputs:
    """What the head of a student is fitted from.

    Args:
        student_dense: the head's layer.
        teacher_dense: the teacher's.
        is_pooled: whether it gets the pooled output, or the hidden states of all tokens.
    """

    student_dense: keras.layers.Dense
    teacher_dense: keras.layers.Dense
    is_pooled: bool


class Kind(Protocol):
    """What a pair of models of one class has of its own."""

    has_predictions: bool

    def check(self, student, teacher) -> None:
        """Raises TinyBertError if the heads do not fit each other."""

    def prediction_loss(self, student, teacher, temperature: float, masking: dict):
        """Returns the loss of predictions, as the models of this kind output them.

        Args:
            student: the student's predictions.
            teacher: the teacher's, detached.
            temperature: float. See `losses.soft_cross_entropy`.
            masking: dict. `padding_mask`, `reference_compatible` and `sample_weight`.
        """

    def label_loss(self, student, labels, masking: dict):
        """Returns the loss of predictions under the correct labels.

        Args:
            student: the student's predictions.
            labels: tensor. As `fit` takes them.
            masking: dict. See `prediction_loss`.
        """

    def head(self, student, teacher) -> HeadInputs | None:
        """Returns the head to fit to the teacher's logits; `None` if there is none."""


class _Encoders:
    has_predictions = False

    def check(self, student, teacher) -> None:
        pass

    def prediction_loss(self, student, teacher, temperature, masking):
        raise NotImplementedError("an encoder has no predictions")

    def label_loss(self, student, labels, masking):
        raise NotImplementedError("an encoder has no predictions")

    def head(self, student, teacher) -> None:
        return None


class _TextClassifiers:
    has_predictions = True

    def check(self, student, teacher) -> None:
        if student.num_classes != teacher.num_classes:
            raise TinyBertError(
                f"The student has {student.num_classes} outputs, the teacher "
                f"{teacher.num_classes}. Give the student num_classes={teacher.num_classes}."
            )
        if student.labels and teacher.labels and student.labels != teacher.labels:
            raise TinyBertError(
                f"The student's labels are {student.labels}, the teacher's {teacher.labels}. "
                "Put the student's in the teacher's order."
            )

    def prediction_loss(self, student, teacher, temperature, masking):
        if student.shape[-1] == 1:
            return losses.prediction_mse(student, teacher, masking["sample_weight"])
        return losses.soft_cross_entropy(
            student,
            teacher,
            temperature=temperature,
            reference_compatible=masking["reference_compatible"],
            sample_weight=masking["sample_weight"],
        )

    def label_loss(self, student, labels, masking):
        sample_weight = masking["sample_weight"]
        if student.shape[-1] == 1:
            scores = keras.ops.reshape(keras.ops.cast(labels, "float32"), (-1, 1))
            return losses.prediction_mse(student, scores, sample_weight)
        return losses.label_cross_entropy(student, labels, sample_weight=sample_weight)

    def head(self, student, teacher) -> HeadInputs | None:
        if student.num_classes != teacher.num_classes:
            return None
        return HeadInputs(student.output_dense, teacher.output_dense, is_pooled=True)


class _SpanClassifiers:
    has_predictions = True

    def check(self, student, teacher) -> None:
        pass

    def prediction_loss(self, student, teacher, temperature, masking):
        # Starts and ends: the mean of the two.
        return sum(
            losses.span_cross_entropy(
                student[name], teacher[name], temperature=temperature, **masking
            )
            / len(student)
            for name in student
        )

    def label_loss(self, student, labels, masking):
        names = ("start_logits", "end_logits")
        return sum(
            losses.label_cross_entropy(
                student[name], labels[:, i], masking["padding_mask"], masking["sample_weight"]
            )
            / len(names)
            for i, name in enumerate(names)
        )

    def head(self, student, teacher) -> HeadInputs:
        return HeadInputs(student.span_dense, teacher.span_dense, is_pooled=False)


_KINDS: dict[type, Kind] = {
    BertEncoder: _Encoders(),
    BertTextClassifier: _TextClassifiers(),
    BertSpanClassifier: _SpanClassifiers(),
}


def kind_of(model) -> Kind:
    """Returns what models of a class have of their own.

    Args:
        model: `BertEncoder`, `BertTextClassifier` or `BertSpanClassifier`.
    """
    return _KINDS[_class_of(model)]


def _class_of(model) -> type | None:
    return next((cls for cls in type(model).__mro__ if cls in _KINDS), None)


def check_pair(student, teacher) -> None:
    """Looks whether one model can learn from another.

    Raises:
        TinyBertError: if they are of different classes, vocabularies or heads.
    """
    classes = [_class_of(model) for model in (student, teacher)]
    if classes[0] != classes[1] or classes[0] is None:
        names = [type(model).__name__ for model in (student, teacher)]
        raise TinyBertError(
            f"The student is a {names[0]}, the teacher a {names[1]}. Give two "
            "BertTextClassifiers or two BertSpanClassifiers, or two BertEncoders for general "
            "distillation."
        )
    sizes = [encoder_of(model).vocabulary_size for model in (student, teacher)]
    if sizes[0] != sizes[1]:
        raise TinyBertError(
            f"The student has a vocabulary of {sizes[0]} tokens, the teacher of {sizes[1]}: "
            "they would read the same ids as different words. Give both the same vocabulary."
        )
    kind_of(student).check(student, teacher)


def check_stage(stage: Stage, student, teacher, attention_heads: str) -> None:
    """Looks whether a stage can be trained with a pair of models.

    Args:
        stage: `Stage`.
        student: see `check_pair`.
        teacher: see `check_pair`.
        attention_heads: str. See `TinyBertDistiller`.

    Raises:
        TinyBertError: if it asks for what they do not have.
    """
    if stage.trains_head and not kind_of(student).has_predictions:
        raise TinyBertError(
            f"Stage '{stage.name}' learns from predictions, but the student is an encoder "
            "without a head. Give two classifiers or set prediction=0 and labels=0."
        )
    heads = [encoder_of(model).num_heads for model in (student, teacher)]
    if stage.attention and heads[0] != heads[1] and attention_heads == "each":
        raise TinyBertError(
            f"The student has {heads[0]} attention heads and the teacher {heads[1]}: they "
            'cannot be compared one by one. Compare their means with attention_heads="mean", '
            "or drop the term with attention=0 in the stage."
        )
