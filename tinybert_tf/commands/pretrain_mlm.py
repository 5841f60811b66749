"""The command `pretrain-mlm`."""

from tinybert_tf.commands._configured import add_arguments, open_run

__all__ = ["HELP", "add_arguments", "execute"]

HELP = "make a masked LM of an encoder, from a corpus"


def execute(arguments) -> None:
    """Trains it and prints its scores."""
    purpose = "a masked LM"
    with open_run(arguments, purpose=purpose, creates=True, trains=True) as (config, run):
        from tinybert_tf.reports import tables
        from tinybert_tf.runs.masked_lm import pretrain_masked_lm

        pretrain_masked_lm(config, run)
        tables.print_table(tables.masked_lm_table(run.read_results()))
