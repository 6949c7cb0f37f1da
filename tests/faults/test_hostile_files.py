"""Files that are not what they say are refused with a message; what they hide never runs."""

import gzip
import io
import json
import os
import pickle
import re
import shutil
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from samples import PROJECT, SCHEMAS, SOURCES, TASK_OF, split_of
from small import ROOT

from stages.core.data import arrays, schema, synthetic
from tools.predict import ensemble, rows

OFFICIAL = {name: synthetic.generate(source) for name, source in SOURCES.items() if name != "imdb"}


class Command:
    """Pickled, it makes a file when it is read by a pickle that may call anything."""

    def __init__(self, marker):
        self.marker = str(marker)

    def __reduce__(self):
        return os.mkdir, (self.marker,)


def npz(**columns):
    file = io.BytesIO()
    np.savez(file, **columns)
    return file.getvalue()


def objects(*values):
    column = np.empty(len(values), object)
    column[:] = values
    return column


def test_a_pickle_that_would_run_a_command_is_refused_and_the_command_never_ran(tmp_path, tried):
    marker = tmp_path / "ran"
    gadget = npz(x=objects([1], Command(marker)), y=np.zeros(2, int))
    with pytest.raises(arrays.UnreadableFile, match="asks for"):
        arrays.read_npz(gadget)
    assert not marker.exists()
    pickle.loads(pickle.dumps(Command(marker)))
    assert marker.exists(), "read carelessly it does run"
    tried(
        "an .npz file whose object array holds a pickle that would run a command",
        "refused, the command never ran",
    )


@pytest.mark.slow
def test_a_stage_that_meets_such_a_pickle_stops_with_a_message(tmp_path, clone, tried):
    before, marker = clone.state(), tmp_path / "ran"
    path = clone.folder / "data/raw/boston_housing/boston_housing.npz"
    content = path.read_bytes()
    path.unlink()  # a link into the cache, perhaps
    path.write_bytes(npz(x=objects([1], Command(marker)), y=np.zeros(2)))
    done = clone.run(sys.executable, "-m", "stages.preprocess", "boston_housing")
    path.write_bytes(content)
    assert done.returncode != 0
    assert "data/raw/boston_housing cannot be read" in done.stderr
    assert "Traceback" not in done.stderr
    assert not marker.exists()
    assert clone.state() == before
    tried(
        "an .npz file whose object array holds a pickle that would run a command",
        "refused, the command never ran",
    )


X, Y = np.ones((506, 13)), np.ones(506)
WRONG = {
    "columns of two lengths": dict(x=X, y=Y[:-1]),
    "rows of another shape": dict(x=X[:, :-1], y=Y),
    "rows of three axes": dict(x=X[:, :, None], y=Y),
    "text for numbers": dict(x=X.astype(str), y=Y),
    "complex numbers": dict(x=X.astype(complex), y=Y),
    "NaN": dict(x=np.where(X == 1, np.nan, X), y=Y),
    "infinite numbers": dict(x=X * np.inf, y=Y),
    "numbers too large for float32": dict(x=X * 1e300, y=Y),
    "a missing array": dict(x=X),
    "labels of two axes": dict(x=X, y=Y[:, None]),
    "two labels for each row": dict(x=X, y=np.stack([Y, Y], axis=1)),
    "text for labels": dict(x=X, y=Y.astype(str)),
    "NaN for a label": dict(x=X, y=np.where(np.arange(506) == 3, np.nan, Y)),
    "single values": dict(x=X[0, 0], y=Y[0]),
    "no rows": dict(x=X[:0], y=Y[:0]),
}


@pytest.mark.parametrize("what", WRONG)
def test_arrays_that_are_not_what_they_should_be_are_refused(what, tried):
    with pytest.raises(arrays.UnreadableFile, match="expected"):
        read("boston_housing", {"boston_housing.npz": npz(**WRONG[what])})
    tried(
        "arrays of a wrong shape, type or length, NaN, infinite numbers",
        "refused with what was expected",
    )


