"""Only the official bytes are kept, wherever they come from; a source that fails is named.

After it the next is tried, unless a person has named the one that fails.
"""

import hashlib
import http.server
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import pytest
import requests
import yaml
from samples import PARAMS, PROJECT, SOURCES

from stages import download
from stages.core.declared import sources as data_sources
from stages.core.declared.sources import File
from tools import sources

ROOT = Path(__file__).parent.parent
CONTENT = bytes(range(256)) * 8
OFFICIAL = "http://127.0.0.1:1/official/"  # where nobody listens
FILE = File(
    name="numbers.npz",
    size=len(CONTENT),
    sha256=hashlib.sha256(CONTENT).hexdigest(),
    url=f"{OFFICIAL}numbers.npz",
)
ALTERED = CONTENT[:-1] + b"x"
WRONG = {"truncated": CONTENT[:-100], "empty": b"", "altered": ALTERED, "longer": CONTENT + b"x"}


@pytest.fixture(autouse=True)
def without_arguments(monkeypatch):
    """tools.sources takes none of those that pytest was called with."""
    monkeypatch.setattr(sys, "argv", ["sources"])


@pytest.fixture(autouse=True)
def this_machine_only(monkeypatch, tmp_path):
    """No test asks another machine, or finds the files of the user who runs it."""
    look_up = socket.getaddrinfo

    def only_here(host, *arguments, **options):
        assert host in ("127.0.0.1", "localhost"), f"a test asks {host}"
        return look_up(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", only_here)
    monkeypatch.setattr(download, "BACK_OFF", 0)
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.delenv("DATASETS_MIRROR", raising=False)


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder without a word; below /cut/ it promises more bytes than it sends."""

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
    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Handler, directory=folder)
    ) as running:
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


def give(monkeypatch, **changes):
    """Let the source of imdb say something else."""
    found = SOURCES | {"imdb": SOURCES["imdb"].model_copy(update=changes)}
    monkeypatch.setattr(data_sources, "read", found.get)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """The folder data/raw/imdb of an empty project with the real params.

    imdb has FILE for its only file.
    """
    give(monkeypatch, files=(FILE,))
    root = tmp_path / "project"
    root.mkdir()
    monkeypatch.chdir(root)
    set_source("official")
    return root / "data/raw/imdb"


def with_source(source, *chosen):
    """params.yaml with this source and the sections of these data sets alone."""
    content = yaml.safe_load(PARAMS)
    datasets = {name: content["datasets"][name] for name in chosen}
    return yaml.safe_dump(content | {"source": source, "datasets": datasets})


def set_source(source, *chosen):
    Path("params.yaml").write_text(with_source(source, *chosen or ["imdb"]))


def put(folder, content):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE.name).write_bytes(content)
    return str(folder / FILE.name)


def everything_in(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("mirror", ["/somewhere", "https://example.org/files"])
def test_sources_are_the_earlier_run_the_mirror_the_keras_cache_and_the_official_address(
    mirror, slash
):
    environment = {"DATASETS_MIRROR": mirror + slash, "KERAS_HOME": "/keras"}
    assert list(download.sources(FILE, Path("data/raw/imdb"), environment).values()) == [
        "data/raw/imdb/numbers.npz",
        f"{mirror}/numbers.npz",
        "/keras/datasets/numbers.npz",
        f"{OFFICIAL}numbers.npz",
    ]


def test_without_a_mirror_the_keras_cache_of_the_user_comes_second():
    places = list(download.sources(FILE, Path("raw"), {}).values())
    assert places[:2] == ["raw/numbers.npz", str(Path.home() / ".keras/datasets/numbers.npz")]
    assert len(places) == 3


def test_a_user_without_a_home_has_no_cache_and_the_other_sources(monkeypatch):
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(
        "pwd.getpwuid", {}.__getitem__
    )  # as for an id that the machine does not know
    places = [*download.sources(FILE, Path("raw"), {}).values()]
    assert (places[0], places[-1]) == ("raw/numbers.npz", f"{OFFICIAL}numbers.npz")
    assert not any(Path(place).exists() for place in places)


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
        str(tmp_path / FILE.name): "there is no such file",
        str(tmp_path / "none" / FILE.name): "there is no such folder",
        str(a_folder): "expected 2,048 bytes",
        f"{base}/none/{FILE.name}": "404",
        f"{base}/altered/{FILE.name}": "expected 2,048 bytes",
        f"{base}/cut/{FILE.name}": "IncompleteRead",
        f"http://127.0.0.1:1/{FILE.name}": "the server cannot be reached (Connection refused)",
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
    _, base = mirror
    put(tmp_path / "keras/datasets", WRONG["truncated"])
    monkeypatch.setenv("DATASETS_MIRROR", base)
    if earlier:
        put(project, earlier)
    with pytest.raises(SystemExit) as caught:
        download.main("imdb")
    message = str(caught.value)
    places = base, str(tmp_path / "keras"), OFFICIAL
    for part in (FILE.name, *places, "DATASETS_MIRROR", "synthetic"):
        assert part in message
    assert everything_in(project.parent) == ({"imdb/numbers.npz": earlier} if earlier else {})
    assert [path.name for path in project.parent.iterdir()] == (["imdb"] if earlier else [])


def test_main_writes_what_the_generator_gives_when_the_source_is_synthetic(
    project, monkeypatch, tmp_path, capsys
):
    generated = {"numbers.npz": b"made", "word_index.json": b"{}"}
    monkeypatch.setattr(download, "stand_in", lambda name, source: generated)
    put(tmp_path / "keras/datasets", CONTENT)  # there to be had, and not asked for
    put(project, CONTENT)
    set_source("synthetic")
    download.main("imdb")
    assert everything_in(project.parent) == {
        f"imdb/{name}": content for name, content in generated.items()
    }
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


def told(capsys):
    """What `tools.sources` prints."""
    sources.main()
    return capsys.readouterr().out


def test_where_nobody_named_a_source_stand_ins_are_taken(project, heads, capsys, tmp_path):
    banner = told(capsys)
    assert "STAND-INS" in banner
    reasons = [line for line in banner.splitlines() if line.startswith("  /") or "://" in line]
    keras = f"  {tmp_path}/keras/datasets/{FILE.name}: there is no such folder"
    assert reasons == [keras, f"  {FILE.address}: the server cannot be reached ({FILE.address})"]
    assert yaml.safe_load(Path("params.yaml").read_text())["source"] == "synthetic"
    assert "STAND-INS" in told(capsys), "it is said of later runs too"
    assert len(heads[0]) == 1


@pytest.mark.parametrize("fails", ["server", "folder"])
def test_where_the_mirror_fails_nothing_is_changed(project, monkeypatch, tmp_path, capsys, fails):
    named = {"server": "http://me:secret@127.0.0.1:1/files", "folder": str(tmp_path / "none")}
    mirror = named[fails]
    put(tmp_path / "keras/datasets", CONTENT)  # nobody asked for that
    monkeypatch.setenv("DATASETS_MIRROR", mirror)
    before = everything_in(Path())
    with pytest.raises(SystemExit) as caught:
        sources.main()
    reason = {"server": "cannot be reached", "folder": "no such folder"}[fails]
    assert f"{download.without_password(mirror)}/{FILE.name}: " in str(caught.value)
    assert reason in str(caught.value)
    assert "secret" not in str(caught.value)
    assert everything_in(Path()) == before
    assert capsys.readouterr().out == ""


def test_a_mirror_without_the_file_is_no_reason_for_stand_ins(project, heads, mirror, monkeypatch):
    monkeypatch.setenv("DATASETS_MIRROR", mirror[1])
    heads[1][f"{mirror[1]}/{FILE.name}"] = 404
    before = everything_in(Path())
    with pytest.raises(SystemExit, match=f"{mirror[1]}/{FILE.name}: (.|\n)*{FILE.address}: "):
        sources.main()
    assert everything_in(Path()) == before


@pytest.mark.parametrize("content", [CONTENT, ALTERED, b""], ids=["right", "altered", "empty"])
@pytest.mark.parametrize("place", ["project/data/raw/imdb", "mirror", "keras/datasets"])
def test_a_file_is_reachable_right_or_wrong(project, monkeypatch, tmp_path, capsys, place, content):
    if place == "mirror":
        monkeypatch.setenv("DATASETS_MIRROR", str(tmp_path / "mirror"))
    put(tmp_path / place, content)
    assert told(capsys) == ""


def test_an_altered_file_on_a_server_is_reachable(project, server, monkeypatch, capsys):
    folder, base = server
    put(folder, ALTERED)
    monkeypatch.setenv("DATASETS_MIRROR", base)
    assert told(capsys) == ""


@pytest.mark.parametrize(("status", "found"), [(200, 1), (405, 1), (404, 0)])
def test_the_official_address_counts_when_it_has_the_file(project, heads, capsys, status, found):
    heads[1][FILE.address] = status
    assert (told(capsys) == "") == found


def test_a_proxy_that_wants_a_login_is_no_reason_for_stand_ins(project, heads):
    heads[1][FILE.address] = 407
    before = Path("params.yaml").read_text()
    with pytest.raises(SystemExit, match="407"):
        sources.main()
    assert Path("params.yaml").read_text() == before


def test_a_file_of_many_is_enough(project, heads, monkeypatch, capsys):
    other = File(name="other.npz", size=1, sha256="0" * 64, url=f"{OFFICIAL}other.npz")
    give(monkeypatch, files=(FILE, other))
    heads[1].update({FILE.address: 404, other.address: 200})
    assert told(capsys) == ""


def test_a_folder_with_the_number_of_a_status_is_no_login(project, heads, monkeypatch, capsys):
    monkeypatch.setenv("KERAS_HOME", "/nowhere/run-407/keras")
    heads[1][FILE.address] = 200
    assert told(capsys) == ""


def test_generated_data_need_no_source(project, heads, capsys):
    set_source("synthetic")
    assert "STAND-INS" in told(capsys)
    assert heads[0] == []


@pytest.mark.parametrize(
    "line",
    [
        "source: official                # official: the published files",
        'source: "official"',
        "'source' : 'official' # official",
        "source: official\r",
        "# source: official\n? source\n: !!str\n  official",
    ],
)
def test_only_the_word_changes_where_stand_ins_are_taken(line):
    document = PARAMS
    before, _, after = document.partition("source: official ")
    assert before == ""
    after = after.partition("\n")[2]
    changed = sources.with_stand_ins(f"{line}\n{after}")
    assert changed.endswith(f"\n{after}")
    assert yaml.safe_load(changed)["source"] == "synthetic"
    assert changed.count("#") == f"{line}\n{after}".count("#")


def test_where_the_word_cannot_be_changed_that_is_said():
    document = PARAMS
    document = document.replace("source: official", "<<: {source: official}", 1)
    with pytest.raises(SystemExit, match="by hand"):
        sources.with_stand_ins(document)


def test_make_repro_tells_of_stand_ins_first_and_last_also_when_dvc_fails(tmp_path):
    for folder in (".venv/bin", "tools"):
        (tmp_path / folder).mkdir(parents=True)
    asks = f'tools.sources) PYTHONPATH={ROOT} exec {sys.executable} "$@";;'
    python = tmp_path / ".venv/bin/python"
    python.write_text(f'#!/bin/sh\ncase "$2" in {asks} tools.repro) echo DVC RUNS; exit 7; esac\n')
    python.chmod(0o755)
    for name in ("Makefile", "requirements.lock", "tools/path.pth"):
        shutil.copy2(ROOT / name, tmp_path / name)
    shutil.copytree(PROJECT, tmp_path, dirs_exist_ok=True)
    (tmp_path / ".venv/ready").touch()
    (tmp_path / "params.yaml").write_text(with_source("official", "boston_housing"))
    nobody = "http://127.0.0.1:1"  # a proxy that is not there: the official address is not asked
    proxies = {
        name: nobody
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY")
    }
    left_out = {"NO_PROXY", "no_proxy", "MAKEFLAGS"}
    environment = {name: value for name, value in os.environ.items() if name not in left_out}
    done = subprocess.run(
        ["make", "--no-print-directory", "repro"],
        cwd=tmp_path,
        env=environment | proxies | {"DATASETS_MIRROR": ""},
        capture_output=True,
        text=True,
    )
    assert done.stdout.count("DVC RUNS") == 1, done.stderr
    first, last = done.stdout.split("DVC RUNS")
    assert first.strip() == last.strip() != ""
    assert "HTTPS_PROXY" in last
    assert done.returncode != 0, "DVC failed"
    assert "source: synthetic" in (tmp_path / "params.yaml").read_text()


def test_a_file_that_comes_with_a_package_is_taken_from_it_when_nothing_else_has_it(
    project, tmp_path, capsys
):
    (file,) = SOURCES["digits"].files
    official = Path(file.address).read_bytes()
    download.main("digits")
    assert everything_in(project.parent) == {"digits/digits.csv.gz": official}
    assert str(Path(file.address).parent) in capsys.readouterr().out


def test_a_mirror_comes_before_the_package(project, mirror, monkeypatch, capsys):
    folder, base = mirror
    (file,) = SOURCES["digits"].files
    (folder / file.name).write_bytes(Path(file.address).read_bytes())
    monkeypatch.setenv("DATASETS_MIRROR", base)
    download.main("digits")
    assert base in capsys.readouterr().out


def test_a_data_set_without_a_generator_says_so_when_the_source_is_synthetic(project, monkeypatch):
    give(monkeypatch, stand_in=None)
    set_source("synthetic")
    with pytest.raises(SystemExit, match="imdb has no generated stand-in: set `source: official`"):
        download.main("imdb")
    assert everything_in(project.parent) == {}


@pytest.mark.parametrize(
    ("chosen", "needed"), [(["digits"], []), (["imdb", "digits"], [FILE.name])]
)
def test_a_file_that_comes_with_a_package_makes_no_other_reachable_and_needs_none(
    project, heads, capsys, chosen, needed
):
    set_source("official", *chosen)
    assert (told(capsys) == "") == (not needed)
    assert heads[0] == [OFFICIAL + name for name in needed]


@pytest.mark.parametrize("wrong", ["altered", "no folder", "not a folder", "no server"])
def test_a_mirror_that_fails_stops_the_stage(project, monkeypatch, tmp_path, wrong):
    put(tmp_path / "mirror", ALTERED)
    put(tmp_path / "keras/datasets", CONTENT)  # nobody asked for that
    named = {
        "altered": str(tmp_path / "mirror"),
        "no folder": str(tmp_path / "none"),
        "not a folder": str(tmp_path / "mirror" / FILE.name),
        "no server": "http://127.0.0.1:1",
    }
    monkeypatch.setenv("DATASETS_MIRROR", named[wrong])
    with pytest.raises(SystemExit) as caught:
        download.main("imdb")
    assert os.environ["DATASETS_MIRROR"] in str(caught.value)
    assert str(tmp_path / "keras") not in str(caught.value)
    assert everything_in(project.parent) == {}
    put(project, CONTENT)
    download.main("imdb")  # what is here already needs no mirror


def test_what_a_mirror_lacks_comes_from_the_next_source_and_that_is_said(
    project, mirror, monkeypatch, tmp_path, capsys
):
    monkeypatch.setenv("DATASETS_MIRROR", mirror[1])
    put(tmp_path / "keras/datasets", CONTENT)
    download.main("imdb")
    assert everything_in(project.parent) == {f"imdb/{FILE.name}": CONTENT}
    told = capsys.readouterr().out
    assert f"DATASETS_MIRROR has no {FILE.name}" in told
    assert str(tmp_path / "keras/datasets") in told


@pytest.fixture
def tls_server(server, tmp_path):
    """A folder, the base URL of a TLS server of it, and the file of its self-signed certificate."""
    folder, _ = server
    files = {"-keyout": str(tmp_path / "key.pem"), "-out": str(tmp_path / "certificate.pem")}
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    name = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    written = [word for option in files.items() for word in option]
    command = ["openssl", "req", "-x509", *kind, *name, *written]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files["-out"], files["-keyout"])
    handler = partial(Handler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        running.handle_error = lambda *_: None  # a client that hangs up is no news
        running.socket = context.wrap_socket(running.socket, server_side=True)
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield folder, f"https://localhost:{running.server_port}", files["-out"]
        running.shutdown()
        thread.join()


def test_a_certificate_that_is_not_trusted_is_named_with_the_setting_that_helps(
    project, tls_server, monkeypatch, capsys
):
    folder, base, certificate = tls_server
    put(folder, CONTENT)
    monkeypatch.setenv("DATASETS_MIRROR", base)
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    for ask in (sources.main, partial(download.main, "imdb")):
        with pytest.raises(SystemExit, match=r"certificate.*REQUESTS_CA_BUNDLE.*self.signed"):
            ask()
    assert "source: official" in Path("params.yaml").read_text()
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", certificate)
    assert told(capsys) == ""
    download.main("imdb")
    assert everything_in(project.parent) == {f"imdb/{FILE.name}": CONTENT}
    monkeypatch.setenv("DATASETS_MIRROR", base.replace("localhost", "127.0.0.1"))
    shutil.rmtree(project)
    with pytest.raises(SystemExit, match=r"certificate.*REQUESTS_CA_BUNDLE.*127.0.0.1"):
        sources.main()


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_wants_a_login_is_named_without_it(project, server, monkeypatch, scheme):
    _, proxy = server
    asked = []

    def refuse(handler):
        asked.append(handler.command)
        handler.send_error(407, "Proxy Authentication Required")

    for method in ("do_GET", "do_HEAD", "do_CONNECT"):
        monkeypatch.setattr(Handler, method, refuse, raising=False)
    monkeypatch.setenv("DATASETS_MIRROR", f"{scheme}://somebody:secret@mirror.example/files/")
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.delenv("no_proxy", raising=False)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, proxy.replace("http://", "http://me:hidden@"))
    for ask in (sources.main, partial(download.main, "imdb")):
        with pytest.raises(SystemExit, match=r"proxy.*HTTPS_PROXY.*407") as caught:
            ask()
        assert not re.search("secret|hidden|somebody", str(caught.value))
    assert len(asked) == 2
    assert "source: official" in Path("params.yaml").read_text()


@pytest.mark.parametrize(
    ("written", "place"),
    [
        ("/files", "/files"),
        ("/files/", "/files"),
        ("~/files", "/home/me/files"),
        ("files", "/project/files"),
        ("../files", "/project/../files"),
        ("file:///my%20files", "/my files"),
        ("FILE://localhost/files", "/files"),
        ("file:/files", "/files"),
        ("HTTPS://example.org/files/", "https://example.org/files"),
        ("Http://me:secret@example.org", "http://me:secret@example.org"),
        (" ", None),
        ("", None),
    ],
)
@pytest.mark.parametrize("copy", ["", "/.dvc/tmp/exps/tmpabc", "/.dvc/tmp/exps/standalone/tmpabc"])
def test_a_mirror_is_what_a_person_writes_also_in_the_queue(monkeypatch, written, place, copy):
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setattr(Path, "cwd", lambda: Path(f"/project{copy}"))
    assert download.mirror({"DATASETS_MIRROR": written}) == place


@pytest.mark.parametrize(
    "written", ["ftp://me:secret@x", "s3://x", "file://x", "http://[a:secret@x"]
)
def test_a_mirror_of_another_kind_is_refused_with_what_is_understood(written):
    with pytest.raises(SystemExit, match=r"expected a folder.*https://") as caught:
        download.mirror({"DATASETS_MIRROR": written})
    assert "secret" not in str(caught.value)
