"""Files that would run code, take memory, or are no state dict."""

import numpy as np
import pytest

from tests.checkpoints.torch_pickles import (
    ORDERED_DICT,
    SIX,
    VIEW,
    dictionary,
    encode,
    function,
    hostile_values,
    read_one,
    storage,
    tensor,
    write_bin,
    write_program,
)
from tinybert_tf.checkpoints._pytorch_bin import read_pytorch_bin
from tinybert_tf.errors import TinyBertError


@pytest.mark.parametrize("place", ["whole", "entry", "tensor argument", "hooks", "metadata"])
def test_calls_are_refused_and_not_made(tmp_path, place):
    marker = tmp_path / "marker"
    for name, value in hostile_values(marker):
        call = encode(value)
        view = tensor(storage(), 0, (6,), (1,))
        programs = {
            "whole": call,
            "entry": dictionary(x=view, y=call),
            "tensor argument": dictionary(x=tensor(call, 0, (6,), (1,))),
            "hooks": dictionary(x=tensor(storage(), 0, (6,), (1,), b"\x89" + call)),
            "metadata": dictionary(ORDERED_DICT, x=view) + dictionary(_metadata=call) + b"b",
        }
        path = write_bin(tmp_path / "model.bin", programs[place], {"0": SIX})
        with pytest.raises(TinyBertError, match=rf"refused.*\.{name}'.*safetensors") as caught:
            read_pytorch_bin(path)
        assert str(path) in str(caught.value)
        assert not marker.exists()


@pytest.mark.parametrize(
    "program",
    [
        b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x05touchC\x01\x85R.",
        b"(S'touch marker'\niposix\nsystem\n.",
        b"(cposix\nsystem\nS'touch marker'\no.",
        b"\x80\x02cbuiltins\nobject\n)\x81.",
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2.__globals__\n.",
        b"\x80\x02ctorch\nload\n.",
        b"\x80\x02\x82\x01.",
    ],
    ids=["STACK_GLOBAL", "INST", "OBJ", "NEWOBJ", "attribute", "torch.load", "EXT1"],
)
def test_other_ways_to_call_are_refused(tmp_path, program):
    path = write_program(tmp_path / "model.bin", program, {})
    with pytest.raises(TinyBertError, match=r"refused.*safetensors"):
        read_pytorch_bin(path)


FUNCTION = function("torch._utils._rebuild_tensor_v2")


@pytest.mark.parametrize(
    "value",
    [
        VIEW + encode({"size": (99,)}) + b"b",
        FUNCTION + encode((None, {"__defaults__": (1,)})) + b"b",
        FUNCTION + encode({"attribute": 1}) + b"b",
        storage() + encode({"length": 99}) + b"b",
        function("collections.OrderedDict") + encode({"fromkeys": 1}) + b"b",
        encode({}) + encode({"x": 1}) + b"b",
    ],
    ids=["tensor", "defaults", "function", "storage", "class", "dict"],
)
def test_attributes_are_only_set_on_an_ordered_dict(tmp_path, value):
    path = write_bin(tmp_path / "model.bin", dictionary(x=VIEW, y=value), {"0": SIX})
    with pytest.raises(TinyBertError, match="refused: its pickle sets attributes"):
        read_pytorch_bin(path)


@pytest.mark.parametrize(
    ("value", "match"),
    [
        (function("collections.OrderedDict") + encode(([("a", 1)],)) + b"R", "unknown way"),
        (function("collections.OrderedDict") + encode(7) + b"R", "no function"),
        (function("torch.FloatStorage") + b")R", "no function"),
        (encode("text") + b")R", "no function"),
        (FUNCTION + b")R", "unknown way"),
        (function("torch._utils._rebuild_parameter") + encode((1, 2, 3)) + b"R", "unknown way"),
        (encode(("storage", "FloatStorage", "0", "cpu", 6)) + b"Q", "unknown way"),
        (encode("storage") + b"Q", "unknown way"),
        (storage(length=-1), "unknown way"),
        (storage(length=True), "unknown way"),
        (storage(length=2**70), "unknown way"),
        (tensor(encode("0"), 0, (6,), (1,)), "unknown way"),
        (tensor(storage(), 0, [6], (1,)), "impossible shape"),
        (tensor(storage(), 0, (6.0,), (1,)), "impossible shape"),
        (tensor(storage(), 0, (-6,), (1,)), "impossible shape"),
        (tensor(storage(), 5, (6,), (-1,)), "impossible shape"),
        (tensor(storage(), -1, (6,), (1,)), "unknown way"),
        (tensor(storage(), 0, (2**64,), (1,)), "impossible shape"),
        (tensor(storage(), 0, (6,), (1, 1)), "1 dimensions and 2 strides"),
        (tensor(storage(), 0, (1,) * 40, (1,) * 40), "40 dimensions"),
        (
            tensor(storage(), 0, (6,), (1,), b"\x89" + ORDERED_DICT + encode({"neg": True})),
            "pending operation",
        ),
        (encode({}) + encode((1, 2)) + b"\x85K\x01s", "unusual keys"),
        (encode([]) + encode("k") + encode("v") + b"s", "fills something"),
        (encode({}) + encode("v") + b"a", "fills something"),
        (encode({}) + b"(" + encode("k") + b"u", "unusual keys"),
    ],
)
def test_junk_is_named(tmp_path, value, match):
    path = write_bin(tmp_path / "model.bin", dictionary(x=VIEW, y=value), {"0": SIX})
    with pytest.raises(TinyBertError, match=match):
        read_pytorch_bin(path)


