"""Official files, checked by SHA-256 -> data/raw/<dataset>/; or, with `source: synthetic`, generated stand-ins.

Looked for in this order: where an earlier run left them, $DATASETS_MIRROR (a folder or a base URL), the user's
Keras cache, the official address. Whatever the source, only bytes with the official SHA-256 are kept.

`python -m stages.download --reachable` tells by its exit status whether any source can be reached (0) or none (3).
"""

import errno
import hashlib
import os
import shutil
import signal
import sys
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import requests
from tqdm import tqdm

from stages.core import params, synthetic
from stages.core.datasets import TABLE
from stages.core.files import whole
from stages.core.stage import run

TIMEOUT = 30  # seconds without a byte before a server counts as unreachable
SLOWEST = 20_000  # bytes a second, over the whole file, before a server counts as stalled
ATTEMPTS, BACK_OFF = 3, 1.0  # tries of a server that fails, and seconds before the second; twice that before the third
CHUNK = 2**16  # bytes
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}  # here, where no other source would help
UNREACHABLE = 3  # exit status
RAW = Path("data/raw")


class NoSource(Exception):
    """No source gave the file; the message tells what each of them did."""


def sources(file, folder: Path, environment) -> list[str]:
    """Where to look for a file, in order: paths and URLs."""
    mirror = environment.get("DATASETS_MIRROR", "").rstrip("/")
    cache = Path(environment.get("KERAS_HOME", Path.home() / ".keras")) / "datasets"
    places = [folder / file.name, f"{mirror}/{file.name}" if mirror else None, cache / file.name, file.address]
    return [str(place) for place in places if place]


def is_url(source: str) -> bool:
    """Whether a source is on the network."""
    return source.startswith(("http://", "https://"))


def reachable(source: str) -> bool:
    """Whether there is anything at this source, right or wrong."""
    if not is_url(source):
        return Path(source).is_file()
    try:
        with in_time(TIMEOUT):
            answer = requests.head(source, timeout=TIMEOUT, allow_redirects=True, hooks=HOOKS)
        return answer.status_code not in (404, 410)  # a server may refuse HEAD and yet give the file
    except (requests.RequestException, ValueError):
        return False


def fetch(file, places: list[str], target: Path) -> str:
    """Put the file at `target` from the first place that has the right bytes; returns that place.

    Raises NoSource, with a line for each place, and then leaves nothing at `target`; OSError where there is no room.
    """
    problems = []
    for place in places:
        try:
            copy(place, target, file.size)
        except (OSError, ValueError) as error:  # requests' errors are OSErrors
            if getattr(error, "errno", None) in NO_ROOM:
                raise
            problems.append(f"{place}: {reason(error)}")
        else:
            if problem := difference(target, file):
                problems.append(f"{place}: {problem}")
            else:
                return place
        target.unlink(missing_ok=True)
    raise NoSource("\n".join(f"  {problem}" for problem in problems))


def copy(place: str, target: Path, size: int):
    """Copy what is at a path or a URL to `target`, at most `size` bytes; a server that fails is asked again.

    Raises OSError or ValueError.
    """
    if not is_url(place):
        if (found := Path(place).stat().st_size) != size:
            raise ValueError(f"expected {size:,} bytes, got {found:,}")
        shutil.copyfile(place, target)
        return
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return receive(place, target, size)
        except requests.RequestException as error:
            if attempt == ATTEMPTS or not worth_another_try(error):
                raise
            time.sleep(BACK_OFF * 2 ** (attempt - 1))


