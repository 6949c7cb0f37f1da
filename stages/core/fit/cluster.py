"""The same work on the workers of a Dask cluster, where Dask's own DASK_SCHEDULER_ADDRESS names one.

Where the work is done is no parameter, since it changes no result: results come back in the order of the work, each
once, whichever workers did it and however many of them were lost on the way.
"""

import os
import platform
import time
from concurrent.futures import CancelledError
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

from tqdm import tqdm

ADDRESS = "DASK_SCHEDULER_ADDRESS"
WAIT = 20  # seconds for the scheduler to answer, and for a first worker
TRIES = 4  # times that work is handed out anew, when the workers that had the data are gone
PACKAGES = "tensorflow", "keras", "numpy", "scipy"


class Unusable(OSError):
    """There is no such cluster, or its workers are not like this process; the message says what to do."""


def is_named() -> bool:
    """Whether the environment names a cluster."""
    return bool(os.environ.get(ADDRESS))


def versions() -> dict[str, str]:
    """What must be the same here and on each worker for the results to be the same."""
    stages = Path(__file__).parents[2]
    code = b"".join(path.read_bytes() for path in sorted(stages.rglob("*.py")))
    packages = {name: version(name) for name in PACKAGES}
    return {
        "Python": platform.python_version(),
        **packages,
        "this project": sha256(code).hexdigest()[:12],
    }


def each(work, shared, parts, title=""):
    """Yield work(shared, part) for each part, in their order, done by the workers of the cluster.

    shared travels once to each worker; what the work is told by a part, with the part. Raises what the work raises,
    and Unusable, before any work is handed out, for a cluster that cannot do it, or when workers keep dying.
    """
    client = _client()
    try:
        _check(client)
        results, done = {}, 0
        with tqdm(total=len(parts), desc=title, unit="slice", disable=None, leave=False) as bar:
            for number, result in _done(client, work, shared, parts):
                results[number] = result
                bar.update()
                while done in results:
                    yield results.pop(done)
                    done += 1
    finally:
        client.close()


def _done(client, work, shared, parts):
    """(number of a part, its result), as they are done, each part once."""
    from distributed import as_completed

    left = dict(enumerate(parts))
    for _ in range(TRIES):
        _wait_for_worker(client)
        # Data that was scattered is lost with the last worker that holds it, and the work that waits for it too.
        # No broadcast: the scheduler hands on to a worker that has died meanwhile without end. Workers ask each other.
        try:
            held = client.scatter(shared, hash=False)
        except OSError:  # a worker that was to get it is gone
            time.sleep(1)
            continue
        numbers = {
            client.submit(work, held, part, pure=False): number for number, part in left.items()
        }
        for future in as_completed(numbers, raise_errors=False):
            if future.status == "error":
                _raise(future)
            try:
                result = future.result()
            except (
                CancelledError
            ):  # lost with the data that it was made of, or before it was fetched
                continue
            del left[numbers[future]]
            yield numbers[future], result
        if not left:
            return
    raise Unusable(
        f"{len(left)} of {len(parts)} slices were lost with their workers, {TRIES} times; see their logs"
    )


def _raise(future):
    from distributed import KilledWorker

    error = future.exception()
    if isinstance(error, KilledWorker):
        raise Unusable(
            "workers of the cluster die when they train; memory is the usual reason: see their logs, or give them more"
        ) from error
    raise error


def _client():
    address = os.environ[ADDRESS]
    try:
        from distributed import Client
    except ImportError:
        raise Unusable(
            f"{ADDRESS} is set, but the package distributed is not installed: run `make cluster`, or unset it"
        ) from None
    try:
        return Client(address, timeout=WAIT)
    except (OSError, ValueError) as error:
        raise Unusable(
            f"{ADDRESS}: expected the address of a Dask scheduler, and none answers at {address!r} "
            f"({str(error).splitlines()[0]}). Start one, or unset the variable to train in this process"
        ) from None


def _wait_for_worker(client):
    try:
        client.wait_for_workers(1, timeout=WAIT)
    except TimeoutError:
        raise Unusable(
            f"{ADDRESS}: the scheduler at {os.environ[ADDRESS]} has no workers after {WAIT} s; start one from the root "
            "of this project: PYTHONPATH=. dask worker ADDRESS"
        ) from None


def _check(client):
    """Raise Unusable unless each worker has this project and the versions of this process."""
    _wait_for_worker(client)
    expected = versions()
    for worker, got in client.run(versions, on_error="return").items():
        if isinstance(got, OSError):  # it is gone
            continue
        if isinstance(got, BaseException):
            raise Unusable(
                f"the worker {worker} cannot run this project ({got!r}); start it with PYTHONPATH at its root"
            )
        differing = [
            f"{name}: expected {expected[name]}, got {got.get(name)}"
            for name in expected
            if expected[name] != got.get(name)
        ]
        if differing:
            raise Unusable(
                f"the worker {worker} is not like this process: {'; '.join(differing)}; restart it from this state"
            )
