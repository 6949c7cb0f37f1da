"""Before `make repro`: can the official files be had? If not, generated stand-ins.

`python -m tools.sources` prints nothing where a source can be reached. Where none can, and nobody
named any, it sets `source: synthetic` in params.yaml and prints a banner with the reason of each.
A mirror that somebody named and that fails is a message and exit status 1; nothing is changed.
"""

import os
from pathlib import Path

import requests
import yaml

from stages import download
from stages.core.declared import params, sources, strict_yaml
from stages.core.run.files import whole
from stages.core.run.stage import parser_of, tool
from stages.download import EARLIER, MIRROR, NoSource

BANNER = """
  ##############################################################################
  #  THE DATA ARE GENERATED STAND-INS: params.yaml says source: synthetic, and #
  #  so do dvc.lock and every metrics file. No metric is about the real data.  #
  #  To go back: set source: official, and DATASETS_MIRROR if need be.         #
  ##############################################################################
"""


def ask(place: str):
    """Raise OSError or ValueError, as the download would, where this place has no file at all."""
    if not place.startswith(download.URL):
        Path(place).stat()
        return
    limits = {"timeout": download.TIMEOUT, "hooks": download.HOOKS}
    with download.in_time(download.TIMEOUT):
        answer = requests.head(place, allow_redirects=True, **limits)
    if answer.status_code in download.GONE | {407}:
        answer.raise_for_status()  # after others, such as 405, GET may still give the file


def is_setting(error: Exception) -> bool:
    """Whether a certificate or the login of a proxy is in the way."""
    *_, innermost = download.causes(error)
    through_proxy = isinstance(error, requests.RequestException)  # not a path with this number
    login = download.status(error) == 407 or (through_proxy and "407" in str(innermost))
    return login or download.caused_by(error, download.UNTRUSTED)


def unreachable(places: list[dict[str, str]]) -> str:
    """Why no source has any of the files, a line a source; empty where any has, or for no files.

    `places` is what `download.sources` gives for each file. Raises NoSource where a mirror
    fails, or a certificate or the login of a proxy, which only a person can set right.
    """
    problems, broken = {}, set()
    for source, place in (pair for file in places for pair in file.items()):
        base = place.rpartition("/")[0]
        if base in broken:
            continue
        try:
            ask(place)
            return ""
        except (OSError, ValueError) as error:
            problem, lacks = download.problem(place, error), download.lacks(error)
            if (source == MIRROR and not lacks) or is_setting(error):
                raise NoSource(problem) from error
        if source != EARLIER:
            problems.setdefault(base, problem)
        if not lacks:
            broken.add(base)  # a server that is not there is waited for once
    return "\n".join(problems.values())


def with_stand_ins(document: str) -> str:
    """params.yaml with `source: synthetic`, and all else as it was, comments too.

    Exits where the word does not stand at the top of the file.
    """
    wanted = strict_yaml.read(document) | {"source": "synthetic"}
    for key, value in yaml.compose(document, yaml.SafeLoader).value:
        if key.value == "source":
            start, end = value.start_mark.index, value.end_mark.index
            changed = f"{document[:start]}synthetic{document[end:]}"
            try:
                if strict_yaml.read(changed) == wanted:
                    return changed
            except strict_yaml.Wrong:  # as after a word in a block of its own
                break
    raise SystemExit(
        "No source of the official data can be reached, and no program can change `source` in this "
        "params.yaml: write `source: synthetic` by hand to work with generated stand-ins."
    )


def main():
    """Look for a source of the files of the data sets in params.yaml."""
    parser_of(main).parse_args()
    chosen = params.load()
    if chosen.source == "synthetic":
        print(BANNER)
        return
    places = [
        download.sources(file, download.RAW / name, os.environ)
        for name in chosen.datasets
        for file in sources.read(name).files
        if not file.is_here
    ]
    try:
        why = unreachable(places)
        lacking = any(sources.read(name).stand_in is None for name in chosen.datasets)
        if why and (lacking or MIRROR in places[0]):
            raise NoSource(why)
    except NoSource as error:
        told = f"The official data cannot be had:\n{error}\n{download.WHAT_TO_DO}"
        raise SystemExit(told) from None
    if why:
        changed = with_stand_ins(params.PATH.read_bytes().decode(errors="replace"))
        with whole(params.PATH) as new:
            new.write_bytes(changed.encode())
        print(f"{BANNER}  No source of the official data can be reached:\n{why}\n")


if __name__ == "__main__":
    tool(main)
