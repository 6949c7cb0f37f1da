"""Replicas train what Keras trains, each as if it were alone."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import scipy.sparse as sp

from stages.core.fit import learned, networks, replicas, slices, streams
from stages.core.fit.problem import Problem
from stages.core.fit.program import Program
from stages.core.run.lean_keras import keras

BATCH, EPOCHS = 32, 3
KEPT = {}  # networks that Keras trained


def optimizer(name, **config):
    """Keras' config of an optimizer."""
    return {"class_name": name, "config": {"learning_rate": 0.001} | config}


RMSPROP = optimizer("rmsprop")


def body(inputs, penalty, dropout, units):
    for width in units:
        penalties = keras.regularizers.L1L2(penalty, penalty)
        inputs = keras.layers.Dense(width, "relu", kernel_regularizer=penalties)(inputs)
        inputs = keras.layers.Dropout(dropout)(inputs) if dropout else inputs
    return inputs


def network(optimizer=RMSPROP, penalty=0.0, dropout=0.0, units=(8, 8), of=body, **keys):
    """The blueprint of a network for 50 features and 5 classes."""
    arguments = {"penalty": penalty, "dropout": dropout, "units": units} if of is body else {}
    head = networks.LABELS["integer"]
    return networks.Blueprint(partial(of, **arguments), (50,), 5, head, optimizer, **keys)


def four(folds, order=7):
    return [
        replicas.Replica(seed=seed, order=order, folds=folds, held_out=seed) for seed in range(4)
    ]


def fit(blueprint, x, y, members, epochs=EPOCHS, weighting="none", balance=False):
    blueprint = replace(blueprint, sparse=sp.issparse(x))
    problem = Problem(blueprint, learned.WEIGHTINGS[weighting], x, y, y, BATCH, balance)
    return list(problem.fit(members, epochs))


def largest_difference(first, second):
    return max(np.abs(a - b).max() for a, b in zip(first.weights, second.weights, strict=True))


def by_keras(blueprint, member, x, y, balance=False):
    """The network that `model.fit` trains as this replica trains; its last metrics.

    It is kept, since several tests train a replica of the same network.
    """
    data = (member.folds.tobytes(), x.tobytes(), y.tobytes())
    key = repr(blueprint), member.seed, member.order, member.held_out, member.window, balance, data
    if key not in KEPT:
        KEPT[key] = trained_by_keras(blueprint, member, x, y, balance)
    return KEPT[key]


