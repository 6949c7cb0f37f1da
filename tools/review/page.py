"""A review as a page: one HTML file with its pictures inside."""

import base64
import html

from markdown_it import MarkdownIt

from stages.core.judge import pictures, predictions
from tools.review.report import Report
from tools.review.verdicts import Reviewed

PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title><style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222; }}
table {{ border-collapse: collapse; margin: 1rem 0; display: block; overflow-x: auto; }}
th, td {{ border: 1px solid #ccc; padding: .3rem .6rem; text-align: left; }}
th {{ background: #f4f4f4; }}
code {{ overflow-wrap: anywhere; }}
pre {{ background: #f4f4f4; padding: .8rem; overflow-x: auto; }}
blockquote {{ border-left: .3rem solid #D55E00; margin-left: 0; padding-left: 1rem; }}
figure {{ margin: 1.5rem 0; break-inside: avoid; }} img {{ max-width: 100%; }}
@media (max-width: 40rem) {{ body {{ padding: 0 .5rem; }} th, td {{ padding: .1rem; font-size: .65rem; }} }}
@media print {{ table, pre {{ font-size: .7rem; }} table {{ display: table; }} pre {{ white-space: pre-wrap; }} }}
</style></head><body>
{body}
</body></html>
"""


def page(report: Report) -> str:
    """The review as HTML, which needs no network."""
    render = (
        MarkdownIt("commonmark", {"html": False})
        .enable("table")
        .disable(["image", "link", "autolink"])
        .render
    )
    title = html.escape(report.title)
    body = [f"<h1>{title}</h1>", render(report.overview)]
    for section in report.sections:
        body.append(render(section.words))
        body += [_picture(name, png) for name, png in drawn(section.dataset).items()]
        body.append(render(section.flipped))
    return PAGE.format(title=title, body="\n".join(body))


def _picture(name, png):
    source = f"data:image/png;base64,{base64.b64encode(png).decode()}"
    return f'<figure><img alt="{html.escape(name)}" src="{source}"></figure>'


def drawn(dataset: Reviewed) -> dict[str, bytes]:
    """{what it shows: PNG}; empty where there is nothing to compare."""
    if dataset.obstacle or dataset.unchanged:
        return {}
    names = f"base: {dataset.base.revision.name}", f"head: {dataset.head.revision.name}"
    found = {"Each fold's difference": _differences(dataset)}
    if all(side.curves is not None for side in dataset.sides):
        found["K-fold curves"] = _curves(dataset, names)
    if any(side.outcome is None for side in dataset.sides):
        return found
    if dataset.about.classifies:
        found["Confusion, head - base"] = _confusion(dataset)
    elif dataset.base.outcome.actual.equals(dataset.head.outcome.actual):
        found["Predicted against actual"] = _predicted(dataset, names)
    return found


def _differences(dataset):
    name, found = dataset.metric.name, dataset.comparisons[dataset.metric.name]
    folds = dataset.head.folds
    differences = (folds[name] - dataset.base.folds[name]).to_numpy()
    return pictures.fold_differences(
        f"{dataset.about.title}: difference in {name} of each fold, head - base",
        differences.reshape(int(folds.repeat.max()), -1),
        (found.low, found.high),
        dataset.equivalent_within,
        dataset.metric.label,
        "higher" if dataset.metric.higher_is_better else "lower",
    )


def _curves(dataset, names):
    """Of the loss, where it can be compared, and of the main metric."""
    labels = {metric.name: metric.label for metric in reversed(dataset.metrics)}
    sides = {}
    for name, side in zip(names, dataset.sides, strict=True):
        shape = -1, int(side.curves.epoch.max())
        columns = [f"val_{metric}" for metric in labels]
        sides[name] = {column: side.curves[column].to_numpy().reshape(shape) for column in columns}
    title = f"{dataset.about.title}: held-out rows by epoch"
    return pictures.compared_folds(title, sides, labels)


def _confusion(dataset):
    pairs = [side.outcome for side in dataset.sides]
    names = predictions.class_names(pairs)
    counts = [predictions.confusion_counts(frame, len(names)) for frame in pairs]
    title = f"{dataset.about.title}: predictions of the ensemble for the test rows, head - base"
    return pictures.confusion_difference(title, *counts, names)


def _predicted(dataset, names):
    values = [side.outcome.predicted.to_numpy() for side in dataset.sides]
    title = f"{dataset.about.title}: test rows, ensemble"
    return pictures.predicted_against_actual(
        title,
        dataset.base.outcome.actual.to_numpy(),
        dict(zip(names, values, strict=True)),
        dataset.about.unit,
    )
