"""Sparse rows (text) on their way into the networks; they are never made dense.

Such rows are expensive to gather, so the replicas of one stream train together: what they take in a
step is mostly the same rows, and each of these is gathered and multiplied once. The first Dense
layer of all replicas is a sparse product, (rows, words) times (words, replicas x units); its
gradient is the transposed product. The networks are cut behind the product, which is done here.
"""

from functools import reduce

import numpy as np
import scipy.sparse as sp

from stages.core.fit.learned import Learned
from stages.core.run.lean_keras import handle_data_util, keras
from stages.core.run.lean_keras import tensorflow as tf

FLOATS = handle_data_util.create_handle_data(tf.TensorShape((None, None)), tf.float32)


class SparseRows:
    """In place of `program.DenseRows`, with the same methods; `kernel` is the first layer's."""

    def __init__(self, model, matrix):
        self.first = next(layer for layer in model.layers if isinstance(layer, keras.layers.Dense))
        self.call, self.kernel = _Behind(self.first, model), self.first.kernel
        matrix = sp.csr_matrix(matrix)
        matrix.sum_duplicates()  # TensorFlow takes each row's words in ascending order, each once
        place = np.arange(matrix.nnz) - np.repeat(matrix.indptr[:-1], np.diff(matrix.indptr))
        shift = np.zeros((matrix.nnz, 2), "int64")  # from (row, place in the row) to (row, word)
        shift[:, 1] = matrix.indices - place
        self.words, splits = matrix.shape[1], matrix.indptr.astype("int64")
        self.shift = tf.RaggedTensor.from_row_splits(shift, splits)
        self.values = self.shift.with_values(matrix.data.astype("float32"))
        numbers = [tf.TensorSpec([None], tf.int32)]
        self.matrix = tf.function(self._matrix, input_signature=numbers, autograph=False)
        self.kept = None  # held-out rows, and their matrices

    def batches(self, rows):
        """The different rows of each step, and the place of each replica's rows among them.

        The former, (steps, most), are padded to a multiple of 16, so that most epochs have the same
        shape and share what is compiled. The places have the shape of rows. Both are int32.
        """
        pairs = [np.unique(step, return_inverse=True) for step in rows]
        most = -(-max(len(different) for different, _ in pairs) // 16) * 16
        padded = [np.pad(each, (0, most - len(each)), mode="edge") for each, _ in pairs]
        places = [place.reshape(rows.shape[1:]) for _, place in pairs]
        return np.stack(padded).astype("int32"), np.stack(places).astype("int32")

    def stack_learned(self, learned):
        """Factors in the shape of the kernels: words are weighted there, not in the rows."""
        if learned[0].factor is None:
            return Learned()
        factors = np.stack([each.factor for each in learned], axis=1)
        return Learned(factor=tf.constant(np.repeat(factors, self.first.units, axis=1)))

    def inputs(self, batch, kernel, learned):
        """The product of each replica's rows of a batch: (replicas, width, units); and a function
        that makes the gradient of the kernel of that of the product.
        """
        different, place = batch
        matrix = self._matrix(different)
        columns = _product(matrix, _weighted(kernel, learned))
        with tf.GradientTape() as tape:
            tape.watch(columns)
            apart = tf.reshape(columns, (-1, place.shape[0], self.first.units))
            inputs = tf.gather(tf.transpose(apart, (1, 0, 2)), place, batch_dims=1)

        # By hand: TensorFlow would make the gradient of the matrix too, and what is given to
        # `tf.custom_gradient` it keeps for ever, with the graph and the rows.
        def pull(upstream):
            transposed = tf.raw_ops.SparseMatrixTranspose(input=matrix, type=tf.float32)
            gradient = _product(transposed, tape.gradient(inputs, columns, upstream))
            return _weighted(gradient, learned)

        return inputs, pull

    def held_out(self, rows):
        """The matrix of each replica's rows. It is kept: other epochs and seeds have the same, and
        so have replicas of a fold.
        """
        if self.kept is None or not np.array_equal(self.kept[0], rows):
            different, places = np.unique(rows, axis=0, return_inverse=True)
            matrices = [self.matrix(each) for each in tf.constant(different)]
            self.kept = rows, [matrices[place] for place in places.ravel()]
        return self.kept[1]

    def held_out_inputs(self, held_out, kernel, learned):
        """The same for rows that the replicas do not share: each times its replica's kernel."""
        kernels = tf.split(_weighted(kernel, learned), len(held_out), axis=1)
        for matrix in held_out:  # an argument of a function, whose type does not say what it holds
            handle_data_util.set_handle_data(matrix, FLOATS)
        product = tf.stack(list(map(_product, held_out, kernels)))
        return tf.ensure_shape(product, (len(held_out), None, self.first.units))

    def penalty(self, kernel, factors):
        """Penalties on the kernels of all replicas: sums over weights, so one call will do.

        factors: {name of a number of its regularizer: (columns,)}.
        """
        measure = {"l1": tf.abs, "l2": tf.square}
        terms = (measure[name](kernel) * factor for name, factor in factors.items())
        return sum(map(tf.reduce_sum, terms), tf.zeros(()))

    def _matrix(self, rows):
        """The rows with these numbers as TensorFlow's sparse matrix: (rows, words)."""
        shift, values = tf.gather(self.shift, rows), tf.gather(self.values, rows)
        return tf.raw_ops.SparseTensorToCSRSparseMatrix(
            indices=values.to_sparse().indices + shift.values,
            values=values.values,
            dense_shape=tf.stack([tf.size(rows, tf.int64), self.words]),
        )


class _Behind:
    """What a model makes of the product of its first layer."""

    def __init__(self, first, model):
        self.first = first
        identity = keras.layers.Identity()  # for a network whose first layer is its last
        if isinstance(model, keras.Sequential):  # its layers may have outputs of earlier calls
            hidden = keras.Input((first.units,))
            layers = model.layers[model.layers.index(first) + 1 :]
            outputs = reduce(lambda tensor, layer: layer(tensor), layers, identity(hidden))
            self.network = keras.Model(hidden, outputs)
        else:
            self.network = keras.Model(first.output, identity(model.outputs[0]))

    def __call__(self, product, training):
        if self.first.use_bias:
            product = keras.ops.add(product, self.first.bias)
        return self.network(self.first.activation(product), training=training)


def _weighted(kernel, learned):
    kernel = tf.convert_to_tensor(kernel)
    return kernel if learned.factor is None else kernel * learned.factor


def _product(sparse, kernel):
    """Sparse (rows, words) times kernel (words, columns)."""
    return tf.raw_ops.SparseMatrixMatMul(a=sparse, b=kernel)
