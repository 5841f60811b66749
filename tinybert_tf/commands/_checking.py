"""The check that is a command of its own, and with which `run` and others begin."""


def check(config, trained: str | None = None) -> None:
    """Looks at everything that a run needs and prints it, warnings behind.

    Args:
        config: `RunConfig`.
        trained: str or `None`. The teacher that the run has already.

    Raises:
        TinyBertError: if the run cannot be done, with every reason.
    """
    import keras

    from tinybert_tf.reports import tables
    from tinybert_tf.runs.checking import check_run

    findings = check_run(config, trained)
    # What is made next has the names that it would have without this, and the memory.
    keras.utils.clear_session()
    for table in tables.check_tables(findings, config.data.max_tokens):
        tables.print_table(table)
    for warning in findings.warnings:
        print(f"warning: {warning}", flush=True)
    findings.raise_errors()


def check_begun(config, run) -> None:
    """Does as `check` for a run of which something is to be trained yet.

    Args:
        config: `RunConfig`.
        run: `RunDirectory`.

    Raises:
        TinyBertError: see `check`.
    """
    from tinybert_tf.training import workers

    def check_missing():
        if not (run.teacher.exists() and run.student.exists()):
            check(config, str(run.teacher) if run.teacher.exists() else None)

    workers.on_chief(check_missing)
