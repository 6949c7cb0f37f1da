"""A review as a page: one HTML file with its pictures inside."""

import base64
import html

from markdown_it import MarkdownIt

from tools.review import drawings
from tools.review.report import Picture, Pictures

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


def _pictures(part):
    """Pictures by name, as pairs."""
    if isinstance(part, Picture):
        return [part]
    drawn = drawings.differences if part.of_differences else drawings.others
    return drawn(part.dataset).items()


def page(title: str, parts: list[str | Pictures | Picture]) -> str:
    """What `report` gives as HTML, which needs no network."""
    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    render = reader.disable(["image", "link", "autolink"]).render
    title = html.escape(title)
    body = [f"<h1>{title}</h1>"]
    for part in parts:
        if isinstance(part, str):
            body.append(render(part))
            continue
        for name, png in _pictures(part):
            source = f"data:image/png;base64,{base64.b64encode(png).decode()}"
            body.append(f'<figure><img alt="{html.escape(name)}" src="{source}"></figure>')
    return PAGE.format(title=title, body="\n".join(body))
