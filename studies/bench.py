"""Speed side by side: the same folds, epochs and batches trained by this project and by others -> docs/benchmark.md.

Every contender runs in a process of its own, `RUNS` times, in turns; the page gives medians, ratios first, with the
held-out figure beside each, so that nobody is fast by being wrong. PyTorch and JAX take part where they are installed.

`make bench` needs the files and arrays that `make repro` leaves in data/, and about an hour.
"""

import importlib.util
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
import yaml

from stages.core.data import arrays
from stages.core.data.datasets import TABLE
from stages.core.fit.learned import WEIGHTINGS
from stages.core.run.stage import parser_of, tool

RUNS = 3
FOLDS = 4
ROOT = Path(__file__).parent.parent


class Task(NamedTuple):
    """Folds to train: `repeats` times `FOLDS`, on the training rows drawn `rows` times over."""

    title: str
    dataset: str
    units: int
    batch_size: int
    epochs: int
    repeats: int = 1
    rows: int = 1


BOSTON, IMDB = ("boston_housing", 64, 16, 80), ("imdb", 16, 512)
TASKS = {
    "boston 4": Task("Boston Housing, 4 folds x 80 epochs", *BOSTON),
    "boston 40": Task("Boston Housing, 10 repeats x 4 folds x 80 epochs", *BOSTON, 10),
    "imdb": Task("IMDB, 4 folds x 20 epochs, held-out figures every epoch", *IMDB, 20),
    "reuters": Task(
        "Reuters, 4 folds x 20 epochs, held-out figures every epoch", "reuters", 64, 512, 20
    ),
}
GROWTH = {
    f"{name} {way} x {times}": Task(title, *settings, **{way: times})
    for name, title, settings in [
        ("imdb", "IMDB, 4 folds x 4 epochs", (*IMDB, 4)),
        ("boston", "Boston Housing, 4 folds x 80 epochs", BOSTON),
    ]
    for way, steps in [("rows", (1, 4, 16)), ("repeats", (1, 4, 16))]
    for times in steps
}


def problem(task):
    """The rows, targets and folds of a task: x, y, folds (repeats, rows), classes (0 for a regression)."""
    with np.load(ROOT / "data/arrays" / f"{task.dataset}.npz") as file:
        x, y = arrays.unpack("x_train", file), file["y_train"]
    if sp.issparse(x):
        x = WEIGHTINGS["binary"].values(x)
    if task.rows > 1:  # made-up data of the same kind: rows drawn with replacement
        drawn = np.random.default_rng(0).integers(len(y), size=task.rows * len(y))
        x, y = x[drawn], y[drawn]
    folds = np.stack(
        [
            np.random.default_rng(repeat).permutation(len(y)) % FOLDS
            for repeat in range(task.repeats)
        ]
    )
    return x, y, folds, 0 if y.dtype.kind == "f" else int(y.max()) + 1


def splits(x, y, folds):
    """Training and held-out rows of each fold of each repeat; a regression's are standardised by the training rows."""
    for own in folds:
        for fold in range(FOLDS):
            inside, outside = x[own != fold], x[own == fold]
            if y.dtype.kind == "f":  # rows of features, not text
                mean, scale = inside.mean(axis=0), inside.std(axis=0)
                inside, outside = (inside - mean) / scale, (outside - mean) / scale
            yield inside, y[own != fold], outside, y[own == fold]


def keras_network(keras, features, classes, units):
    """The tutorial's network, compiled as it compiles it."""
    outputs, activation, loss = {
        0: (1, "linear", "mean_squared_error"),
        2: (1, "sigmoid", "binary_crossentropy"),
    }.get(classes, (classes, "softmax", "sparse_categorical_crossentropy"))
    hidden = [keras.layers.Dense(units, "relu"), keras.layers.Dense(units, "relu")]
    network = keras.Sequential(
        [keras.Input((features,)), *hidden, keras.layers.Dense(outputs, activation)]
    )
    network.compile("rmsprop", loss=loss, metrics=["accuracy" if classes else "mae"])
    return network


