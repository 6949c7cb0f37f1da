"""Explore, choose the epoch, fit a NEW network with several seeds, predict the test rows -> data/models/<dataset>/.

The tutorial says that it starts anew after exploring and then goes on training the network that has seen 20 epochs;
here the final fits start from new weights, on all training rows.
"""

import json
import re
import sys
import time
import zipfile
from pathlib import Path

import numpy as np

from stages.core import arrays, networks, params, replicas
from stages.core.datasets import TABLE
from stages.core.files import whole
from stages.core.lean_keras import keras


def explore(network, metric, x, targets, fit, seed, standardize, title):
    """One replica watched on the first `fit.validation` rows: a Fitted; its history has the validation figures."""
    folds = np.where(np.arange(len(targets)) < fit.validation, 0, -1)
    replica = replicas.Replica(replicas.seed_of(seed, "explore"), replicas.seed_of(seed, "order"), folds, held_out=0)
    arguments = fit.epochs, fit.batch_size, standardize, title
    (fitted,) = replicas.fit(network, metric, x, targets, [replica], *arguments)
    return fitted


def final(network, metric, x, targets, fit, epochs, seed, standardize, title):
    """`fit.seeds` new replicas on all rows: a list of Fitted."""
    nothing_held_out = np.full(len(targets), -1)
    members = [
        replicas.Replica(
            replicas.seed_of(seed, "final", number),
            replicas.seed_of(seed, "order", number),
            nothing_held_out,
            0,
        )
        for number in range(fit.seeds)
    ]
    arguments = epochs, fit.batch_size, standardize, title
    return list(replicas.fit(network, metric, x, targets, members, *arguments))


def best_epoch(history) -> int:
    """The epoch, counted from 1, after which the validation loss was lowest."""
    return int(np.argmin(history["val_loss"])) + 1


def mean_history(fitted):
    """The mean over replicas of each figure of the history: {figure: (epochs,)}."""
    return {name: np.mean([one.history[name] for one in fitted], axis=0) for name in fitted[0].history}


def as_csv(history, metric) -> str:
    """The history as CSV: epoch, loss, val_loss and the metric under its name."""
    names = {"loss": "loss", "val_loss": "val_loss", "metric": metric, "val_metric": f"val_{metric}"}
    columns = {names[key]: history[key] for key in names if key in history}
    rows = zip(*columns.values(), strict=True)
    lines = [f"{epoch},{','.join(f'{value:.6g}' for value in row)}" for epoch, row in enumerate(rows, 1)]
    return "\n".join([",".join(["epoch", *columns]), *lines, ""])


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
    with np.load(Path("data/arrays") / f"{name}.npz") as file:
        x_train, x_test = arrays.unpack("x_train", file), arrays.unpack("x_test", file)
        y_train = file["y_train"]
    head = networks.HEADS[dataset.task.name]
    network = networks.build(section.model, fit, head, x_train.shape[1:], dataset.outputs)
    problem = network, head.metric, x_train, head.targets(y_train), fit
    standardize = dataset.kind == "features"

    done, epochs, history = "", fit.final_epochs, None
    if fit.validation:
        history = explore(*problem, chosen.seed, standardize, f"{name} explore").history
        best = best_epoch(history)
        epochs = best if epochs == "best" else epochs
        rows = f"{len(y_train) - fit.validation:,} of {len(y_train):,} rows"
        done = f"explored {fit.epochs} epochs on {rows}, validation loss lowest after {best}; "
    fitted = final(*problem, epochs, chosen.seed, standardize, f"{name} final fit")

    with whole(Path("data/models") / name) as folder:
        folder.mkdir()
        for number, one in enumerate(fitted):
            network.set_weights(one.weights)
            complete = networks.standardized(network, one.mean, one.scale) if standardize else network
            save(complete, folder / f"seed_{number}.keras")
        (folder / "summary.txt").write_text(networks.summary(network))
        (folder / "history.csv").write_text(as_csv(history or mean_history(fitted), dataset.task.metric))
        predictions = replicas.predict(network, fitted, x_test)
        np.savez(folder / "test.npz", predictions=predictions, parameters=network.count_params())
    print(
        f"train {name}: {done}{fit.seeds} new networks of {network.count_params():,} parameters, {epochs} epochs on "
        f"{len(y_train):,} rows, tested on {x_test.shape[0]:,}, in {time.time() - start:.1f} s"
    )


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except replicas.Diverged as error:
        raise SystemExit(f"train {sys.argv[1]}: {error}") from None
