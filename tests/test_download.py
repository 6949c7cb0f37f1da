"""Only the official bytes are kept, wherever they come from; a source that fails is named and the next is tried."""

import hashlib
import http.server
import os
import re
import socket
import subprocess
import sys
import threading
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import requests
import yaml

from stages import download
from stages.core import datasets, synthetic
from stages.core.datasets import TABLE, File

ROOT = Path(__file__).parent.parent
CONTENT = bytes(range(256)) * 8
FILE = File("numbers.npz", len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
ALTERED = CONTENT[:-1] + b"x"
WRONG = {"truncated": CONTENT[:-100], "empty": b"", "altered": ALTERED, "longer": CONTENT + b"x"}


@pytest.fixture(autouse=True)
def this_machine_only(monkeypatch, tmp_path):
    """No test asks another machine, or finds the files of the user who runs it."""
    look_up = socket.getaddrinfo

    def only_here(host, *arguments, **options):
        assert host in ("127.0.0.1", "localhost"), f"a test asks {host}"
        return look_up(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", only_here)
    monkeypatch.setattr(datasets, "KERAS", "http://127.0.0.1:1/official/")  # where nobody listens
    monkeypatch.setattr(download, "BACK_OFF", 0)
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.delenv("DATASETS_MIRROR", raising=False)


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder; below /cut/ it promises more bytes than it sends; says nothing on the terminal."""

    def do_GET(self):
        if not self.path.startswith("/cut/"):
            return super().do_GET()
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[:100])

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(tmp_path):
    """The folder that a server on this machine serves, and its base URL."""
    folder = tmp_path / "served"
    folder.mkdir()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=folder)) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield folder, f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


@pytest.fixture(params=["folder", "URL"])
def mirror(request, tmp_path):
    """A mirror: the folder to put files in, and how DATASETS_MIRROR names it."""
    if request.param == "URL":
        return request.getfixturevalue("server")
    folder = tmp_path / "mirror"
    folder.mkdir()
    return folder, str(folder)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An empty project with the real params, in which imdb has FILE for its only file; its folder data/raw/imdb."""
    monkeypatch.setitem(TABLE, "imdb", replace(TABLE["imdb"], files=(FILE,)))
    root = tmp_path / "project"
    root.mkdir()
    monkeypatch.chdir(root)
    set_source("official")
    return root / "data/raw/imdb"


def set_source(source, chosen=("imdb",)):
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    Path("params.yaml").write_text(yaml.safe_dump(content | {"source": source, "datasets": list(chosen)}))


def put(folder, content):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE.name).write_bytes(content)
    return str(folder / FILE.name)


def everything_in(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("mirror", ["/somewhere", "https://example.org/files"])
def test_sources_are_the_earlier_run_the_mirror_the_keras_cache_and_the_official_address(mirror, slash):
    environment = {"DATASETS_MIRROR": mirror + slash, "KERAS_HOME": "/keras"}
    assert download.sources(FILE, Path("data/raw/imdb"), environment) == [
        "data/raw/imdb/numbers.npz",
        f"{mirror}/numbers.npz",
        "/keras/datasets/numbers.npz",
        f"{datasets.KERAS}numbers.npz",
    ]


def test_without_a_mirror_the_keras_cache_of_the_user_comes_second():
    places = download.sources(FILE, Path("raw"), {})
    assert places[:2] == ["raw/numbers.npz", str(Path.home() / ".keras/datasets/numbers.npz")]
    assert len(places) == 3


def test_takes_the_first_source_that_has_the_right_bytes(tmp_path):
    folders = [tmp_path / name for name in ("a", "b", "c")]
    places = [put(folder, CONTENT) for folder in folders]
    target = tmp_path / "target"
    for right in range(3):
        assert download.fetch(FILE, places, target) == places[right]
        assert target.read_bytes() == CONTENT
        (folders[right] / FILE.name).unlink()
    with pytest.raises(download.NoSource):
        download.fetch(FILE, places, target)


def test_takes_the_file_from_a_mirror(mirror, tmp_path):
    folder, base = mirror
    put(folder, CONTENT)
    place, target = f"{base}/{FILE.name}", tmp_path / "target"
    assert download.fetch(FILE, [place], target) == place
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("wrong", WRONG)
def test_refuses_wrong_bytes_and_says_where_what_was_expected_and_got(mirror, tmp_path, wrong):
    folder, base = mirror
    put(folder, WRONG[wrong])
    place, target = f"{base}/{FILE.name}", tmp_path / "target"
    with pytest.raises(download.NoSource) as caught:
        download.fetch(FILE, [place], target)
    length, digest = f"{len(WRONG[wrong]):,}", hashlib.sha256(WRONG[wrong]).hexdigest()
    whole = f"expected 2,048 bytes with SHA-256 {FILE.sha256}, got {length} bytes with {digest}"
    if base.startswith("http"):
        reason = "expected 2,048 bytes, got more" if wrong == "longer" else whole
    else:
        reason = whole if wrong == "altered" else f"expected 2,048 bytes, got {length}"
    assert str(caught.value) == f"  {place}: {reason}"
    assert not target.exists()


@pytest.mark.parametrize("wrong", [*WRONG, "missing"])
def test_tries_the_next_source_after_wrong_or_missing_bytes(mirror, tmp_path, wrong):
    folder, base = mirror
    if wrong != "missing":
        put(folder, WRONG[wrong])
    places, target = [f"{base}/{FILE.name}", put(tmp_path / "next", CONTENT)], tmp_path / "target"
    assert download.fetch(FILE, places, target) == places[1]
    assert target.read_bytes() == CONTENT


def test_names_every_source_with_its_reason(server, tmp_path):
    folder, base = server
    put(folder / "altered", ALTERED)
    a_folder = tmp_path / "folder" / FILE.name
    a_folder.mkdir(parents=True)
    reasons = {
        str(tmp_path / "none" / FILE.name): "there is no such file",
        str(a_folder): "expected 2,048 bytes",
        f"{base}/none/{FILE.name}": "404",
        f"{base}/altered/{FILE.name}": "expected 2,048 bytes",
        f"{base}/cut/{FILE.name}": "IncompleteRead",
        f"http://127.0.0.1:1/{FILE.name}": "the server cannot be reached",
    }
    with pytest.raises(download.NoSource) as caught:
        download.fetch(FILE, list(reasons), tmp_path / "target")
    lines = str(caught.value).splitlines()
    assert len(lines) == len(reasons)
    for line, (place, reason) in zip(lines, reasons.items(), strict=True):
        assert line.startswith(f"  {place}: ")
        assert reason in line.removeprefix(f"  {place}: ")
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize("error", [TimeoutError(), requests.Timeout(), OSError("")], ids=repr)
def test_an_error_without_a_message_is_a_reason_too(monkeypatch, tmp_path, error):
    def fails(place, target, size):
        target.write_bytes(CONTENT[:10])
        raise error

    monkeypatch.setattr(download, "copy", fails)
    with pytest.raises(download.NoSource, match=f"  there: {type(error).__name__}"):
        download.fetch(FILE, ["there"], tmp_path / "target")
    assert not (tmp_path / "target").exists()


def test_main_keeps_the_official_bytes(project, mirror, monkeypatch, capsys):
    folder, base = mirror
    put(folder, CONTENT)
    monkeypatch.setenv("DATASETS_MIRROR", base)
    download.main("imdb")
    assert everything_in(project.parent) == {"imdb/numbers.npz": CONTENT}
    told = capsys.readouterr().out
    assert told.startswith(f"download imdb: 2,048 bytes, {base}, in ")
    assert told.count("\n") == 1


def test_a_full_disk_is_no_fault_of_a_source(tmp_path):
    (tmp_path / "one").write_bytes(CONTENT)
    (tmp_path / "target").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left on device"):
        download.fetch(FILE, [str(tmp_path / "one"), str(tmp_path / "other")], tmp_path / "target")


def test_main_takes_what_an_earlier_run_left(project):
    put(project, CONTENT)
    download.main("imdb")
    assert everything_in(project.parent) == {"imdb/numbers.npz": CONTENT}


def test_main_replaces_what_an_earlier_run_left_when_it_is_wrong(project, tmp_path):
    put(project, ALTERED)
    put(tmp_path / "keras/datasets", CONTENT)
    download.main("imdb")
    assert everything_in(project.parent) == {"imdb/numbers.npz": CONTENT}


@pytest.mark.parametrize("earlier", [None, ALTERED], ids=["nothing", "altered"])
def test_main_exits_with_every_source_and_what_to_do_when_none_is_right(
    project, mirror, monkeypatch, tmp_path, earlier
):
    folder, base = mirror
    put(folder, ALTERED)
    put(tmp_path / "keras/datasets", WRONG["truncated"])
    monkeypatch.setenv("DATASETS_MIRROR", base)
    if earlier:
        put(project, earlier)
    with pytest.raises(SystemExit) as caught:
        download.main("imdb")
    message = str(caught.value)
    for part in (FILE.name, base, str(tmp_path / "keras"), datasets.KERAS, FILE.sha256, "DATASETS_MIRROR", "synthetic"):
        assert part in message
    assert everything_in(project.parent) == ({"imdb/numbers.npz": earlier} if earlier else {})
    assert [path.name for path in project.parent.iterdir()] == (["imdb"] if earlier else [])


def test_main_writes_what_the_generator_gives_when_the_source_is_synthetic(project, monkeypatch, tmp_path, capsys):
    generated = {"numbers.npz": b"made", "word_index.json": b"{}"}
    monkeypatch.setattr("stages.core.synthetic.GENERATORS", {"imdb": lambda: generated}, raising=False)
    put(tmp_path / "keras/datasets", CONTENT)  # there to be had, and not asked for
    put(project, CONTENT)
    set_source("synthetic")
    download.main("imdb")
    assert everything_in(project.parent) == {f"imdb/{name}": content for name, content in generated.items()}
    assert "generated stand-ins" in capsys.readouterr().out


@pytest.fixture
def heads(monkeypatch):
    """The addresses that were asked for a head; none of them answers unless it is in `answers`."""
    asked, answers = [], {}

    def head(url, **options):
        asked.append(url)
        if url not in answers:
            raise requests.ConnectionError(url)
        response = requests.Response()
        response.status_code = answers[url]
        return response

    monkeypatch.setattr(requests, "head", head)
    return asked, answers


def test_nothing_is_reachable_where_there_is_nothing(project, heads, monkeypatch, tmp_path):
    monkeypatch.setenv("DATASETS_MIRROR", str(tmp_path / "mirror"))
    assert download.any_reachable() is False
    assert heads[0] == [FILE.address], "the official address was tried"


@pytest.mark.parametrize("content", [CONTENT, ALTERED, b""], ids=["right", "altered", "empty"])
@pytest.mark.parametrize("place", ["project/data/raw/imdb", "mirror", "keras/datasets"])
def test_a_file_at_a_source_is_reachable_right_or_wrong(project, heads, monkeypatch, tmp_path, place, content):
    monkeypatch.setenv("DATASETS_MIRROR", str(tmp_path / "mirror"))
    put(tmp_path / place, content)
    assert download.any_reachable() is True


def test_an_altered_file_on_a_server_is_reachable(project, server, monkeypatch):
    folder, base = server
    put(folder, ALTERED)
    monkeypatch.setenv("DATASETS_MIRROR", base)
    assert download.any_reachable() is True


@pytest.mark.parametrize(("status", "expected"), [(200, True), (404, False)])
def test_the_official_address_counts_when_it_has_the_file(project, heads, status, expected):
    heads[1][FILE.address] = status
    assert download.any_reachable() is expected


def test_one_file_of_many_is_enough(project, heads, monkeypatch):
    other = File("other.npz", 1, "")
    monkeypatch.setitem(TABLE, "imdb", replace(TABLE["imdb"], files=(FILE, other)))
    heads[1][other.address] = 200
    assert download.any_reachable() is True


def test_generated_data_need_no_source(project, heads):
    set_source("synthetic")
    assert download.any_reachable() is True
    assert heads[0] == []


@pytest.mark.parametrize(("kept", "status"), [(None, download.UNREACHABLE), (ALTERED, 0)], ids=["nothing", "altered"])
def test_the_command_tells_by_its_exit_status(tmp_path, kept, status):
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(content | {"datasets": ["boston_housing"]}))
    if kept:
        folder = tmp_path / "keras/datasets"
        folder.mkdir(parents=True)
        (folder / "boston_housing.npz").write_bytes(kept)
    nobody = "http://127.0.0.1:1"  # a proxy that is not there: the official address is not asked
    proxies = {name: nobody for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY")}
    environment = {name: value for name, value in os.environ.items() if name.lower() != "no_proxy"}
    done = subprocess.run(
        [sys.executable, "-m", "stages.download", "--reachable"],
        cwd=tmp_path,
        env=environment | proxies | {"PYTHONPATH": str(ROOT), "DATASETS_MIRROR": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (status, "", "")


def test_the_table_names_a_hash_a_size_and_an_address_for_every_file():
    for file in (file for entry in TABLE.values() for file in entry.files):
        assert re.fullmatch("[0-9a-f]{64}", file.sha256)
        assert file.size > 0
        assert Path(file.address).is_file() if file.packaged else file.address == datasets.KERAS + file.name


def test_a_file_that_comes_with_a_package_is_taken_from_it_when_nothing_else_has_it(project, tmp_path, capsys):
    (file,) = TABLE["digits"].files
    official = Path(file.address).read_bytes()
    download.main("digits")
    assert everything_in(project.parent) == {"digits/digits.csv.gz": official}
    assert str(Path(file.address).parent) in capsys.readouterr().out


def test_a_mirror_comes_before_the_package(project, mirror, monkeypatch, capsys):
    folder, base = mirror
    (file,) = TABLE["digits"].files
    (folder / file.name).write_bytes(Path(file.address).read_bytes())
    monkeypatch.setenv("DATASETS_MIRROR", base)
    download.main("digits")
    assert base in capsys.readouterr().out


def test_a_data_set_without_a_generator_says_so_when_the_source_is_synthetic(project, monkeypatch):
    monkeypatch.delitem(synthetic.GENERATORS, "imdb")
    set_source("synthetic")
    with pytest.raises(SystemExit, match="imdb has no generated stand-in: set `source: official`"):
        download.main("imdb")
    assert everything_in(project.parent) == {}


@pytest.mark.parametrize(("chosen", "expected"), [(["digits"], True), (["imdb", "digits"], False)], ids=str)
def test_a_file_that_comes_with_a_package_makes_no_other_reachable_and_needs_none(project, heads, chosen, expected):
    set_source("official", chosen)
    assert download.any_reachable() is expected
    assert heads[0] == ([] if expected else [FILE.address])