def tutorial(task):
    """`model.fit` in a loop on dense float64 rows, as the tutorial prints it."""
    import keras

    yield
    x, y, folds, classes = problem(task)
    epochs, batch_size, units = task.epochs, task.batch_size, task.units
    x = x.astype("float64") if isinstance(x, np.ndarray) else x.toarray().astype("float64")
    figures = []
    for inside, y_inside, outside, y_outside in splits(x, y, folds):
        network = keras_network(keras, x.shape[1], classes, units)
        watched = {"validation_data": (outside, y_outside)} if classes else {}
        network.fit(inside, y_inside, epochs=epochs, batch_size=batch_size, verbose=0, **watched)
        figures.append(network.evaluate(outside, y_outside, verbose=0)[1])
    yield np.mean(figures)


def keras_loop(task):
    """A Keras loop written with care: float32, tf.data, text made dense batch by batch, one long epoch where it can."""
    import keras
    import tensorflow as tf

    yield
    x, y, folds, classes = problem(task)
    epochs, batch_size, units = task.epochs, task.batch_size, task.units

    def rows(x, y):
        if isinstance(x, np.ndarray):
            return tf.data.Dataset.from_tensor_slices((x.astype("float32"), y))
        coordinates = x.tocoo()
        indices = np.stack([coordinates.row, coordinates.col], axis=1).astype("int64")
        sparse = tf.sparse.reorder(tf.SparseTensor(indices, coordinates.data, x.shape))
        return tf.data.Dataset.from_tensor_slices((sparse, y))

    def dense(x, y):
        return (tf.sparse.to_dense(x) if isinstance(x, tf.SparseTensor) else x), y

    figures = []
    for inside, y_inside, outside, y_outside in splits(x, y, folds):
        network = keras_network(keras, x.shape[1], classes, units)
        held_out = rows(outside, y_outside).batch(2048).map(dense).prefetch(2)
        training = rows(inside, y_inside).shuffle(len(y_inside)).batch(batch_size).map(dense)
        if classes:
            network.fit(
                training.prefetch(2),
                epochs=epochs,
                validation_data=held_out,
                shuffle=False,
                verbose=0,
            )
        else:  # one epoch over a repeated set: most of the time of small epochs goes into starting them
            network.fit(training.repeat(epochs).prefetch(2), shuffle=False, verbose=0)
        figures.append(network.evaluate(held_out, verbose=0)[1])
    yield np.mean(figures)


def scikit_learn(task):
    """scikit-learn's MLP, with Adam since it has no RMSprop; no held-out figures while it trains."""
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    yield
    x, y, folds, classes = problem(task)
    epochs, batch_size, units = task.epochs, task.batch_size, task.units
    warnings.simplefilter("ignore", ConvergenceWarning)
    figures = []
    for inside, y_inside, outside, y_outside in splits(x, y, folds):
        kind = MLPClassifier if classes else MLPRegressor
        network = kind(
            hidden_layer_sizes=(units, units),
            alpha=0,
            batch_size=batch_size,
            max_iter=epochs,
            n_iter_no_change=epochs + 1,
            random_state=0,
        )
        predicted = network.fit(inside, y_inside).predict(outside)
        figures.append(
            (predicted == y_outside).mean() if classes else np.abs(predicted - y_outside).mean()
        )
    yield np.mean(figures)


