"""Which rows the replicas train on, in which step.

Rows come in *streams*. A stream is a shuffle of all rows, dealt from the folds in turn. A replica
passes over the rows that it does not train on and takes the others in order, as its *plan* says:
- Where folds are alike, `batch_size` rows at a time. The last batch takes what is left. Where
  networks look at a batch as a whole, the few rows that others do not have sit out.
- Where folds differ, networks that look at each row alone take the same number of batches, over
  which the rows of each are spread evenly. So batches differ in size as training sets do.
- Other networks then take `batch_size` rows at a time, each until its rows are at their end, as
  Keras does. Only replicas with as many rows train together.

So what a replica sees follows from its own order, folds and window, whichever replicas it runs
beside; and replicas of one stream take mostly the same rows in a step.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

# Folds are alike where training sets differ by a row, or by at most a 16th of a batch where batches
# are padded, which the last batch holds in addition; elsewhere of a training set, which sits out.
FEW = 16


def stream(replica, epoch: int) -> np.ndarray:
    """All row numbers in the order of this epoch: (n,)."""
    shuffle = np.random.default_rng([replica.order, epoch]).permutation(len(replica.folds))
    folds = replica.folds[shuffle] + 1
    by_fold = np.argsort(folds, kind="stable")
    # Each fold's rows get places evenly from 0 to 1; in the order of places the folds take turns.
    place = np.concatenate([(np.arange(size) + 0.5) / size for size in np.bincount(folds) if size])
    return shuffle[by_fold[np.argsort(place, kind="stable")]]


class Plan(NamedTuple):
    """How a replica takes its rows in an epoch. Those with equal plans can train together.

    steps: batches. width: places in the largest. rows: that each replica takes where batches are
    not padded. spread: whether the rows are spread evenly over the steps.
    """

    steps: int
    width: int
    rows: int
    spread: bool = False


def plan(replica, batch_size: int, padded: bool) -> Plan:
    """The plan of a replica: the same for all replicas of its folds and window, but in one case.

    Where batches are not padded and folds differ by more than a 16th of the training rows, a
    replica has the plan of its number of rows, so that none of them sits out.
    """
    sizes = _sizes(replica)
    fewest, most = int(sizes.min()), int(sizes.max())
    if most - fewest <= max(1, (batch_size if padded else most) // FEW):
        steps = _up(fewest, batch_size)
        width = min(most, max(batch_size, most - (steps - 1) * batch_size))
        return Plan(steps, width, fewest)
    if padded:  # a step without rows would be no step of Keras, so there are at most `fewest`
        steps = min(fewest, _up(int(sizes.sum()), len(sizes) * batch_size))
        return Plan(steps, _up(most, steps), fewest, spread=True)
    rows = int(replica.trains.sum())
    return Plan(_up(rows, batch_size), min(rows, batch_size), rows)


def _up(number, parts):
    """The quotient, rounded up."""
    return -(-number // parts)


def _sizes(replica):
    """The numbers of rows on which the replicas of these folds and of this window train."""
    folds, window = replica.folds, replica.window
    counts = np.bincount(folds[folds >= 0], minlength=replica.held_out + 1)
    sizes = len(folds) - counts
    if window:
        until = np.concatenate([[0], np.cumsum(counts)])
        sizes = until[window:-1] - until[: -1 - window]
    return sizes[sizes > 0]


def batches(
    members, batch_size: int, epoch: int, padded: bool
) -> list[tuple[np.ndarray, np.ndarray]]:
    """The batches of an epoch in parts of equal width: row numbers (int32) and taken (float32).

    members: replicas with equal plans. Both arrays are (steps, members, width). taken: 1 where the
    member trains on the row, 0 where the place is empty.

    padded: places are left empty where a batch has fewer rows than the largest, which is for
    networks that look at each row alone; all steps are one part. Each member trains once on each of
    its rows. Otherwise the last step is a part of its own width, which must be the same for all
    members: the rows beyond `Plan.rows` that come last in the epoch's order sit out, other ones in
    each epoch.
    """
    chosen, orders = plan(members[0], batch_size, padded), _orders(members, epoch)
    if padded:
        pairs = [_places(len(order), batch_size, chosen) for order in orders]
        rows = [order[place] for order, (place, _) in zip(orders, pairs, strict=True)]
        taken = [inside for _, inside in pairs]
        return [(np.stack(rows, 1).astype("int32"), np.stack(taken, 1).astype("float32"))]
    rows = np.stack([order[: chosen.rows] for order in orders]).astype("int32")
    whole = chosen.rows - chosen.rows % batch_size
    parts = np.split(rows, [whole], axis=1) if 0 < whole < chosen.rows else [rows]
    parts = [
        part.reshape(len(members), -1, min(batch_size, part.shape[1])).swapaxes(0, 1)
        for part in parts
    ]
    return [(part, np.ones(part.shape, "float32")) for part in parts]


def _places(count, batch_size, chosen):
    """Places of `count` rows in padded batches, and which of these are taken: (steps, width)."""
    numbers = np.arange(chosen.steps + 1)
    if chosen.spread:
        bounds = numbers * count // chosen.steps
    else:
        bounds = np.append(numbers[:-1] * batch_size, count)
    place = bounds[:-1, None] + np.arange(chosen.width)
    return np.minimum(place, count - 1), place < bounds[1:, None]


def _orders(members, epoch):
    """The rows that each member trains on in the order of this epoch."""
    streams, orders = {}, []
    for member in members:
        key = member.order, id(member.folds)
        if key not in streams:
            streams[key] = stream(member, epoch)
        orders.append(streams[key][member.trains[streams[key]]])
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
