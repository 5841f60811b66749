"""Models under `tf.distribute` strategies of several workers."""

import keras
import tensorflow as tf
from keras import ops


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