def torch_loop(task):
    """A PyTorch loop: EmbeddingBag for text, held-out figures every epoch where the tutorial has them."""
    import torch
    from torch import nn

    yield
    x, y, folds, classes = problem(task)
    epochs, batch_size, units = task.epochs, task.batch_size, task.units
    outputs = 1 if classes in (0, 2) else classes
    loss = {0: nn.MSELoss(), 2: nn.BCEWithLogitsLoss()}.get(classes, nn.CrossEntropyLoss())
    text = not isinstance(x, np.ndarray)

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            first = (
                nn.EmbeddingBag(x.shape[1], units, mode="sum")
                if text
                else nn.Linear(x.shape[1], units)
            )
            if text:
                nn.init.xavier_uniform_(first.weight)
                self.bias = nn.Parameter(torch.zeros(units))
            self.first, self.rest = (
                first,
                nn.Sequential(nn.Linear(units, units), nn.ReLU(), nn.Linear(units, outputs)),
            )

        def forward(self, inputs):
            hidden = self.first(*inputs) + self.bias if text else self.first(inputs)
            return self.rest(torch.relu(hidden))

    def batch(x, order):
        part = x[order]
        if text:
            return torch.from_numpy(part.indices.astype("int64")), torch.from_numpy(
                part.indptr[:-1].astype("int64")
            )
        return torch.from_numpy(part.astype("float32"))

    def figure(network, x, y):
        with torch.no_grad():
            output = network(batch(x, np.arange(len(y)))).numpy()
        if not classes:
            return np.abs(output[:, 0] - y).mean()
        return ((output[:, 0] > 0 if classes == 2 else output.argmax(axis=1)) == y).mean()

    figures = []
    for inside, y_inside, outside, y_outside in splits(x, y, folds):
        network = Network()
        optimizer = torch.optim.RMSprop(network.parameters(), lr=0.001, alpha=0.9, eps=1e-7)
        targets = torch.from_numpy(y_inside.astype("int64" if outputs > 1 else "float32"))
        for _ in range(epochs):
            order = np.random.permutation(len(y_inside))
            for start in range(0, len(order), batch_size):
                part = order[start : start + batch_size]
                output = network(batch(inside, part))
                optimizer.zero_grad()
                loss(output if outputs > 1 else output[:, 0], targets[part]).backward()
                optimizer.step()
            if classes:
                figure(network, outside, y_outside)
        figures.append(figure(network, outside, y_outside))
    yield np.mean(figures)


def stacked_problem(task):
    """Boston's folds stacked by hand: training rows (replicas, rows, features), held-out ones, and their targets."""
    x, y, folds, _ = problem(task)
    stacks = map(np.stack, zip(*splits(x, y, folds), strict=True))
    return [stack.astype("float32") for stack in stacks]


def stacked_weights(random, replicas, features, units):
    """Glorot-uniform kernels and zero biases of all replicas."""
    for inputs, outputs in ((features, units), (units, units), (units, 1)):
        limit = np.sqrt(6 / (inputs + outputs))
        yield random.uniform(-limit, limit, (replicas, inputs, outputs)).astype("float32")
        yield np.zeros((replicas, 1, outputs), "float32")


def torch_batched(task):
    """PyTorch with the folds of Boston batched by hand, one baddbmm a layer; held-out figures every epoch."""
    import torch

    yield
    inside, y_inside, outside, y_outside = map(torch.from_numpy, stacked_problem(task))
    epochs, batch_size, units = task.epochs, task.batch_size, task.units
    replicas, rows, features = inside.shape
    weights = [
        torch.from_numpy(w)
        for w in stacked_weights(np.random.default_rng(0), replicas, features, units)
    ]
    weights = [weight.requires_grad_() for weight in weights]
    optimizer = torch.optim.RMSprop(weights, lr=0.001, alpha=0.9, eps=1e-7)
    each = torch.arange(replicas)[:, None]

    def forward(x):
        w1, b1, w2, b2, w3, b3 = weights
        hidden = torch.relu(torch.baddbmm(b2, torch.relu(torch.baddbmm(b1, x, w1)), w2))
        return torch.baddbmm(b3, hidden, w3)[..., 0]

    for _ in range(epochs):
        order = torch.rand(replicas, rows).argsort(dim=1)
        for start in range(0, rows, batch_size):
            part = order[:, start : start + batch_size]
            optimizer.zero_grad()
            (forward(inside[each, part]) - y_inside[each, part]).square().mean(
                dim=1
            ).sum().backward()
            optimizer.step()
        with torch.no_grad():
            errors = forward(outside) - y_outside
            _, figures = errors.square().mean(dim=1), errors.abs().mean(dim=1)
    yield float(figures.mean())


