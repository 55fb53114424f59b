"""How much texts of a batch repeat one another: sentence BLEU, clusters of similar texts and each text's share of its cluster, distance from the
centroid; and how much a text repeats itself. Pure functions."""

from collections import Counter
from collections.abc import Hashable, Sequence
from math import exp, log, sqrt
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

EPSILON = 0.1
"""What stands for a count of 0 in smoothing method 1 of Chen and Cherry (2014)."""


def bleu(candidate: Sequence[Hashable], reference: Sequence[Hashable], orders: int = 4) -> float:
    """Sentence BLEU of a candidate against one reference, tokens to be equal or not, smoothed by method 1 as in NLTK; 0 without a common token.

    exp(mean over n of log p_n) times the brevity penalty exp(1 - |reference| / |candidate|) where the candidate is shorter; a count of 0 among the
    n-grams counts as `EPSILON`, and there is at least one n-gram.
    """
    logs = []
    for n in range(1, orders + 1):
        found, known = grams(candidate, n), grams(reference, n)
        matched = sum((found & known).values())
        if n == 1 and not matched:
            return 0.0
        logs.append(log((matched or EPSILON) / max(sum(found.values()), 1)))
    penalty = 1.0 if len(candidate) > len(reference) else exp(1 - len(reference) / len(candidate))
    return penalty * exp(sum(logs) / orders)


def grams(tokens: Sequence[Hashable], n: int) -> Counter[tuple[Hashable, ...]]:
    """How often each run of `n` tokens occurs."""
    return Counter(tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1))


def distinct(tokens: Sequence[Hashable], n: int) -> float:
    """Different runs of `n` tokens over all such runs of a text; 1 where it is too short to have one."""
    found = grams(tokens, n)
    return len(found) / found.total() if found else 1.0


def longest_repeat(tokens: Sequence[Hashable]) -> int:
    """The length of the longest run of tokens that stands in a text at two places or more, which may overlap; 0 if no token comes again.

    What repeats at one length repeats at every smaller one, so the length is found by halving.
    """
    low, high = 0, max(len(tokens) - 1, 0)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if distinct(tokens, middle) < 1 else (low, middle - 1)
    return low


def linked(distances: NDArray[np.float64], cut: float) -> list[int]:
    """Average-linkage clusters of a symmetric matrix (N, N): the two nearest are merged until none are nearer than `cut`.

    Returns the smallest member of each item's cluster, as the cluster's name.
    """
    gaps = np.array(distances, dtype=np.float64)
    np.fill_diagonal(gaps, np.inf)
    sizes, names = np.ones(len(gaps)), list(range(len(gaps)))
    while gaps.size and gaps.min() < cut:
        a, b = sorted(int(place) for place in divmod(int(gaps.argmin()), len(gaps)))
        merged = (sizes[a] * gaps[a] + sizes[b] * gaps[b]) / (sizes[a] + sizes[b])
        gaps[a], gaps[:, a] = merged, merged
        gaps[a, a], gaps[b], gaps[:, b] = np.inf, np.inf, np.inf
        sizes[a] += sizes[b]
        names = [a if name == b else name for name in names]
    return names


def spread(texts: Sequence[str]) -> list[float]:
    """How far each text lies from the centroid of all, as a share of the farthest: Euclidean, over counts of character bigrams; zeros where all are equal."""
    counts = [grams(text, 2) for text in texts]
    mean = {pair: fmean(count[pair] for count in counts) for pair in {pair for count in counts for pair in count}}
    far = [sqrt(sum((count[pair] - value) ** 2 for pair, value in sorted(mean.items()))) for count in counts]
    most = max(far, default=0.0)
    return [distance / most if most > 1e-9 else 0.0 for distance in far]


def likenesses(texts: Sequence[str]) -> NDArray[np.float64]:
    """(N, N) cosines between texts as counts of character bigrams, 0 to 1; a text of less than two characters is like none."""
    counts = [grams(text, 2) for text in texts]
    pairs = {pair: place for place, pair in enumerate(sorted({pair for count in counts for pair in count}))}
    rows = np.zeros((len(texts), len(pairs)))
    for row, count in zip(rows, counts, strict=True):
        row[[pairs[pair] for pair in count]] = list(count.values())
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-8)
    return np.clip(rows @ rows.T, 0.0, 1.0)


def ranked_novelty(likeness: NDArray[np.float64], sides: Sequence[bool]) -> list[float]:
    """EVOL-RL's novelty (arXiv:2509.15194) of each of N texts: 1 - (mean likeness to its own side + greatest to any other) / 2, then stretched to 0 to 1
    within each side; 1 of a side of one, .5 where all of a side are alike. A text alone on its side has its mean over all others.
    """
    raw = []
    for i, side in enumerate(sides):
        others = [j for j in range(len(sides)) if j != i]
        own = [j for j in others if sides[j] == side] or others
        raw.append(1 - (fmean(likeness[i, own]) + max(likeness[i, others])) / 2 if others else 0.5)
    found = [0.0] * len(raw)
    for side in (True, False):
        mine = [i for i, one in enumerate(sides) if one == side]
        low, high = min((raw[i] for i in mine), default=0.0), max((raw[i] for i in mine), default=0.0)
        for i in mine:
            found[i] = 1.0 if len(mine) == 1 else (raw[i] - low) / (high - low) if high - low > 1e-9 else 0.5
    return found


def repetition_shares(texts: Sequence[Sequence[Hashable]], cut: float = 0.5) -> list[float]:
    """R-Zero's repetition penalty (arXiv:2508.05004): the share of all texts that are in a text's cluster.

    Clusters by average linkage on the distance 1 - BLEU, cut at `cut`, over the whole batch; of two texts the earlier is the candidate. A text without
    tokens is at distance 1 from every other, an empty one too, and so a cluster of its own; so are equal texts of one or two tokens, whose missing
    n-grams BLEU counts against them. A string is a sequence of characters; split it for words.
    """
    names = list(dict.fromkeys(tuple(text) for text in texts))
    place = {name: i for i, name in enumerate(names)}
    kinds = [place[tuple(text)] for text in texts]
    apart = np.array([[1 - bleu(one, other) for other in names] for one in names]).reshape(len(names), len(names))
    between = np.triu(apart[np.ix_(kinds, kinds)], 1)
    clusters = linked(between + between.T, cut)
    sizes = Counter(clusters)
    return [sizes[cluster] / len(texts) for cluster in clusters]
