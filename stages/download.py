"""Official files, checked by SHA-256, or generated stand-ins -> data/raw/<dataset>/.

Official files are looked for where a run by hand left them (DVC removes its outputs first), in
$DATASETS_MIRROR (a folder or a base URL), in the user's Keras cache and at the official address.
Whatever the source, only bytes with the official SHA-256 are kept. Where the mirror fails, the
stage stops. To lack a file is no failure, since a mirror need not have those of all data sets: the
next source is asked.
"""

import errno
import hashlib
import os
import re
import shutil
import signal
import ssl
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import requests
from requests.exceptions import InvalidURL, ProxyError
from tqdm import tqdm

from stages.core.data import synthetic
from stages.core.declared import params
from stages.core.declared import sources as data_sources
from stages.core.declared.strict_yaml import Wrong
from stages.core.run.files import whole
from stages.core.run.stage import run

TIMEOUT = 30  # seconds without a byte before a server counts as unreachable
SLOWEST = 20_000  # bytes a second, over the whole file, before a server counts as stalled
BACK_OFF = 1.0  # seconds before a server that fails is asked again; twice that before the last time
CHUNK = 2**16  # bytes
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}  # here, where no other source would help
URL = "http://", "https://"  # beginnings
GONE = {404, 410}  # statuses of a server that has no such file
UNTRUSTED = ssl.SSLCertVerificationError
RAW = Path("data/raw")
EARLIER, MIRROR = "an earlier run", "DATASETS_MIRROR"  # sources
WHAT_TO_DO = (
    "DATASETS_MIRROR names a folder or a base URL that has the official files; where that fails, "
    "repair it, name another or unset it. Without it they are looked for in ~/.keras/datasets and "
    "at their official address. `source: synthetic` in params.yaml works with generated stand-ins."
)
CHANGED = "Where the file was changed, put its new size and SHA-256 into its data/sources/*.yaml."
COPIES = "/.dvc/tmp/exps/"  # where DVC's queue runs, in copies of the project


class NoSource(Exception):
    """No source gave the file; the message tells what each of them did."""


def sources(file, folder: Path, environment) -> dict[str, str]:
    """Where to look for a file, in order: {source: path or URL}. Exits as `mirror` does."""
    if file.url is None and Path(file.address).is_file():
        return {"the project": file.address}  # whatever an earlier run took, this is the file
    cache = environment.get("KERAS_HOME", os.path.expanduser("~/.keras"))
    bases = {EARLIER: folder, MIRROR: mirror(environment), "the Keras cache": f"{cache}/datasets"}
    places = {source: f"{base}/{file.name}" for source, base in bases.items() if base}
    return places | {"the official address": file.address}


def mirror(environment) -> str | None:
    """The base URL or the absolute folder that DATASETS_MIRROR names; None where it names none.

    A relative folder is in the project, also in DVC's queue. Exits for any other kind of URL.
    """
    named = environment.get(MIRROR, "").strip()
    try:
        url = urlsplit(named)
    except ValueError:  # such as half a pair of brackets
        url = urlsplit("unknown:")
    if url.scheme in ("http", "https"):
        return url.geturl().rstrip("/")
    if url.scheme == "file" and url.netloc in ("", "localhost"):
        named = url2pathname(url.path)
    elif url.scheme:
        kinds = "a folder, file:///folder, http://host/folder or https://host/folder"
        raise SystemExit(f"{MIRROR}: expected {kinds}, got {without_password(named)}")
    project = str(Path.cwd()).partition(COPIES)[0]
    return str(Path(project, os.path.expanduser(named))) if named else None


def fetch(file, places, target: Path, named: str | None = None) -> str:
    """Put the file at `target` from the first place that has the right bytes; returns that place.

    Where the place `named` fails, those after it are not tried. Raises NoSource, with a line for
    each place, and then leaves nothing at `target`; OSError where there is no room.
    """
    problems = []
    for place in places:
        try:
            copy(place, target, file.size)
            check(target, file)
            return place
        except (OSError, ValueError) as error:  # requests' errors are OSErrors
            target.unlink(missing_ok=True)
            if getattr(error, "errno", None) in NO_ROOM:
                raise
            problems.append(problem(place, error))
            if place == named and not lacks(error):
                break
    raise NoSource("\n".join(problems))


def copy(place: str, target: Path, size: int):
    """Copy what is at a path or a URL to `target`, at most `size` bytes.

    A server that fails is asked again, also after a part of the file (urllib3's Retry does not).
    Raises OSError or ValueError.
    """
    if not place.startswith(URL):
        if (found := Path(place).stat().st_size) != size:
            raise ValueError(f"expected {size:,} bytes, got {found:,}")
        shutil.copyfile(place, target)
        return
    for pause in (BACK_OFF, 2 * BACK_OFF, None):
        try:
            return receive(place, target, size)
        except requests.RequestException as error:
            if pause is None or not worth_another_try(error):
                raise
            time.sleep(pause)


