"""What more than one test file uses."""

import gc
import importlib
import os
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
import yaml
from samples import PROJECT

from stages.core.declared import sources

ROOT = Path(__file__).parent.parent
SHIPPED = "imdb", "reuters", "boston_housing", "digits"
CHOSEN = yaml.safe_load((ROOT / "params.yaml").read_text())["datasets"]
GONE = [
    name
    for name in SHIPPED
    if name not in CHOSEN or not (ROOT / f"data/sources/{name}.yaml").is_file()
]
# What TensorFlow has traced is a million objects: to look through them takes a sixth of the time.
gc.set_threshold(50_000, 20, 100)
# The data sets of the tests, in place of those of whoever runs them.
sources.FOLDER = PROJECT / "data/sources"
collect_ignore = ["showcase"] if GONE else []


def pytest_terminal_summary(terminalreporter):
    """Say that the tests of what is shipped were passed over."""
    if GONE:
        terminalreporter.write_line(f"tests/showcase is passed over: {', '.join(GONE)} are gone")


def pytest_collection_modifyitems(items):
    """Tests of whole runs take longest: begun first, they run beside all others."""
    longest = "test_commands.py", "test_replicas.py", "test_guides.py", "test_pipeline.py"
    places = {name: place for place, name in enumerate(longest)}
    items.sort(key=lambda item: places.get(item.path.name, len(places)))


@pytest.fixture(scope="session")
def mirror():
    """The folder with the official files; skips where there is none."""
    folder = Path(os.environ.get("DATASETS_MIRROR", ROOT / "../shared/datasets")).resolve()
    if not (folder / "imdb.npz").is_file():
        pytest.skip(
            "the official files are not here: set DATASETS_MIRROR to a folder that has them"
        )
    return folder


@pytest.fixture(scope="session")
def rows():
    """Small multi-hot rows, their classes and four folds: (300, 50) float32, (300,) int32,
    (300,).
    """
    random = np.random.default_rng(0)
    x = (random.random((300, 50)) < 0.1).astype("float32")
    return x, random.integers(0, 5, 300).astype("int32"), random.permutation(300) % 4


@pytest.fixture
def keras_split(monkeypatch):
    """The function that gives ((x_train, y_train), (x_test, y_test)) as Keras' loader reads them
    from this file.
    """

    from stages.core.run.lean_keras import keras

    def load(name, path, **options):
        assert path.is_file()
        module = importlib.import_module(f"keras.src.datasets.{name}")
        monkeypatch.setattr(module, "get_file", lambda *arguments, **more: str(path))
        return getattr(keras.datasets, name).load_data(**options)

    return load


@pytest.fixture(params=["dense", "sparse"])
def as_stored(request):
    """Rows as a dense array and as CSR: what holds for one must hold for the other."""
    return sp.csr_matrix if request.param == "sparse" else np.asarray


def pytest_addoption(parser):
    """Where `make test-faults` wants its page."""
    parser.addoption(
        "--reliability", help="write what tests/faults tried, and what came of it, to this file"
    )
