"""The check that is a command of its own, and with which `run` and others begin."""


def check(config) -> None:
    """Looks at everything that a run needs and prints it, warnings behind.

    Args:
        config: `RunConfig`.

    Raises:
        TinyBertError: if the run cannot be done, with every reason.
    """
    from tinybert_tf.reports import tables
    from tinybert_tf.runs.checking import check_run

    findings = check_run(config)
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
    if not (run.teacher.exists() and run.student.exists()):
        check(config)
