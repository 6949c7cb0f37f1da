"""Generated stand-ins for the official files: the same schema, size and statistics, other content.

The numbers stand in the source files of the data sets; a function serves all sets of a kind. The
same numbers and seed give the same bytes in every process.
"""

import gzip
import io
import json
from itertools import chain, count, islice, product

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.special import betaincinv, ndtr, ndtri

from stages.core.declared import stand_ins
from stages.core.declared.sources import Source
from stages.core.declared.strict_yaml import Wrong

CONSONANTS, VOWELS = "bdfghjklmnprstvz", "aeiou"


def text(numbers: stand_ins.Text, seed=0) -> tuple[bytes, bytes]:
    """Documents with a class each: an .npz file and a word index.

    The .npz file holds, for each split, x<split>: (documents,) object array of lists of word ranks,
    1 (commonest) to `vocabulary`, and y<split>: (documents,) int64 classes from 0. The word index
    gives each pseudo-word its rank. Raises Wrong.

    Imitated: number of documents, class counts, distribution of lengths, frequencies by rank, every
    rank in use, about the official number of distinct words in a document, about the official
    accuracy of linear and small dense models. Not imitated: real words, their order, topics within
    a class, lengths that depend on the class, doubtful labels.
    """
    rng, vocabulary = np.random.default_rng(seed), numbers.vocabulary
    labels = [_labels(rng, counts, numbers.grouped) for counts in numbers.splits.values()]
    y = np.concatenate(labels)
    lengths = _lengths(rng, len(y), numbers.length)
    if lengths.sum() < vocabulary:
        expected = f"at most the {lengths.sum():,} words of all documents"
        raise Wrong(f"stand_in.vocabulary: expected {expected}, got {vocabulary:,}")
    ranks = _ranks(rng, y, lengths, _law(vocabulary, numbers.zipf), numbers.signal)
    ends = np.cumsum([len(part) for part in labels])[:-1]
    documents = np.split(_documents(ranks, lengths, vocabulary), ends)
    columns = {f"x{split}": part for split, part in zip(numbers.splits, documents, strict=True)}
    columns |= {f"y{split}": part for split, part in zip(numbers.splits, labels, strict=True)}
    return _npz(columns), _word_index(vocabulary)


def features(numbers: stand_ins.Features, seed=0) -> bytes:
    """Rows of numbers with a target that depends on them: an .npz file.

    It holds x: (rows, columns) float64, and y: (rows,) float64, in the given units. Raises Wrong.

    Imitated: moments and limits of the columns, their main correlation, the distribution of the
    target, about the official errors of linear and small dense models. Not imitated: repeated
    values, neighbouring rows that are alike.
    """
    rng, rows, columns = np.random.default_rng(seed), numbers.rows, numbers.columns
    mean, std, low, high, decimals, loading, weight = np.array(list(columns.values())).T
    shared, single = rng.standard_normal((rows, 1)), rng.standard_normal((rows, len(columns)))
    scores, width = loading * shared + np.sqrt(1 - loading**2) * single, high - low
    with np.errstate(all="ignore"):  # what is no number is refused
        x = low + width * _beta_quantiles(ndtr(scores), (mean - low) / width, std / width)
    if not np.isfinite(x).all():
        name = list(columns)[np.argwhere(~np.isfinite(x))[0, 1]]
        expected = "numbers that give a beta distribution"
        raise Wrong(f"stand_in.columns.{name}: expected {expected}, got {columns[name]}")
    pairs = zip(x.T, decimals.astype(int).tolist(), strict=True)
    x = np.column_stack([column.round(places) for column, places in pairs])
    index, place = scores @ weight, list(columns).index
    for pair, effect in numbers.interactions.items():
        first, second = pair.split(" * ")
        index += effect * scores[:, place(first)] * scores[:, place(second)]
    return _npz({"x": x, "y": _target(rng, index, numbers.target)})


