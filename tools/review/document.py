"""A review for programs."""

import json
from dataclasses import asdict

from tools.review.report import params_that_differ
from tools.review.revisions import Revision, stale
from tools.review.verdicts import Reviewed


def document(base: Revision, head: Revision, reviewed: list[Reviewed]) -> dict:
    """Plain values, with null in place of what is no finite number.

    base, head: name, commit (null for the workspace), stale (stages, such as train@imdb, that are
    newer than their results). params: those that differ. datasets: {name: verdict on the main
    metric, its name as metric, obstacle or null, metrics}. Of each metric of a fold: verdict,
    higher_is_better, K-fold means of base and head, and difference, which is a `Comparison` by its
    fields, with p_holm, p after Holm; null where there is an obstacle. folds_alone: why the main
    metric is judged by folds alone, or null where rows, seeds and training sets are told apart.
    """
    sides = {
        key: {"name": side.name, "commit": side.commit, "stale": stale(side)}
        for key, side in (("base", base), ("head", head))
    }
    datasets = {
        dataset.name: {
            "verdict": dataset.verdict(),
            "metric": dataset.about.metric.name,
            "obstacle": dataset.obstacle or None,
            "folds_alone": dataset.folds_alone or None,
            "metrics": {metric.name: _judged(dataset, metric) for metric in dataset.metrics},
        }
        for dataset in reviewed
    }
    told = {**sides, "params": params_that_differ(base, head), "datasets": datasets}
    return json.loads(json.dumps(told, default=str), parse_constant=lambda _: None)


def _judged(dataset, metric):
    difference = None
    if found := dataset.comparisons.get(metric.name):
        difference = asdict(found)
        difference["p_holm"], typical = dataset.p[metric.name]
        if difference["typical"]:
            difference["typical"]["p_holm"] = typical
    base, head = dataset.means(metric)
    return {
        "verdict": dataset.verdict(metric),
        "higher_is_better": metric.higher_is_better,
        "base": base,
        "head": head,
        "difference": difference,
    }
