"""What a step of general distillation computes for a token, and what its workers exchange.

    python benchmarks/capacity.py

Multiplications of matrices are counted in the graph of `TinyBertDistiller.train_step` with
embedding, attention and hidden terms (arXiv 1909.10351, section 4.2), 128 tokens a sequence.
A multiplication and an addition are two operations. What else a step does is a small part.
Weights do not matter, so the models have random ones. The count of a model alone is to be that
of the paper's table 1 (BERT-base 22.5 billion a sequence, TinyBERT-4 1.2, TinyBERT-6 11.3), or
nothing is written.

Results go to docs/results/capacity.json; docs/distributed.md has the plan that they make.
"""

import math

from tinybert_tf.commands.scripts import parse_flags, reporting_errors

import tensorflow as tf
from absl import app, flags

from tinybert_tf.distillation import INTERMEDIATE, TinyBertDistiller
from tinybert_tf.errors import TinyBertError
from tinybert_tf.files import write_json
from tinybert_tf.models import ARCHITECTURES, BertEncoder
from tinybert_tf.runs.environment import environment

_PROGRAM = "python benchmarks/capacity.py"
_OUTPUT = flags.DEFINE_string("output", "docs/results/capacity.json", "Where figures go.")

_ROWS, _LENGTH = 8, 128
_BERT_BASE = {**ARCHITECTURES["tinybert_6l_768d"], "num_layers": 12}
# Billions of operations for one sequence of 128 tokens, arXiv 1909.10351, table 1.
_PAPER = {"bert_base": 22.5, "tinybert_4l_312d": 1.2, "tinybert_6l_768d": 11.3}


def count_operations(function, *arguments) -> int:
    """Counts the operations of all matrix multiplications in a function's graph."""
    graph = tf.function(function).get_concrete_function(*arguments).graph
    return sum(_operations(node) for node in graph.get_operations())


def _operations(node: tf.Operation) -> int:
    if node.type.endswith(("PartitionedCall", "While", "If", "Einsum")):
        raise TinyBertError(f"{node.name} multiplies where nothing is counted ({node.type}).")
    if node.type not in ("MatMul", "BatchMatMulV2", "BatchMatMulV3"):
        return 0
    left = node.inputs[0].shape
    transposed = node.get_attr("transpose_a" if node.type == "MatMul" else "adj_x")
    summed = left[-2] if transposed else left[-1]
    return 2 * summed * math.prod(node.outputs[0].shape)


def _inputs() -> dict[str, tf.Tensor]:
    ones = tf.ones((_ROWS, _LENGTH), tf.int32)
    return {"token_ids": ones, "segment_ids": tf.zeros_like(ones), "padding_mask": ones}


def _check(name: str, model) -> float:
    """Returns the operations for a token of a model alone; compares them with the paper's."""
    count = count_operations(lambda x: model(x, training=False), _inputs())
    billions = count / _ROWS / 1e9
    if abs(billions / _PAPER[name] - 1) > 0.05:
        raise TinyBertError(f"{name}: {billions:.2f} billion, the paper has {_PAPER[name]}.")
    return count / (_ROWS * _LENGTH)


def measure(student_name: str) -> dict:
    """Returns the figures of a student whose teacher has BERT-base's shape."""
    teacher = BertEncoder(**_BERT_BASE)
    student = BertEncoder(**ARCHITECTURES[student_name])
    distiller = TinyBertDistiller(student, teacher)
    distiller.compile("adamw", stage=INTERMEDIATE)
    distiller.optimizer.build(distiller.trainable_variables)
    tokens = _ROWS * _LENGTH
    return {
        "teacher": _check("bert_base", teacher),
        "student": _check(student_name, student),
        "step": count_operations(lambda x: distiller.train_step((x,)), _inputs()) / tokens,
        "weights": sum(math.prod(w.shape) for w in distiller.trainable_variables),
    }


@reporting_errors
def main(argv):
    """Counts for both students of the paper."""
    del argv
    figures = {name: measure(name) for name in ("tinybert_4l_312d", "tinybert_6l_768d")}
    for name, row in figures.items():
        print(f"{name}: {row['step'] / 1e6:.0f} million operations a token and step")
    write_json(_OUTPUT.value, {**environment(_PROGRAM), "students": figures})


if __name__ == "__main__":
    app.run(main, flags_parser=parse_flags)
