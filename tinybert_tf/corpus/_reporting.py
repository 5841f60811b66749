"""Progress and totals of a corpus in the making."""

import contextlib
import threading
from collections.abc import Iterator

from rich import progress
from rich.console import Console
from rich.table import Table

from tinybert_tf.corpus.options import Manifest

_SECONDS = 1.0


@contextlib.contextmanager
def progress_bar(corpus) -> Iterator[None]:
    """Shows how much text of a `Corpus` is done, and the time left.

    It looks at what is in the corpus' directory, so it does not matter who works on it.
    """
    columns = (
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.DownloadColumn(),
        progress.TransferSpeedColumn(),
        progress.TimeRemainingColumn(),
    )
    ended = threading.Event()
    with progress.Progress(*columns, speed_estimate_period=600) as bar:
        total = corpus.total_bytes()
        row = bar.add_task("corpus", total=total, completed=corpus.finished_bytes())

        def look():
            while not ended.wait(_SECONDS):
                bar.update(row, completed=corpus.finished_bytes())

        looking = threading.Thread(target=look)
        looking.start()
        try:
            yield
        finally:
            ended.set()
            looking.join()
        bar.update(row, completed=corpus.finished_bytes())


def print_corpus(directory: str, manifest: Manifest) -> None:
    """Prints what a finished corpus holds."""
    counts = manifest.counts
    table = Table(
        "",
        "shards",
        "sequences",
        "tokens",
        "fill",
        title=directory,
        caption=f"{counts.documents:,} documents, {counts.paragraphs:,} paragraphs, "
        f"{counts.text_bytes / 1e6:,.1f} MB of text. Fill: tokens by those of full sequences.",
    )
    for column in table.columns[1:]:
        column.justify = "right"
    for split, totals in manifest.totals.items():
        table.add_row(
            split,
            f"{totals.shards:,}",
            f"{totals.sequences:,}",
            f"{totals.tokens:,}",
            f"{totals.fill:.1%}",
        )
    Console().print(table)
