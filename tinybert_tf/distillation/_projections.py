"""The learned layers that take a student's hidden states to its teacher's width."""

from collections.abc import Callable

import keras

from tinybert_tf.errors import TinyBertError
from tinybert_tf.models import BertEncoder

# For each choice, how many there are and which one each hidden state has, the embedding first.
_CHOICES: dict[str, tuple[Callable[[int], int], Callable[[int], int]]] = {
    "shared": (lambda num_layers: 1, lambda m: 0),
    "embedding_apart": (lambda num_layers: 2, lambda m: min(m, 1)),
    "per_layer": (lambda num_layers: num_layers + 1, lambda m: m),
}


def make_projections(
    choice: str, student: BertEncoder, teacher: BertEncoder
) -> tuple[list[keras.layers.Dense], list[keras.layers.Dense]]:
    """Makes the projections, with random weights.

    Args:
        choice: str. `"shared"`, `"embedding_apart"` or `"per_layer"`.
        student: `BertEncoder`.
        teacher: `BertEncoder`.

    Returns:
        The layers, and for each hidden state of the student, the embedding output first, its
        layer.

    Raises:
        TinyBertError: if there is no such choice.
    """
    check_choice("projections", choice, _CHOICES)
    count, index = _CHOICES[choice]
    layers = []
    for i in range(count(student.num_layers)):
        layer = keras.layers.Dense(
            teacher.hidden_dim, dtype=student.dtype_policy, name=f"projection_{i}"
        )
        layer.build((None, None, student.hidden_dim))
        layers.append(layer)
    return layers, [layers[index(m)] for m in range(student.num_layers + 1)]


def check_choice(name: str, value: str, choices) -> None:
    """Raises TinyBertError if a value is none of the choices."""
    if value not in choices:
        raise TinyBertError(
            f"{name}={value!r} is not known; it is one of {', '.join(map(repr, choices))}."
        )
