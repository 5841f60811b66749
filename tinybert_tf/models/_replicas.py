"""Models under `tf.distribute` strategies of several devices and workers."""

import keras
import tensorflow as tf
from keras import ops


def share_of_mean(loss, y):
    """Makes the mean of a replica its share of the mean over the global batch.

    Keras averages the means of the replicas, in which one with few rows counts like one with
    many.

    Args:
        loss: scalar. A mean over the rows of this replica, divided by the number of replicas.
        y: tensor [batch, ...], or a structure of them. The labels.
    """
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return loss
    own = tf.cast(tf.shape(keras.tree.flatten(y)[0])[0], loss.dtype)
    mean = context.all_reduce(tf.distribute.ReduceOp.MEAN, own)
    return loss * tf.math.divide_no_nan(own, mean)


class OverWorkers:
    """Mixin of `keras.Model`: what Keras's own `fit` fails at under a multi-worker strategy."""

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        """Builds what `compile` was given from the batch of one replica, which tells enough.

        Keras averages the batch over the replicas.
        """
        compiled = (self._compile_loss, self._compile_metrics)
        is_built = all(part is None or part.built for part in compiled)
        if self._distribute_strategy is None or is_built:
            return
        strategy = self.distribute_strategy
        if iterator is not None:
            _, _, batches = next(iter(iterator))
            data_batch = keras.tree.map_structure(
                lambda value: strategy.experimental_local_results(value)[0], next(batches)
            )
        with strategy.scope():
            self._symbolic_build(data_batch=data_batch)

    def get_metrics_result(self):
        """Returns the metrics; from a step as arrays, along which Keras averages."""
        results = super().get_metrics_result()
        several = isinstance(
            self.distribute_strategy, tf.distribute.MultiWorkerMirroredStrategy
        )
        if several and not tf.distribute.in_cross_replica_context():
            return {name: ops.reshape(value, (1,)) for name, value in results.items()}
        return results
