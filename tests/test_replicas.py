"""Replicas train what Keras trains, each as if it were alone."""

import numpy as np
import pytest
import scipy.sparse as sp

from stages.core import replicas
from stages.core.lean_keras import keras

ACCURACY = keras.metrics.sparse_categorical_accuracy
BATCH, EPOCHS = 32, 3


def network(optimizer="rmsprop", penalty=0.0, dropout=0.0, units=(8, 8)):
    layers = []
    for width in units:
        layers.append(keras.layers.Dense(width, "relu", kernel_regularizer=keras.regularizers.L1L2(penalty, penalty)))
        layers += [keras.layers.Dropout(dropout)] if dropout else []
    model = keras.Sequential([keras.Input((50,)), *layers, keras.layers.Dense(5, "softmax")])
    model.compile(optimizer, loss="sparse_categorical_crossentropy")
    return model


def four(folds, order=7):
    return [replicas.Replica(seed=seed, order=order, folds=folds, held_out=seed) for seed in range(4)]


def fit(model, x, y, members, epochs=EPOCHS, **options):
    return list(replicas.fit(model, ACCURACY, x, y, members, epochs, BATCH, **options))


def largest_difference(one, other):
    return max(np.abs(a - b).max() for a, b in zip(one.weights, other.weights, strict=True))


@pytest.mark.parametrize("optimizer", ["rmsprop", "adam", "sgd"])
@pytest.mark.parametrize("count", [1, 4])
def test_weights_and_figures_are_those_of_model_fit(rows, as_stored, optimizer, count):
    x, y, folds = rows
    model = network(optimizer, penalty=1e-3)
    members = four(folds)[-count:]
    for member, fitted in list(zip(members, fit(model, as_stored(x), y, members), strict=True))[:2]:
        single = network(optimizer, penalty=1e-3)
        single.compile(optimizer, "sparse_categorical_crossentropy", metrics=["sparse_categorical_accuracy"])
        initial = replicas._initial(model, member.seed)
        single.set_weights([initial[id(variable)] for variable in model.weights])
        held_out = member.held_out_rows
        for epoch in range(EPOCHS):
            order = replicas._stream(member, epoch)
            order = order[folds[order] != member.held_out]
            log = single.fit(
                x[order],
                y[order],
                batch_size=BATCH,
                shuffle=False,
                verbose=0,
                validation_data=(x[held_out], y[held_out]),
            ).history
        for ours, keras_own in zip(fitted.weights, single.get_weights(), strict=True):
            np.testing.assert_allclose(ours, keras_own, atol=2e-6)
        np.testing.assert_allclose(fitted.held_out, single.predict(x[held_out], verbose=0), atol=1e-5)
        assert fitted.history["metric"][-1] == pytest.approx(log["sparse_categorical_accuracy"][-1])
        assert fitted.history["val_metric"][-1] == pytest.approx(log["val_sparse_categorical_accuracy"][-1])
        loss = keras.losses.sparse_categorical_crossentropy(y[held_out], fitted.held_out).numpy().mean()
        assert fitted.history["val_loss"][-1] == pytest.approx(loss, rel=1e-5)


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_a_replica_is_the_same_alone_and_beside_others(rows, as_stored, dropout):
    x, y, folds = rows
    members, x = four(folds), as_stored(x)
    together = fit(network(dropout=dropout, penalty=1e-3), x, y, members)
    for member, fitted in list(zip(members, together, strict=True))[2:]:
        (alone,) = fit(network(dropout=dropout, penalty=1e-3), x, y, [member])
        assert largest_difference(alone, fitted) < 1e-6


def test_the_same_slice_gives_the_same_bytes(rows, as_stored):
    x, y, folds = rows
    one, other = (fit(network(dropout=0.5), as_stored(x), y, four(folds)) for _ in range(2))
    assert all(largest_difference(a, b) == 0 for a, b in zip(one, other, strict=True))


def test_sparse_and_dense_rows_train_the_same(rows):
    x, y, folds = rows
    dense, sparse = (fit(network(penalty=1e-3), kind(x), y, four(folds)) for kind in (np.asarray, sp.csr_matrix))
    for one, other in zip(dense, sparse, strict=True):
        assert largest_difference(one, other) < 1e-6
        for name in one.history:
            np.testing.assert_allclose(one.history[name], other.history[name], rtol=1e-5, atol=1e-6)


def test_a_held_out_label_changes_nothing_in_the_training_of_its_replica(rows, as_stored):
    x, y, folds = rows
    other = np.where(folds == 2, (y + 1) % 5, y).astype("int32")
    before, after = (fit(network(), as_stored(x), labels, four(folds)) for labels in (y, other))
    assert largest_difference(before[2], after[2]) == 0
    assert (before[2].history["loss"] == after[2].history["loss"]).all()
    assert (before[2].history["val_loss"] != after[2].history["val_loss"]).all()
    assert largest_difference(before[1], after[1]) > 1e-4


