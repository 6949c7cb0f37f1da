"""Which rows the replicas train on, in which step.

Rows come in *streams*. A stream is a shuffle of all rows, dealt from the folds in turn. A replica passes over the
rows that it holds out and takes the others in order, `batch_size` at a time. So what a replica sees follows from its
own order and folds, whichever replicas it runs beside; and replicas of the same stream take mostly the same rows in
a step.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np


def stream(replica, epoch: int) -> np.ndarray:
    """All row numbers in the order of this epoch: (n,), shuffled, then dealt from the folds in proportion."""
    shuffle = np.random.default_rng([replica.order, epoch]).permutation(len(replica.folds))
    folds = replica.folds[shuffle] + 1
    by_fold = np.argsort(folds, kind="stable")
    # The rows of a fold are spread evenly from 0 to 1; in the order of these places the folds take turns.
    place = np.concatenate([(np.arange(size) + 0.5) / size for size in np.bincount(folds) if size])
    return shuffle[by_fold[np.argsort(place, kind="stable")]]


def shape(folds: np.ndarray, batch_size: int) -> tuple[int, int]:
    """Batches in an epoch, and rows in the largest: the same for every replica of these folds.

    Where folds differ by a row or two, the largest fold decides on the number of batches, and the last batch of the
    others may hold a row or two more than `batch_size`. A replica that had to wait a step while others train would
    need optimizer state of its own; one whose batches had another width, other dropout masks.
    """
    sizes = np.bincount(folds[folds >= 0], minlength=1)
    fewest, most = len(folds) - int(sizes.max()), len(folds) - int(sizes.min())
    steps = max(1, -(-fewest // batch_size))
    return steps, min(most, max(batch_size, most - (steps - 1) * batch_size))


def batches(members, batch_size: int, epoch: int) -> tuple[np.ndarray, np.ndarray]:
    """The batches of one epoch: rows (int32) and taken (float32), both (steps, members, width).

    rows: numbers of rows. taken: 1 where the member trains on the row and 0 where the place is empty. Each member
    trains once on each row that it does not hold out, on `batch_size` of them in each step but the last.
    """
    steps, width = shape(members[0].folds, batch_size)
    place = np.arange(steps)[:, None] * batch_size + np.arange(width)  # among the member's rows
    inside = (np.arange(width) < batch_size) | (np.arange(steps) == steps - 1)[:, None]
    streams, rows, taken = {}, [], []
    for member in members:
        key = member.order, id(member.folds)
        if key not in streams:
            streams[key] = stream(member, epoch)
        order = streams[key][member.folds[streams[key]] != member.held_out]
        rows.append(order[np.minimum(place, len(order) - 1)])
        taken.append(inside & (place < len(order)))
    return np.stack(rows, axis=1).astype("int32"), np.stack(taken, axis=1).astype("float32")


def union(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The different rows of each step, and the place of each replica's rows among them, both int32.

    rows: (steps, members, width), as the places. The different rows, (steps, most), are padded to a multiple of 16,
    so that most epochs have the same shape and share one compiled program.
    """
    pairs = [np.unique(step, return_inverse=True) for step in rows]
    most = -(-max(len(different) for different, _ in pairs) // 16) * 16
    padded = [np.pad(each, (0, most - len(each)), mode="edge") for each, _ in pairs]
    places = [place.reshape(rows.shape[1:]) for _, place in pairs]
    return np.stack(padded).astype("int32"), np.stack(places).astype("int32")


def ahead(make, count: int):
    """Yield make(0) to make(count - 1), each made by another thread while its predecessor is in use."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(make, 0)
        for number in range(1, count + 1):
            ready = coming.result()
            if number < count:
                coming = pool.submit(make, number)
            yield ready