def receive(url: str, target: Path, size: int):
    """Download what is at a URL to `target`, with a progress bar for a person. Raises RequestException, ValueError.

    Written here since no downloader that we know stops a server that sends without end, such as a compressed bomb.
    """
    bar = tqdm(total=size, unit="B", unit_scale=True, desc=target.name, disable=None, leave=False)
    get = partial(requests.get, url, stream=True, timeout=TIMEOUT, hooks=HOOKS)
    with in_time(TIMEOUT + size / SLOWEST), get() as answer, target.open("wb") as file, bar:
        answer.raise_for_status()
        for chunk in answer.iter_content(CHUNK):
            file.write(chunk)
            bar.update(len(chunk))
            if file.tell() > size:
                raise ValueError(f"expected {size:,} bytes, got more")


class _Late(Exception):
    """Nothing that urllib3 would take for an error of its own."""


@contextmanager
def in_time(seconds: float):
    """Raise requests.Timeout where the block takes longer; the `timeout` of requests is only from byte to byte."""

    def late(signum, frame):
        raise _Late

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    except _Late:
        raise requests.Timeout(f"too slow: it was not all there after {seconds:.0f} s") from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def leave_body(answer: requests.Response, **_):
    """Close a redirect before requests reads its body, which it would do to any length."""
    if answer.is_redirect:
        answer.raw.close()


HOOKS = {"response": leave_body}


def worth_another_try(error: requests.RequestException) -> bool:
    """Whether the trouble may pass: of the network or of the server, not an address that is wrong."""
    if error.response is not None:
        return error.response.status_code >= 500 or error.response.status_code == 429
    return not isinstance(error, requests.TooManyRedirects | requests.exceptions.InvalidURL)


def reason(error: Exception) -> str:
    """One line on why a place could not be read."""
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, requests.ConnectionError):
        return "the server cannot be reached"
    return (str(error) or type(error).__name__).splitlines()[0]


def difference(path: Path, file) -> str | None:
    """How the file at `path` differs from the official one; None when it does not."""
    with path.open("rb") as content:
        size, digest = path.stat().st_size, hashlib.file_digest(content, "sha256").hexdigest()
    if (size, digest) == (file.size, file.sha256):
        return None
    return f"expected {file.size:,} bytes with SHA-256 {file.sha256}, got {size:,} bytes with {digest}"


def main(name):
    """Run the stage for one data set."""
    start, source, folder = time.time(), params.load().source, RAW / name
    with whole(folder) as new:
        new.mkdir()
        if source == "synthetic":
            if name not in synthetic.GENERATORS:
                raise SystemExit(
                    f"{name} has no generated stand-in: set `source: official` in params.yaml, take {name} out of "
                    "`datasets`, or write it a generator (stages/core/synthetic.py)."
                )
            for file, content in synthetic.GENERATORS[name]().items():
                (new / file).write_bytes(content)
            places = ["generated stand-ins"]
        else:
            places = [official(file, folder, new / file.name) for file in TABLE[name].files]
        size = sum(path.stat().st_size for path in new.iterdir())
    print(f"download {name}: {size:,} bytes, {'; '.join(dict.fromkeys(places))}, in {time.time() - start:.1f} s")


def official(file, folder, target):
    """Fetch one official file; exits with a message when no source has it."""
    try:
        return fetch(file, sources(file, folder, os.environ), target).rpartition("/")[0]
    except NoSource as error:
        raise SystemExit(
            f"{file.name} could not be had from any source:\n{error}\n"
            "Set DATASETS_MIRROR to a folder or a base URL that has the official files, or put them in "
            "~/.keras/datasets, or set `source: synthetic` in params.yaml to work with generated stand-ins."
        ) from None


def any_reachable() -> bool:
    """Whether a source can be reached for any file of the data sets in params.yaml, or none is needed."""
    chosen = params.load()
    files = [(file, RAW / name) for name in chosen.datasets for file in TABLE[name].files if not file.packaged]
    return (
        chosen.source == "synthetic"
        or not files
        or any(reachable(place) for file, folder in files for place in sources(file, folder, os.environ))
    )


if __name__ == "__main__":
    if sys.argv[1] == "--reachable":
        sys.exit(0 if any_reachable() else UNREACHABLE)
    run(main)
