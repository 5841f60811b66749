"""`fit`, `evaluate` and `predict` of a model on text, as KerasHub's tasks take it."""

import keras
import numpy as np
import tensorflow as tf

from tinybert_tf.errors import TinyBertError


class TextInputs:
    """Mixin of a `keras.Model` over encoder inputs: text is encoded by its preprocessor.

    Text is a list of str, an array or tensor of strings, a pandas Series, a tuple of two of
    these (or a data frame of two columns) for pairs, or a batched `tf.data.Dataset` of them
    with labels. Whatever else comes is left to Keras.

    A subclass has a property `preprocessor`: a `BertPreprocessor`, or `None` if it has none.
    """

    def fit(self, x=None, y=None, *args, sample_weight=None, validation_data=None, **kwargs):
        """Trains; see `keras.Model.fit`, whose arguments are taken by keyword beyond `y`.

        Raises:
            TinyBertError: if text comes without a preprocessor, a dataset is not batched, or
                a callback would save the whole model.
        """
        if args:
            raise TinyBertError(
                "fit() takes x and y by position; name the other arguments, as in epochs=3."
            )
        for callback in keras.tree.flatten(kwargs.get("callbacks") or []):
            if isinstance(callback, keras.callbacks.ModelCheckpoint):
                _check_checkpoint(callback)
        if isinstance(validation_data, tuple):
            features, *rest = validation_data
            validation_data = (self._encode(features), *map(_as_array, rest))
        elif validation_data is not None:
            validation_data = self._encode(validation_data)
        return super().fit(
            self._encode(x),
            _as_array(y),
            sample_weight=_as_array(sample_weight),
            validation_data=validation_data,
            **kwargs,
        )

    def evaluate(self, x=None, y=None, *args, **kwargs):
        """Measures; see `keras.Model.evaluate`."""
        return super().evaluate(self._encode(x), _as_array(y), *args, **kwargs)

    def predict(self, x, *args, **kwargs):
        """Predicts; see `keras.Model.predict`."""
        return super().predict(self._encode(x), *args, **kwargs)

    def save(self, filepath, **kwargs):
        """Refuses: before Keras has opened the file."""
        raise _not_saved(f"save('{filepath}')")

    def get_config(self):
        raise _not_saved(type(self).__name__)

    def _encode(self, x):
        """Returns encoder inputs for text, anything else as it is."""
        if isinstance(x, tf.data.Dataset):
            return self._encode_dataset(x)
        if getattr(x, "ndim", None) == 2 and hasattr(x, "columns"):
            x = tuple(x[name] for name in x.columns)
            x = x if len(x) > 1 else x[0]
        fields = x if isinstance(x, tuple) else (x,)
        fields = [_as_array(field) for field in fields]
        if not all(map(_is_text, fields)):
            return x
        encoded = self._preprocessor()(fields[0] if len(fields) == 1 else tuple(fields))
        return {name: keras.ops.convert_to_numpy(value) for name, value in encoded.items()}

    def _encode_dataset(self, dataset: tf.data.Dataset) -> tf.data.Dataset:
        spec = dataset.element_spec
        features = spec[0] if isinstance(spec, tuple) and not _is_pair(spec) else spec
        fields = tf.nest.flatten(features)
        if any(field.dtype != tf.string for field in fields):
            return dataset
        if any(field.shape.rank == 0 for field in fields):
            raise TinyBertError("The dataset yields single texts. Batch it: dataset.batch(32).")
        preprocessor = self._preprocessor()
        if features is spec:
            dataset = dataset.map(lambda *texts: preprocessor(_unpacked(texts)))
        else:
            dataset = dataset.map(lambda x, *rest: preprocessor(x, *rest))
        return dataset.prefetch(tf.data.AUTOTUNE)

    def _preprocessor(self):
        if self.preprocessor is None:
            raise TinyBertError(
                "Text was given, but neither student nor teacher has a preprocessor. Set "
                "student.preprocessor to a BertPreprocessor of their vocabulary, or give "
                "token_ids, segment_ids and padding_mask."
            )
        return self.preprocessor


def _is_pair(spec: tuple) -> bool:
    """Tells whether elements of a dataset are pairs of texts without labels."""
    return len(spec) == 2 and all(
        isinstance(field, tf.TensorSpec) and field.dtype == tf.string for field in spec
    )


def _unpacked(texts: tuple):
    return texts[0] if len(texts) == 1 else texts


def _as_array(values):
    """Returns a list or a pandas Series as an array, anything else as it is."""
    if isinstance(values, list) or (hasattr(values, "to_numpy") and values.ndim == 1):
        return np.asarray(values)
    return values


def _is_text(field) -> bool:
    if isinstance(field, np.ndarray):
        is_object = field.dtype == object and field.size > 0
        return field.dtype.kind in "US" or (is_object and isinstance(field.flat[0], str))
    return isinstance(field, tf.Tensor) and field.dtype == tf.string


def _check_checkpoint(callback: keras.callbacks.ModelCheckpoint) -> None:
    """Raises TinyBertError before an epoch is trained, not when it is to be saved."""
    if not callback.save_weights_only:
        raise _not_saved(f"ModelCheckpoint('{callback.filepath}')")


def _not_saved(what: str) -> TinyBertError:
    return TinyBertError(
        f"{what}: a distiller is not saved whole, because its teacher is none of its weights. "
        "ModelCheckpoint('x.weights.h5', save_weights_only=True) keeps student, projections "
        "and optimizer; distiller.student.save('student.keras') or save_to_preset the student."
    )
