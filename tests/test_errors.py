"""Messages are short and printable, whatever came."""

import pickle

from tinybert_tf.errors import TinyBertError


def test_a_long_message_keeps_its_beginning_and_its_end():
    columns = ", ".join(f"column_{i}" for i in range(200_000))
    message = str(TinyBertError(f"There is no column 'x'. There are: {columns}. Rename one."))
    assert len(message) < 4000
    assert message.startswith("There is no column 'x'. There are: column_0, column_1, ")
    assert message.endswith(", column_199999. Rename one.") and " characters] " in message


def test_what_cannot_be_printed_stands_as_its_number():
    error = TinyBertError("Zoë:\n\x1b[2J\ud800\x00\t.")
    assert str(error) == "Zoë:\n\\x1b[2J\\ud800\\x00\\t."
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
