"""The command `distill`."""

from tinybert_tf.commands._checking import check_begun
from tinybert_tf.commands._configured import add_arguments, open_run

__all__ = ["HELP", "add_arguments", "execute"]

HELP = "make the student of a run"


def execute(arguments) -> None:
    """Distils the teacher."""
    with open_run(arguments, trains=True) as (config, run):
        from tinybert_tf.runs import recipes

        check_begun(config, run)
        recipes.distill(config, run)
