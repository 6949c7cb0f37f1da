"""Explore, choose the epoch, fit a NEW network with several seeds, predict the test rows -> data/models/<dataset>/.

The tutorial says that it starts anew after exploring and then goes on training the network that has seen 20 epochs;
here the final fits start from new weights, on all training rows.
"""

import json
import re
import time
import zipfile
from pathlib import Path

import numpy as np

from stages.core.data import arrays
from stages.core.data.schema import Schema
from stages.core.declared import params
from stages.core.fit import networks, replicas
from stages.core.fit.problem import Problem
from stages.core.run.files import whole
from stages.core.run.lean_keras import keras
from stages.core.run.stage import run


def explore(problem, validation, epochs, seed, title):
    """A replica that is judged on the first `validation` rows, and trains on the others: a Fitted."""
    folds = np.where(np.arange(len(problem.targets)) < validation, 0, -1)
    replica = replicas.Replica(
        replicas.seed_of(seed, "explore"), replicas.seed_of(seed, "order"), folds, held_out=0
    )
    (fitted,) = problem.fit([replica], epochs, title)
    return fitted


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
    return list(problem.fit(members, epochs, title))


def best_epoch(history) -> int:
    """The epoch, counted from 1, after which the validation loss was lowest."""
    return int(np.argmin(history["val_loss"])) + 1


def mean_history(fitted):
    """The mean over replicas of each figure of the history: {figure: (epochs,)}."""
    return {
        name: np.mean([replica.history[name] for replica in fitted], axis=0)
        for name in fitted[0].history
    }


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
    start, chosen = time.time(), params.load()
    section, settings = chosen.datasets[name], chosen.datasets[name].final
    file = arrays.stored(Path("data/arrays") / f"{name}.npz")
    x_test, y_train, schema = arrays.unpack("x_test", file), file["y_train"], Schema.unpack(file)
    if settings.validation >= len(y_train):
        raise SystemExit(
            f"params.yaml: datasets.{name}.final.validation: expected less than the {len(y_train):,} "
            f"training rows, got {settings.validation:,}"
        )
    problem = Problem.of(section, arrays.unpack("x_train", file), y_train, schema.outputs)

    done, epochs, history = "", settings.epochs, None
    if settings.validation:
        explored = explore(
            problem, settings.validation, settings.exploring_epochs, chosen.seed, f"{name} explore"
        )
        history, best = explored.history, best_epoch(explored.history)
        epochs = best if epochs == "best" else epochs
        rows = f"{len(y_train) - settings.validation:,} of {len(y_train):,} rows"
        done = f"explored {settings.exploring_epochs} epochs on {rows}, validation loss lowest after {best}; "
    fitted = final(problem, settings.seeds, epochs, chosen.seed, f"{name} final fit")

    with whole(Path("data/models") / name) as folder:
        folder.mkdir()
        for number, replica in enumerate(fitted):
            save(networks.complete(problem.model, replica), folder / f"seed_{number}.keras")
        figures = {
            f"history.{key}": values for key, values in (history or mean_history(fitted)).items()
        }
        figures |= {
            "parameters": problem.model.count_params(),
            "quantity": problem.head.quantity,
            "epochs": epochs,
        }
        figures |= {
            "predictions": problem.predict(fitted, x_test),
            "summary": networks.summary(problem.model),
        }
        np.savez(folder / "test.npz", **figures)
    parameters = f"{problem.model.count_params():,} parameters"
    print(
        f"train {name}: {done}{settings.seeds} new networks of {parameters}, {epochs} epochs on "
        f"{len(y_train):,} rows, tested on {x_test.shape[0]:,}, in {time.time() - start:.1f} s"
    )


if __name__ == "__main__":
    run(main)
