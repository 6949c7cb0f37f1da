"""Did the model get better? Compare two revisions of the project by their metrics, which Git holds.

    python -m tools.review BASE [HEAD] [--html PAGE] [--json] [--fail-on VERDICT]

BASE, HEAD: Git revisions or DVC experiments; HEAD is the workspace where it is not named. Markdown
goes to standard output, or what `document` gives as JSON; PAGE gets the Markdown with pictures, in
one file that needs no network. Neither data nor TensorFlow is needed; where data/ is there, the
texts that a model changed its mind on are shown.
"""

import json
import sys
from pathlib import Path

if not __package__:
    raise SystemExit("to run tools/review: make review BASE=..., or python -m tools.review")

from stages.core.run.files import whole
from stages.core.run.stage import parser_of, tool
from tools.review.document import document
from tools.review.page import page
from tools.review.report import report
from tools.review.revisions import Revision, Unreadable, resolve
from tools.review.verdicts import FAILING, failing, review


def main():
    """Review BASE against HEAD."""
    parser = parser_of(main)
    parser.epilog = (
        "Exit status: 0; 1 without a review, 2 for wrong arguments, 3 for what --fail-on names."
    )
    parser.add_argument("base", help="a Git revision or a DVC experiment")
    parser.add_argument("head", nargs="?", help="the same; the workspace where it is not named")
    parser.add_argument("--html", type=Path, help="write a page with pictures here")
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")
    parser.add_argument(
        "--fail-on",
        action="append",
        choices=FAILING,
        default=[],
        help="exit with 3 where the main metric of a data set is worse (also in the typical fold, "
        "but not where that is negligible), or where a data set is not comparable; may be given "
        "twice",
    )
    chosen = parser.parse_args()
    if chosen.html and chosen.html.is_dir():
        parser.error(f"{chosen.html} is a folder; --html takes the name of a file")
    try:
        base = resolve(chosen.base)
        head = resolve(chosen.head) if chosen.head else Revision("workspace")
        reviewed = review(base, head)
        title = f"Review: {base.name} → {head.name}"
        parts = report(base, head, reviewed) if chosen.html or not chosen.json else []
        told = document(base, head, reviewed) if chosen.json else {}
    except Unreadable as error:
        raise SystemExit(f"review: {error}") from None
    if chosen.html:
        with whole(chosen.html) as path:
            path.write_text(page(title, parts), encoding="utf-8")
    words = [f"# {title}", *(part for part in parts if isinstance(part, str))]
    print(json.dumps(told, indent=2) if chosen.json else "\n\n".join(words))
    if found := failing(reviewed, chosen.fail_on):
        print(f"review: {', '.join(found)} (--fail-on {' '.join(chosen.fail_on)})", file=sys.stderr)
        raise SystemExit(3)


if __name__ == "__main__":
    tool(main)
