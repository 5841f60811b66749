"""The command `finetune`."""

from tinybert_tf.commands._checking import check_begun
from tinybert_tf.commands._configured import add_arguments, open_run

__all__ = ["HELP", "add_arguments", "execute"]

HELP = "make the run directory and its teacher"


def execute(arguments) -> None:
    """Fine-tunes the teacher."""
    with open_run(arguments, creates=True, trains=True) as (config, run):
        from tinybert_tf.runs import recipes

        check_begun(config, run)
        recipes.finetune(config, run)
