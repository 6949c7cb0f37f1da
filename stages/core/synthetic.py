"""Generated stand-ins for the official files: same schema, size and statistics, other content. No paths, no network.

Every figure is an argument; the same arguments and seed give the same bytes in every process.
"""

import io
import json
from itertools import islice, product

import numpy as np
from scipy.special import betaincinv, ndtr, ndtri

CONSONANTS, VOWELS = "bdfghjklmnprstvz", "aeiou"


def text(
    name: str,
    *,
    splits: dict[str, list[int]],
    grouped: bool,
    vocabulary: int,
    length: dict[str, float],
    zipf: dict[str, float],
    signal: dict[str, float],
    seed: int = 0,
) -> dict[str, bytes]:
    """Documents of several classes, as {"<name>.npz": bytes, "<name>_word_index.json": bytes}."""
    rng = np.random.default_rng(seed)
    labels = [_labels(rng, counts, grouped) for counts in splits.values()]
    y = np.concatenate(labels)
    lengths = _lengths(rng, len(y), **length)
    ranks = _ranks(rng, y, lengths, _law(vocabulary, **zipf), **signal)
    ends = np.cumsum([len(part) for part in labels])[:-1]
    parts = np.split(_documents(ranks, lengths, vocabulary), ends)
    columns = {f"x{split}": part for split, part in zip(splits, parts, strict=True)}
    columns |= {f"y{split}": part for split, part in zip(splits, labels, strict=True)}
    return {f"{name}.npz": _npz(columns), f"{name}_word_index.json": _word_index(vocabulary)}


def features(
    name: str,
    *,
    rows: int,
    columns: dict[str, tuple[float, ...]],
    interactions: dict[tuple[str, str], float],
    target: dict[str, float],
    seed: int = 0,
) -> dict[str, bytes]:
    """Rows of numbers with a target that depends on them."""
    rng = np.random.default_rng(seed)
    mean, std, low, high, decimals, loading, weight = np.array(list(columns.values())).T
    common, own = rng.standard_normal((rows, 1)), rng.standard_normal((rows, len(columns)))
    scores = loading * common + np.sqrt(1 - loading**2) * own
    x = low + (high - low) * _beta_quantiles(ndtr(scores), (mean - low) / (high - low), std / (high - low))
    x = np.column_stack([column.round(int(places)) for column, places in zip(x.T, decimals, strict=True)])
    index = scores @ weight
    place = {column: number for number, column in enumerate(columns)}
    for (first, second), strength in interactions.items():
        index += strength * scores[:, place[first]] * scores[:, place[second]]
    return {f"{name}.npz": _npz({"x": x, "y": _target(rng, index, **target)})}


def _beta_quantiles(shares, mean, std):
    size = np.maximum(mean * (1 - mean) / std**2 - 1, 0.01)
    return betaincinv(mean * size, (1 - mean) * size, shares)


def _target(rng, index, *, median, sigma, low, high, decimals, noise):
    index = index / index.std() + noise * rng.standard_normal(len(index))
    scores = ndtri((index.argsort().argsort() + 0.5) / len(index))
    return np.clip(median * np.exp(sigma * scores), low, high).round(decimals)


def _labels(rng, counts, grouped):
    y = np.repeat(np.arange(len(counts)), counts)
    return y[::-1].copy() if grouped else rng.permutation(y)


def _lengths(rng, rows, *, shift, median, sigma, maximum):
    lengths = shift + (median - shift) * np.exp(sigma * rng.standard_normal(rows))
    return np.clip(np.rint(lengths), 1, maximum).astype("int64")


def _law(vocabulary, *, exponent, shift, cutoff):
    rank = np.arange(1, vocabulary + 1)
    law = (rank + shift) ** -exponent * np.exp(-rank / cutoff)
    return law / law.sum()


def _draw(rng, law, size):
    cumulative = np.cumsum(law)
    return np.searchsorted(cumulative / cumulative[-1], rng.random(size), side="right") + 1


def _preferences(rng, class_shares, law, common, spread):
    spreads = np.where(np.arange(len(law)) < common, 0, spread)
    factors = np.exp(spreads * rng.standard_normal((len(class_shares), len(law))))
    for _ in range(10):
        factors /= class_shares @ factors
        factors /= (factors @ law)[:, None]
    return factors


def _ranks(rng, y, lengths, law, *, common, spread, share, concentration, repeats):
    ranks = _draw(rng, law, lengths.sum())
    strength = rng.beta(share * concentration, (1 - share) * concentration, len(y))
    signals = rng.random(len(ranks)) < np.repeat(strength, lengths)
    label = np.repeat(y, lengths)
    for kind, preferences in enumerate(_preferences(rng, np.bincount(y) / len(y), law, common, spread)):
        places = np.flatnonzero(signals & (label == kind))
        ranks[places] = _draw(rng, law * preferences, len(places))
    again = np.flatnonzero(rng.random(len(ranks)) < repeats)
    starts = np.repeat(np.cumsum(lengths) - lengths, lengths)[again]
    ranks[again] = ranks[starts + (rng.random(len(again)) * (again - starts)).astype("int64")]
    ranks[rng.choice(len(ranks), len(law), replace=False)] = np.arange(1, len(law) + 1)
    return ranks


def _documents(ranks, lengths, vocabulary):
    words = np.arange(vocabulary + 1).astype(object)[ranks].tolist()
    documents, start = np.empty(len(lengths), object), 0
    for row, length in enumerate(lengths.tolist()):
        documents[row] = words[start : start + length]
        start += length
    return documents


def _npz(columns):
    file = io.BytesIO()
    np.savez(file, **columns)
    return file.getvalue()


def _word_index(vocabulary):
    syllables = [consonant + vowel for consonant, vowel in product(CONSONANTS, VOWELS)]
    words = map("".join, islice(product(syllables, repeat=3), vocabulary))
    return json.dumps({word: rank for rank, word in enumerate(words, 1)}).encode()
