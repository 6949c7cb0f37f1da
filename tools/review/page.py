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
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto;
  padding: 0 1rem; color: #222; }}
table {{ border-collapse: collapse; margin: 1rem 0; display: block; overflow-x: auto; }}
th, td {{ border: 1px solid #ccc; padding: .3rem .6rem; text-align: left; }}
th, pre {{ background: #f4f4f4; }}
code {{ overflow-wrap: anywhere; }}
pre {{ padding: .8rem; overflow-x: auto; }}
blockquote {{ border-left: .3rem solid #D55E00; margin-left: 0; padding-left: 1rem; }}
figure {{ margin: 1.5rem 0; break-inside: avoid; }} img {{ max-width: 100%; }}
@media (max-width: 40rem) {{ body {{ padding: 0 .5rem; }}
  th, td {{ padding: .1rem; font-size: .65rem; }} }}
@media print {{ table, pre {{ font-size: .7rem; }} table {{ display: table; }}
  pre {{ white-space: pre-wrap; }} }}
</style></head><body>
{body}
</body></html>
"""


def page(report: Report) -> str:
    """The review as HTML, which needs no network."""
    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    render = reader.disable(["image", "link", "autolink"]).render
    title = html.escape(report.title)
    body = [f"<h1>{title}</h1>", render(report.overview)]
    for section in report.sections:
        body.append(render(section.words))
        for name, png in drawn(section.dataset).items():
            source = f"data:image/png;base64,{base64.b64encode(png).decode()}"
            body.append(f'<figure><img alt="{html.escape(name)}" src="{source}"></figure>')
        body.append(render(section.flipped))
    return PAGE.format(title=title, body="\n".join(body))


def drawn(dataset: Reviewed) -> dict[str, bytes]:
    """{what it shows: PNG}; empty where there is nothing to compare."""
    if dataset.obstacle or dataset.unchanged:
        return {}
    base, head, metric, title = (
        dataset.base,
        dataset.head,
        dataset.about.metric,
        dataset.about.title,
    )
    sides = {f"base: {base.revision.name}": base, f"head: {head.revision.name}": head}
    differences = (head.folds[metric.name] - base.folds[metric.name]).to_numpy()
    found, unit = dataset.comparisons[metric.name], dataset.about.unit
    axes = {
        shared.name: pictures.Axis(shared.axis(unit), shared.higher_is_better)
        for shared in reversed(dataset.metrics)
    }
    result = {
        "Each fold's difference": pictures.fold_differences(
            f"{title}: difference in {metric.name} of each fold, head - base",
            differences.reshape(int(head.folds.repeat.max()), -1),
            (found.low, found.high),
            head.equivalent_within,
            axes[metric.name],
        )
    }
    if all(side.curves is not None for side in sides.values()):
        columns = [f"val_{name}" for name in axes]
        curves = {name: _curves(side.curves, columns) for name, side in sides.items()}
        drawing = pictures.compared_folds(f"{title}: held-out rows by epoch", curves, axes)
        result["K-fold curves"] = drawing
    if all(side.outcome is not None for side in sides.values()):
        result |= _outcome(dataset, {name: side.outcome for name, side in sides.items()})
    return result


def _curves(frame, columns):
    """{column: (replicas, epochs)} from fold_curves.csv."""
    return {name: frame[name].to_numpy().reshape(-1, int(frame.epoch.max())) for name in columns}


def _outcome(dataset, sides):
    """What the ensembles predict. sides: {name: frame of test.csv}."""
    base, head = sides.values()
    title = f"{dataset.about.title}: "
    if dataset.about.task.classifies:
        names = predictions.class_names([base, head])
        counts = [predictions.confusion_counts(frame, len(names)) for frame in (base, head)]
        title += "predictions of the ensemble for the test rows, head - base"
        drawing = pictures.confusion_difference(title, *counts, names)
        return {"Confusion, head - base": drawing}
    if not base.actual.equals(head.actual):
        return {}
    predicted = {name: frame.predicted.to_numpy() for name, frame in sides.items()}
    title += "test rows, ensemble"
    actual, unit = base.actual.to_numpy(), dataset.about.unit
    drawing = pictures.predicted_against_actual(title, actual, predicted, unit)
    return {"Predicted against actual": drawing}