def read(name, files):
    source, task = SOURCES[name], TASK_OF[name]
    split = split_of(name, files)
    schema.check(source, task, split)
    return split


@pytest.mark.parametrize("label", [46, 2**31, -1])
def test_labels_out_of_range_are_refused(label, tried):
    content = arrays.read_npz(OFFICIAL["reuters"]["reuters.npz"])
    labels = content["y"].copy()
    labels[0] = label
    with pytest.raises(arrays.UnreadableFile, match="expected classes from 0"):
        read("reuters", {"reuters.npz": npz(x=content["x"], y=labels)})
    tried("labels out of range", "refused with what was expected")


def test_an_empty_document_is_refused(tried):
    content = arrays.read_npz(OFFICIAL["reuters"]["reuters.npz"])
    documents = content["x"].copy()
    documents[3] = []
    with pytest.raises(arrays.UnreadableFile, match="expected words in each document, got 1 of "):
        read("reuters", {"reuters.npz": npz(x=documents, y=content["y"])})
    tried("an empty document", "refused with what was expected")


@pytest.mark.parametrize(
    "index",
    [
        "[" * 100_000,
        '{"a": -1}',
        '{"a": 1e99}',
        '{"a": 99999999999999999999}',
        '{"a": "1"}',
        '{"a": true}',
        "[1]",
        "{",
        "\\xff",
    ],
    ids=lambda index: index[:20],
)
def test_a_word_index_with_wrong_ranks_is_refused(index, tried):
    with pytest.raises(arrays.UnreadableFile, match="word index"):
        arrays.word_index(index.encode("latin-1"))
    tried("a word index with negative or huge numbers, or none", "refused with what was expected")


@pytest.mark.parametrize("name", ["../x.npy", "/tmp/../x.npy", "..\\y.npy"])
def test_names_that_climb_out_of_the_archive_are_refused(name, tmp_path, monkeypatch, tried):
    (tmp_path / "inside").mkdir()
    monkeypatch.chdir(tmp_path / "inside")
    file, column = io.BytesIO(), io.BytesIO()
    np.save(column, np.ones(3))
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, column.getvalue())
    with pytest.raises(arrays.UnreadableFile, match="got a path"):
        arrays.read_npz(file.getvalue())
    assert [path.name for path in tmp_path.rglob("*")] == ["inside"]
    tried(
        "zip entries with .. in their names", "refused with the name, nothing is written anywhere"
    )


FEW = objects(*([rank % 9 + 1, rank % 5 + 1] for rank in range(60)))
TOPICS = npz(
    x=FEW, y=np.arange(60) % 46
)  # small, so that some of what is changed is in the pickle of the documents
READ = {  # file -> the data set as which it is read
    "boston_housing.npz": "boston_housing",
    "digits.csv.gz": "digits",
    "reuters.npz": "reuters",
}
CONTENTS = {name: content for files in OFFICIAL.values() for name, content in files.items()} | {
    "reuters.npz": TOPICS
}


SHAPES = {"boston_housing": (13,), "digits": (8, 8, 1)}


def is_right(split, name):
    """Whether rows and labels are what stages count on, looked at by other means than the
    readers'.
    """
    for x, y in ((split.x_train, split.y_train), (split.x_test, split.y_test)):
        if len(x) != len(y) or not len(y) or y.ndim != 1 or not np.isfinite(y).all():
            return False
        if TASK_OF[name].classifies and y.min() < 0:
            return False
        if name == "reuters" and y.max() >= len(SCHEMAS[name].classes):
            return False
        if name == "reuters":
            if (
                np.diff(x.splits).min() < 1
                or x.splits[-1] != len(x.ranks)
                or not (x.ranks >= 1).all()
            ):
                return False
        elif x.shape[1:] != SHAPES[name] or x.dtype != "float32" or not np.isfinite(x).all():
            return False
    return True


