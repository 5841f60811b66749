"""Plain text to shards of token ids, and batches of them."""

from tinybert_tf.corpus.batches import CorpusBatches
from tinybert_tf.corpus.options import CorpusOptions, Manifest

__all__ = ["CorpusBatches", "CorpusOptions", "Manifest"]
