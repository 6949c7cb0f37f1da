"""Fill the scripts of .dvc/plots/page.html, the page of `dvc plots`, from npm (`make page`).

DVC's own page loads Vega from the network; ours carries it. The page names the packages and their
versions, one a script: change a version there, run this, and let test_pages.py open it. Vega-Lite
must be of the version that `$schema` of the templates asks for, DVC's and those beside the page,
and the other two must go with it.
"""

import re
import subprocess
import tarfile
import tempfile
from pathlib import Path

from stages.core.run.stage import parser_of, tool

PAGE = Path(__file__).parent.parent / ".dvc/plots/page.html"
SCRIPT = re.compile(r'(<script data-npm="(.+?)@.+?">).*?</script>', re.DOTALL)
BREAKS = re.compile(r"<!--|</?script|{(scripts|plot_divs|refresh_tag)}", re.IGNORECASE)


def filled(found: re.Match) -> str:
    """The script of a match of `SCRIPT`, with the minified code of its package."""
    tag, name = found.groups()
    package = re.search('"(.+)"', tag)[1]
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["npm", "pack", "--silent", package], cwd=folder, check=True)
        with tarfile.open(next(Path(folder).glob("*.tgz"))) as archive:
            code = archive.extractfile(f"package/build/{name}.min.js").read().decode()
    code = re.sub(r"//# sourceMappingURL=.*", "", code).strip()
    if BREAKS.search(code):
        raise SystemExit(
            f"{package} has text that would end its script or that DVC would replace: nothing is "
            "written."
        )
    return f"{tag}\n{code}\n</script>"


def main():
    """Fill each script anew."""
    parser_of(main).parse_args()
    PAGE.write_text(SCRIPT.sub(filled, PAGE.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    tool(main)