def trained_by_keras(blueprint, member, x, y, balance):
    single = blueprint.build(member.seed)
    steps = EPOCHS * -(-len(member.training_rows) // BATCH)
    loss = "sparse_categorical_crossentropy"  # as a metric too: it is without penalties
    metrics = ["sparse_categorical_accuracy", loss]
    single.compile(blueprint.new_optimizer(steps), loss, metrics=metrics)
    held_out, weights = member.held_out_rows, None
    if balance:
        weights = learned.balanced(y, member.training_rows)
    for epoch in range(EPOCHS):
        order = streams.stream(member, epoch)
        order = order[np.isin(order, member.training_rows)]
        log = single.fit(
            x[order],
            y[order],
            batch_size=BATCH,
            sample_weight=None if weights is None else weights[order],
            shuffle=False,
            verbose=0,
            validation_data=(x[held_out], y[held_out]),
        ).history
    return single, {name: values[-1] for name, values in log.items()}


def assert_the_same(fitted, single, log, x, y, held_out, atol=2e-6):
    """The replica has the weights, predictions and history of what `by_keras` trained."""
    for ours, keras_own in zip(fitted.weights, single.get_weights(), strict=True):
        np.testing.assert_allclose(ours, keras_own, atol=atol)
    np.testing.assert_allclose(
        fitted.held_out, single.predict(x[held_out], verbose=0), atol=5 * atol
    )
    names = {"loss": "sparse_categorical_crossentropy", "metric": "sparse_categorical_accuracy"}
    for ours, theirs in names.items():
        for prefix in ("", "val_"):
            expected = pytest.approx(log[prefix + theirs], rel=5 * atol)
            assert fitted.history[prefix + ours][-1] == expected


def bounded(inputs):
    return keras.layers.Dense(
        8, "relu", kernel_constraint=keras.constraints.MaxNorm(0.3), bias_constraint="non_neg"
    )(inputs)


OPTIMIZERS = {
    "rmsprop": network(),
    "adam": network(optimizer("adam")),
    "adamw": network(optimizer("adamw")),
    "sgd": network(optimizer("sgd", learning_rate=0.1)),
    "momentum": network(optimizer("sgd", momentum=0.9)),
    "weight decay": network(optimizer("rmsprop", weight_decay=0.1)),
    "clipnorm": network(optimizer("sgd", learning_rate=1.0, clipnorm=0.01)),
    "constraints": network(of=bounded),
    "cosine": network(optimizer("adam", learning_rate=0.01), schedule="cosine"),
    "exponential": network(optimizer("sgd", learning_rate=0.1), schedule="exponential"),
}


@pytest.mark.parametrize(
    ("name", "count"), [*((name, 4) for name in OPTIMIZERS), ("rmsprop", 1), ("clipnorm", 1)]
)
def test_weights_and_history_are_those_of_model_fit(rows, as_stored, name, count):
    x, y, folds = rows
    model, members = OPTIMIZERS[name], four(folds)[-count:]
    *_, fitted = fit(model, as_stored(x), y, members)
    assert_the_same(fitted, *by_keras(model, members[-1], x, y), x, y, members[-1].held_out_rows)


def test_with_balance_weights_are_those_of_model_fit_with_sample_weights(rows, as_stored):
    x, y, folds = rows
    y = np.minimum(y, 2)  # three fifths of the rows are of one class
    model, members = network(), four(folds)
    assert np.ptp(learned.balanced(y, members[0].training_rows)) > 1
    for member, fitted in list(
        zip(members, fit(model, as_stored(x), y, members, balance=True), strict=True)
    )[:2]:
        single, log = by_keras(model, member, x, y, balance=True)
        assert_the_same(fitted, single, log, x, y, member.held_out_rows)
        assert abs(log["loss"] - fitted.history["loss"][-1]) > 0.01  # that of Keras is weighted


def test_a_replica_is_the_same_alone_and_beside_others(rows, as_stored):
    x, y, folds = rows
    members, x = four(folds), as_stored(x)
    together = fit(network(dropout=0.5, penalty=1e-3), x, y, members)
    for member, fitted in list(zip(members, together, strict=True))[2:]:
        (alone,) = fit(network(dropout=0.5, penalty=1e-3), x, y, [member])
        assert largest_difference(alone, fitted) < 1e-6


def test_the_same_slice_gives_the_same_bytes(rows, as_stored):
    x, y, folds = rows
    first, second = (fit(network(dropout=0.5), as_stored(x), y, four(folds)) for _ in range(2))
    assert all(largest_difference(a, b) == 0 for a, b in zip(first, second, strict=True))


def test_sparse_and_dense_rows_train_the_same(rows):
    x, y, folds = rows
    dense, sparse = (
        fit(network(penalty=1e-3), kind(x), y, four(folds)) for kind in (np.asarray, sp.csr_matrix)
    )
    for first, second in zip(dense, sparse, strict=True):
        assert largest_difference(first, second) < 1e-6
        for name, values in first.history.items():
            np.testing.assert_allclose(values, second.history[name], rtol=1e-5, atol=1e-6)


def test_a_held_out_label_changes_nothing_in_the_training_of_its_replica(rows, as_stored):
    x, y, folds = rows
    other = np.where(folds == 2, (y + 1) % 5, y).astype("int32")
    before, after = (fit(network(), as_stored(x), labels, four(folds)) for labels in (y, other))
    assert largest_difference(before[2], after[2]) == 0
    assert (before[2].history["loss"] == after[2].history["loss"]).all()
    assert (before[2].history["val_loss"] != after[2].history["val_loss"]).all()
    assert largest_difference(before[1], after[1]) > 1e-4


def test_held_out_rows_do_not_move_what_their_replica_learns(rows):
    x, y, folds = rows
    moved = x.copy()
    moved[folds == 2] += 100
    before, after = (
        fit(network(), features, y, four(folds), weighting="standardize") for features in (x, moved)
    )
    assert largest_difference(before[2], after[2]) == 0
    training = x[folds != 2]
    np.testing.assert_allclose(after[2].learned.mean, training.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(after[2].learned.factor, 1 / training.std(axis=0), rtol=1e-5)
    assert (before[1].learned.mean != after[1].learned.mean).all()


def test_held_out_labels_move_neither_weighting_nor_balance_of_their_replica(rows):
    x, y, folds = rows
    x, other = sp.csr_matrix(x), np.where(folds == 2, 1, y).astype("int32")
    before, after = (
        fit(network(), x, labels, four(folds), weighting="nb", balance=True)
        for labels in (y, other)
    )
    assert largest_difference(before[2], after[2]) == 0
    np.testing.assert_array_equal(before[2].learned.factor, after[2].learned.factor)
    assert (before[1].learned.factor != after[1].learned.factor).any()
    assert largest_difference(before[1], after[1]) > 1e-4


@pytest.fixture
def counts(rows):
    """Sparse rows that tf_idf learns from: log counts."""
    counts = sp.csr_matrix(rows[0] * (1 + np.arange(50, dtype="float32") % 3))
    return learned.WEIGHTINGS["tf_idf"].values(counts)


def test_sparse_rows_with_a_factor_train_as_dense_rows_multiplied_beforehand(rows, counts):
    _, y, folds = rows
    members = four(folds)
    together = fit(network(penalty=1e-3), counts, y, members, weighting="tf_idf")
    for member, fitted in list(zip(members, together, strict=True))[::3]:
        training = np.flatnonzero(folds != member.held_out)
        _, factor, _ = learned.WEIGHTINGS["tf_idf"].learned(counts, y, training)
        (alone,) = fit(network(penalty=1e-3), counts.toarray() * factor, y, [member])
        np.testing.assert_array_equal(fitted.learned.factor, factor)
        assert fitted.learned.mean is None
        assert largest_difference(fitted, alone) < 1e-5
        np.testing.assert_allclose(fitted.held_out, alone.held_out, atol=1e-5)
    assert (together[0].learned.factor != together[1].learned.factor).any()


@pytest.mark.parametrize("weighting", ["tf_idf", "standardize"])
def test_predict_weighs_rows_as_each_replica_learned(rows, counts, weighting):
    x, y, folds = rows
    x = counts if weighting == "tf_idf" else x
    model, members = network(), four(folds)
    fitted = fit(model, x, y, members, weighting=weighting)
    predictions = replicas.predict(replace(model, sparse=sp.issparse(x)).build(0), fitted, x)
    for member, replica, predicted in zip(members, fitted, predictions, strict=True):
        np.testing.assert_allclose(predicted[member.held_out_rows], replica.held_out, atol=1e-6)


@pytest.mark.parametrize("weighting", ["tabular", "none"])
def test_a_missing_value_trains_as_the_mean(rows, weighting):
    x, y, folds = rows
    x = np.random.default_rng(3).normal(size=x.shape).astype("float32")
    missing = np.random.default_rng(4).random(x.shape) < 0.1
    holed = np.where(missing, np.nan, x)
    (found, *_), member = fit(network(), holed, y, four(folds), weighting=weighting), four(folds)[0]
    mean = found.learned.mean if weighting == "tabular" else 0
    filled = np.where(missing, mean, x).astype("float32")
    if weighting == "tabular":
        filled = (filled - mean) * found.learned.factor
    (expected,) = fit(network(), filled, y, [member])
    assert largest_difference(found, expected) < 1e-5
    np.testing.assert_allclose(found.held_out, expected.held_out, atol=1e-5)


@pytest.mark.parametrize("loss", ["mse", "mae", "huber"])
def test_with_standardized_targets_networks_learn_small_numbers_and_tell_of_large_ones(rows, loss):
    x, _, folds = rows
    prices = 200000 + 40000 * (x[:, 0] + np.random.default_rng(2).normal(size=len(x)))
    head = networks.LOSSES[loss]
    blueprint = replace(network(), head=head, outputs=1)

    def problem(targets, standardize):
        targets = targets.astype("float32")[:, None]
        shared = blueprint, learned.WEIGHTINGS["none"], x, targets[:, 0], targets, BATCH
        return Problem(*shared, standardize=standardize)

    members = four(folds)
    found = problem(prices, standardize=True)
    fitted = list(found.fit(members, EPOCHS))
    assert np.ptp([replica.learned.target.centre for replica in fitted]) > 0  # of its own rows
    for member, replica in list(zip(members, fitted, strict=True))[:2]:
        centre, scale = (float(value[0]) for value in replica.learned.target)
        (small,) = problem((prices - centre) / scale, standardize=False).fit([member], EPOCHS)
        assert largest_difference(replica, small) < 1e-4
        np.testing.assert_allclose(replica.held_out, small.held_out * scale + centre, rtol=1e-4)
        errors = np.abs(replica.held_out[:, 0] - prices[member.held_out_rows])
        assert replica.history["val_metric"][-1] == pytest.approx(errors.mean(), rel=1e-4)
        complete = found.complete(replica).predict(x[member.held_out_rows], verbose=0)
        np.testing.assert_allclose(complete, replica.held_out, rtol=1e-4)
    np.testing.assert_allclose(
        found.predict(fitted, x)[0][members[0].held_out_rows], fitted[0].held_out, rtol=1e-5
    )


def test_a_constant_feature_does_no_harm(rows):
    x, y, folds = rows
    constant = x.copy()
    constant[:, 3] = 7
    for fitted in fit(network(), constant, y, four(folds), weighting="standardize"):
        assert all(np.isfinite(values).all() for values in fitted.weights)


def test_seeds_differ_in_initial_weights_and_dropout(rows, as_stored):
    x, y, folds = rows
    members = [replicas.Replica(seed, 7, folds, 0) for seed in (1, 2)]
    first, second = fit(network(dropout=0.5), as_stored(x), y, members, epochs=1)
    assert largest_difference(first, second) > 0.1


def test_many_replicas_are_cut_into_slices_and_give_the_same(rows, as_stored, monkeypatch):
    x, y, folds = rows
    members = four(folds, order=1) + four(folds, order=2)
    whole = fit(network(), as_stored(x), y, members, epochs=1)
    monkeypatch.setattr(slices, "SLICE", 3)
    parts = fit(network(), as_stored(x), y, members, epochs=1)
    for first, second in zip(whole, parts, strict=True):
        assert largest_difference(first, second) < 1e-6


def test_predict_gives_the_predictions_of_each_network(rows, as_stored, monkeypatch):
    monkeypatch.setattr(replicas, "CHUNK", 128)
    x, y, folds = rows
    model = network(dropout=0.5)
    fitted = fit(model, as_stored(x), y, four(folds), epochs=1)
    built = model.build(0)
    predictions = replicas.predict(built, fitted, as_stored(x))
    for replica, predicted in zip(fitted, predictions, strict=True):
        built.set_weights(replica.weights)
        np.testing.assert_allclose(predicted, built.predict(x, verbose=0), atol=1e-6)


def test_predictions_after_each_epoch_end_with_those_after_the_last(rows):
    x, y, folds = rows
    members = four(folds)
    problem = Problem(network(), learned.WEIGHTINGS["none"], x, y, y, BATCH)
    last, each = list(problem.fit(members, 3)), list(problem.fit(members, 3, told=[1, 2, 3]))
    shorter = list(problem.fit(members, 2))
    some = list(problem.fit(members, 3, told=[2]))
    for number in range(4):
        assert each[number].held_out.shape == (3, *last[number].held_out.shape)
        assert (each[number].held_out[-1] == last[number].held_out).all()
        assert (each[number].held_out[1] == shorter[number].held_out).all()
        assert (each[number].held_out[1:2] == some[number].held_out).all()
        curves = each[number].history, some[number].history
        for name in ("val_loss", "val_metric"):  # judged where it is asked for, and nowhere else
            assert curves[1][name].tolist() == curves[0][name][1:2].tolist()
        assert curves[1]["loss"].tolist() == curves[0]["loss"].tolist()


def test_all_rows_train_where_the_held_out_fold_is_empty(rows, as_stored):
    x, y, _ = rows
    nothing = np.full(len(y), -1)
    (fitted,) = fit(network(), as_stored(x), y, [replicas.Replica(0, 0, nothing, 0)], epochs=1)
    assert fitted.held_out.shape == (0, 5)
    assert sorted(fitted.history) == ["loss", "metric"]


def test_a_network_without_hidden_layers_trains(rows, as_stored):
    x, y, folds = rows
    assert len(fit(network(units=()), as_stored(x), y, four(folds), epochs=1)) == 4


def residual(inputs):
    hidden = keras.layers.Dense(8, "relu")(inputs)
    return keras.layers.Dense(8, "relu")(hidden) + hidden


def attentive(inputs):
    """Behind the first layer, what trains one replica after the other."""
    hidden = keras.layers.Reshape((4, 2))(keras.layers.Dense(8, "relu")(inputs))
    attended = keras.layers.MultiHeadAttention(2, 3)(hidden, hidden)
    return keras.layers.Flatten()(keras.layers.LayerNormalization()(attended))


def normalized(inputs):
    return keras.layers.BatchNormalization()(keras.layers.Dense(8, use_bias=False)(inputs))


@pytest.mark.parametrize("of", [residual, attentive, normalized])
def test_networks_of_ones_own_train_as_in_model_fit(rows, as_stored, of):
    x, y, folds = rows
    model, members = network(of=of), four(folds)
    fitted = fit(model, as_stored(x), y, members)[1]
    single, log = by_keras(model, members[1], x, y)
    assert_the_same(fitted, single, log, x, y, members[1].held_out_rows, atol=1e-5)


@pytest.fixture
def programs(monkeypatch):
    """The sizes of the programs that are compiled from now on."""
    sizes = []

    def counted(problem, count, steps, given):
        sizes.append((count, steps))
        return Program(problem, count, steps, given)

    monkeypatch.setattr(replicas, "Program", counted)
    return sizes


def blocks(sizes, window=2):
    """Folds in the order of time, and a replica for each that has a window before it."""
    folds = np.repeat(np.arange(len(sizes)), sizes)
    return [replicas.Replica(seed, 7, folds, seed, window) for seed in range(window, len(sizes))]


BLOCKS = [60] * 5  # of the 300 rows


@pytest.mark.parametrize("of", [body, normalized])
def test_a_window_trains_as_in_model_fit_on_its_rows_alone(rows, as_stored, of, programs):
    x, y, _ = rows
    y, members, model = np.minimum(y, 2), blocks(BLOCKS), network(of=of)
    together = fit(model, as_stored(x), y, members, balance=True)
    assert programs == [(3, 4 * EPOCHS)]
    for member, fitted in list(zip(members, together, strict=True))[::2]:
        first, last = (member.held_out - 2) * 60, member.held_out * 60
        assert member.training_rows.tolist() == list(range(first, last))
        single, log = by_keras(model, member, x, y, balance=True)
        held_out = np.arange(last, last + 60)
        assert_the_same(fitted, single, log, x, y, held_out, atol=1e-5)


@pytest.mark.parametrize("sizes", [BLOCKS, [30, 90, 20, 100, 60]], ids=["equal", "uneven"])
@pytest.mark.parametrize("of", [body, normalized])
def test_rows_outside_a_window_change_nothing(rows, sizes, of):
    x, y, _ = rows
    members = blocks(sizes)
    member, left_out = members[1], ~np.isin(members[1].folds, [1, 2, 3])
    others = np.where(left_out[:, None], x + 100, x), np.where(left_out, 1, y).astype("int32")
    before, after = (
        fit(network(of=of), *data, members, weighting="standardize", balance=True)[1]
        for data in ((x, y), others)
    )
    assert largest_difference(before, after) == 0
    np.testing.assert_array_equal(before.learned.mean, x[member.training_rows].mean(axis=0))
    np.testing.assert_array_equal(before.held_out, after.held_out)
    for name, values in before.history.items():
        np.testing.assert_array_equal(values, after.history[name])


UNEVEN = np.random.default_rng(5).permutation(np.repeat(np.arange(4), [20, 160, 90, 30]))


def by_steps(blueprint, member, x, y, steps):
    """As `by_keras`, but the rows are spread evenly over so many steps an epoch."""
    single = blueprint.build(member.seed)
    loss = "sparse_categorical_crossentropy"
    metrics = ["sparse_categorical_accuracy", loss]
    single.compile(blueprint.new_optimizer(EPOCHS * steps), loss, metrics=metrics)
    for epoch in range(EPOCHS):
        order, n = streams.stream(member, epoch), len(member.training_rows)
        order = order[np.isin(order, member.training_rows)]
        batches = [order[step * n // steps : (step + 1) * n // steps] for step in range(steps)]
        logs = [single.train_on_batch(x[each], y[each], return_dict=True) for each in batches]
        shares = [len(each) / n for each in batches]
        log = {name: np.dot(shares, [each[name] for each in logs]) for name in logs[0]}
    held_out = member.held_out_rows
    judged = single.evaluate(x[held_out], y[held_out], batch_size=300, verbose=0, return_dict=True)
    return single, log | {f"val_{name}": value for name, value in judged.items()}


def test_folds_of_uneven_sizes_train_as_in_keras_in_the_same_steps(rows, as_stored, programs):
    x, y, _ = rows
    model, members = network(optimizer("adam"), schedule="cosine"), four(UNEVEN)
    together = fit(model, as_stored(x), y, members)
    assert programs == [(4, 8 * EPOCHS)]  # 280, 140, 210 and 270 rows: 225 in the mean
    for member, fitted in list(zip(members, together, strict=True))[1:2]:
        single, log = by_steps(model, member, x, y, steps=8)
        assert_the_same(fitted, single, log, x, y, member.held_out_rows, atol=1e-5)


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_networks_that_mix_rows_train_on_uneven_folds_as_in_model_fit(rows, schedule, programs):
    x, y, _ = rows
    model, members = network(of=normalized, schedule=schedule), four(UNEVEN)
    together = fit(model, x, y, members)
    steps = [EPOCHS * -(-rows // BATCH) for rows in (280, 140, 210, 270)]
    assert programs == [(1, each) for each in (steps[:1] if schedule == "constant" else steps)]
    for member, fitted in list(zip(members, together, strict=True))[1:2]:
        single, log = by_keras(model, member, x, y)
        assert_the_same(fitted, single, log, x, y, member.held_out_rows, atol=1e-5)


@pytest.mark.parametrize("of", [body, normalized])
def test_a_replica_of_uneven_folds_is_the_same_alone_and_beside_others(rows, as_stored, of):
    x, y, _ = rows
    members, model, x = four(UNEVEN), network(of=of, dropout=0.5), as_stored(x)
    together = fit(model, x, y, members, balance=True)
    for member, fitted in list(zip(members, together, strict=True))[1:2]:
        (alone,) = fit(model, x, y, [member], balance=True)
        assert largest_difference(alone, fitted) < 1e-6


def test_a_loss_that_is_no_number_stops_with_replica_and_epoch(rows):
    x, y, folds = rows
    with pytest.raises(
        replicas.Diverged, match=r"seed 0, fold 0: its (val_)?loss is nan in epoch 1"
    ):
        fit(network(), x + np.float32(np.inf), y, four(folds))


def test_learning_happens():
    random = np.random.default_rng(0)
    x = random.normal(size=(400, 50)).astype("float32")
    y = ((x[:, 0] > 0) * 2 + (x[:, 1] > 0)).astype("int32")
    members = four(random.permutation(400) % 4)
    for fitted in fit(network(optimizer("adam", learning_rate=0.01)), x, y, members, epochs=30):
        assert fitted.history["val_metric"][-1] > 0.6 > 0.4 > fitted.history["val_metric"][0]
