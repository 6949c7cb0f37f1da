"""What the user's machine says to Keras, TensorFlow, Python and matplotlib changes no result."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from samples import section

from stages.core.fit import replicas
from stages.core.fit.problem import Problem
from stages.core.judge import pictures
from stages.core.run.lean_keras import OURS, READ_BY_THEM, settle

ROOT = Path(__file__).parent.parent
KERAS_JSON = {  # all keys that Keras reads
    "floatx": "float16",
    "epsilon": 0.1,
    "backend": "torch",
    "image_data_format": "channels_first",
    "nnx_enabled": True,
}
MATPLOTLIBRC = "figure.facecolor: red\nlines.linewidth: 9\ntext.usetex: True\n"
# variable: value tried; alone, half of those of Keras and TensorFlow alter the fit or end it
LOOKED_AT = {
    "KERAS_BACKEND": "jax",
    "KERAS_MAX_EPOCHS": "1",
    "KERAS_MAX_STEPS_PER_EPOCH": "1",
    "KERAS_NNX_ENABLED": "1",
    "TF_USE_LEGACY_KERAS": "1",
    "TF_ENABLE_ONEDNN_OPTS": "0",
    "TF_SET_ONEDNN_FPMATH_MODE": "BF16",
    "ONEDNN_DEFAULT_FPMATH_MODE": "BF16",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "DNNL_MAX_CPU_ISA": "SSE41",
    "TF_DETERMINISTIC_OPS": "1",
    "TF_FUNCTION_JIT_COMPILE_DEFAULT": "1",
    "TF_AUTO_MIXED_PRECISION_GRAPH_REWRITE_LEVEL": "UNSAFE_FORCE_ALL",
    "TENSORFLOW_USE_CUSTOM_CONTRACTION_KERNEL": "0",
    "TF_NUM_INTRAOP_THREADS": "2",
    "TF_NUM_INTEROP_THREADS": "3",
    "TF_CONFIG": '{"cluster": {"worker": ["host:1"]}}',
    "TF_XLA_FLAGS": "--tf_xla_auto_jit=2",
    "XLA_FLAGS": "--xla_backend_optimization_level=0 --xla_no_such_flag=1",
    "MLIR_CRASH_REPRODUCER_DIRECTORY": "/nowhere",
    "NVIDIA_TF32_OVERRIDE": "0",  # of a GPU
    "LC_ALL": "C",  # with the next two, text is ASCII
    "PYTHONUTF8": "0",
    "PYTHONCOERCECLOCALE": "0",
    "PYTHONHASHSEED": "77",
    "PYTHONOPTIMIZE": "2",
    "TZ": "Asia/Kathmandu",
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
}
# Left alone: what follows from the processor (OPENBLAS_CORETYPE, NPY_DISABLE_CPU_FEATURES), which
# some machines need, the device (CUDA_VISIBLE_DEVICES) and OMP_NUM_THREADS.


def digests():
    """Of a small fit of each of two networks, and of a picture."""
    random, rows = np.random.default_rng(0), 48
    y, found = random.integers(0, 5, rows).astype("int32"), []
    for keys, shape in (
        ({"network": "conv2d", "encoding": "image"}, (8, 4, 1)),
        ({"dropout": 0.2}, (40,)),
    ):
        chosen = section(
            units=[8, 4], labels="integer", optimizer="adam", l2=1e-3, batch_size=16, **keys
        )
        problem = Problem.of(chosen, random.random((rows, *shape)).astype("float32"), y, 5)
        members = [replicas.Replica(seed, seed, np.arange(rows) % 2, seed) for seed in range(2)]
        fitted = problem.fit(members, 3)
        found.append(
            b"".join(
                a.tobytes() for f in fitted for a in (*f.weights, f.held_out, *f.history.values())
            )
        )
    figure = Figure()
    figure.subplots().plot([0, 1], label="a line")
    found.append(pictures.png(figure))
    return [hashlib.sha256(content).hexdigest() for content in found]


def test_a_machine_with_other_settings_gives_the_same_bytes(tmp_path):
    (tmp_path / ".keras").mkdir()
    (tmp_path / ".keras/keras.json").write_text(json.dumps(KERAS_JSON))
    (tmp_path / "matplotlibrc").write_text(MATPLOTLIBRC)
    hostile = LOOKED_AT | {
        "HOME": str(tmp_path),
        "MATPLOTLIBRC": str(tmp_path / "matplotlibrc"),
        "MPLCONFIGDIR": matplotlib.get_cachedir(),  # has the list of fonts
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}",
    }
    plain = {name: value for name, value in os.environ.items() if name != "KERAS_HOME"}
    code = "import stages.core.judge.pictures, os, test_lean_keras as test"
    code += "; print(*test.digests(), 'KERAS_HOME' in os.environ)"
    done = subprocess.run(
        [sys.executable, "-c", code], env=plain | hostile, capture_output=True, encoding="utf-8"
    )
    assert done.stdout.split() == [*digests(), "False"], done.stderr
    assert {path.name for path in tmp_path.rglob("*")} == {".keras", "keras.json", "matplotlibrc"}


def test_what_keras_and_tensorflow_read_is_taken_out_but_for_what_changes_no_result():
    kept = {
        "KERAS_HOME": "/keras",
        "TF_NUM_INTEROP_THREADS": "3",
        "CUDA_VISIBLE_DEVICES": "0",
        "HOME": "/home/me",
    }
    environment = {
        name: value for name, value in LOOKED_AT.items() if name.startswith(READ_BY_THEM)
    } | kept
    settle(environment)
    assert environment == kept | OURS | {"TF_CPP_MIN_LOG_LEVEL": "3"}