def test_held_out_rows_do_not_move_the_scaler_of_their_replica(rows):
    x, y, folds = rows
    moved = x.copy()
    moved[folds == 2] += 100
    before, after = (fit(network(), features, y, four(folds), standardize=True) for features in (x, moved))
    assert largest_difference(before[2], after[2]) == 0
    training = x[folds != 2]
    np.testing.assert_allclose(after[2].mean, training.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(after[2].scale, training.std(axis=0), rtol=1e-5)
    assert (before[1].mean != after[1].mean).all()


def test_a_constant_feature_does_no_harm(rows):
    x, y, folds = rows
    constant = x.copy()
    constant[:, 3] = 7
    for fitted in fit(network(), constant, y, four(folds), standardize=True):
        assert all(np.isfinite(values).all() for values in fitted.weights)


@pytest.mark.parametrize("folds_of", [4, 3, 7])
@pytest.mark.parametrize("batch_size", [32, 1, 1000])
def test_each_replica_passes_once_over_its_rows_in_batches_of_the_given_size(folds_of, batch_size):
    folds = np.random.default_rng(1).permutation(101) % folds_of
    members = [replicas.Replica(0, 5, folds, fold) for fold in range(folds_of)]
    rows, taken = replicas._batches(members, 0, batch_size)
    for number, member in enumerate(members):
        seen = rows[:, number][taken[:, number] == 1]
        assert sorted(seen) == sorted(np.flatnonzero(folds != member.held_out))
        sizes = taken[:, number].sum(axis=1)
        assert (sizes[:-1] == batch_size).all()
        assert 0 < sizes[-1] <= batch_size + 1


def test_batches_draw_equally_from_every_fold(rows):
    _, _, folds = rows
    batches, taken = replicas._batches(four(folds), 0, BATCH)
    for own, weights in zip(batches[:-1, 0], taken[:-1, 0], strict=True):
        counts = np.bincount(folds[own[weights == 1]], minlength=4)[1:]
        assert counts.max() - counts.min() <= 1


def test_replicas_of_a_stream_take_mostly_the_same_rows(rows):
    _, _, folds = rows
    batches, taken = replicas._batches(four(folds), 0, BATCH)
    for step, weights in zip(batches[:-1], taken[:-1], strict=True):
        assert len(np.unique(step[weights == 1])) <= BATCH * 4 / 3 + 4


def test_epochs_and_orders_shuffle_anew(rows):
    _, _, folds = rows
    member, other = replicas.Replica(0, 5, folds, 0), replicas.Replica(0, 6, folds, 0)
    assert (replicas._stream(member, 0) != replicas._stream(member, 1)).any()
    assert (replicas._stream(member, 0) != replicas._stream(other, 0)).any()


def test_initial_weights_are_those_of_a_new_build_after_set_random_seed():
    model = network(dropout=0.5)
    keras.utils.set_random_seed(3)
    built = network(dropout=0.5)
    drawn = replicas._initial(model, 3)
    for ours, keras_own in zip(model.variables, built.variables, strict=True):
        np.testing.assert_array_equal(drawn[id(ours)], keras_own.numpy())


def test_seeds_differ_in_initial_weights_and_dropout(rows, as_stored):
    x, y, folds = rows
    one, other = (replicas.Replica(seed, 7, folds, 0) for seed in (1, 2))
    first, second = fit(network(dropout=0.5), as_stored(x), y, [one, other], epochs=1)
    assert largest_difference(first, second) > 0.1


def test_many_replicas_are_cut_into_slices_and_give_the_same(rows, as_stored, monkeypatch):
    x, y, folds = rows
    members = four(folds, order=1) + four(folds, order=2)
    whole = fit(network(), as_stored(x), y, members, epochs=1)
    monkeypatch.setattr(replicas, "SLICE", 3)
    for one, other in zip(whole, fit(network(), as_stored(x), y, members, epochs=1), strict=True):
        assert largest_difference(one, other) < 1e-6


def test_predict_gives_the_predictions_of_each_network(rows, as_stored, monkeypatch):
    monkeypatch.setattr(replicas, "CHUNK", 128)
    x, y, folds = rows
    model = network(dropout=0.5)
    fitted = fit(model, as_stored(x), y, four(folds), epochs=1)
    predictions = replicas.predict(model, fitted, as_stored(x))
    for one, own in zip(fitted, predictions, strict=True):
        model.set_weights(one.weights)
        np.testing.assert_allclose(own, model.predict(x, verbose=0), atol=1e-6)


def test_all_rows_train_where_the_held_out_fold_is_empty(rows, as_stored):
    x, y, _ = rows
    nothing = np.full(len(y), -1)
    (fitted,) = fit(network(), as_stored(x), y, [replicas.Replica(0, 0, nothing, 0)], epochs=1)
    assert fitted.held_out.shape == (0, 5)
    assert sorted(fitted.history) == ["loss", "metric"]


def test_a_network_without_hidden_layers_trains(rows, as_stored):
    x, y, folds = rows
    assert len(fit(network(units=()), as_stored(x), y, four(folds), epochs=1)) == 4


def test_a_loss_that_is_no_number_stops_with_replica_and_epoch(rows):
    x, y, folds = rows
    with pytest.raises(replicas.Diverged, match=r"seed 0, fold 0, .* epoch 1"):
        fit(network(), x * np.float32(np.nan), y, four(folds))


def test_learning_happens():
    random = np.random.default_rng(0)
    x = random.normal(size=(400, 50)).astype("float32")
    y = ((x[:, 0] > 0) * 2 + (x[:, 1] > 0)).astype("int32")
    members = four(random.permutation(400) % 4)
    for fitted in fit(network(keras.optimizers.Adam(0.01)), x, y, members, epochs=30):
        assert fitted.history["val_metric"][-1] > 0.6 > 0.4 > fitted.history["val_metric"][0]
