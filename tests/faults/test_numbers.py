"""Numbers that go wrong: a right result, or a message that names the replica and the epoch."""

import sys
from dataclasses import replace

import numpy as np
import pytest
import yaml
from samples import section

from stages import kfold
from stages.core.data import encodings
from stages.core.data.arrays import Text
from stages.core.fit import replicas, slices
from stages.core.fit.learned import Learned
from stages.core.fit.problem import Problem
from stages.core.run.lean_keras import tensorflow
from stages.core.run.stage import one_message

SETTINGS = {"units": [4], "weighting": "standardize", "learning_rate": 0.001, "batch_size": 16}


def fit(x, y, folds, epochs=3, **changes):
    """Fit the K-fold replicas of a small network on these rows: y are numbers, or two classes."""
    loss = {"loss": "mse"} if y.dtype.kind == "f" else {}
    problem = Problem.of(section(**SETTINGS | loss | changes), x, y, 1)
    members = kfold.members(folds, seed=0) or [
        replicas.Replica(0, 0, folds[0], 0)
    ]  # all rows train
    return list(problem.fit(members, epochs))


@pytest.fixture
def numbers():
    random = np.random.default_rng(0)
    x = random.normal(size=(24, 3)).astype("float32")
    return x, x.sum(axis=1).astype("float32")


def finite(fitted):
    return all(
        np.isfinite(values).all()
        for one in fitted
        for values in [*one.weights, *one.history.values()]
    )


def test_a_fit_that_diverges_names_the_replica_and_the_epoch(numbers, tried):
    x, y = numbers
    for rate in (1e3, 1e30):
        with pytest.raises(
            replicas.Diverged, match=r"seed \d+, fold \d+: its .* epoch \d+; a lower learning_rate"
        ):
            fit(x, y, kfold.deal(y, 4, 1, 0, False), epochs=50, learning_rate=rate)
    tried("a learning rate that diverges", "a message names the replica and the epoch", 2)


def test_the_last_step_that_diverges_is_noticed_where_no_row_is_held_out(numbers, tried):
    x, y = numbers
    with pytest.raises(replicas.Diverged):
        fit(x, y * 1e18, np.full((1, 24), -1), epochs=1, batch_size=24, learning_rate=1e30)
    tried("the last step of a fit diverges", "a message names the replica and the epoch")


def test_weights_so_large_that_predictions_are_no_numbers_are_noticed(numbers, tried):
    x, y = numbers
    problem = Problem.of(section(loss="mse"), x, y, 1)
    weights = problem.model.get_weights()
    fine = replicas.Fitted(weights, Learned(), {}, np.empty((0, 1)))
    huge = replace(fine, weights=[np.full_like(values, 3e38) for values in weights])
    with pytest.raises(
        replicas.Diverged, match="replica 1 of 2 predicts what is no number after its last epoch"
    ):
        problem.predict([fine, huge], x)
    tried(
        "predictions for the test rows are no numbers", "a message names the replica and the epoch"
    )


@pytest.mark.parametrize("stage", ["train", "kfold"])
def test_a_stage_that_diverges_leaves_earlier_results_and_no_nan(clone, stage, tried):
    before, text = clone.state(), (clone.folder / "params.yaml").read_text()
    changed = yaml.safe_load(text)
    changed["datasets"]["digits"]["fit"].update(learning_rate=1e30, optimizer="sgd")
    (clone.folder / "params.yaml").write_text(yaml.safe_dump(changed))
    done = clone.run(sys.executable, "-m", f"stages.{stage}", "digits")
    (clone.folder / "params.yaml").write_text(text)
    assert done.returncode != 0
    assert f"{stage} digits: the replica with seed" in done.stderr
    assert "Traceback" not in done.stderr
    assert clone.state() == before
    tried("a learning rate that diverges", "a message names the replica and the epoch")


def test_a_fold_with_a_single_class_has_its_figures(tried):
    random = np.random.default_rng(0)
    x, y = random.normal(size=(24, 3)).astype("float32"), np.repeat([0, 1], 12).astype("int32")
    folds = np.repeat([0, 1], 12)[None].astype("int16")
    fitted = fit(x, y, folds)
    assert finite(fitted)
    assert {one.history["val_metric"][-1] for one in fitted} <= set(
        np.linspace(0, 1, 13).astype("float32")
    )
    tried("a fold with a single class", "a right result")


