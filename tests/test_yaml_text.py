"""YAML from elsewhere: what is read, and what is refused before it takes memory or time."""

import time

import pytest

from tinybert_tf.errors import TinyBertError
from tinybert_tf.yaml_text import read_yaml

# 9 ** 8 values in 332 bytes.
_GROWING = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n"
    for before, name in zip("abcdefg", "bcdefgh", strict=True)
)


def test_aliases_and_merges_are_read():
    text = "a: &a {x: 1, y: [2, 3]}\nb: {<<: *a, x: 4}\nc: *a\n"
    assert read_yaml(text, "f") == {
        "a": {"x": 1, "y": [2, 3]},
        "c": {"x": 1, "y": [2, 3]},
        "b": {"x": 4, "y": [2, 3]},
    }
    assert read_yaml("", "f") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 100_000, "nested in more than 32 levels"),
        (_GROWING, "597,871 values in 6 levels, aliases included"),
        ("&a [*a]", "an alias within that which it stands for"),
        ("a: " + "x" * 2**20, "has 1,048,579 characters, at most 1,048,576"),
        ("a: " + "1" * 10_000, r"'1{77}\.\.\.' is no int"),
        ("a: 0x" + "f" * 17, "has more than 64 bits"),
        ("a: 2024-13-45", "'2024-13-45' is no timestamp"),
        ("a: !!timestamp then", "'then' is no timestamp"),
        ("a: !!bool x", "'x' is no bool"),
        ("a: !!python/object:os.system {}", "could not determine a constructor for the tag"),
        ('a: "\\ud800"', "has a NUL or half a surrogate pair"),
        ('a: "\\0"', "has a NUL or half a surrogate pair"),
        ("a: 1\nb: 2\na: 3", r"the key 'a' is there twice\n.*line 3, column 1"),
        ("a: {b: 1, b: 1}", "the key 'b' is there twice"),
    ],
    ids=lambda value: value[:20].strip(),
)
def test_refused_in_a_few_words_and_at_once(text, message):
    started = time.process_time()
    with pytest.raises(TinyBertError, match=message) as caught:
        read_yaml(text, "f")
    assert str(caught.value).startswith("f ")
    assert len(str(caught.value)) < 500 and time.process_time() - started < 2
