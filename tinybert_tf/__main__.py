"""`python -m tinybert_tf COMMAND ...`: the commands of `tinybert_tf.commands`."""

from tinybert_tf.commands import command_line

if __name__ == "__main__":
    command_line.start(command_line.MODULE)
