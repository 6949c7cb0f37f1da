"""Which networks can train as replicas, and in which of three ways.

Any network that is a function of its variables and inputs trains as Keras trains it: as many
replicas at a time as there are cores. One that is made of the parts in `ELEMENTWISE` trains all
replicas in one call, compiled by XLA, which is many times faster where layers are small. With those
in `RECURRENT` it is one call, too, without XLA.
What would give something else than `model.fit`, or could not be saved, is refused before training.
"""

import json
import re
import tempfile
import warnings
from itertools import pairwise
from pathlib import Path

import numpy as np

from stages.core.declared.strict_yaml import Wrong
from stages.core.fit.pure import Scope
from stages.core.run.lean_keras import keras
from stages.core.run.lean_keras import tensorflow as tf


def _layers(names):
    return {getattr(keras.layers, name) for name in names.split()}


# Layers that multiply matrices, or work value by value or row by row.
ELEMENTWISE = _layers(
    "Activation ActivityRegularization Add AlphaDropout Average BatchNormalization Concatenate "
    "Dense Dropout ELU Flatten GaussianDropout GaussianNoise Identity InputLayer "
    "LayerNormalization LeakyReLU Maximum Minimum Multiply Normalization PReLU RMSNormalization "
    "ReLU Rescaling Reshape Softmax Subtract UnitNormalization"
)
# Layers with many small steps, each of which takes all replicas; they are not for XLA.
RECURRENT = _layers(
    "Bidirectional Embedding GRU GRUCell GlobalAveragePooling1D GlobalMaxPooling1D LSTM LSTMCell "
    "SimpleRNN SimpleRNNCell"
)
ACROSS_ROWS = _layers("ActivityRegularization BatchNormalization")  # those that mix a batch's rows
INPUTS = keras.Input(())
GRAPHS = {keras.Sequential, type(keras.Model(INPUTS, INPUTS))}  # no class of one's own
# Functions of keras.ops between layers that work value by value.
OPERATIONS = "Absolute Add Divide Exp Multiply Negative Square Sqrt Subtract Tanh"
# What TensorFlow draws random numbers with from a state of the process.
UNSEEDED = re.compile(r"(?!Stateless)\w*(Random|Multinomial|TruncatedNormal)")
# In the config of a network: a class or a function that is not of Keras, the last two of a lambda.
FOREIGN = re.compile(r'"module": (?!"keras)|"registered_name": "[^"]*>|"__lambda__"|"value": \["')
ASSIGNED = (
    "a weight that is trained, and assigned when the layer is called: expected one of both; a "
    "kernel_constraint changes weights after each step"
)


def parts(network) -> tuple[list, list]:
    """All layers of a network, those within others too, and the functions between them."""
    layers = network._flatten_layers()
    graphs = [layer for layer in layers if isinstance(layer, keras.Model)]
    between = [
        operation
        for graph in graphs
        for operation in getattr(graph, "operations", ())
        if not isinstance(operation, keras.Layer)
    ]
    return layers, between


def is_plain(network) -> bool:
    """Whether all is of Keras, functions and regularizers too, and no layer's axis is the rows'."""
    if any(0 in np.ravel(getattr(layer, "axis", ())) for layer in parts(network)[0]):
        return False
    try:
        with warnings.catch_warnings(action="ignore"):  # of lambdas
            config = json.dumps(network.get_config(), default=str)
    except NotImplementedError:  # a layer that cannot be saved
        return False
    return not FOREIGN.search(config)


def is_elementwise(network) -> bool:
    """Whether a network is made of matrix products and of work value by value or row by row."""
    return _is_made_of(network, ELEMENTWISE)


def is_vectorized(network) -> bool:
    """Whether all replicas of a network train in one call."""
    return _is_made_of(network, ELEMENTWISE | RECURRENT)


