"""Explore, choose the epoch, fit a NEW network with several seeds, predict the test rows -> data/models/<dataset>/.

The tutorial says that it starts anew after exploring and then goes on training the network that has seen 20 epochs;
here the final fits start from new weights, on all training rows.
"""

import json
import re
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stages.core import arrays, networks, params, replicas, weightings
from stages.core.datasets import TABLE
from stages.core.files import whole
from stages.core.lean_keras import keras
from stages.core.stage import run


@dataclass(frozen=True)
class Problem:
    """What all fits of a data set share: arguments of replicas.fit, under its names."""

    model: keras.Model
    metric: Callable
    rows: np.ndarray
    targets: np.ndarray
    batch_size: int
    scaler: Callable | None = None
    balance: Callable | None = None

    def fit(self, members, epochs, title):
        """A list of Fitted, one for each member."""
        return list(replicas.fit(replicas=members, epochs=epochs, title=title, **vars(self)))


def explore(problem, fit, seed, title):
    """One replica watched on the first `fit.validation` rows: a Fitted; its history has the validation figures."""
    folds = np.where(np.arange(len(problem.targets)) < fit.validation, 0, -1)
    replica = replicas.Replica(replicas.seed_of(seed, "explore"), replicas.seed_of(seed, "order"), folds, held_out=0)
    return problem.fit([replica], fit.epochs, title)[0]


def final(problem, seeds, epochs, seed, title):
    """New replicas on all rows, `seeds` of them: a list of Fitted."""
    nothing_held_out = np.full(len(problem.targets), -1)
    members = [
        replicas.Replica(
            replicas.seed_of(seed, "final", number),
            replicas.seed_of(seed, "order", number),
            nothing_held_out,
            0,
        )
        for number in range(seeds)
    ]
    return problem.fit(members, epochs, title)


def best_epoch(history) -> int:
    """The epoch, counted from 1, after which the validation loss was lowest."""
    return int(np.argmin(history["val_loss"])) + 1


def mean_history(fitted):
    """The mean over replicas of each figure of the history: {figure: (epochs,)}."""
    return {name: np.mean([one.history[name] for one in fitted], axis=0) for name in fitted[0].history}


def save(network, path: Path):
    """Write a .keras file whose bytes depend on the network alone.

    Keras puts the time into its own, and the addresses that shared objects happen to have in memory. The optimizer is
    left out: it belongs to all replicas, and `load_model` refuses one without its state.
    """
    bare = keras.models.clone_model(network)
    bare.set_weights(network.get_weights())
    bare.save(path)
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in sorted(archive.namelist())}
    metadata = json.loads(contents["metadata.json"])
    del metadata["date_saved"]
    contents["metadata.json"] = json.dumps(metadata).encode()
    addresses: dict[bytes, int] = {}
    contents["config.json"] = re.sub(
        rb'(?<="shared_object_id": )\d+',
        lambda address: b"%d" % addresses.setdefault(address[0], len(addresses)),
        contents["config.json"],
    )
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in contents.items():
            archive.writestr(zipfile.ZipInfo(name), content)  # with the fixed date of 1980


def main(name):
    """Run the stage for one data set."""
    start, chosen, dataset = time.time(), params.load(), TABLE[name]
    section, fit = chosen.sections[name], chosen.sections[name].fit
    file = arrays.stored(Path("data/arrays") / f"{name}.npz")
    x_train, x_test, y_train = arrays.unpack("x_train", file), arrays.unpack("x_test", file), file["y_train"]
    weighting = weightings.WEIGHTINGS[section.model.weighting]
    x_train, x_test = weighting.values(x_train), weighting.values(x_test)
    network, head = networks.build(section, x_train.shape[1:], dataset.outputs), networks.head(section.model)
    problem = Problem(
        network,
        head.metric,
        x_train,
        head.targets(y_train, dataset.outputs),
        fit.batch_size,
        weightings.scaler(section.model.weighting, x_train, y_train),
        weightings.balance(section.model.class_weights, y_train),
    )

    done, epochs, history = "", fit.final_epochs, None
    if fit.validation:
        history = explore(problem, fit, chosen.seed, f"{name} explore").history
        best = best_epoch(history)
        epochs = best if epochs == "best" else epochs
        rows = f"{len(y_train) - fit.validation:,} of {len(y_train):,} rows"
        done = f"explored {fit.epochs} epochs on {rows}, validation loss lowest after {best}; "
    fitted = final(problem, fit.seeds, epochs, chosen.seed, f"{name} final fit")

    with whole(Path("data/models") / name) as folder:
        folder.mkdir()
        for number, one in enumerate(fitted):
            save(networks.complete(network, one), folder / f"seed_{number}.keras")
        figures = {f"history.{key}": values for key, values in (history or mean_history(fitted)).items()}
        figures |= {"parameters": network.count_params(), "quantity": head.quantity, "epochs": epochs}
        figures |= {"predictions": replicas.predict(network, fitted, x_test), "summary": networks.summary(network)}
        np.savez(folder / "test.npz", **figures)
    print(
        f"train {name}: {done}{fit.seeds} new networks of {network.count_params():,} parameters, {epochs} epochs on "
        f"{len(y_train):,} rows, tested on {x_test.shape[0]:,}, in {time.time() - start:.1f} s"
    )


if __name__ == "__main__":
    run(main)