@pytest.mark.parametrize(
    ("offset", "size", "stride"),
    [
        (0, (7,), (1,)),
        (1, (6,), (1,)),
        (6, (), ()),
        (0, (2, 3), (4, 1)),
        (0, (2,), (2**62,)),
        (2**62, (1,), (1,)),
    ],
)
def test_views_outside_their_storage(tmp_path, offset, size, stride):
    # The storage has room behind it in the file: 6 elements declared, 8 present.
    view = tensor(storage(), offset, size, stride)
    with pytest.raises(TinyBertError, match=r"tensor 'x'.*does not fit its storage of 6"):
        read_one(tmp_path, view, {"0": np.zeros(8, "<f4")})


@pytest.mark.parametrize(
    ("size", "stride"),
    [
        ((2**31,), (0,)),
        ((2**20, 2**20, 2**20), (0, 0, 0)),
        ((0, 2**62, 2**62), (1, 1, 1)),
    ],
)
def test_a_small_file_cannot_ask_for_much_memory(tmp_path, size, stride):
    with pytest.raises(TinyBertError, match="more than 16 times its own size"):
        read_one(tmp_path, tensor(storage(), 0, size, stride), {"0": SIX})


def test_many_names_for_one_large_view_count_each(tmp_path):
    view = tensor(storage(), 0, (2**20,), (0,)) + b"q\xff"
    names = b"".join(encode(f"x{i}") + b"h\xff" for i in range(100))
    content = b"}(" + encode("x") + view + names + b"u"
    path = write_bin(tmp_path / "model.bin", content, {"0": SIX})
    with pytest.raises(TinyBertError, match=r"more than 16 times its own size, up to 'x15'"):
        read_pytorch_bin(path)


def test_memo_index_allocates_nothing(tmp_path):
    content = dictionary(x=VIEW, y=encode(1) + b"r\xf0\xff\xff\xff")
    path = write_bin(tmp_path / "model.bin", content, {"0": SIX})
    assert list(read_pytorch_bin(path)) == ["x"]


@pytest.mark.filterwarnings("error")
def test_an_escape_that_python_does_not_know(tmp_path):
    path = write_program(tmp_path / "model.bin", b"\x80\x02S'\\q'\n.", {})
    with pytest.raises(TinyBertError, match="has the instruction STRING"):
        read_pytorch_bin(path)


def test_deep_nesting_and_self_reference(tmp_path):
    nested = (
        b"\x80\x02}X\x01\x00\x00\x00x" + VIEW + b"sX\x01\x00\x00\x00y)" + b"\x85" * 2 * 10**5
    )
    path = write_program(tmp_path / "model.bin", nested + b"s.", {"0": SIX})
    assert list(read_pytorch_bin(path)) == ["x"]
    content = b"}q\xfe" + b"(" + encode("x") + VIEW + encode("model") + b"h\xfeu"
    path = write_bin(tmp_path / "model.bin", content, {"0": SIX})
    assert list(read_pytorch_bin(path)) == ["x"]


def test_unprintable_names_stay_printable_in_the_message(tmp_path):
    key = "\ud800\x1b[2J" + "k" * 500
    content = dictionary(x=tensor(storage(key=key), 0, (6,), (1,)))
    with pytest.raises(TinyBertError) as caught:
        read_pytorch_bin(write_bin(tmp_path / "model.bin", content, {}))
    message = str(caught.value)
    assert message.isprintable() and message.isascii()
    assert len(message) < 250 + len(str(tmp_path))
