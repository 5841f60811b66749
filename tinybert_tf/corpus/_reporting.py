"""Progress and totals of a corpus in the making."""

import contextlib
import threading
from collections.abc import Iterator

from rich.console import Console
from rich.progress import DownloadColumn, TransferSpeedColumn
from rich.table import Table

from tinybert_tf.corpus.options import Manifest
from tinybert_tf.waiting import Waiting

_SECONDS = 1.0


@contextlib.contextmanager
def progress_bar(corpus) -> Iterator[None]:
    """Shows how much text of a `Corpus` is done, and the time left.

    It looks at what is in the corpus' directory, so it does not matter who works on it.
    """
    ended = threading.Event()
    with _CorpusProgress(corpus) as progress:

        def look():
            while not ended.wait(_SECONDS):
                progress.move(corpus.finished_bytes())

        looking = threading.Thread(target=look)
        looking.start()
        try:
            yield
        finally:
            ended.set()
            looking.join()
        progress.move(corpus.finished_bytes())


class _CorpusProgress(Waiting):
    def __init__(self, corpus):
        columns = (DownloadColumn(), TransferSpeedColumn())
        super().__init__("corpus", corpus.total_bytes(), corpus.finished_bytes(), columns)

    def line(self, speed: float) -> str:
        """How much text is done, and how much a second."""
        done, total = self.done / 1e6, self.total / 1e6
        return f"corpus: {done:,.1f} of {total:,.1f} MB, {speed / 1e6:,.2f} MB/s"


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
