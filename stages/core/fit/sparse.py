"""Sparse rows (text) on their way into the networks; they are never made dense.

Such rows are dear to gather, so the replicas of one stream train together: what they take in a step is mostly the same
rows, and each of these is gathered and multiplied once. The first Dense layer of all replicas is one sparse product,
(rows, words) times (words, replicas x units), and its gradient is the transposed product. The networks are cut behind
that layer: here are its kernels, its biases and its activation.
"""

from functools import reduce

import numpy as np
import scipy.sparse as sp

from stages.core.fit import streams
from stages.core.fit.learned import Learned
from stages.core.run.lean_keras import keras
from stages.core.run.lean_keras import tensorflow as tf


class SparseRows:
    """In place of `program.DenseRows`, with the same methods.

    Weights come in the order of `model.trainable_variables`: first the kernels of the first layer, then its biases.
    """

    by_stream = True
    xla = False  # it makes the sparse product slower

    def __init__(self, model, matrix):
        self.first = next(layer for layer in model.layers if layer.variables)
        self.network = _behind(self.first, model)
        matrix = sp.csr_matrix(matrix)
        matrix.sum_duplicates()  # TensorFlow takes each row's words in ascending order, each once
        place = np.arange(matrix.nnz) - np.repeat(matrix.indptr[:-1], np.diff(matrix.indptr))
        shift = np.zeros((matrix.nnz, 2), "int64")  # from (row, place in the row) to (row, word)
        shift[:, 1] = matrix.indices - place
        self.words = matrix.shape[1]
        self.splits, self.shift = tf.constant(matrix.indptr.astype("int64")), tf.constant(shift)
        ones = (matrix.data == 1).all()
        self.values = None if ones else tf.constant(matrix.data.astype("float32"))

    def batches(self, rows):
        """Each step's different rows, which are gathered once, and where each replica's are among them."""
        return streams.union(rows)

    def stack(self, variable, values):
        """The first kernels side by side, (words, replicas x units); others as (replicas, ...)."""
        return np.concatenate(values, 1) if variable is self.first.kernel else np.stack(values)

    def split(self, variable, stacked):
        """The values of each replica, of what `stack` gave."""
        if variable is not self.first.kernel:
            return list(stacked)
        return np.split(stacked, stacked.shape[1] // self.first.units, axis=1)

    def stack_learned(self, learned):
        """Factors of all replicas in the shape of the kernels: words are weighted there, not in the rows."""
        if learned[0].factor is None:
            return Learned()
        factors = np.stack([each.factor for each in learned], axis=1)
        return Learned(factor=tf.constant(np.repeat(factors, self.first.units, axis=1)))

    def inputs(self, batch, weights, learned):
        """The first layer's output for each replica's rows of a batch: (replicas, width, units)."""
        different, place = batch
        columns = _product(self._matrix(different), _weighted(weights[0], learned))
        columns = tf.reshape(columns, (-1, place.shape[0], self.first.units))
        hidden = tf.gather(tf.transpose(columns, (1, 0, 2)), place, batch_dims=1)
        return self._activated(hidden, weights)

    def held_out_inputs(self, rows, weights, learned):
        """The same for rows of which each belongs to one replica: (replicas, width) -> (replicas, width, units)."""
        kernels = tf.split(_weighted(weights[0], learned), rows.shape[0], axis=1)
        matrices = map(self._matrix, tf.unstack(rows))
        hidden = tf.stack(list(map(_product, matrices, kernels)))
        hidden = tf.ensure_shape(hidden, (rows.shape[0], None, self.first.units))
        return self._activated(hidden, weights)

    def _activated(self, hidden, weights):
        return self.first.activation(
            hidden + weights[1][:, None] if self.first.use_bias else hidden
        )

    def _matrix(self, rows):
        """The rows with these numbers as TensorFlow's sparse matrix: (rows, words)."""
        (splits,), shift = self._gather(self.shift, rows)
        if self.values is None:
            values = tf.ones(tf.shape(shift)[:1])
        else:
            _, values = self._gather(self.values, rows)
        ragged = tf.raw_ops.RaggedTensorToSparse(rt_nested_splits=[splits], rt_dense_values=values)
        return tf.raw_ops.SparseTensorToCSRSparseMatrix(
            indices=ragged.sparse_indices + shift,
            values=values,
            dense_shape=tf.stack([tf.size(rows, tf.int64), self.words]),
        )

    def _gather(self, values, rows):
        return tf.raw_ops.RaggedGather(
            params_nested_splits=[self.splits],
            params_dense_values=values,
            indices=rows,
            OUTPUT_RAGGED_RANK=1,
        )


def _behind(first, model):
    """The network that takes the output of this layer of the model."""
    identity = keras.layers.Identity()  # for a network whose first layer is its last
    if not isinstance(model, keras.Sequential):
        return keras.Model(first.output, identity(model.outputs[0]))
    hidden = keras.Input((first.units,))  # its layers may have outputs of earlier calls
    layers = model.layers[model.layers.index(first) + 1 :]
    return keras.Model(
        hidden, reduce(lambda tensor, layer: layer(tensor), layers, identity(hidden))
    )


def _weighted(kernel, learned):
    return kernel if learned.factor is None else kernel * learned.factor


def _product(sparse, kernel):
    """Sparse (rows, words) times kernel (words, columns), with the transposed product as its gradient."""

    @tf.custom_gradient
    def multiply(kernel):
        def gradient(upstream):
            transposed = tf.raw_ops.SparseMatrixTranspose(input=sparse, type=tf.float32)
            return tf.raw_ops.SparseMatrixMatMul(a=transposed, b=upstream)

        return tf.raw_ops.SparseMatrixMatMul(a=sparse, b=kernel), gradient

    return multiply(kernel)
