"""Where teacher and student look in one text, block beside block."""

import dataclasses
import json
import os
import pathlib
from collections.abc import Sequence

import keras
import numpy as np
from scipy.special import softmax

from tinybert_tf.data import Examples, Task, encode_examples
from tinybert_tf.distillation import resolve_layer_mapping
from tinybert_tf.errors import TinyBertError
from tinybert_tf.evaluation.predictions import Predictions, find_student_errors
from tinybert_tf.files import read_text_file, write_json
from tinybert_tf.models import BertTextClassifier
from tinybert_tf.models.bert_layers import MASK_BIAS

# Tokens of a text that is chosen by itself: a map of these is as wide as a phone.
_MAX_TOKENS = 20
# Of probabilities in the file.
_DIGITS = 4


@dataclasses.dataclass(frozen=True, eq=False)
class AttentionMaps:
    """Attention probabilities of one text, the mean of the heads of each block.

    Args:
        tokens: tuple of str. [CLS] and [SEP] among them.
        blocks: tuple of int. The teacher's block, counted from 1, that each of the student's
            learned from.
        teacher: float array [blocks, seq, seq]. Of those blocks: who looks, at whom.
        student: float array [blocks, seq, seq].
    """

    tokens: tuple[str, ...]
    blocks: tuple[int, ...]
    teacher: np.ndarray
    student: np.ndarray


def attention_probabilities(scores: np.ndarray, padding_mask: np.ndarray) -> np.ndarray:
    """Computes `softmax(A + mask)`, the probabilities that BERT attends with.

    Args:
        scores: float array [batch, heads, seq, seq]. A: before mask and softmax, as `expose`
            gives them.
        padding_mask: array [batch, seq]. 1 at tokens, 0 at padding.

    Returns:
        float64 array [batch, heads, seq, seq]. Each row sums to 1.
    """
    mask_bias = (1.0 - np.asarray(padding_mask, "float64"))[:, None, None, :] * MASK_BIAS
    return softmax(np.asarray(scores, "float64") + mask_bias, axis=-1)


def compute_attention_maps(
    teacher: BertTextClassifier,
    student: BertTextClassifier,
    mapping: str | Sequence[int],
    texts: Sequence[str],
) -> AttentionMaps:
    """Runs both models on a text.

    Args:
        teacher: `BertTextClassifier`. With a preprocessor.
        student: `BertTextClassifier`. Of the same vocabulary.
        mapping: see `resolve_layer_mapping`.
        texts: sequence of str. One text for each text field of the task.
    """
    preprocessor = student.preprocessor
    example = Examples(tuple((text,) for text in texts), np.zeros(1, "int32"))
    encoded = encode_examples(example, preprocessor)
    inputs, _ = encoded.batch(np.array([0]))
    blocks = resolve_layer_mapping(
        mapping, student.backbone.num_layers, teacher.backbone.num_layers
    )[1:]
    of_teacher = _mean_over_heads(teacher, inputs)
    return AttentionMaps(
        tokens=tuple(preprocessor.tokenizer.id_to_token(int(i)) for i in encoded.token_ids),
        blocks=blocks,
        teacher=of_teacher[[block - 1 for block in blocks]],
        student=_mean_over_heads(student, inputs),
    )


def _mean_over_heads(model: BertTextClassifier, inputs: dict) -> np.ndarray:
    """Returns probabilities [blocks, seq, seq] of a batch of one, without the padding."""
    outputs = model.backbone.expose(attention_scores=True)(inputs, training=False)
    count = int(inputs["padding_mask"].sum())
    maps = [
        attention_probabilities(keras.ops.convert_to_numpy(scores), inputs["padding_mask"])
        for scores in outputs["attention_scores"]
    ]
    return np.stack([m[0].mean(axis=0)[:count, :count] for m in maps])


def choose_texts(task: Task, predictions: Predictions, lengths: np.ndarray) -> tuple[str, ...]:
    """Chooses a text worth looking at: the student's worst error that is short enough.

    Without one it is the first short example, and without that the shortest.

    Args:
        task: `Task`.
        predictions: `Predictions`.
        lengths: int array [examples]. Tokens of each.
    """
    rows = np.concatenate([find_student_errors(task, predictions), np.arange(len(lengths))])
    short = rows[lengths[rows] <= _MAX_TOKENS]
    row = short[0] if len(short) else int(lengths.argmin())
    return tuple(field[row] for field in predictions.examples.texts)


def save_attention_maps(path: str | os.PathLike, maps: AttentionMaps) -> None:
    """Writes maps as JSON.

    Args:
        path: str or path. Replaced only when the new file is whole.
        maps: `AttentionMaps`.
    """
    content = {
        "tokens": maps.tokens,
        "blocks": maps.blocks,
        "teacher": np.round(maps.teacher, _DIGITS).tolist(),
        "student": np.round(maps.student, _DIGITS).tolist(),
    }
    write_json(path, content, indent=None)


def read_attention_maps(path: str | os.PathLike) -> AttentionMaps | None:
    """Reads what `save_attention_maps` wrote; `None` if it wrote nothing.

    Args:
        path: str or path.

    Raises:
        TinyBertError: if the file holds something else.
    """
    path = pathlib.Path(path)
    if not path.exists():
        return None
    text = read_text_file(path, "attention maps")
    try:
        content = json.loads(text)
        tokens, blocks = tuple(content["tokens"]), tuple(content["blocks"])
        teacher, student = (
            np.array(content[model], "float64") for model in ("teacher", "student")
        )
    except (ValueError, TypeError, KeyError) as error:
        raise _no_maps(path) from error
    shape = (len(blocks), len(tokens), len(tokens))
    if teacher.shape != shape or student.shape != shape:
        raise _no_maps(path)
    return AttentionMaps(tokens, blocks, teacher, student)


def _no_maps(path: pathlib.Path) -> TinyBertError:
    return TinyBertError(
        f"{path} holds no attention maps. Remove it; the step `evaluate` writes it anew."
    )
