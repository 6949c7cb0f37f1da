"""A source that sends something else, stalls or fails is named, and nothing of it stands under the final name."""

import gzip
import hashlib
import http.server
import threading
import time
from collections import Counter
from typing import ClassVar

import pytest

from stages import download
from stages.core.declared.sources import File
from tools import sources

CONTENT = bytes(range(256)) * 8
FILE = File(name="numbers.npz", size=len(CONTENT), sha256=hashlib.sha256(CONTENT).hexdigest())


class FailingServer(http.server.BaseHTTPRequestHandler):
    """Answers by the first part of the path; says nothing on the terminal."""

    asked: ClassVar = Counter()
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        way = self.path.split("/")[1]
        self.asked[way] += 1
        getattr(self, way)()

    do_HEAD = do_GET

    def log_message(self, *arguments):
        pass

    def send(self, status, content, **headers):
        self.send_response(status)
        for name, value in {"Content_Length": len(content), **headers}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(content)

    def right(self):
        self.send(200, CONTENT)

    def missing(self):
        self.send(404, b"no such file")

    def broken(self):
        self.send(500, b"oops")

    def page(self):
        self.send(200, b"<html>Please sign in</html>")

    def same_length(self):
        self.send(200, CONTENT[::-1])

    def cut(self):
        self.send(200, CONTENT[:100], Content_Length=len(CONTENT))
        self.close_connection = True

    def circle(self):
        self.send(302, b"", Location=self.path)

    def bomb(self):
        self.send(200, gzip.compress(bytes(20_000_000)), Content_Encoding="gzip")

    def endless(self):
        self.send_response(200)
        self.without_end()

    def without_end(self):
        self.end_headers()
        try:
            while True:
                self.wfile.write(bytes(65_536))
        except OSError:
            self.close_connection = True

    def endless_redirect(self):
        self.send_response(302)
        self.send_header("Location", self.path.replace("endless_redirect", "same_length"))
        self.without_end()

    def far_away(self):
        self.send(302, b"", Location=f"http://{'a' * 64}.example/numbers.npz")

    def slow_headers(self):
        try:
            for byte in b"HTTP/1.1 200 OK\r\nX-Padding: " + b"x" * 100:
                self.wfile.write(bytes([byte]))
                time.sleep(0.2)
        except OSError:
            self.close_connection = True

    def stall(self):
        self.send(200, CONTENT[:100], Content_Length=len(CONTENT))
        time.sleep(3)

    def drip(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        try:
            for byte in CONTENT:
                self.wfile.write(bytes([byte]))
                time.sleep(0.2)
        except OSError:
            self.close_connection = True

    def twice(self):
        self.broken() if self.asked["twice"] < 3 else self.right()


@pytest.fixture
def server(monkeypatch):
    """The address of a server that fails, and how often each way was asked for; little
    patience with it.
    """
    monkeypatch.setenv("NO_PROXY", "*")
    for name, value in {
        "TIMEOUT": 0.5,
        "BACK_OFF": 0.01,
        "CHUNK": 256,
        "SLOWEST": 4 * len(CONTENT),
    }.items():
        monkeypatch.setattr(download, name, value)
    FailingServer.asked = Counter()
    serving = http.server.ThreadingHTTPServer(("127.0.0.1", 0), FailingServer)
    serving.daemon_threads = True
    serving.handle_error = lambda *_: None  # a client that hangs up is no news
    threading.Thread(target=serving.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{serving.server_port}"
    serving.shutdown()
    serving.server_close()


WAYS = {  # way to fail -> what is said of it, how often it is asked
    "missing": ("404", 1),
    "broken": ("500", 3),
    "page": (f"expected {len(CONTENT):,} bytes", 1),
    "same_length": ("SHA-256", 1),
    "cut": ("broken|IncompleteRead|cannot be reached", 3),
    "circle": ("redirects", 1),
    "bomb": ("got more", 1),
    "endless": ("got more", 1),
    "endless_redirect": ("SHA-256", 1),
    "far_away": ("label empty or too long", 1),
    "slow_headers": ("too slow", 3),
    "stall": ("timed out|cannot be reached", 3),
    "drip": ("too slow", 3),
}
KINDS = {
    "missing": "a mirror answers 404",
    "broken": "a mirror answers 500, always",
    "page": "a mirror answers with an HTML page and status 200",
    "same_length": "a mirror sends other bytes of the right length",
    "cut": "a mirror cuts off",
    "circle": "a mirror redirects in a circle",
    "bomb": "a mirror sends a gzip bomb",
    "endless": "a mirror sends without end",
    "endless_redirect": "a mirror redirects, and sends without end beside that",
    "far_away": "a mirror redirects to a host that cannot be",
    "slow_headers": "a mirror drips its headers",
    "stall": "a mirror stalls",
    "drip": "a mirror drips",
}


@pytest.mark.parametrize("way", WAYS)
def test_a_failing_source_is_named_with_what_it_did_and_leaves_nothing(
    server, way, tmp_path, tried
):
    said, times = WAYS[way]
    place, target = f"{server}/{way}/numbers.npz", tmp_path / "numbers.npz"
    with pytest.raises(download.NoSource, match=rf"{place}: [^\n]*({said})"):
        download.fetch(FILE, [place], target)
    assert not list(tmp_path.iterdir())
    assert FailingServer.asked[way] == (31 if way == "circle" else times)
    tried(KINDS[way], "the source is named with what it did; nothing stands under the final name")


@pytest.mark.parametrize("way", [*WAYS, "right"])
def test_whether_a_failing_source_can_be_reached_is_known_in_time(server, way, tried):
    start = time.monotonic()
    try:
        found = sources.ask(f"{server}/{way}/numbers.npz") is None
    except (OSError, ValueError):
        found = False
    assert time.monotonic() - start < 3
    assert found == (way not in ("missing", "circle", "far_away", "slow_headers"))
    tried("`make repro` asks whether a source that fails can be reached", "it knows in time")


def test_after_a_failing_source_the_next_is_taken(server, tmp_path, tried):
    for way in ("page", "bomb", "cut"):
        target = tmp_path / way
        places = [f"{server}/{way}/numbers.npz", f"{server}/right/numbers.npz"]
        assert download.fetch(FILE, places, target) == places[1]
        assert target.read_bytes() == CONTENT
    tried(
        "a source that nobody named fails, and the next has the file",
        "the file comes from the other",
        3,
    )


def test_a_server_that_comes_back_after_two_failures_is_waited_for(server, tmp_path, tried):
    assert download.fetch(FILE, [f"{server}/twice/numbers.npz"], tmp_path / "numbers.npz")
    assert (tmp_path / "numbers.npz").read_bytes() == CONTENT
    assert FailingServer.asked["twice"] == 3
    tried("a mirror comes back after two failures", "the file is there")


def test_a_file_of_another_size_is_not_even_copied(tmp_path, tried):
    (tmp_path / "huge").write_bytes(b"x" * (len(CONTENT) + 1))
    with pytest.raises(
        download.NoSource, match=rf"expected {len(CONTENT):,} bytes, got {len(CONTENT) + 1:,}"
    ):
        download.fetch(
            FILE.model_copy(update={"name": "huge"}), [str(tmp_path / "huge")], tmp_path / "target"
        )
    assert not (tmp_path / "target").exists()
    tried("a file in a folder has another size", "refused before it is copied")
