"""Writers at work on Apache Beam: in this process, or on Flink, Spark or Dataflow."""

from collections.abc import Callable, Sequence

import apache_beam
from apache_beam.options.pipeline_options import PipelineOptions

from tinybert_tf.errors import TinyBertError


class _Write(apache_beam.DoFn):
    """Gives elements to a writer; a worker makes it, and what it loads, once."""

    def __init__(self, make_writer: Callable):
        self._make_writer = make_writer

    def setup(self):
        self._writer = self._make_writer()

    def process(self, element):
        self._writer.write(element)


def write_on_beam(make_writer: Callable, elements: Sequence, options: Sequence[str]) -> None:
    """Has every element written by a worker of a Beam runner.

    No data goes from one worker to another: each reads and writes in file systems that all of
    them see.

    Args:
        make_writer: function that returns an object with `write`, of one element. Picklable.
        elements: sequence. What is to be written.
        options: sequence of str. Pipeline options, such as `--runner=FlinkRunner`; without a
            runner, Beam's in this process.

    Raises:
        TinyBertError: if Beam does not take the options.
    """
    if not any(option.startswith("--runner") for option in options):
        # Beam would take DirectRunner, which looks on the network for a server to run before it
        # does the same.
        options = [*options, "--runner=FnApiRunner"]
    try:
        pipeline = apache_beam.Pipeline(options=PipelineOptions(list(options)))
    except (ValueError, ImportError, AttributeError) as error:
        raise TinyBertError(
            f"Apache Beam does not take the options {' '.join(options)}: {error}"
        ) from error
    with pipeline:
        _ = (
            pipeline
            | "Elements" >> apache_beam.Create(list(elements))
            # Without it, a runner may give all of them to one worker.
            | "Spread" >> apache_beam.Reshuffle()
            | "Write" >> apache_beam.ParDo(_Write(make_writer))
        )
