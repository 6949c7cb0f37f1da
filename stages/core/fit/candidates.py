"""Candidates of a sweep side by side: those that differ in numbers alone train in one program.

A candidate that differs from another in fewer epochs alone is what the other was on the way, so it
trains nothing, but where the learning rate falls over the whole fit. Programs run side by side, as
many as there are cores; on a cluster they run one after the other, each on all workers.
"""

import threading
from collections import ChainMap, defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby

import numpy as np

from stages.core.declared.strict_yaml import Wrong
from stages.core.fit import cluster
from stages.core.fit.copies import at_a_time
from stages.core.fit.problem import Problem
from stages.core.fit.replicas import Fitted, Replica


@dataclass(frozen=True)
class Plan:
    """How a candidate trains.

    problem: the same object for all that train in one program. chooses: whether the epochs are
    chosen among all that it trains.
    """

    problem: Problem
    numbers: tuple[float, ...]
    epochs: int
    chooses: bool = False

    @property
    def judged(self) -> range:
        """The epochs, from 1, after which predictions are needed."""
        return range(1 if self.chooses else self.epochs, self.epochs + 1)

    def cut(self, fitted: Fitted, told: list[int]) -> Fitted:
        """What was reached after these epochs, of a fit that took as many or more: no weights.

        told: the epochs after which the fit judged its held-out rows.
        """
        places = [told.index(epoch) for epoch in self.judged]
        history = {
            name: values[places] if name.startswith("val_") else values[: self.epochs]
            for name, values in fitted.history.items()
        }
        # Copies: a view would keep the predictions of all epochs, and those of the whole slice.
        held_out = fitted.held_out[places] if self.chooses else fitted.held_out[places[0]].copy()
        return replace(fitted, weights=[], history=history, held_out=held_out)


def plans(problems: Iterable[tuple], said: Callable[[int], str] = str) -> dict[int, Plan]:
    """The plans of candidates, numbered from 0. problems: (problem, epochs, chooses) of each.

    What networks and rows are needed for is kept once for all that share a program. Raises Wrong,
    with what is said of the candidate, where a network would not train as in Keras.
    """
    found, kept = {}, {}
    try:
        for problem, epochs, chooses in problems:
            alike, numbers = problem.signature()
            falls = problem.blueprint.schedule != "constant"
            key = alike, epochs if falls else None
            if key not in kept:
                kept[key] = problem
                _ = problem.model  # refuses it
            found[len(found)] = Plan(kept[key], numbers, epochs, chooses)
    except Wrong as error:
        raise Wrong(*(f"{said(len(found))}: {line}" for line in error.args)) from None
    return found


def programs(plans: dict[int, Plan]) -> list[dict[int, Plan]]:
    """The plans that train together, by number."""
    found = defaultdict(dict)
    for number, plan in plans.items():
        found[id(plan.problem)][number] = plan
    return [*found.values()]


def fits(plans: dict[int, Plan], repeats: list[list[Replica]]) -> int:
    """How many fits `fit` trains."""
    different = {(id(plan.problem), plan.numbers) for plan in plans.values()}
    return len(different) * sum(map(len, repeats))


def fit(plans: dict[int, Plan], repeats: list[list[Replica]], made: Callable, title="") -> dict:
    """Train the replicas of all repeats by each plan: {number: [made(...) of each repeat]}.

    made: (plan, number of the repeat, its replicas, a Fitted without weights of each) -> what is
    kept; None where that is no number. What diverges ends no other; there is None in place of its
    list. Raises MemoryError where a program does not even fit alone.
    """
    groups, parts = programs(plans), []
    train = partial(_train, repeats=repeats, made=made, title=title)
    side_by_side = 1 if cluster.is_named() else min(at_a_time(), len(groups))
    if side_by_side > 1:
        parts, groups = _side_by_side(partial(train, share=side_by_side), groups, side_by_side)
    found = ChainMap(*parts, *map(train, groups))  # in this thread, which Ctrl-C ends at once
    return {number: found[number] for number in plans}


def _side_by_side(train, groups, workers):
    """What so many threads made of the groups, and the groups that do not fit beside others."""
    parts, too_large, stop = [], [], threading.Event()
    with ThreadPoolExecutor(workers) as pool:
        waiting = {pool.submit(train, group, stop=stop): group for group in groups}
        try:
            for future in as_completed(waiting):
                try:
                    parts.append(future.result())
                except MemoryError:
                    too_large.append(waiting[future])
        except BaseException:  # such as Ctrl-C, for which the others would go on to their end
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise
    return parts, too_large


def _train(group, repeats, made, **how):
    """The same for plans that train together; those that differ in epochs alone share fits."""
    longest = max(plan.epochs for plan in group.values())
    told = sorted({epoch for plan in group.values() for epoch in plan.judged})
    sharing = defaultdict(list)
    for number, plan in group.items():
        sharing[plan.numbers].append(number)
    # Streams outermost, so that replicas that take the same rows are in a slice.
    streams = [[*part] for repeat in repeats for _, part in groupby(repeat, lambda one: one.order)]
    replicas = [
        replace(member, numbers=numbers)
        for stream in streams
        for numbers in sharing
        for member in stream
    ]
    problem = next(iter(group.values())).problem
    trained = problem.fit(replicas, longest, told=told, strict=False, **how)
    found, waiting = ({number: [] for number in group} for _ in range(2))
    lost = set()
    for replica, fitted in zip(replicas, trained, strict=True):
        for number in sharing[replica.numbers]:
            plan, repeat = group[number], len(found[number])
            waiting[number].append(plan.cut(fitted, told))
            if diverged(waiting[number][-1], fitted.weights if plan.epochs == longest else []):
                lost.add(number)
            if len(waiting[number]) == len(repeats[repeat]):
                of_repeat = plan, repeat, repeats[repeat], waiting[number]
                result = None if number in lost else made(*of_repeat)
                lost |= {number} if result is None else set()
                found[number].append(result)
                waiting[number] = []
    return {number: None if number in lost else parts for number, parts in found.items()}


def diverged(fitted: Fitted, weights: list[np.ndarray]) -> bool:
    """Whether a loss, a prediction or one of these weights is no number any more.

    Held-out rows are judged after fewer epochs than in `kfold`, which would see it after each.
    """
    arrays = [*fitted.history.values(), fitted.held_out, *weights]
    return not all(np.isfinite(array).all() for array in arrays)
