"""Ways to train the folds of a task, each a function that is measured in a process of its own.

Task -> the held-out metric of each fold, and the MiB that DVC would keep where it keeps any.
"""

import os
from collections.abc import Callable, Iterable

import numpy as np
import scipy.sparse as sp

from stages.core.declared import params
from studies.bench import frameworks
from studies.bench.tasks import FOLDS, GROWTH, TASKS, problem, splits
from studies.common import changed


def keras_network(keras, features, classes, units):
    """The tutorial's network, compiled as it compiles it."""
    outputs, activation, loss = {
        0: (1, "linear", "mean_squared_error"),
        2: (1, "sigmoid", "binary_crossentropy"),
    }.get(classes, (classes, "softmax", "sparse_categorical_crossentropy"))
    dense = keras.layers.Dense
    hidden = [keras.Input((features,)), dense(units, "relu"), dense(units, "relu")]
    network = keras.Sequential([*hidden, dense(outputs, activation)])
    network.compile("rmsprop", loss=loss, metrics=["accuracy" if classes else "mae"])
    return network


def tutorial(task):
    """`model.fit` in a loop on dense float64 rows, as the tutorial prints it."""
    import keras

    x, y, folds, classes = problem(task)
    x = (x.toarray() if sp.issparse(x) else x).astype("float64")
    settings, metrics = {"epochs": task.epochs, "batch_size": task.batch_size, "verbose": 0}, []
    for inside, y_inside, *held_out in splits(x, y, folds):
        network = keras_network(keras, x.shape[1], classes, task.units)
        network.fit(inside, y_inside, validation_data=held_out if classes else None, **settings)
        metrics.append(network.evaluate(*held_out, verbose=0)[1])
    return metrics, 0


def keras_loop(task):
    """A Keras loop written with care: float32, tf.data, text made dense batch by batch.

    Where no epoch is watched, all are one long epoch: most of a small epoch is its start.
    """
    import keras
    import tensorflow as tf

    def rows(x, y):
        x = x.astype("float32")
        if sp.issparse(x):
            indices = np.stack(x.nonzero(), axis=1).astype("int64")
            x = tf.sparse.reorder(tf.SparseTensor(indices, x.data, x.shape))
        return tf.data.Dataset.from_tensor_slices((x, y))

    def dense(x, y):
        return (tf.sparse.to_dense(x) if isinstance(x, tf.SparseTensor) else x), y

    x, y, folds, classes = problem(task)
    watched, metrics = {"epochs": task.epochs} if classes else {}, []
    for inside, y_inside, outside, y_outside in splits(x, y, folds):
        network = keras_network(keras, x.shape[1], classes, task.units)
        held_out = rows(outside, y_outside).batch(2048).map(dense).prefetch(2)
        training = rows(inside, y_inside).shuffle(len(y_inside)).batch(task.batch_size).map(dense)
        if classes:
            watched["validation_data"] = held_out
        else:
            training = training.repeat(task.epochs)
        network.fit(training.prefetch(2), shuffle=False, verbose=0, **watched)
        metrics.append(network.evaluate(held_out, verbose=0)[1])
    return metrics, 0


def scikit_learn(task):
    """scikit-learn's MLP, with Adam since it has no RMSprop; nothing is held out as it trains."""
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    warnings.simplefilter("ignore", ConvergenceWarning)
    x, y, folds, classes = problem(task)
    settings = {"hidden_layer_sizes": (task.units, task.units), "alpha": 0, "random_state": 0}
    settings |= {"batch_size": task.batch_size, "max_iter": task.epochs}
    settings["n_iter_no_change"] = task.epochs + 1
    kind, metrics = MLPClassifier if classes else MLPRegressor, []
    for inside, y_inside, outside, y_outside in splits(x, y, folds):
        predicted = kind(**settings).fit(inside, y_inside).predict(outside)
        right = predicted == y_outside if classes else np.abs(predicted - y_outside)
        metrics.append(right.mean())
    return metrics, 0