def images(numbers: stand_ins.Images, seed=0) -> bytes:
    """Small images with a class each: a gzipped line each of pixels, row by row, and its class.

    Pixels are from 0 to `highest`. Each class has a blurred random pattern; an image is that of its
    class, shifted by up to one pixel, times `contrast`, with `noise` in each pixel.

    Imitated: size, range, number and balance of the classes, about the official accuracy of small
    dense networks. Not imitated: anything that looks like a digit.
    """
    rng, rows, highest = np.random.default_rng(seed), numbers.rows, numbers.highest
    patterns = gaussian_filter(
        rng.standard_normal((numbers.classes, *numbers.shape)), (0, 1, 1), mode="wrap"
    )
    patterns /= patterns.std(axis=(1, 2), keepdims=True)
    labels = rng.permutation(np.arange(rows) % numbers.classes)
    shifted = [np.roll(patterns[label], rng.integers(-1, 2, 2), axis=(0, 1)) for label in labels]
    values = 0.3 + numbers.contrast * np.stack(shifted)
    values += numbers.noise * rng.standard_normal((rows, *numbers.shape))
    pixels = np.clip(np.rint(highest * values), 0, highest).astype("int64").reshape(rows, -1)
    table = np.column_stack([pixels, labels]).tolist()
    lines = "\n".join(",".join(map(str, line)) for line in table).encode()
    # Uncompressed: bytes that no version of zlib can change.
    return gzip.compress(lines, compresslevel=0, mtime=0)


def _beta_quantiles(shares, mean, std):
    # A column of zeros and ones has size 0, the limit.
    size = np.maximum(mean * (1 - mean) / std**2 - 1, 0.01)
    return betaincinv(mean * size, (1 - mean) * size, shares)


def _target(rng, index, target):
    index = index / (index.std() or 1) + target.noise * rng.standard_normal(len(index))
    ranks = np.empty(len(index))
    ranks[index.argsort()] = np.arange(len(index))
    scores = ndtri((ranks + 0.5) / len(index))  # from ranks: the distribution is exact
    values = np.clip(target.median * np.exp(target.sigma * scores), target.low, target.high)
    return values.round(target.decimals)


def _labels(rng, counts, grouped):
    y = np.repeat(np.arange(len(counts)), counts).astype("int64")
    return y[::-1].copy() if grouped else rng.permutation(y)


def _lengths(rng, rows, length):
    factors = np.exp(length.sigma * rng.standard_normal(rows))
    lengths = length.shift + (length.median - length.shift) * factors
    return np.clip(np.rint(lengths), 1, length.maximum).astype("int64")


def _law(vocabulary, zipf):
    rank = np.arange(1, vocabulary + 1)
    law = (rank + zipf.shift) ** -zipf.exponent * np.exp(-rank / zipf.cutoff)
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


def _ranks(rng, y, lengths, law, signal):
    """The words of all documents, document after document."""
    ranks = _draw(rng, law, lengths.sum())
    follow, other = signal.share * signal.concentration, (1 - signal.share) * signal.concentration
    shares = rng.beta(follow, other, len(y))
    follows, label = rng.random(len(ranks)) < np.repeat(shares, lengths), np.repeat(y, lengths)
    preferences = _preferences(rng, np.bincount(y) / len(y), law, signal.common, signal.spread)
    for number, factors in enumerate(preferences):
        places = np.flatnonzero(follows & (label == number))
        ranks[places] = _draw(rng, law * factors, len(places))
    again = np.flatnonzero(rng.random(len(ranks)) < signal.repeats)
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


def generate(source: Source) -> dict[str, bytes]:
    """{file name: content} of the stand-in that a source tells of. Raises Wrong."""
    reader, numbers = source.reader, source.stand_in
    if source.kind == "text":
        return dict(zip((reader.file, reader.word_index), text(numbers), strict=True))
    if source.kind == "features":
        return {reader.file: features(numbers)}
    return {reader.file: images(numbers)}