@pytest.mark.parametrize(
    "value", [7, 0.1, 396.9]
)  # of the last two, the mean of 24 is another number in float32
def test_a_constant_feature_stays_what_it_is(numbers, value, tried):
    x, y = numbers
    x[:, 1] = value
    x[0, 1] = 5  # which one replica holds out
    folds = kfold.deal(y, 4, 1, 0, False)
    fitted = fit(x, y, folds)
    assert finite(fitted)
    held_out = fitted[folds[0, 0]]
    assert (held_out.learned.mean[1], held_out.learned.factor[1]) == (np.float32(value), 1)
    tried("a constant feature (standard deviation 0)", "a right result")


def test_a_word_that_no_training_row_has_does_no_harm(tried):
    counts = encodings.counts(Text(np.arange(12) % 8 + 1, np.arange(13)), 12)
    labels = np.array([0, 1] * 6, "int32")
    for weighting in ("tf_idf", "nb"):
        folds = (np.arange(12) % 3)[None].astype("int16")
        assert finite(fit(counts, labels, folds, weighting=weighting))
    tried("a word that no training row of a fold has", "a right result", 2)


@pytest.mark.parametrize("batch_size", [25, 10_000])
def test_a_batch_larger_than_the_rows_is_all_of_them(numbers, batch_size, tried):
    x, y = numbers
    folds = kfold.deal(y, 4, 1, 0, False)
    large, whole = (fit(x, y, folds, batch_size=size) for size in (batch_size, 18))
    for one, other in zip(large, whole, strict=True):
        for a, b in zip(one.weights, other.weights, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    tried("a batch larger than the rows", "a right result")


def test_as_many_folds_as_rows_leave_one_row_out_each(numbers, tried):
    x, y = numbers
    fitted = fit(x, y, kfold.deal(y, 24, 1, 0, False))
    assert finite(fitted)
    assert [len(one.held_out) for one in fitted] == [1] * 24
    tried("k equal to the number of rows", "a right result")


@pytest.mark.parametrize(
    ("name", "key"), [("folds/digits.npz", "val_loss"), ("models/digits/test.npz", "predictions")]
)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_figure_that_is_no_number_never_reaches_a_metrics_file(clone, name, key, value, tried):
    before = clone.state()
    path = clone.folder / "data" / name
    content = path.read_bytes()
    with np.load(path) as file:
        arrays = dict(file)
    arrays[key].flat[-1] = value
    path.unlink()
    np.savez(path, **arrays)
    done = clone.run(sys.executable, "-m", "stages.evaluate", "digits")
    path.write_bytes(content)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert "no number" in done.stderr
    assert clone.state() == before
    tried(
        "predictions or metrics that are no numbers reach the evaluation",
        "refused; earlier metrics stay",
    )


@pytest.mark.parametrize(
    ("each", "batch_size"),
    [(3 * 21 * 4, 1), ((21 + 18 * (3 + 4 + 1)) * 4, 18)],
    ids=["weights", "batch"],
)
def test_where_replicas_do_not_fit_into_memory_fewer_train_at_a_time_or_none(
    numbers, each, batch_size, monkeypatch, tried
):
    x, y = numbers
    folds = kfold.deal(y, 4, 1, 0, False)
    whole = fit(x, y, folds, batch_size=batch_size)
    monkeypatch.setattr(slices.memory, "free", lambda: each - 1)
    with pytest.raises(MemoryError, match=r"a network of 21 parameters needs at least .* held out"):
        fit(x, y, folds, batch_size=batch_size)
    monkeypatch.setattr(slices.memory, "free", lambda: 2 * each)
    for together, apart in zip(whole, fit(x, y, folds, batch_size=batch_size), strict=True):
        for first, second in zip(together.weights, apart.weights, strict=True):
            np.testing.assert_array_equal(first, second)
    tried(
        "networks that do not fit into memory",
        "fewer train at a time, or all are refused before the system ends the process",
    )


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (MemoryError("Unable to allocate 7 TiB"), "(Unable to allocate 7 TiB)"),
        (MemoryError(), "(MemoryError)"),
        (
            tensorflow.errors.ResourceExhaustedError(
                None, None, "{{node A}} OOM when allocating tensor with shape[3,4] x"
            ),
            "(tensor with shape[3,4])",
        ),
    ],
)
def test_too_little_memory_is_one_message(error, message, tried):
    with pytest.raises(SystemExit) as ended, one_message("train imdb"):
        raise error
    assert ended.value.code.startswith(
        f"train imdb: too little memory for these params {message}; fewer units"
    )
    tried(
        "memory runs out in a stage", "one message with what could not be had; earlier results stay"
    )


def test_an_error_of_the_project_itself_keeps_its_traceback():
    with pytest.raises(KeyError), one_message("train imdb"):
        raise KeyError("a mistake of ours")
