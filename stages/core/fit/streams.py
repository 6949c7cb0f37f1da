"""Which rows the replicas train on, in which step.

Rows come in *streams*. A stream is a shuffle of all rows, dealt from the folds in turn. A replica
passes over the rows that it holds out and takes the others in order, `batch_size` at a time. So
what a replica sees follows from its own order and folds, whichever replicas it runs beside; and
replicas of one stream take mostly the same rows in a step.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np


def stream(replica, epoch: int) -> np.ndarray:
    """All row numbers in the order of this epoch: (n,)."""
    shuffle = np.random.default_rng([replica.order, epoch]).permutation(len(replica.folds))
    folds = replica.folds[shuffle] + 1
    by_fold = np.argsort(folds, kind="stable")
    # Each fold's rows get places evenly from 0 to 1; in the order of places the folds take turns.
    place = np.concatenate([(np.arange(size) + 0.5) / size for size in np.bincount(folds) if size])
    return shuffle[by_fold[np.argsort(place, kind="stable")]]


def shape(folds: np.ndarray, batch_size: int) -> tuple[int, int]:
    """Batches in an epoch, and rows in the largest: the same for every replica of these folds.

    All replicas take the same number of steps, since they share the optimizer's state, and batches
    of the same width, on which dropout masks depend. Where folds differ by a row or two, the last
    batch may hold that many more rows than `batch_size`.
    """
    sizes = np.bincount(folds[folds >= 0], minlength=1)
    fewest, most = len(folds) - int(sizes.max()), len(folds) - int(sizes.min())
    steps = max(1, -(-fewest // batch_size))
    return steps, min(most, max(batch_size, most - (steps - 1) * batch_size))


def batches(members, batch_size: int, epoch: int) -> tuple[np.ndarray, np.ndarray]:
    """The batches of an epoch: row numbers (int32) and taken (float32), (steps, members, width).

    taken: 1 where the member trains on the row, 0 where the place is empty. Each member trains once
    on each row that it does not hold out, on `batch_size` of them in each step but the last.
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


def ahead(make, count: int):
    """Yield make(0) to make(count - 1), each made by a thread while its predecessor is in use."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(make, 0)
        for number in range(1, count + 1):
            ready = coming.result()
            if number < count:
                coming = pool.submit(make, number)
            yield ready
