import numpy as np
import pytest

from tinybert_tf.distillation import layer_mapping
from tinybert_tf.distillation.layer_mapping import resolve_layer_mapping
from tinybert_tf.errors import TinyBertError


@pytest.fixture
def warnings(monkeypatch):
    said = []
    monkeypatch.setattr(
        layer_mapping.logging, "warning", lambda text, *args: said.append(text % args)
    )
    return said


@pytest.mark.parametrize(
    ("mapping", "student", "teacher", "expected"),
    [
        ("uniform", 4, 12, (0, 3, 6, 9, 12)),
        ("uniform", 6, 12, (0, 2, 4, 6, 8, 10, 12)),
        ("uniform", 3, 3, (0, 1, 2, 3)),
        ("uniform", 1, 12, (0, 12)),
        ("top", 4, 12, (0, 9, 10, 11, 12)),
        ("top", 3, 3, (0, 1, 2, 3)),
        ("bottom", 4, 12, (0, 1, 2, 3, 4)),
        ([1, 4, 8, 12], 4, 12, (0, 1, 4, 8, 12)),
        ((12, 1), 2, 12, (0, 12, 1)),
        ([1, 1, 2, 2], 4, 2, (0, 1, 1, 2, 2)),
        (list(np.array([2, 3])), 2, 3, (0, 2, 3)),
    ],
)
def test_mapping(mapping, student, teacher, expected, warnings):
    resolved = resolve_layer_mapping(mapping, student, teacher)
    assert resolved == expected
    assert all(type(layer) is int for layer in resolved)
    assert not warnings


@pytest.mark.parametrize(
    ("student", "teacher", "expected"),
    [(4, 6, (0, 2, 3, 5, 6)), (5, 12, (0, 2, 5, 7, 10, 12)), (4, 11, (0, 3, 6, 8, 11))],
)
def test_uniform_rounds_halves_up_and_says_so(student, teacher, expected, warnings):
    assert resolve_layer_mapping("uniform", student, teacher) == expected
    (said,) = warnings
    assert str(expected) in said
    assert f"{teacher} teacher layers are no multiple of {student}" in said


def test_uniform_ends_at_the_last_block_and_uses_none_twice():
    for teacher in range(1, 25):
        for student in range(1, teacher + 1):
            mapping = layer_mapping.uniform_mapping(student, teacher)
            assert len(mapping) == student + 1
            assert (mapping[0], mapping[-1]) == (0, teacher)
            assert len(set(mapping)) == student + 1


@pytest.mark.parametrize("strategy", ["uniform", "top", "bottom"])
def test_student_deeper_than_its_teacher_is_refused(strategy):
    with pytest.raises(TinyBertError, match=f"student has 6 .* teacher 4.*'{strategy}'"):
        resolve_layer_mapping(strategy, 6, 4)


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ("unifrom", "Unknown layer mapping 'unifrom'.*'top'.*Did you mean 'uniform'"),
        ("xyz", "Unknown layer mapping 'xyz'"),
        ({1, 2}, "or a list with the teacher block"),
        (None, "layer mapping is None"),
        ([0, 3, 6, 9, 12], "has 5 entries; expected 4.*embedding output needs no entry"),
        ([3, 6], "has 2 entries; expected 4"),
        ([0, 3, 6, 9], "student block 1 to teacher block 0; .* from 1 to 12"),
        ([3, 6, 9, 13], "student block 4 to teacher block 13"),
        ([3, 6.5, 9, 12], "student block 2 to teacher block 6.5"),
        ([True, 6, 9, 12], "student block 1 to teacher block True"),
    ],
)
def test_mapping_that_cannot_be_used_is_named(mapping, message):
    with pytest.raises(TinyBertError, match=message):
        resolve_layer_mapping(mapping, 4, 12)


@pytest.mark.parametrize("mapping", ["uniform", "top", "bottom", []])
def test_layer_counts_must_be_positive(mapping):
    with pytest.raises(TinyBertError, match="student has 0 layers"):
        resolve_layer_mapping(mapping, 0, 12)
    with pytest.raises(TinyBertError, match="teacher has '12' layers"):
        resolve_layer_mapping(mapping, 4, "12")
