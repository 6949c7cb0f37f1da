"""Explore, choose the epoch, fit NEW networks with several seeds, predict -> data/models/<dataset>.

The tutorial says that it starts anew after exploring and then goes on training the network that has
seen 20 epochs; here the final fits start from new weights, on all training rows.
"""

import re
import time
import zipfile
from pathlib import Path

import numpy as np

from stages.core.data import arrays
from stages.core.data.schema import Schema
from stages.core.data.splits import Keys
from stages.core.declared import params
from stages.core.fit import networks
from stages.core.fit.problem import Problem
from stages.core.fit.replicas import Replica, seed_of
from stages.core.run.files import whole
from stages.core.run.lean_keras import keras
from stages.core.run.stage import run


def kept_back(keys, validation) -> np.ndarray:
    """The first rows, so many of them, and all others of their groups or times: (rows,) bool."""
    together = {"group": keys.group, "time": keys.time, "random": keys.rows}[keys.by]
    return np.isin(together, together[:validation])


def explore(problem, kept, epochs, seed, title):
    """A replica judged on the rows kept back, (rows,) bool, and trained on the others: a Fitted."""
    folds = np.where(kept, 0, -1)
    replica = Replica(seed_of(seed, "explore"), seed_of(seed, "order"), folds, held_out=0)
    (fitted,) = problem.fit([replica], epochs, title)
    return fitted


def final(problem, seeds, epochs, seed, title):
    """New replicas on all rows, `seeds` of them: a list of Fitted."""
    folds = np.full(len(problem.targets), -1)
    members = [
        Replica(seed_of(seed, "final", number), seed_of(seed, "order", number), folds, held_out=0)
        for number in range(seeds)
    ]
    return list(problem.fit(members, epochs, title))


def best_epoch(history) -> int:
    """The epoch, counted from 1, after which the validation loss was lowest."""
    return int(np.argmin(history["val_loss"])) + 1


def save(network, path: Path):
    """Write a .keras file whose bytes depend on the network alone.

    Keras puts the time into its file, and the addresses that shared objects have in memory. The
    optimizer is left out: it belongs to all replicas, and `load_model` refuses one without state.
    """
    bare = keras.models.clone_model(network)
    bare.set_weights(network.get_weights())
    bare.save(path)
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in sorted(archive.namelist())}
    contents["metadata.json"] = re.sub(rb', "date_saved": "[^"]*"', b"", contents["metadata.json"])
    addresses: dict[bytes, int] = {}
    contents["config.json"] = re.sub(
        rb'(?<="shared_object_id": )\d+',
        lambda address: b"%d" % addresses.setdefault(address[0], len(addresses)),
        contents["config.json"],
    )
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in contents.items():
            archive.writestr(zipfile.ZipInfo(name), content)  # with the fixed date of 1980


def predicted(problem, fitted, x_test, outputs) -> np.ndarray:
    """Predictions for the test rows, of which there may be none: (seeds, rows, outputs)."""
    if not x_test.shape[0]:
        return np.empty((len(fitted), 0, outputs), "float32")
    return problem.predict(fitted, x_test)


def main(name):
    """Run the stage for one data set."""
    start, chosen = time.time(), params.load()
    section, settings = chosen.datasets[name], chosen.datasets[name].final
    file = arrays.stored(Path("data/arrays") / f"{name}.npz")
    x_test, y_train, schema = arrays.unpack("x_test", file), file["y_train"], Schema.unpack(file)
    kept = kept_back(Keys.unpack(file), settings.validation)
    if kept.all():
        path, expected = f"datasets.{name}.final.validation", f"the {len(y_train):,} training rows"
        got = f"{settings.validation:,}, with the groups of these rows {np.count_nonzero(kept):,}"
        raise SystemExit(f"params.yaml: {path}: expected less than {expected}, got {got}")
    problem = Problem.of(section, arrays.unpack("x_train", file), y_train, schema.outputs)
    done, epochs, explored = "", settings.epochs, []
    if settings.validation:
        exploring, title = settings.exploring_epochs, f"{name} explore"
        explored = [explore(problem, kept, exploring, chosen.seed, title)]
        best = best_epoch(explored[0].history)
        epochs = best if epochs == "best" else epochs
        rows = f"{np.count_nonzero(~kept):,} of {len(y_train):,} rows"
        done = f"explored {exploring} epochs on {rows}, validation loss lowest after {best}"
        done += " and still falling; " if best == exploring else "; "
    fitted = final(problem, settings.seeds, epochs, chosen.seed, f"{name} final fit")

    histories = [replica.history for replica in explored or fitted]
    parameters = problem.model.count_params()
    with whole(Path("data/models") / name) as folder:
        folder.mkdir()
        for number, replica in enumerate(fitted):
            save(problem.complete(replica), folder / f"seed_{number}.keras")
        np.savez(
            folder / "test.npz",
            **{f"history.{key}": np.mean([h[key] for h in histories], 0) for key in histories[0]},
            parameters=parameters,
            quantity=problem.blueprint.head.quantity,
            epochs=epochs,
            predictions=predicted(problem, fitted, x_test, schema.outputs),
            summary=networks.summary(problem.model),
        )
    print(
        f"train {name}: {done}{settings.seeds} new networks of {parameters:,} parameters, "
        f"{epochs} epochs on {len(y_train):,} rows, tested on {x_test.shape[0]:,}, "
        f"in {time.time() - start:.1f} s"
    )


if __name__ == "__main__":
    run(main)
