"""The command `general-distill`."""

from tinybert_tf.commands._configured import add_arguments, open_run

__all__ = ["HELP", "add_arguments", "execute"]

HELP = "make a student for any task, from a corpus"


def execute(arguments) -> None:
    """Distils the teacher without a task, and writes the report."""
    purpose = "a general student"
    with open_run(arguments, purpose=purpose, creates=True, trains=True) as (config, run):
        from tinybert_tf.runs.general import general_distill
        from tinybert_tf.training import workers

        general_distill(config, run)
        workers.on_chief(_report, run)


def _report(run) -> None:
    from tinybert_tf.reports import run_page, tables

    tables.print_table(tables.general_table(run.read_results()))
    print(f"report: {run_page.write_report(run)}")
