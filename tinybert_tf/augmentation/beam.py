"""The augmentation as an Apache Beam pipeline."""

from collections.abc import Sequence

import apache_beam
from apache_beam.options.pipeline_options import PipelineOptions

from tinybert_tf.augmentation.pipeline import AugmentationJob, ShardWorker


class _WriteShard(apache_beam.DoFn):
    """Writes the shard of a number; a worker loads examples and models once."""

    def __init__(self, job: AugmentationJob):
        self._job = job

    def setup(self):
        self._worker = ShardWorker(self._job, self._job.read_examples())

    def process(self, element):
        self._worker.write(element)


def run_on_beam(job: AugmentationJob, numbers: Sequence[int], options: Sequence[str]) -> None:
    """Writes shards on the workers of a Beam runner.

    Args:
        job: `AugmentationJob`.
        numbers: sequence of int. The shards to write.
        options: sequence of str. Pipeline options, such as `--runner=FlinkRunner`.
    """
    with apache_beam.Pipeline(options=PipelineOptions(list(options))) as pipeline:
        _ = (
            pipeline
            | "Shards" >> apache_beam.Create(list(numbers))
            | "Spread" >> apache_beam.Reshuffle()
            | "Augment" >> apache_beam.ParDo(_WriteShard(job))
        )
