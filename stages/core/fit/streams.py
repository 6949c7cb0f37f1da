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

    All replicas take the same number of steps. Where folds differ by a row or two, the last batch
    may hold that many more rows than `batch_size`.
    """
    fewest, most = _sizes(folds)
    steps = max(1, -(-fewest // batch_size))
    return steps, min(most, max(batch_size, most - (steps - 1) * batch_size))


def _sizes(folds):
    """The fewest and the most rows that a replica of these folds trains on."""
    held_out = np.bincount(folds[folds >= 0], minlength=1)
    return len(folds) - int(held_out.max()), len(folds) - int(held_out.min())


def batches(
    members, batch_size: int, epoch: int, padded: bool
) -> list[tuple[np.ndarray, np.ndarray]]:
    """The batches of an epoch in parts of equal width: row numbers (int32) and taken (float32).

    Both are (steps, members, width). taken: 1 where the member trains on the row, 0 where the place
    is empty. Each member trains once on each row that it does not hold out, on `batch_size` of them
    in each step but the last.

    padded: the last step is filled up with rows that are not taken, which is for networks that look
    at each row alone; all steps are one part. Otherwise the last step is a part of its own width,
    which must be the same for all members: where folds differ, the rows that come last in the
    epoch's order sit out, other ones in each epoch.
    """
    steps, width = shape(members[0].folds, batch_size)
    fewest, _ = _sizes(members[0].folds)
    orders = _orders(members, epoch)
    if padded:
        place = np.arange(steps)[:, None] * batch_size + np.arange(width)
        inside = (np.arange(width) < batch_size) | (np.arange(steps) == steps - 1)[:, None]
        rows = [order[np.minimum(place, len(order) - 1)] for order in orders]
        taken = [inside & (place < len(order)) for order in orders]
        return [(np.stack(rows, 1).astype("int32"), np.stack(taken, 1).astype("float32"))]
    rows = np.stack([order[:fewest] for order in orders]).astype("int32")
    whole = fewest - fewest % batch_size
    parts = np.split(rows, [whole], axis=1) if 0 < whole < fewest else [rows]
    parts = [
        part.reshape(len(members), -1, min(batch_size, part.shape[1])).swapaxes(0, 1)
        for part in parts
    ]
    return [(part, np.ones(part.shape, "float32")) for part in parts]


def _orders(members, epoch):
    """The rows that each member trains on in the order of this epoch."""
    streams, orders = {}, []
    for member in members:
        key = member.order, id(member.folds)
        if key not in streams:
            streams[key] = stream(member, epoch)
        orders.append(streams[key][member.folds[streams[key]] != member.held_out])
    return orders


def ahead(make, count: int):
    """Yield make(0) to make(count - 1), each made by a thread while its predecessor is in use."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(make, 0)
        for number in range(1, count + 1):
            ready = coming.result()
            if number < count:
                coming = pool.submit(make, number)
            yield ready
