"""The same work on the workers of a Dask cluster, where Dask's DASK_SCHEDULER_ADDRESS names one.

Where the work is done is no parameter, since it changes no result: results come back in the order
of the work, each once, whichever workers did it and however many of them were lost on the way.
"""

import os
import platform
import time
from collections import deque
from concurrent.futures import CancelledError
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

from tqdm import tqdm

ADDRESS = "DASK_SCHEDULER_ADDRESS"
WAIT = 20  # seconds for the scheduler to answer, and for a first worker
TRIES = 4  # times that work is handed out, when the workers that had the data are gone
PACKAGES = "tensorflow", "keras", "numpy", "scipy"


class Unusable(OSError):
    """There is no such cluster, or its workers are not like this process; the message says more."""


def is_named() -> bool:
    """Whether the environment names a cluster."""
    return bool(os.environ.get(ADDRESS))


def versions() -> dict[str, str]:
    """What must be the same here and on each worker for the results to be the same."""
    files = sorted(Path(__file__).parents[2].rglob("*.py"))
    code = sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:12]
    packages = {name: version(name) for name in PACKAGES}
    return {"Python": platform.python_version(), **packages, "this project": code}


def each(work, shared, parts, title=""):
    """Yield work(shared, part) for each part, in their order, done by the workers of the cluster.

    shared travels once to each worker; a part travels with the work. Raises what the work raises,
    and Unusable, before any work is handed out, for a cluster that cannot do it, or when workers
    keep dying.
    """
    left = deque(parts)
    bar = tqdm(total=len(left), desc=title, unit="slice", disable=None, leave=False)
    with _client() as client, bar:
        _check(client)
        for _ in range(TRIES):
            for result in _done(client, work, shared, list(left)):
                left.popleft()
                bar.update()
                yield result
            if not left:
                return
    lost = f"{len(left)} of {len(parts)} slices were lost with their workers, {TRIES} times"
    raise Unusable(f"{lost}; see their logs")


def _done(client, work, shared, parts):
    """Results in the order of the parts, up to the first that is lost with its worker."""
    from distributed import KilledWorker

    _wait_for_worker(client)
    # Scattered data is lost with the last worker that holds it, and the work that waits for it too.
    # No broadcast: the scheduler would try without end to send to a worker that has died. Workers
    # fetch the data from each other.
    try:
        held = client.scatter(shared, hash=False)
    except OSError:  # a worker that was to get it is gone
        time.sleep(1)
        return
    futures = deque(client.submit(work, held, part, pure=False) for part in parts)
    while futures:
        try:
            result = futures[0].result()
        except CancelledError:
            return
        except KilledWorker as error:
            raise Unusable(
                "workers of the cluster die when they train; memory is the usual reason: "
                "see their logs, or give them more"
            ) from error
        futures.popleft()  # the worker need not keep its result
        yield result


def _client():
    address = os.environ[ADDRESS]
    try:
        from distributed import Client
    except ImportError:
        lacking = f"{ADDRESS} is set, but the package distributed is not installed"
        raise Unusable(f"{lacking}: run `make cluster`, or unset it") from None
    try:
        return Client(address, timeout=WAIT)
    except (OSError, ValueError) as error:
        raise Unusable(
            f"{ADDRESS}: expected the address of a Dask scheduler, and none answers at {address!r} "
            f"({str(error).splitlines()[0]}). Start one, or unset the variable to train in this "
            "process"
        ) from None


def _wait_for_worker(client):
    try:
        client.wait_for_workers(1, timeout=WAIT)
    except TimeoutError:
        raise Unusable(
            f"{ADDRESS}: the scheduler at {os.environ[ADDRESS]} has no workers after {WAIT} s; "
            "start one from the root of this project: PYTHONPATH=. dask worker ADDRESS"
        ) from None


def _check(client):
    """Raise Unusable unless each worker has this project and the versions of this process."""
    _wait_for_worker(client)
    expected = versions()
    for worker, got in client.run(versions, on_error="return").items():
        if isinstance(got, OSError):  # it is gone
            continue
        if isinstance(got, BaseException):
            wrong = f"the worker {worker} cannot run this project ({got!r})"
            raise Unusable(f"{wrong}; start it with PYTHONPATH at its root")
        pairs = {name: (expected[name], got.get(name)) for name in expected}
        wrong = [f"{name}: expected {a}, got {b}" for name, (a, b) in pairs.items() if a != b]
        if wrong:
            wrong = f"the worker {worker} is not like this process: {'; '.join(wrong)}"
            raise Unusable(f"{wrong}; restart it from this state")