def damaged(count, data):
    """One file that is spoilt, or something inside it, so that the checksums of zip and gzip are
    right.
    """
    file, inside = data.draw(st.sampled_from(list(READ))), data.draw(st.booleans())
    members = opened(file) if inside else {"all": CONTENTS[file]}
    member = data.draw(st.sampled_from(sorted(members)))
    members[member] = spoilt(bytearray(members[member]), data)
    try:
        split = read(READ[file], {file: closed(file, members) if inside else members["all"]})
        assert is_right(split, READ[file])
        count["a file that can still be read, its rows of the right shape and finite"] += 1
    except arrays.UnreadableFile:
        count["refused with a message"] += 1


def opened(file):
    """What is inside a zip or gzip file: {name: bytes}."""
    if file.endswith(".gz"):
        return {"all": gzip.decompress(CONTENTS[file])}
    with zipfile.ZipFile(io.BytesIO(CONTENTS[file])) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def closed(file, members):
    """The file with this inside."""
    if file.endswith(".gz"):
        return gzip.compress(members["all"])
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, member in members.items():
            archive.writestr(name, member)
    return content.getvalue()


def spoilt(content, data):
    """The bytes with some of them changed, cut out or doubled."""
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(
            st.integers(0, len(content) - 1)
            | st.integers(max(0, len(content) - 400), len(content) - 1)
        )
        kind = data.draw(st.sampled_from(["change", "change", "cut", "double"]))
        if kind == "change":
            content[place] = data.draw(st.integers(0, 255))
        elif kind == "cut":
            del content[place : place + data.draw(st.integers(1, 5000))]
        else:
            content[place:place] = content[place : place + 50]
        if not content:
            break
    return bytes(content)


@pytest.mark.parametrize("cases", [100, pytest.param(2000, marks=pytest.mark.slow)])
def test_a_damaged_file_is_refused_or_whole(cases, tried):
    count = {
        "a file that can still be read, its rows of the right shape and finite": 0,
        "refused with a message": 0,
    }
    often = settings(
        max_examples=cases,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    often(given(st.data())(lambda data: damaged(count, data)))()
    assert count["refused with a message"] > cases / 2
    for outcome, times in count.items():
        tried(
            "an official file with bytes changed, lost or doubled, its hash not looked at",
            outcome,
            times,
        )


@settings(max_examples=300, deadline=None, database=None, derandomize=True)
@given(st.binary(max_size=400) | st.binary(max_size=100).map(lambda tail: b"PK\x03\x04" + tail))
def any_bytes(content):
    """No bytes make a reader fail in another way than by refusing them."""
    for reader in (arrays.read_npz, lambda own: arrays.gzipped_table(own, 3), arrays.word_index):
        with pytest.raises(arrays.UnreadableFile):
            reader(content)


def test_any_bytes_are_refused(tried):
    any_bytes()
    tried("any bytes in place of a file, to each of three readers", "refused with a message", 300)


@settings(max_examples=200, deadline=None, database=None, derandomize=True)
@given(
    st.lists(
        st.lists(
            st.integers(-3, 2**33) | st.none() | st.floats() | st.text(max_size=2), max_size=4
        ),
        max_size=4,
    )
)
def documents(values):
    """Lists of anything are text with ranks in range, or refused."""
    column = objects(*values)
    try:
        text = arrays.text({"x": column}, "x")
    except arrays.UnreadableFile:
        return
    assert len(text) == len(values)
    assert all(
        type(rank) is int and 1 <= rank < 2**31 - 4 for document in values for rank in document
    )


def test_documents_of_anything_are_refused_or_right(tried):
    documents()
    tried(
        "documents of numbers out of range, text, None, fractions",
        "refused, or read as they are",
        200,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "stage"),
    [
        ("data/arrays/digits.npz", "kfold"),
        ("data/folds/digits.npz", "evaluate"),
        ("data/models/digits/test.npz", "evaluate"),
    ],
)
def test_a_cached_file_that_lost_bytes_is_made_anew_or_refused(clone, name, stage, tried):
    before = clone.state()
    path = clone.folder / name
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content[:-200])
    done = clone.run(sys.executable, "-m", f"stages.{stage}", "digits")
    assert done.returncode != 0
    assert f"{name} is damaged" in done.stderr
    assert "Traceback" not in done.stderr
    clone.repro()
    assert clone.state() == before
    tried("an output that lost bytes", "a stage that reads it refuses; `dvc repro` brings it back")


