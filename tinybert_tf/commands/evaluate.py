"""The command `evaluate`."""

from tinybert_tf.commands._configured import add_arguments, open_run

__all__ = ["HELP", "add_arguments", "execute"]

HELP = "score teacher and student of a run"


def execute(arguments) -> None:
    """Scores both and prints the table."""
    with open_run(arguments) as (config, run):
        from tinybert_tf.reports import tables
        from tinybert_tf.runs import recipes

        recipes.evaluate(config, run)
        tables.print_table(tables.results_table(config, run.read_results()))