def _is_made_of(network, kinds):
    layers, between = parts(network)
    return (
        all(type(layer) in kinds | GRAPHS for layer in layers)
        and all(type(operation).__name__ in OPERATIONS.split() for operation in between)
        and is_plain(network)
    )


def looks_across_rows(network) -> bool:
    """Whether what a row adds to a step depends on the others; of an elementwise network."""
    return any(
        type(layer) in ACROSS_ROWS or layer.activity_regularizer is not None
        for layer in parts(network)[0]
    )


def refuse(network, blueprint):
    """Raise Wrong where a network would not train, or could not be saved, as Keras does it."""
    if problem := next(_problems(network, blueprint), None):
        raise Wrong(f"{blueprint.name}: {problem}")


def _problems(network, blueprint):
    """What cannot be done, cheap checks first: each needs that those before it passed."""
    for layer in parts(network)[0]:
        at = f"layer {layer.name} ({type(layer).__name__})"
        if {layer.compute_dtype, layer.variable_dtype} - {"float32", "int32", "int64"}:
            got = layer.dtype_policy.name
            yield f"{at}: expected to compute in float32, got {got}: leave `dtype` out"
        if layer.dtype_policy.quantization_mode:
            yield f"{at}: expected float32 weights, got quantized ones, which do not train"
        if isinstance(layer, keras.layers.Lambda):
            yield (
                f"{at}: a Lambda layer cannot be loaded safely; use functions of keras.ops on the "
                "tensors, or a class of your own with @keras.saving.register_keras_serializable()"
            )
        if isinstance(layer, keras.layers.SpectralNormalization):
            yield f"{at}: {ASSIGNED}"
        if getattr(layer, "stateful", False) and isinstance(layer, keras.layers.RNN):
            yield f"{at}: stateful=True carries states from batch to batch of shuffled rows"
    if getattr(network.outputs[0], "_keras_mask", None) is not None:
        yield "the output carries a mask of rows, which Keras would leave out of the loss"
    if not network.trainable_variables:
        yield "there is no weight to train"
    yield from _misplaced(network, blueprint)
    if found := constants(network):
        others = constants(blueprint.graph(seed=1))
        if len(found) != len(others) or not all(map(np.array_equal, found, others)):
            yield (
                "build draws random numbers that are no weights of the network, such as what a "
                "layer makes of a tensor that does not come of the inputs: expected layers to be "
                "called on the inputs or on what was made of them"
            )
    if not is_vectorized(network):
        yield from _misbehaved(network)
        yield from _unsaved(network)


def _misplaced(network, blueprint):
    """Layers that stand in another way than `fit.api` or sparse words need."""
    layers = network.operations
    taken = {
        layer: [tensor for node in layer._inbound_nodes for tensor in node.input_tensors]
        for layer in layers
    }
    if blueprint.sparse:
        first = [layer for layer in layers for each in taken[layer] if each is network.inputs[0]]
        if len(first) != 1 or type(first[0]) is not keras.layers.Dense:
            yield (
                "expected a Dense layer, and nothing else, to take the inputs: words of the "
                "encoding multi_hot are sparse; or use the encoding sequence"
            )
        elif len(first[0]._inbound_nodes) != 1:
            yield f"layer {first[0].name} takes sparse words: expected one call of it, got several"
        else:
            yield from _not_sparse(first[0])
    chain = all(
        isinstance(layer, keras.Layer)
        and [each is before.output for each in taken[layer]] == [True]
        for before, layer in pairwise(layers)
    )
    if blueprint.sequential and not chain:
        yield "no chain of layers: expected functional as fit.api, got sequential"


def _not_sparse(first):
    """What the layer that takes sparse words cannot have: its kernels lie side by side."""
    if first.activity_regularizer is not None:
        yield f"layer {first.name} takes sparse words: expected no activity_regularizer"
    sums = keras.regularizers.L1, keras.regularizers.L2, keras.regularizers.L1L2
    if type(first.kernel_regularizer) not in (type(None), *sums):
        yield f"layer {first.name} takes sparse words: expected L1, L2 or L1L2 as regularizer"
    if not first.trainable or first.lora_enabled:
        yield f"layer {first.name} takes sparse words: expected a kernel that trains"