def cut_short(path, lost):
    """Take the last bytes of a file, whose mode stays: of DVC's cache, read-only, so that DVC
    trusts it.
    """
    mode = path.stat().st_mode
    path.chmod(0o644)
    os.truncate(path, max(0, path.stat().st_size - lost))
    path.chmod(mode)


def written(clone):
    """(metrics, all that stages wrote and the hashes that dvc.lock has of it)."""
    files = {path: content for path, content in clone.state().items() if path != "dvc.lock"}
    hashes = re.findall(r"path: (\S+)\n.*\n +md5: (\S+)", (clone.folder / "dvc.lock").read_text())
    return {path: content for path, content in files.items() if path.startswith("metrics/")}, (
        files,
        hashes,
    )


@pytest.mark.slow
def test_a_cache_entry_that_lost_bytes_is_never_taken_for_a_result(clone, tried):
    metrics, everything = written(clone)
    for entry in sorted(
        path for path in (clone.folder / ".dvc/cache").rglob("*") if path.is_file()
    ):
        cut_short(entry, 100)
        clone.run("sh", "-c", "rm -rf data/arrays data/folds data/models data/raw")
        done = clone.run("dvc", "repro")
        assert "Traceback" not in done.stdout + done.stderr
        if done.returncode == 0:
            assert written(clone)[0] == metrics, entry
        clone.run(sys.executable, "-m", "tools.repair")
        clone.repro()
        assert written(clone)[1] == everything, entry
        clone.run(
            "git", "checkout", "dvc.lock"
        )  # it may say what size the damaged file had, which nobody reads
        tried(
            "a file of the cache that lost bytes, all outputs gone",
            "`dvc repro` stops with an error or its metrics are right; after `make repro` outputs, metrics and the "
            "hashes in dvc.lock are those of a run left alone",
        )


def test_the_object_array_of_a_pickle_module_is_no_way_around():
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        file, {"descr": "|O", "fortran_order": False, "shape": (1,)}
    )
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            archive.writestr("x.npy", file.getvalue() + pickle.dumps(eval, protocol))
        with pytest.raises(arrays.UnreadableFile):
            arrays.read_npz(content.getvalue())


def test_predict_refuses_a_word_index_with_wrong_ranks(tmp_path):
    folder = tmp_path / "data/raw/imdb"
    folder.mkdir(parents=True)
    (tmp_path / "data/arrays").mkdir()
    (folder / "imdb_word_index.json").write_text(json.dumps({"film": -5}))
    np.savez(tmp_path / "data/arrays/imdb.npz", y_test=np.zeros(1))
    shutil.copytree(PROJECT, tmp_path, dirs_exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-m", "tools.predict", "imdb", "--text", "a film"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert "word index" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_model_that_would_run_code_is_refused(tmp_path, tried):
    from stages.core.run.lean_keras import keras

    marker = tmp_path / "ran"
    path = str(marker)
    network = keras.Sequential(
        [keras.Input((2,)), keras.layers.Lambda(lambda x: (open(path, "w").close(), x)[1])]
    )
    network.save(tmp_path / "seed_0.keras")
    assert marker.exists(), "it runs when it is called"
    marker.unlink()
    with pytest.raises(rows.Refused, match="cannot be opened"):
        ensemble.models(tmp_path, "dense")
    assert not marker.exists()
    tried("a .keras file with a Lambda layer given to predict", "refused, the command never ran")
