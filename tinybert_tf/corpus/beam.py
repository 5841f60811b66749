"""The same pipeline on Apache Beam: here, or on Flink, Spark or Dataflow."""

import apache_beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners import create_runner

from tinybert_tf.corpus.pipeline import Corpus, PartWriter, Task
from tinybert_tf.errors import TinyBertError

DIRECT = "direct"


class _WriteShards(apache_beam.DoFn):
    def __init__(self, writer_arguments: dict):
        self._writer_arguments = writer_arguments

    def setup(self):
        self._writer = PartWriter(**self._writer_arguments)

    def process(self, task: Task):
        self._writer.write(task)


def run_on_beam(corpus: Corpus, runner: str, options: list[str]) -> None:
    """Does what is to be done on a runner of Beam.

    No data goes from one worker to another: each reads its parts of the inputs and writes their
    shards, in file systems that all of them see.

    Args:
        corpus: `Corpus`.
        runner: str. The name of a runner, or `"direct"`: Beam's own, in this process.
        options: list of str. Flags of Beam and of the runner.

    Raises:
        TinyBertError: if Beam has no such runner.
    """
    # Not DirectRunner: that looks on the network for a server to run before it does the same.
    name = "FnApiRunner" if runner == DIRECT else runner
    try:
        made = create_runner(name)
    except (ValueError, ImportError, AttributeError) as error:
        raise TinyBertError(f"--runner {runner}: {error}") from error
    with apache_beam.Pipeline(runner=made, options=PipelineOptions(options)) as pipeline:
        _ = (
            pipeline
            | "Parts" >> apache_beam.Create(corpus.open_tasks())
            # Without it, a runner may give all the parts to one worker.
            | "Spread" >> apache_beam.Reshuffle()
            | "WriteShards" >> apache_beam.ParDo(_WriteShards(corpus.writer_arguments()))
        )
