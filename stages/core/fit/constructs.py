"""Which networks can train as replicas, and in which of three ways.

Any network that is a function of its variables and inputs trains as Keras trains it: as many
replicas at a time as there are cores. One that is made of the parts in `ELEMENTWISE` trains all
replicas in one call, compiled by XLA, which is many times faster where layers are small. With those
in `RECURRENT` it is one call, too, without XLA.
"""

import json
import re
import warnings
from itertools import chain, pairwise

import numpy as np

from stages.core.run.lean_keras import keras


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
# In the config of a network: a class or a function that is not of Keras, the last two of a lambda.
FOREIGN = re.compile(r'"module": (?!"keras)|"registered_name": "[^"]*>|"__lambda__"|"value": \["')

# There too: the name of a layer, and of one whose output is taken.
NAMED = re.compile(r'(?<="name": )"[^"]*"|(?<=\[)"[^"]*"(?=, \d+, \d+\])')


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
    axes = [getattr(layer, "axis", None) for layer in parts(network)[0]]
    axes = np.hstack([-1, *(axis for axis in axes if axis is not None)])
    if ((axes == 0) | (axes < -1)).any():
        return False
    try:
        return not FOREIGN.search(config_of(network))
    except Exception:  # parts of one's own fail in any way
        return False


def config_of(network) -> str:
    """The config of a network as text, the same for equal networks.

    Its wiring stands there by names of layers, which Keras numbers over the whole process. Here a
    name is the place in the network.
    """
    with warnings.catch_warnings(action="ignore"):  # of lambdas
        config = network.get_config()
    text = json.dumps(config, default=lambda part: type(part).__name__)
    names = {f'"{part.name}"': f'"part {n}"' for n, part in enumerate(chain(*parts(network)))}
    text = NAMED.sub(lambda name: names.get(name[0], name[0]), text)
    return re.sub(r"_\d+", "", text)  # of what else Keras counts, such as tensors


def is_chain(network) -> bool:
    """Whether each layer takes what the one before it gives, and nothing else."""
    layers = network.operations
    return all(
        isinstance(layer, keras.Layer)
        and [each is before.output for each in inputs_of(layer)] == [True]
        and not _options(layer)
        for before, layer in pairwise(layers)
    )


def _options(layer) -> list[str]:
    """Names of the arguments, beside its input, with which a layer is called."""
    given = layer._inbound_nodes[0].arguments.kwargs.items()
    return [key for key, value in given if value is not None and key not in ("training", "mask")]


def inputs_of(operation) -> list:
    """The tensors that a layer or a function takes, in all its calls."""
    return [tensor for node in operation._inbound_nodes for tensor in node.input_tensors]


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