def _misbehaved(network):
    """What layers of one's own and functions do when they are called."""
    weights, inputs, scopes = network.trainable_variables, network.inputs[0], []

    def gradients(rows):
        with tf.GradientTape() as tape:
            values = [tf.convert_to_tensor(each.value) for each in weights]
            tape.watch(values)
            with Scope(zip(weights, values, strict=True), collect_losses=True) as scope:
                total = tf.reduce_sum(network(rows, training=True))
            total += sum(map(tf.reduce_sum, scope.losses))
        scopes.append(scope)
        return tape.gradient(total, values)

    row = tf.TensorSpec((None, *inputs.shape[1:]), inputs.dtype)
    traced = tf.function(gradients, autograph=False).get_concrete_function(row)
    for weight, gradient in zip(weights, traced.structured_outputs, strict=True):
        if id(weight) in scopes[0].assigned:
            yield f"{weight.path}: {ASSIGNED}"
        if gradient is None:
            yield f"{weight.path}: the loss does not depend on it; remove it, or trainable=False"
    for node in traced.graph.get_operations():
        if UNSEEDED.match(node.type):
            yield (
                f"{node.name} draws random numbers that no seed settles: use functions of "
                "keras.random with a keras.random.SeedGenerator of the layer"
            )
    known = {id(variable.value) for variable in network.variables}
    for variable in traced.graph.variables:
        if id(variable) not in known:
            got = f"a variable of TensorFlow, {variable.name}"
            yield f"expected weights of layers to come from add_weight, got {got}"
    rows = probe(network)
    together, again, alone = (each[0] for each in predicted(network, rows, rows, rows[:1]))
    if not np.array_equal(together, again, equal_nan=True):
        yield "what it predicts for a row is something else each time"
    if not np.allclose(together, alone, rtol=1e-3, atol=1e-5, equal_nan=True):
        yield "what it predicts for a row depends on the other rows of a batch"


def probe(network) -> np.ndarray:
    """Three rows to try a network on."""
    inputs = network.inputs[0]
    return np.random.default_rng(0).integers(0, 2, (3, *inputs.shape[1:])).astype(inputs.dtype)


def predicted(network, *rows) -> list[np.ndarray]:
    """What a network predicts for rows, one array after the other; no variable is changed."""
    with keras.StatelessScope():
        return [network(each, training=False).numpy() for each in rows]


def _unsaved(network):
    """Why a network could not be saved and loaded again, if so."""
    how = (
        "expected each class to be @keras.saving.register_keras_serializable() with a get_config "
        "that gives the arguments of __init__"
    )
    try:
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(action="ignore"):
            bare = keras.models.clone_model(network)
            bare.set_weights(network.get_weights())
            bare.save(path := Path(folder) / "network.keras")
            loaded = keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # layers of one's own fail in any way
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        yield f"the network cannot be saved and loaded again: {reason}; {how}"
        return
    before, after = network.get_weights(), loaded.get_weights()
    if len(before) != len(after) or not all(map(np.array_equal, before, after)):
        yield f"the network has other weights when it is saved and loaded again; {how}"
    rows = probe(network)
    (expected,), (got,) = predicted(network, rows), predicted(loaded, rows)
    if not np.allclose(expected, got, equal_nan=True):
        yield f"the network predicts something else when it is saved and loaded again; {how}"


def constants(network) -> list[np.ndarray]:
    """The tensors that stand in the graph of a network, which are no weights."""
    layers, between = parts(network)
    return [
        np.asarray(value)
        for operation in [*layers, *between]
        for node in operation._inbound_nodes
        for value in keras.tree.flatten((node.arguments.args, node.arguments.kwargs))
        if isinstance(value, tf.Tensor | np.ndarray)
    ]