def this_project(task):
    """All folds and repeats as replicas of one program.

    Of params.yaml, the units, the batch size and the epochs are those of the task.
    """
    from stages import kfold
    from stages.core.fit.problem import Problem

    x, y, folds, classes = problem(task)
    section = params.load().datasets[task.dataset]
    section = changed(section, "model", units=[task.units, task.units])
    section = changed(section, "fit", batch_size=task.batch_size)
    outputs = classes if classes > 2 else 1
    fits = list(Problem.of(section, x, y, outputs).fit(kfold.members(folds, 0), task.epochs))
    # DVC would keep the rows and, of each replica, its held-out predictions and its curves.
    kept = [x.data, x.indices, x.indptr, y] if sp.issparse(x) else [x, y]
    kept += [array for fitted in fits for array in (fitted.held_out, *fitted.history.values())]
    metrics = [fitted.history["val_metric"][-1] for fitted in fits]
    return metrics, sum(array.nbytes for array in kept) / 2**20


BOSTON, LOOPED = ("boston 4", "boston 40"), ("boston 4", "imdb", "reuters")
CONTENDERS: dict[str, tuple[Callable, str, Iterable[str]]] = {
    # label: contender, the module whose import it waits for, its tasks
    "the tutorial's loop": (tutorial, "keras", LOOPED),
    "Keras loop with tf.data": (keras_loop, "keras", LOOPED),
    "scikit-learn MLP": (scikit_learn, "sklearn.neural_network", TASKS),
    "PyTorch loop": (frameworks.torch_loop, "torch", TASKS),
    "PyTorch, folds batched by hand": (frameworks.torch_batched, "torch", BOSTON),
    "JAX vmap": (frameworks.jax_vmap, "jax", BOSTON),
    "this project": (this_project, "stages.kfold", TASKS | GROWTH),
}

SCRIPTS = {  # training rows that are kept back, epochs of the new network, classes, units
    "imdb": (10_000, 4, 2, 16),
    "reuters": (1_000, 9, 46, 64),
    "boston_housing": None,
}


def script(dataset):
    """One of the tutorial's three scripts: its loader, its dense rows, its fits, its pictures."""
    import keras

    loader, quiet = getattr(keras.datasets, dataset), {"verbose": 0}
    if dataset == "boston_housing":
        (x, y), _ = loader.load_data()
        x, metrics = (x - x.mean(axis=0)) / x.std(axis=0), []
        for fold in np.array_split(np.arange(len(x)), FOLDS):
            network = keras_network(keras, x.shape[1], 0, 64)
            inside = np.delete(x, fold, axis=0), np.delete(y, fold)
            network.fit(*inside, epochs=80, batch_size=16, **quiet)
            metrics.append(network.evaluate(x[fold], y[fold], **quiet)[1])
        print(np.mean(metrics))
        return
    import matplotlib.pyplot as plt

    def vectorize(sequences):
        rows = np.zeros((len(sequences), 10_000))
        for number, sequence in enumerate(sequences):
            rows[number, sequence] = 1
        return rows

    (x, y), (x_test, y_test) = loader.load_data(num_words=10_000)
    x, x_test = vectorize(x), vectorize(x_test)
    kept, epochs, classes, units = SCRIPTS[dataset]
    watched = {"epochs": 20, "validation_data": (x[:kept], y[:kept])}
    network = keras_network(keras, 10_000, classes, units)
    history = network.fit(x[kept:], y[kept:], batch_size=512, **watched, **quiet).history
    for curve in ("loss", "accuracy"):
        plt.plot(history[curve], "bo")
        plt.plot(history[f"val_{curve}"], "b")
        plt.savefig(os.devnull, format="png")
        plt.clf()
    network = keras_network(keras, 10_000, classes, units)  # the new one that its comment speaks of
    network.fit(x, y, epochs=epochs, batch_size=512, **quiet)
    print(network.evaluate(x_test, y_test, **quiet))
    network.predict(x_test, **quiet)
