"""The command `run`."""

from tinybert_tf.commands._checking import check_begun
from tinybert_tf.commands._configured import add_arguments, open_run

__all__ = ["HELP", "add_arguments", "execute"]

HELP = "do every step of a run, from finetune to export"


def execute(arguments) -> None:
    """Does what is not done yet, and writes the report."""
    with open_run(arguments, creates=True, trains=True) as (config, run):
        check_begun(config, run)
        from tinybert_tf.runs import augmenting, recipes
        from tinybert_tf.training import workers

        workers.on_chief(augmenting.check_augmentation, config, run)
        recipes.finetune(config, run)
        if config.augmentation is not None:
            workers.on_chief(augmenting.augment, config, run)
        recipes.distill(config, run)
        workers.on_chief(_use_student, config, run)


def _use_student(config, run) -> None:
    """Evaluates and exports the student, and prints what became of it."""
    from tinybert_tf.commands._next_steps import next_steps
    from tinybert_tf.reports import run_page, tables
    from tinybert_tf.runs import exporting, recipes

    if "evaluation" not in run.read_results():
        recipes.evaluate(config, run)
    exporting.export_all(config, run)
    tables.print_table(tables.results_table(config, run.read_results()))
    print(f"report: {run_page.write_report(run)}\n\nWhat next:")
    print(*next_steps(config, run), sep="\n")
