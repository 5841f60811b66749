"""Data augmentation by masked language model and word vectors."""

from tinybert_tf.augmentation.augmenter import (
    AugmentationOptions,
    Augmenter,
    Statistics,
    default_copies,
)
from tinybert_tf.augmentation.shards import read_augmented
from tinybert_tf.augmentation.word_vectors import WordVectors, read_word_vectors
from tinybert_tf.augmentation.writing import AugmentationJob, write_augmented

__all__ = [
    "AugmentationJob",
    "AugmentationOptions",
    "Augmenter",
    "Statistics",
    "WordVectors",
    "default_copies",
    "read_augmented",
    "read_word_vectors",
    "write_augmented",
]
