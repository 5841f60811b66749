"""Labelled texts from TensorFlow Datasets."""

import os
from collections.abc import Iterator

import numpy as np

from tinybert_tf.data.examples import Examples, Row, find_columns, to_examples
from tinybert_tf.data.glue import MAX_UNUSABLE_SHARE, check_same_labels
from tinybert_tf.data.tasks import Task
from tinybert_tf.errors import TinyBertError, nearest_name


def read_tfds(
    task: Task, name: str, split: str, data_dir: str | os.PathLike | None = None
) -> Examples:
    """Reads a split from TensorFlow Datasets, downloading it at the first use.

    Args:
        task: Task. Its fields are features of the data set; its labels are matched with the
            names of the set's `ClassLabel`, whatever their order there.
        name: str. The data set, as "glue/sst2".
        split: str. The split or slice, as "train", "validation" or "train[:10%]".
        data_dir: str or path. Where prepared data sets are kept; None means the default of
            TensorFlow Datasets.

    Raises:
        TinyBertError: if there is no such data set or split, it cannot be prepared, its
            features or label names are not the task's, more than one example in a thousand
            has an empty text, or any has no usable label.
    """
    # Imported here: it takes long, and the other readers do without TensorFlow.
    import tensorflow_datasets as tfds

    source = f"TFDS data set {name!r}"
    builder = tfds_builder(tfds, name, data_dir)
    features = builder.info.features
    find_columns(source, tuple(features), (*task.text_fields, task.label_field))
    for field in task.text_fields:
        if tfds_scalar_dtype(features[field]) != np.object_:
            raise TinyBertError(
                f"{source}: feature '{field}' is {features[field]}, not a text."
            )
    names = _tfds_label_names(tfds, task, source, features[task.label_field])
    prepare_tfds(builder, source, split)
    rows = _tfds_rows(tfds, task, builder.as_dataset(split=split), names)
    return to_examples(task, f"{source} ({split}), example", rows, MAX_UNUSABLE_SHARE)


def tfds_builder(tfds, name: str, data_dir: str | os.PathLike | None):
    """Returns the builder of a data set, or raises a `TinyBertError`."""
    try:
        return tfds.builder(name, data_dir=data_dir)
    except tfds.core.DatasetNotFoundError as error:
        # TFDS prints all of its thousand names here.
        hint = nearest_name(name.split("/")[0].split(":")[0], tfds.list_builders())
        raise TinyBertError(
            f"There is no TFDS data set {name!r}.{hint} Import the module of a builder of your "
            "own first, or read a file with read_table."
        ) from error
    except (ImportError, OSError, ValueError) as error:
        raise TinyBertError(f"TFDS cannot open the data set {name!r}: {error}") from error


def tfds_scalar_dtype(feature) -> type:
    """Returns the NumPy type of a feature (text is `object`), `NoneType` if it is no scalar."""
    info = feature.get_tensor_info()
    # A nested feature answers with a dictionary.
    return info.np_dtype if getattr(info, "shape", None) == () else type(None)


def _tfds_label_names(tfds, task: Task, source: str, feature) -> tuple[str, ...] | None:
    """Returns the names the label feature counts, or None for a score."""
    names = tuple(feature.names) if isinstance(feature, tfds.features.ClassLabel) else None
    if names is None and not np.issubdtype(tfds_scalar_dtype(feature), np.floating):
        raise TinyBertError(
            f"{source}: feature '{task.label_field}' is {feature}, expected a ClassLabel or a "
            "floating point score. Write the set to a file and read it with read_table."
        )
    check_same_labels(task, names, source)
    return names


def prepare_tfds(builder, source: str, split: str) -> None:
    """Downloads and prepares a data set unless it is, and checks that it has the split."""
    try:
        builder.download_and_prepare()
    except ImportError as error:
        raise TinyBertError(
            f"{source} cannot be prepared: {error}. Install the package {error.name!r}."
        ) from error
    except (OSError, ValueError) as error:
        raise TinyBertError(
            f"{source} cannot be downloaded and prepared: {error}. Check the network, or give "
            "the data_dir of a prepared copy."
        ) from error
    try:
        _ = builder.info.splits[split]
    except (KeyError, ValueError) as error:
        known = ", ".join(builder.info.splits)
        raise TinyBertError(
            f"{source} has no split {split!r}. Known: {known}, and slices of them."
            f"{nearest_name(split, builder.info.splits)}"
        ) from error


def _tfds_rows(tfds, task: Task, dataset, names: tuple[str, ...] | None) -> Iterator[Row]:
    fields = (*task.text_fields, task.label_field)
    # Only the fields needed: others may be ragged, and would not form batches.
    dataset = dataset.map(lambda example: {field: example[field] for field in fields})
    number = 0
    # In batches, because the step from TensorFlow to Python costs more than the example.
    for batch in tfds.as_numpy(dataset.batch(1024)):
        *columns, labels = (batch[field] for field in fields)
        for *texts, label in zip(*columns, labels, strict=True):
            cell = str(label) if names is None else names[label] if label >= 0 else ""
            try:
                yield number, (*(text.decode("utf-8") for text in texts), cell), ""
            except UnicodeDecodeError as error:
                yield number, (), f"its text is not UTF-8 ({error.reason})"
            number += 1
