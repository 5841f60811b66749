"""The command `run`."""

from tinybert_tf.commands._checking import check_begun
from tinybert_tf.commands._configured import add_arguments, open_run

__all__ = ["HELP", "add_arguments", "execute"]

HELP = "do every step of a run, from finetune to export"


def execute(arguments) -> None:
    """Does what is not done yet, and writes the report."""
    with open_run(arguments, creates=True) as (config, run):
        check_begun(config, run)
        from tinybert_tf.commands._next_steps import next_steps
        from tinybert_tf.reports import run_page, tables
        from tinybert_tf.runs import augmenting, exporting, recipes

        augmenting.check_augmentation(config, run)
        recipes.finetune(config, run)
        if config.augmentation is not None:
            augmenting.augment(config, run)
        recipes.distill(config, run)
        if "evaluation" not in run.read_results():
            recipes.evaluate(config, run)
        exporting.export_all(config, run)
        tables.print_table(tables.results_table(config, run.read_results()))
        print(f"report: {run_page.write_report(run)}\n\nWhat next:")
        print(*next_steps(config, run), sep="\n")
