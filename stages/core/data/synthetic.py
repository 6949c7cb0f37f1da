"""Generated stand-ins for the official files: the same schema, size and statistics, other content.

Every number is an argument, so a function serves all data sets of a kind; the numbers stand in
their source files. The same arguments and seed give the same bytes in every process.
No paths, no network.
"""

import gzip
import io
import json
from itertools import chain, count, islice, product

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.special import betaincinv, ndtr, ndtri

CONSONANTS, VOWELS = "bdfghjklmnprstvz", "aeiou"


def text(name, *, splits, grouped, vocabulary, length, zipf, signal, seed=0) -> dict[str, bytes]:
    """Documents with a class each: {"<name>.npz": bytes, "<name>_word_index.json": bytes}.

    The .npz file holds, for each split, x<split>: (documents,) object array of lists of word ranks,
    1 (commonest) to `vocabulary`, and y<split>: (documents,) int64 classes from 0. The word index
    gives each pseudo-word its rank.

    splits: {suffix of the array names: documents of class 0, 1, ...}; together they need
        `vocabulary` words or more.
    grouped: the documents of a class stand together, last class first; otherwise they are mixed.
    length: words in a document, log-normal above `shift`: median, sigma (of the logarithm), shift,
        maximum.
    zipf: share of the words that have rank r, (r + shift) ** -exponent * exp(-r / cutoff).
    signal: how classes show. Of a document's words, a share drawn from a beta distribution (mean
        `share`; the higher `concentration`, the more alike documents are) follows its class, which
        raises or lowers the rate of each word but the `common` commonest by a log-normal factor
        (sigma `spread`). `repeats`: share of words that occurred before in their document.

    Imitated: number of documents, class counts, distribution of lengths, frequencies by rank, every
    rank in use, about the official number of distinct words in a document, about the official
    accuracy of linear and small dense models. Not imitated: real words, their order, topics within
    a class, lengths that depend on the class, doubtful labels.
    """
    rng = np.random.default_rng(seed)
    labels = [_labels(rng, counts, grouped) for counts in splits.values()]
    y = np.concatenate(labels)
    lengths = _lengths(rng, len(y), **length)
    ranks = _ranks(rng, y, lengths, _law(vocabulary, **zipf), **signal)
    ends = np.cumsum([len(part) for part in labels])[:-1]
    documents = np.split(_documents(ranks, lengths, vocabulary), ends)
    columns = {f"x{split}": part for split, part in zip(splits, documents, strict=True)}
    columns |= {f"y{split}": part for split, part in zip(splits, labels, strict=True)}
    return {f"{name}.npz": _npz(columns), f"{name}_word_index.json": _word_index(vocabulary)}


def features(name, *, rows, columns, interactions, target, seed=0) -> dict[str, bytes]:
    """Rows of numbers with a target that depends on them: {"<name>.npz": bytes}.

    The .npz file holds x: (rows, columns) float64, and y: (rows,) float64, in the given units.

    columns: {name: (mean, standard deviation, minimum, maximum, decimals, loading, weight)}. A
        column is a beta distribution with these moments and limits, rounded; `loading` (-1 to 1) is
        its correlation, before it takes that shape, with the one factor that all columns share;
        `weight` is its linear effect on the target.
    interactions: {"column * column": effect of the product of the two on the target}.
    target: log-normal (median, sigma of the logarithm), clipped to `low` and `high`, rounded to
        `decimals`; `noise` is its unexplained part, in deviations of the explained part.

    Imitated: moments and limits of the columns, their main correlation, the distribution of the
    target, about the official errors of linear and small dense models. Not imitated: repeated
    values, neighbouring rows that are alike.
    """
    rng = np.random.default_rng(seed)
    mean, std, low, high, decimals, loading, weight = np.array(list(columns.values())).T
    shared, single = rng.standard_normal((rows, 1)), rng.standard_normal((rows, len(columns)))
    scores, width = loading * shared + np.sqrt(1 - loading**2) * single, high - low
    x = low + width * _beta_quantiles(ndtr(scores), (mean - low) / width, std / width)
    pairs = zip(x.T, decimals.astype(int).tolist(), strict=True)
    x = np.column_stack([column.round(places) for column, places in pairs])
    index, place = scores @ weight, list(columns).index
    for pair, effect in interactions.items():
        first, second = pair.split(" * ")
        index += effect * scores[:, place(first)] * scores[:, place(second)]
    return {f"{name}.npz": _npz({"x": x, "y": _target(rng, index, **target)})}


