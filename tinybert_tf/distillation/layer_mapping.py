"""Which teacher layer each student layer learns from: g(m) of arXiv 1909.10351, section 3.1.

A mapping is a tuple of M + 1 integers, g(0) to g(M), for a student of M blocks and a
teacher of N. Student hidden state m learns from teacher hidden state g(m), where index 0
is the embedding output and m the output of block m, counted from 1. The attention of
student block m (1 to M) learns from that of teacher block g(m). The paper's g(M + 1) = N + 1
for the prediction layer is always so and is left out.
"""

import numbers
from collections.abc import Sequence

from absl import logging

from tinybert_tf.errors import TinyBertError, nearest_name


def uniform_mapping(num_student_layers: int, num_teacher_layers: int) -> tuple[int, ...]:
    """g(m) = m N / M: student blocks spread over the whole teacher, the paper's best.

    Where M does not divide N, m N / M is rounded to the nearest block, halves up, and a
    warning names the mapping. g(M) is N in any case, and no teacher block is used twice.

    Args:
        num_student_layers: int. M.
        num_teacher_layers: int. N >= M.

    Returns:
        (g(0), ..., g(M)): for M = 4, N = 12 it is (0, 3, 6, 9, 12), for N = 6 it is
        (0, 2, 3, 5, 6).

    Raises:
        TinyBertError: if M > N or one of them is not a positive integer.
    """
    _check_student_is_no_deeper("uniform", num_student_layers, num_teacher_layers)
    m_student, n_teacher = num_student_layers, num_teacher_layers
    mapping = tuple(
        # Integers throughout: a float quotient may fall below a half that is exact.
        (2 * m * n_teacher + m_student) // (2 * m_student)
        for m in range(m_student + 1)
    )
    if n_teacher % m_student:
        logging.warning(
            "%d teacher layers are no multiple of %d student layers; the uniform layer "
            "mapping is rounded to %s (teacher layers for the student's embedding output and "
            "blocks 1 to %d).",
            n_teacher,
            m_student,
            mapping,
            m_student,
        )
    return mapping


def top_mapping(num_student_layers: int, num_teacher_layers: int) -> tuple[int, ...]:
    """g(m) = m + N - M, with g(0) = 0: the student's blocks learn from the teacher's last.

    Args:
        num_student_layers: int. M.
        num_teacher_layers: int. N >= M.

    Returns:
        (g(0), ..., g(M)): for M = 4, N = 12 it is (0, 9, 10, 11, 12).

    Raises:
        TinyBertError: if M > N or one of them is not a positive integer.
    """
    _check_student_is_no_deeper("top", num_student_layers, num_teacher_layers)
    return (0, *range(num_teacher_layers - num_student_layers + 1, num_teacher_layers + 1))


def bottom_mapping(num_student_layers: int, num_teacher_layers: int) -> tuple[int, ...]:
    """g(m) = m: the student's blocks learn from the teacher's first.

    Args:
        num_student_layers: int. M.
        num_teacher_layers: int. N >= M.

    Returns:
        (g(0), ..., g(M)): for M = 4, N = 12 it is (0, 1, 2, 3, 4).

    Raises:
        TinyBertError: if M > N or one of them is not a positive integer.
    """
    _check_student_is_no_deeper("bottom", num_student_layers, num_teacher_layers)
    return tuple(range(num_student_layers + 1))


_STRATEGIES = {
    "uniform": uniform_mapping,
    "top": top_mapping,
    "bottom": bottom_mapping,
}


def resolve_layer_mapping(
    mapping: str | Sequence[int], num_student_layers: int, num_teacher_layers: int
) -> tuple[int, ...]:
    """Turns the name of a strategy, or a list of teacher blocks, into g(0), ..., g(M).

    A list is taken as it is, in any order and with repeats: the paper defines g as a
    function and no more, several student blocks learning from one teacher block is what a
    student deeper than its teacher needs, and a shuffled mapping is an ablation worth
    running. Only what could not be looked up in the teacher is refused.

    Args:
        mapping: "uniform", "top", "bottom", or M integers, the teacher block (1 to N) of
            each student block 1 to M. The embedding output has no entry: g(0) = 0.
        num_student_layers: int. M.
        num_teacher_layers: int. N.

    Returns:
        A tuple of M + 1 integers, g(0) = 0 first.

    Raises:
        TinyBertError: if the strategy is unknown, the student is too deep for it, or the
            list has the wrong length or names a block that the teacher does not have.

    Example:
    ```python
    resolve_layer_mapping("uniform", 4, 12)  # (0, 3, 6, 9, 12)
    resolve_layer_mapping([1, 4, 8, 12], 4, 12)  # (0, 1, 4, 8, 12)
    ```
    """
    if isinstance(mapping, str):
        if mapping not in _STRATEGIES:
            raise TinyBertError(
                f"Unknown layer mapping '{mapping}'; expected {_expected_strategies()}."
                f"{nearest_name(mapping, _STRATEGIES)}"
            )
        return _STRATEGIES[mapping](num_student_layers, num_teacher_layers)
    if not isinstance(mapping, Sequence):
        raise TinyBertError(
            f"The layer mapping is {mapping!r}; expected {_expected_strategies()}."
        )
    _check_layer_counts(num_student_layers, num_teacher_layers)
    return (0, *_custom_blocks(mapping, num_student_layers, num_teacher_layers))


def _custom_blocks(mapping: Sequence, num_student: int, num_teacher: int) -> list[int]:
    if len(mapping) != num_student:
        raise TinyBertError(
            f"The layer mapping {list(mapping)} has {len(mapping)} entries; expected "
            f"{num_student}, a teacher block (1 to {num_teacher}) for each student block 1 "
            f"to {num_student}. The embedding output needs no entry."
        )
    for m, block in enumerate(mapping, start=1):
        if not _is_integer(block) or not 1 <= block <= num_teacher:
            raise TinyBertError(
                f"The layer mapping {list(mapping)} sends student block {m} to teacher "
                f"block {block!r}; expected an integer from 1 to {num_teacher}, counting "
                "blocks from 1."
            )
    return [int(block) for block in mapping]


def _check_student_is_no_deeper(strategy: str, num_student: int, num_teacher: int) -> None:
    _check_layer_counts(num_student, num_teacher)
    if num_student > num_teacher:
        raise TinyBertError(
            f"The student has {num_student} layers and the teacher {num_teacher}; the "
            f"'{strategy}' layer mapping needs a student no deeper than its teacher. Take a "
            f"smaller student, or list {num_student} teacher blocks, repeats allowed."
        )


def _check_layer_counts(num_student: int, num_teacher: int) -> None:
    for name, count in (("student", num_student), ("teacher", num_teacher)):
        if not _is_integer(count) or count < 1:
            raise TinyBertError(
                f"The {name} has {count!r} layers; expected a positive integer."
            )


def _is_integer(value) -> bool:
    # YAML's `yes` arrives as True, which Python would count as block 1.
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def _expected_strategies() -> str:
    names = ", ".join(map(repr, _STRATEGIES))
    return f"{names}, or a list with the teacher block of each student block"
