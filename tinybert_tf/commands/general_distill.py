"""The command `general-distill`."""

from tinybert_tf.commands._configured import add_arguments, open_run

__all__ = ["HELP", "add_arguments", "execute"]

HELP = "make a student for any task, from a corpus"


def execute(arguments) -> None:
    """Distils the teacher without a task, and writes the report."""
    with open_run(arguments, purpose="a general student", creates=True) as (config, run):
        from tinybert_tf.reports import run_page, tables
        from tinybert_tf.runs.general import general_distill

        general_distill(config, run)
        tables.print_table(tables.general_table(run.read_results()))
        print(f"report: {run_page.write_report(run)}")
