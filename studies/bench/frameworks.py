"""Contenders that the project does not install: PyTorch and JAX. See `contenders`."""

from itertools import pairwise

import numpy as np
import scipy.sparse as sp

from studies.bench.tasks import problem, splits


def torch_loop(task):
    """A PyTorch loop: EmbeddingBag for text, held-out metrics every epoch for classes."""
    import torch
    from torch import nn

    x, y, folds, classes = problem(task)
    units, outputs, text = task.units, classes if classes > 2 else 1, sp.issparse(x)
    loss = {0: nn.MSELoss(), 2: nn.BCEWithLogitsLoss()}.get(classes, nn.CrossEntropyLoss())
    if text:  # a feature of all rows is the bias that a bag lacks
        x = sp.hstack([x, np.ones((len(y), 1), "float32")], format="csr")

    def batch(x, rows):
        part = x[rows]
        arrays = [part.indices, part.indptr[:-1]] if text else [part]
        return [torch.from_numpy(array.astype("int64" if text else "float32")) for array in arrays]

    def metric(predict, x, y):
        with torch.no_grad():
            output = predict(x, np.arange(len(y))).numpy()
        if not classes:
            return np.abs(output - y).mean()
        return ((output.argmax(axis=1) if outputs > 1 else output > 0) == y).mean()

    def train(inside, y_inside, outside, y_outside):
        kind, size = (nn.EmbeddingBag, {"mode": "sum"}) if text else (nn.Linear, {})
        first = kind(x.shape[1], units, **size)
        nn.init.xavier_uniform_(first.weight)
        last = nn.Linear(units, outputs)
        rest = nn.Sequential(nn.ReLU(), nn.Linear(units, units), nn.ReLU(), last)
        weights = [*first.parameters(), *rest.parameters()]
        optimizer = torch.optim.RMSprop(weights, lr=0.001, alpha=0.9, eps=1e-7)
        targets = torch.from_numpy(y_inside.astype("int64" if outputs > 1 else "float32"))

        def predict(x, rows):
            output = rest(first(*batch(x, rows)))
            return output if outputs > 1 else output[:, 0]

        for _ in range(task.epochs):
            order = np.random.permutation(len(y_inside))
            for start in range(0, len(order), task.batch_size):
                part = order[start : start + task.batch_size]
                optimizer.zero_grad()
                loss(predict(inside, part), targets[part]).backward()
                optimizer.step()
            if classes:
                metric(predict, outside, y_outside)
        return metric(predict, outside, y_outside)

    return [train(*split) for split in splits(x, y, folds)], 0


def stacked(task) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The folds of Boston stacked by hand, and the weights of their networks, all float32.

    Rows trained on (replicas, rows, features), their targets, held-out rows, their targets; kernels
    (Glorot uniform) and biases (0) by layer.
    """
    x, y, folds, _ = problem(task)
    parts = [np.stack(part).astype("float32") for part in zip(*splits(x, y, folds), strict=True)]
    replicas, random, weights = len(parts[0]), np.random.default_rng(0), []
    for shape in pairwise([x.shape[1], task.units, task.units, 1]):
        limit = np.sqrt(6 / sum(shape))
        weights.append(random.uniform(-limit, limit, (replicas, *shape)).astype("float32"))
        weights.append(np.zeros((replicas, 1, shape[1]), "float32"))
    return parts, weights


def torch_batched(task):
    """PyTorch, Boston's folds batched by hand, a baddbmm a layer; held-out errors every epoch."""
    import torch

    parts, weights = stacked(task)
    inside, y_inside, outside, y_outside = map(torch.from_numpy, parts)
    weights = [torch.from_numpy(weight).requires_grad_() for weight in weights]
    optimizer = torch.optim.RMSprop(weights, lr=0.001, alpha=0.9, eps=1e-7)
    replicas, rows, _ = inside.shape
    each = torch.arange(replicas)[:, None]

    def forward(x):
        w1, b1, w2, b2, w3, b3 = weights
        hidden = torch.relu(torch.baddbmm(b2, torch.relu(torch.baddbmm(b1, x, w1)), w2))
        return torch.baddbmm(b3, hidden, w3)[..., 0]

    for _ in range(task.epochs):
        order = torch.rand(replicas, rows).argsort(dim=1)
        for start in range(0, rows, task.batch_size):
            part = order[:, start : start + task.batch_size]
            optimizer.zero_grad()
            errors = forward(inside[each, part]) - y_inside[each, part]
            errors.square().mean(dim=1).sum().backward()
            optimizer.step()
        with torch.no_grad():
            errors = forward(outside) - y_outside
            _, metrics = errors.square().mean(dim=1), errors.abs().mean(dim=1)
    return metrics.numpy(), 0


def jax_vmap(task):
    """JAX: a scan over an epoch's steps, vmap over Boston's folds; held-out errors every epoch."""
    import jax
    import jax.numpy as jnp

    (inside, y_inside, outside, y_outside), weights = stacked(task)
    replicas, rows, _ = inside.shape

    def forward(weights, x):
        w1, b1, w2, b2, w3, b3 = weights
        return (jax.nn.relu(jax.nn.relu(x @ w1 + b1) @ w2 + b2) @ w3 + b3)[..., 0]

    def loss(weights, x, y, taken):
        return (jnp.square(forward(weights, x) - y) * taken).sum() / taken.sum()

    def train(weights, means, x, y, batches):
        def step(carry, part):
            gradients = jax.grad(loss)(carry[0], x[part[0]], y[part[0]], part[1])
            means = [0.9 * m + 0.1 * g * g for m, g in zip(carry[1], gradients, strict=True)]
            steps = [0.001 * g / jnp.sqrt(m + 1e-7) for m, g in zip(means, gradients, strict=True)]
            return ([w - s for w, s in zip(carry[0], steps, strict=True)], means), None

        return jax.lax.scan(step, (weights, means), batches)[0]

    def judge(weights, x, y):
        errors = forward(weights, x) - y
        return jnp.square(errors).mean(), jnp.abs(errors).mean()

    def batches(values):  # the last one is filled with rows that count for nothing
        padded = np.pad(values, ((0, 0), (0, -rows % task.batch_size)))
        return padded.reshape(replicas, -1, task.batch_size)

    epoch, held_out = jax.jit(jax.vmap(train)), jax.jit(jax.vmap(judge))
    means, random = [np.zeros_like(weight) for weight in weights], np.random.default_rng(1)
    every = np.tile(np.arange(rows), (replicas, 1))
    taken = batches(np.ones(every.shape, "float32"))
    for _ in range(task.epochs):
        order = batches(random.permuted(every, axis=1)), taken
        weights, means = epoch(weights, means, inside, y_inside, order)
        _, metrics = map(np.asarray, held_out(weights, outside, y_outside))
    return metrics, 0