def receive(url: str, target: Path, size: int):
    """Download a URL to `target`, with a progress bar for a person.

    No library that we know stops a server that sends without end, such as a compressed bomb.
    Raises RequestException, ValueError.
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
    """Raise requests.Timeout after so long; the `timeout` of requests is only from byte to byte."""

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


def check(path: Path, file):
    """Raise ValueError where the file at `path` is not the official one."""
    with path.open("rb") as content:
        size, digest = path.stat().st_size, hashlib.file_digest(content, "sha256").hexdigest()
    if (size, digest) != (file.size, file.sha256):
        expected = f"expected {file.size:,} bytes with SHA-256 {file.sha256}"
        raise ValueError(f"{expected}, got {size:,} bytes with {digest}")


def causes(error: BaseException):
    """The error and those it was made of, the innermost last: requests keeps them in three ways."""
    yield error
    for inner in (error.__cause__ or error.__context__, *error.args):
        if isinstance(inner, BaseException):
            yield from causes(inner)


def caused_by(error: BaseException, *kinds) -> bool:
    """Whether an error of one of these classes is among the causes."""
    return any(isinstance(cause, kinds) for cause in causes(error))


def status(error: Exception) -> int | None:
    """What a server answered, where that is the error."""
    return getattr(getattr(error, "response", None), "status_code", None)


def lacks(error: Exception) -> bool:
    """Whether the place was in order and has no such file."""
    if isinstance(error, FileNotFoundError):
        return Path(error.filename).parent.is_dir()
    return status(error) in GONE


def worth_another_try(error: requests.RequestException) -> bool:
    """Whether the trouble may pass: of network or server, not of an address or a setting."""
    if code := status(error):
        return code >= 500 or code == 429
    return not caused_by(error, requests.TooManyRedirects, InvalidURL, ProxyError, UNTRUSTED)


def problem(place: str, error: Exception) -> str:
    """One line: the place and why it could not be read."""
    return f"  {without_password(f'{place}: {_reason(error)}')}"


def _reason(error):
    """Of a certificate or a proxy, also which setting may help."""
    if isinstance(error, FileNotFoundError):
        return f"there is no such {'file' if lacks(error) else 'folder'}"
    if caused_by(error, UNTRUSTED):
        what = "its certificate is not trusted; REQUESTS_CA_BUNDLE names a file with those to trust"
    elif isinstance(error, ProxyError) or status(error) == 407:
        what = "the proxy gives no way through; HTTPS_PROXY, HTTP_PROXY and NO_PROXY set it"
    elif isinstance(error, requests.ConnectionError):
        what = "the server cannot be reached"
    else:
        return (str(error) or type(error).__name__).splitlines()[0]
    *_, innermost = causes(error)
    detail = getattr(innermost, "strerror", None) or str(innermost) or type(innermost).__name__
    return f"{what} ({detail.splitlines()[0]})"


def without_password(text: str) -> str:
    """Text without the user and the password that URLs in it may have."""
    return re.sub(r"(?<=://)[^/\s]*@", "***@", text)


def stand_in(name, source) -> dict[str, bytes]:
    """The generated files of a data set: {name: content}; exits where it has none."""
    if source.stand_in is None:
        to_do = f"set `source: official` in params.yaml, take {name} out of `datasets`, or give"
        path = data_sources.path_of(name)
        raise SystemExit(
            f"{name} has no generated stand-in: {to_do} {path} numbers for one under stand_in."
        )
    try:
        return synthetic.generate(source)
    except Wrong as error:
        raise SystemExit(f"{data_sources.path_of(name)}: {error}") from None


def official(file, folder, target) -> str:
    """Fetch an official file; exits with a message when no source has it or the mirror fails.

    Returns the folder that it came from.
    """
    places = sources(file, folder, os.environ)
    named = None if file.is_here else places.get(MIRROR)  # it is there whatever a mirror does
    try:
        place = fetch(file, places.values(), target, named)
    except NoSource as error:
        to_do = WHAT_TO_DO if file.url else CHANGED
        raise SystemExit(f"{file.name} could not be had:\n{error}\n{to_do}") from None
    if named and place not in (named, places[EARLIER]):
        print(f"download: DATASETS_MIRROR has no {file.name}, so it comes from the next source")
    return without_password(place.rpartition("/")[0])


def main(name):
    """Run the stage for one data set."""
    start, folder, source = time.time(), RAW / name, data_sources.read(name)
    with whole(folder) as new:
        new.mkdir()
        if params.load().source == "synthetic":
            for file, content in stand_in(name, source).items():
                (new / file).write_bytes(content)
            places = ["generated stand-ins"]
        else:
            places = [official(file, folder, new / file.name) for file in source.files]
        size = sum(path.stat().st_size for path in new.iterdir())
    origin, seconds = "; ".join(dict.fromkeys(places)), time.time() - start
    print(f"download {name}: {size:,} bytes, {origin}, in {seconds:.1f} s")


if __name__ == "__main__":
    run(main)