def images(name, *, rows, shape, classes, highest, contrast, noise, seed=0) -> dict[str, bytes]:
    """Small images with a class each: {"<name>.csv.gz": bytes}.

    A line each: pixels from 0 to `highest`, row by row, then the class. Each class has a blurred
    random pattern; an image is that of its class, shifted by up to one pixel, times `contrast`,
    with `noise` (standard deviation, as a share of highest) in each pixel.

    Imitated: size, range, number and balance of the classes, about the official accuracy of small
    dense networks. Not imitated: anything that looks like a digit.
    """
    rng = np.random.default_rng(seed)
    patterns = gaussian_filter(rng.standard_normal((classes, *shape)), (0, 1, 1), mode="wrap")
    patterns /= patterns.std(axis=(1, 2), keepdims=True)
    labels = rng.permutation(np.arange(rows) % classes)
    shifted = [np.roll(patterns[label], rng.integers(-1, 2, 2), axis=(0, 1)) for label in labels]
    values = 0.3 + contrast * np.stack(shifted) + noise * rng.standard_normal((rows, *shape))
    pixels = np.clip(np.rint(highest * values), 0, highest).astype("int64").reshape(rows, -1)
    table = np.column_stack([pixels, labels]).tolist()
    lines = "\n".join(",".join(map(str, line)) for line in table).encode()
    # Uncompressed: bytes that no version of zlib can change.
    return {f"{name}.csv.gz": gzip.compress(lines, compresslevel=0, mtime=0)}


def _beta_quantiles(shares, mean, std):
    # A column of zeros and ones has size 0, the limit.
    size = np.maximum(mean * (1 - mean) / std**2 - 1, 0.01)
    return betaincinv(mean * size, (1 - mean) * size, shares)


def _target(rng, index, *, median, sigma, low, high, decimals, noise):
    index = index / index.std() + noise * rng.standard_normal(len(index))
    ranks = np.empty(len(index))
    ranks[index.argsort()] = np.arange(len(index))
    scores = ndtri((ranks + 0.5) / len(index))  # from ranks: the distribution is exact
    return np.clip(median * np.exp(sigma * scores), low, high).round(decimals)


def _labels(rng, counts, grouped):
    y = np.repeat(np.arange(len(counts)), counts).astype("int64")
    return y[::-1].copy() if grouped else rng.permutation(y)


def _lengths(rng, rows, *, median, sigma, shift, maximum):
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
    """(classes, vocabulary) factors on the law. Over all classes they cancel out: the law holds."""
    spreads = np.where(np.arange(len(law)) < common, 0, spread)
    factors = np.exp(spreads * rng.standard_normal((len(class_shares), len(law))))
    for _ in range(10):  # scaling one axis disturbs the other; in turns they converge
        factors /= class_shares @ factors
        factors /= (factors @ law)[:, None]
    return factors


def _ranks(rng, y, lengths, law, *, common, spread, share, concentration, repeats):
    """The words of all documents, document after document."""
    ranks = _draw(rng, law, lengths.sum())
    shares = rng.beta(share * concentration, (1 - share) * concentration, len(y))
    follows, label = rng.random(len(ranks)) < np.repeat(shares, lengths), np.repeat(y, lengths)
    preferences = _preferences(rng, np.bincount(y) / len(y), law, common, spread)
    for number, factors in enumerate(preferences):
        places = np.flatnonzero(follows & (label == number))
        ranks[places] = _draw(rng, law * factors, len(places))
    again = np.flatnonzero(rng.random(len(ranks)) < repeats)
    starts = np.repeat(np.cumsum(lengths) - lengths, lengths)[again]
    ranks[again] = ranks[starts + (rng.random(len(again)) * (again - starts)).astype("int64")]
    # Each word once somewhere: the official files leave out no rank, chance leaves out rare ones.
    ranks[rng.choice(len(ranks), len(law), replace=False)] = np.arange(1, len(law) + 1)
    return ranks


def _documents(ranks, lengths, vocabulary):
    shared = np.arange(vocabulary + 1).astype(object)  # an int for each rank, not for each word
    words, documents = iter(shared[ranks].tolist()), np.empty(len(lengths), object)
    for row, length in enumerate(lengths.tolist()):
        documents[row] = list(islice(words, length))
    return documents


def _npz(columns):
    file = io.BytesIO()
    np.savez(file, **columns)  # uncompressed: bytes that no version of zlib can change
    return file.getvalue()


def _word_index(vocabulary):
    """Syllables, then pairs of them, then triples: common words are short."""
    syllables = ["".join(pair) for pair in product(CONSONANTS, VOWELS)]
    words = chain.from_iterable(product(syllables, repeat=size) for size in count(1))
    ranks = {"".join(word): rank for rank, word in enumerate(islice(words, vocabulary), 1)}
    return json.dumps(ranks).encode()


GENERATORS = {"text": text, "features": features, "images": images}  # by kind of data


def generate(reader, numbers: dict) -> dict[str, bytes]:
    """{file name: content} of a stand-in. reader: of its source. numbers: of its generator.

    Raises TypeError, ValueError, KeyError or AttributeError where they are not as that wants them.
    """
    made = GENERATORS[reader.kind]("made", **numbers).values()
    names = [reader.file] + ([reader.word_index] if reader.kind == "text" else [])
    return dict(zip(names, made, strict=True))