def jax_vmap(task):
    """JAX: a scan over the steps of an epoch, vmap over the folds of Boston; held-out figures every epoch."""
    import jax
    import jax.numpy as jnp

    yield
    inside, y_inside, outside, y_outside = stacked_problem(task)
    epochs, batch_size, units = task.epochs, task.batch_size, task.units
    replicas, rows, features = inside.shape
    weights = list(stacked_weights(np.random.default_rng(0), replicas, features, units))
    steps = -(-rows // batch_size)

    def forward(weights, x):
        w1, b1, w2, b2, w3, b3 = weights
        return (jax.nn.relu(jax.nn.relu(x @ w1 + b1) @ w2 + b2) @ w3 + b3)[..., 0]

    def loss(weights, x, y, taken):
        return (jnp.square(forward(weights, x) - y) * taken).sum() / taken.sum()

    def train(weights, means, x, y, order):
        def step(carry, part):
            weights, means = carry
            gradients = jax.grad(loss)(weights, x[part[0]], y[part[0]], part[1])
            means = [0.9 * m + 0.1 * g * g for m, g in zip(means, gradients, strict=True)]
            weights = [
                w - 0.001 * g / jnp.sqrt(m + 1e-7)
                for w, m, g in zip(weights, means, gradients, strict=True)
            ]
            return (weights, means), None

        return jax.lax.scan(step, (weights, means), order)[0]

    def judge(weights, x, y):
        errors = forward(weights, x) - y
        return jnp.square(errors).mean(), jnp.abs(errors).mean()

    epoch, held_out = jax.jit(jax.vmap(train)), jax.jit(jax.vmap(judge))
    means, random = [np.zeros_like(w) for w in weights], np.random.default_rng(1)
    taken = np.pad(np.ones(rows, "float32"), (0, steps * batch_size - rows)).reshape(
        steps, batch_size
    )
    for _ in range(epochs):
        order = random.permuted(np.tile(np.arange(rows), (replicas, 1)), axis=1)
        order = np.pad(order, ((0, 0), (0, steps * batch_size - rows))).reshape(
            replicas, steps, batch_size
        )
        weights, means = epoch(
            weights, means, inside, y_inside, (order, np.broadcast_to(taken, order.shape))
        )
        _, figures = map(np.asarray, held_out(weights, outside, y_outside))
    yield float(figures.mean())


def this_project(task):
    """All folds and repeats as replicas of one program."""
    from stages.core.fit import networks, replicas
    from stages.core.fit.problem import Problem
    from stages.core.run.lean_keras import keras

    yield
    x, y, folds, classes = problem(task)
    head = {0: networks.LOSSES["mse"], 2: networks.TWO_CLASSES}.get(
        classes, networks.LABELS["integer"]
    )
    name = "standardize" if isinstance(x, np.ndarray) else "binary"
    setup = Problem(  # not `of` a section: its network is that of the other contenders, whatever params.yaml says
        keras_network(keras, x.shape[1], classes, task.units),
        head,
        WEIGHTINGS[name],
        x,
        y,
        head.targets(y, max(1, classes)),
        task.batch_size,
    )
    members = [
        replicas.Replica(FOLDS * repeat + fold, repeat, own, fold)
        for repeat, own in enumerate(folds)
        for fold in range(FOLDS)
    ]
    fitted = list(setup.fit(members, task.epochs))
    yield np.mean([one.history["val_metric"][-1] for one in fitted])
    # What DVC would keep of it: the rows, and of each replica its held-out predictions and its figures by epoch.
    rows = [x] if isinstance(x, np.ndarray) else [x.data, x.indices, x.indptr]
    kept = [*rows, y, *(array for one in fitted for array in (one.held_out, *one.history.values()))]
    yield sum(array.nbytes for array in kept) / 2**20


CONTENDERS = {  # label -> contender, what it needs, tasks
    "the tutorial's loop": (tutorial, "keras", ["boston 4", "imdb", "reuters"]),
    "Keras loop with tf.data": (keras_loop, "keras", ["boston 4", "imdb", "reuters"]),
    "scikit-learn MLP": (scikit_learn, "sklearn", ["boston 4", "boston 40", "imdb", "reuters"]),
    "PyTorch loop": (torch_loop, "torch", list(TASKS)),
    "PyTorch, folds batched by hand": (torch_batched, "torch", ["boston 4", "boston 40"]),
    "JAX vmap": (jax_vmap, "jax", ["boston 4", "boston 40"]),
    "this project": (this_project, "keras", [*TASKS, *GROWTH]),
}


def tutorial_script(dataset):
    """One of the tutorial's three scripts: its loader, its dense rows, its fits, its pictures."""
    import keras
    import matplotlib.pyplot as plt

    (x, y), (x_test, y_test) = getattr(keras.datasets, dataset).load_data(
        **({} if dataset == "boston_housing" else {"num_words": 10_000})
    )
    if dataset == "boston_housing":
        mean, std = x.mean(axis=0), x.std(axis=0)
        x, maes = (x - mean) / std, []
        for fold in np.array_split(np.arange(len(x)), FOLDS):
            network = keras_network(keras, x.shape[1], 0, 64)
            network.fit(
                np.delete(x, fold, axis=0), np.delete(y, fold), epochs=80, batch_size=16, verbose=0
            )
            maes.append(network.evaluate(x[fold], y[fold], verbose=0)[1])
        return print(np.mean(maes))

    def vectorize(sequences):
        results = np.zeros((len(sequences), 10_000))
        for number, sequence in enumerate(sequences):
            results[number, sequence] = 1
        return results

    x, x_test = vectorize(x), vectorize(x_test)
    validation, epochs, classes, units = {
        "imdb": (10_000, 4, 2, 16),
        "reuters": (1_000, 9, 46, 64),
    }[dataset]
    watched = {"validation_data": (x[:validation], y[:validation])}
    network = keras_network(keras, 10_000, classes, units)
    history = network.fit(
        x[validation:], y[validation:], epochs=20, batch_size=512, verbose=0, **watched
    ).history
    for curve in ("loss", "accuracy"):
        plt.plot(history[curve], "bo")
        plt.plot(history[f"val_{curve}"], "b")
        plt.savefig(os.devnull, format="png")
        plt.clf()
    network = keras_network(
        keras, 10_000, classes, units
    )  # the new network that its comment speaks of
    network.fit(x, y, epochs=epochs, batch_size=512, verbose=0)
    print(network.evaluate(x_test, y_test, verbose=0))
    network.predict(x_test, verbose=0)


def run_one(label, name):
    """Run a contender in this process and print what it took as JSON."""
    start = time.perf_counter()
    contender = CONTENDERS[label][0]((TASKS | GROWTH)[name])
    next(contender)  # its imports
    imported = time.perf_counter()
    figure = float(next(contender))
    done = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    figures = {
        "import": imported - start,
        "compute": done - imported,
        "peak": peak,
        "figure": figure,
    }
    print(json.dumps(figures | {"cache": next(contender, 0.0)}))


def run(*command, folder=ROOT, **environment):
    """Run a command; returns its output and its seconds."""
    start = time.perf_counter()
    done = subprocess.run(
        command,
        cwd=folder,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        encoding="utf-8",
        check=True,
    )
    return done.stdout, time.perf_counter() - start


def side_by_side():
    """{task: {label: {figure of a run: median over RUNS}}}, contenders in turns so that noise hits all alike."""
    runs: dict = {}
    for _ in range(RUNS):
        for task in TASKS | GROWTH:
            for label, (_, module, tasks) in CONTENDERS.items():
                if task in tasks and importlib.util.find_spec(module):
                    output, _ = run(sys.executable, "-m", "studies.bench", label, task)
                    runs.setdefault(task, {}).setdefault(label, []).append(
                        json.loads(output.splitlines()[-1])
                    )
                    print(
                        f"{task}: {label}: {runs[task][label][-1]['compute']:.2f} s",
                        file=sys.stderr,
                    )
    return {
        task: {
            label: {key: statistics.median(run[key] for run in own) for key in own[0]}
            for label, own in labels.items()
        }
        for task, labels in runs.items()
    }


def whole_runs():
    """Seconds from start to finish, medians over RUNS, each data set's processes one after the other.

    Keys: tutorial (its three scripts), default (`dvc repro` of everything), same (the scripts' work alone: one seed,
    K-fold for Boston once), nothing (`dvc repro` with nothing to do).
    """
    seconds: dict = {"tutorial": [], "default": [], "same": [], "nothing": []}
    with tempfile.TemporaryDirectory() as scratch:
        official, clone = Path(scratch) / "datasets", Path(scratch) / "clone"
        official.mkdir()
        for file in (ROOT / "data/raw").glob("*/*"):
            shutil.copy(file, official)
        run("git", "clone", "--quiet", ROOT, clone)
        settings = (clone / "params.yaml").read_text("utf-8")
        once = yaml.safe_load(settings)
        del once["datasets"]["digits"]
        for section in once["datasets"].values():
            section["kfold"]["repeats"] = section["final"]["seeds"] = 1
        for _ in range(RUNS):
            scripts = [
                run(sys.executable, "-m", "studies.bench", "script", name, KERAS_HOME=scratch)[1]
                for name in once["datasets"]
            ]
            seconds["tutorial"].append(sum(scripts))
            repro = sys.executable, "-m", "dvc", "repro", "--quiet"
            mirror = {"folder": clone, "DATASETS_MIRROR": str(official)}
            seconds["default"].append(run(*repro, "--force", **mirror)[1])
            seconds["nothing"].append(run(*repro, **mirror)[1])
            (clone / "params.yaml").write_text(yaml.safe_dump(once, sort_keys=False), "utf-8")
            stages = "train@imdb", "train@reuters", "kfold@boston_housing"
            seconds["same"].append(run(*repro, "--force", *stages, **mirror)[1])
            (clone / "params.yaml").write_text(settings, "utf-8")
    return {name: statistics.median(own) for name, own in seconds.items()}


MORE = """

TABLE |= {f"digits_{number}": TABLE["digits"] for number in range(2, 9)}
"""  # data sets, as a person adds them: here, copies of one


def data_sets():
    """{number of data sets: figures} of `dvc repro` in a clone: s, s with nothing to do, MiB at most, MiB of cache."""
    found = {}
    for count in (1, 2, 4, 8):
        with tempfile.TemporaryDirectory() as scratch:
            clone = Path(scratch) / "clone"
            run("git", "clone", "--quiet", ROOT, clone)
            with (clone / "stages/core/data/datasets.py").open("a", encoding="utf-8") as table:
                table.write(MORE)
            settings = yaml.safe_load((clone / "params.yaml").read_text("utf-8"))
            names = ["digits", *(f"digits_{number}" for number in range(2, count + 1))]
            settings["datasets"] = {name: settings["datasets"]["digits"] for name in names}
            (clone / "params.yaml").write_text(yaml.safe_dump(settings, sort_keys=False), "utf-8")
            repro = sys.executable, "-m", "dvc", "repro", "--quiet"
            output, seconds = run(sys.executable, "-c", PEAK, *repro, "--force", folder=clone)
            # Not the size of .dvc/cache, which keeps what these copies have in common once.
            cache = sum(
                path.stat().st_size for path in (clone / "data").rglob("*") if path.is_file()
            )
            found[count] = {
                "seconds": seconds,
                "nothing": run(*repro, folder=clone)[1],
                "peak": float(output.split()[-1]),
                "cache": cache / 2**20,
            }
            print(f"{count} data sets: {seconds:.1f} s", file=sys.stderr)
    return found


PEAK = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)
"""  # of the largest process that a command starts


def page(medians, whole, sets) -> str:
    """The medians as Markdown: ratios first."""
    lines = [
        "# Benchmark",
        "",
        f"Written by `make bench`: medians of {RUNS} runs, side by side in one go, each in a process of its own on "
        f"{os.cpu_count()} cores; Python {platform.python_version()}. Compute includes compilation; imports stand "
        "apart. *Slower* is a contender's compute over that of this project: above 1, this project is faster.",
        "",
        "## From start to finish",
        "",
        "Wall time with imports, official files at hand. *Of the tutorial* is the share of its three scripts' time.",
        "",
        "| | of the tutorial | s |",
        "|---|---|---|",
    ]
    titles = {
        "tutorial": "the tutorial's three scripts, one after the other",
        "default": "`dvc repro`: everything, with K-fold and several seeds on all data sets",
        "same": "`dvc repro` of the work that the scripts do",
        "nothing": "`dvc repro` with nothing to do",
    }
    lines += [
        f"| {titles[key]} | {whole[key] / whole['tutorial']:.2f} | {whole[key]:.1f} |"
        for key in titles
    ]
    for name, task in TASKS.items():
        figure = "held-out MAE" if task.dataset == "boston_housing" else "held-out accuracy"
        lines += [
            "",
            f"## {task.title}",
            "",
            f"| | slower | compute, s | import, s | peak, MiB | {figure} |",
        ]
        lines += ["|---|---|---|---|---|---|"]
        own = medians[name]["this project"]["compute"]
        lines += [
            f"| {label} | {run['compute'] / own:.2f} | {run['compute']:.2f} | {run['import']:.1f} "
            f"| {run['peak']:.0f} | {run['figure']:.4f} |"
            for label, run in medians[name].items()
        ]
    lines += [
        "",
        "## Growth",
        "",
        "This project alone. Rows are drawn with replacement from the data set's own.",
    ]
    lines += [
        "Milliseconds are compute over epochs, for each 1,000 rows of each replica; KiB are the memory, and the"
    ]
    lines += [
        "cache, that each row or replica takes that is more than in the first line of its kind.",
        "",
    ]
    lines += ["| | rows | replicas | compute, s | ms | peak, MiB | KiB | cache, MiB | KiB |"]
    lines += ["|---|---|---|---|---|---|---|---|---|"]
    for name, task in GROWTH.items():
        run = medians[name]["this project"]
        rows, replicas = task.rows * TABLE[task.dataset].rows, task.repeats * FOLDS
        each = run["compute"] * 1e6 / (rows * replicas * task.epochs)
        if task.rows == task.repeats == 1:
            first = run
        added = (rows - TABLE[task.dataset].rows) or (replicas - FOLDS)
        memory, cache = (
            f"{(run[key] - first[key]) * 1024 / added:.1f}" if added else "-"
            for key in ("peak", "cache")
        )
        lines.append(
            f"| {task.title.split(',')[0]} | {rows:,} | {replicas} | {run['compute']:.2f} | {each:.2f} "
            f"| {run['peak']:.0f} | {memory} | {run['cache']:.1f} | {cache} |"
        )
    lines += [
        "",
        "Data sets: copies of digits, run once from start to finish. *More* is by each further one.",
        "",
    ]
    lines += [
        "| data sets | `dvc repro`, s | more | with nothing to do, s | more | peak, MiB | cache, MiB | more |"
    ]
    lines += ["|---|---|---|---|---|---|---|---|"]
    for count, own in sets.items():
        seconds, nothing, cache = (
            f"{own[key]:.1f} | {(own[key] - sets[1][key]) / (count - 1):.2f}"
            if count > 1
            else f"{own[key]:.1f} | -"
            for key in ("seconds", "nothing", "cache")
        )
        lines.append(f"| {count} | {seconds} | {nothing} | {own['peak']:.0f} | {cache} |")
    first = {
        label: (contender.__doc__ or "-").splitlines()[0]
        for label, (contender, *_) in CONTENDERS.items()
    }
    notes = [f"- **{label}**: {line}" for label, line in first.items()]
    return "\n".join([*lines, "", "## Contenders", "", *notes, ""])


def main():
    """Measure everything and write the page; with arguments, be a process that is measured."""
    parser = parser_of(main)
    parser.add_argument(
        "contender", nargs="?", metavar="CONTENDER", choices=["script", *CONTENDERS]
    )
    parser.add_argument("on", nargs="?", metavar="TASK", choices=[*TABLE, *TASKS, *GROWTH])
    chosen = parser.parse_args()
    if chosen.contender and not chosen.on:
        parser.error("expected what to run it on")
    if chosen.contender == "script":
        tutorial_script(chosen.on)
    elif chosen.contender:
        run_one(chosen.contender, chosen.on)
    else:
        whole, sets, medians = whole_runs(), data_sets(), side_by_side()
        (ROOT / "docs").mkdir(exist_ok=True)
        (ROOT / "docs/benchmark.md").write_text(page(medians, whole, sets), "utf-8")


if __name__ == "__main__":
    tool(main)
