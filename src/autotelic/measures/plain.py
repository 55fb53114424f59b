"""Plain sampling as a curve over tokens, and what a way of answering is worth beside it: better, worse or neither at equal tokens.

Numbers in, numbers out: the samples come from `runs.ways`. Of a pool of samples a task, `DRAWS` draws of n are voted on, or the surest of each is taken, for
every n in `SIZES`; between two of these n the curve is linear, as the tokens of n samples are.
"""

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Literal, NamedTuple

from autotelic.answers.votes import vote
from autotelic.measures.stats import Paired, paired, pass_at_k
from autotelic.streams import generator

SIZES = (1, 2, 3, 4, 6, 8, 12, 16, 32, 64, 128)
"""Numbers of samples at which plain sampling is measured, as far as the pool goes; the pool's own size is one more."""
DRAWS = 32
"""Draws of n samples of a pool: one alone would be too noisy to compare with."""
WORDS: Mapping[int, "Word"] = {1: "helps", 0: "unclear", -1: "hurts"}
Word = Literal["helps", "unclear", "hurts"]


class Sample(NamedTuple):
    """One plain sample of a task."""

    answer: str | None
    right: float
    """1.0 or 0.0."""
    logprob: float
    """Mean log-probability of its tokens when it was sampled."""


def majority(samples: Sequence[Sample]) -> float:
    """Whether the answer with most votes is right; of equal votes the first counts, and 0.0 where none parses."""
    label = vote([sample.answer for sample in samples]).label
    return 0.0 if label is None else next(sample.right for sample in samples if sample.answer == label)


def surest(samples: Sequence[Sample]) -> float:
    """Whether the answer with the largest mean log-probability is right; 0.0 where none parses."""
    answered = [sample for sample in samples if sample.answer is not None]
    return max(answered, key=lambda sample: sample.logprob).right if answered else 0.0


Rule = Literal["majority", "best-of-n", "pass@n"]
RULES: Mapping[str, Callable[[Sequence[Sample]], float]] = {"majority": majority, "best-of-n": surest}
"""What is made of n samples. Beside these "pass@n" is the chance that one of n is right, which only an oracle can pick."""


@dataclass
class Plain:
    """Plain samples of tasks, by task id, of every task as many; `seed` keys the draws."""

    pools: Mapping[str, Sequence[Sample]]
    seed: int = 0
    _known: dict[tuple[Rule, int], dict[str, float]] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Samples of a task."""
        return len(next(iter(self.pools.values())))

    @property
    def sizes(self) -> list[int]:
        """The n that are measured."""
        return sorted({*(n for n in SIZES if n < self.size), self.size})

    def of(self, rule: Rule, n: int) -> dict[str, float]:
        """How right n samples are by a rule: each task's mean over the draws; of one sample, and of pass@n, exact."""
        if (rule, n) not in self._known:
            self._known[rule, n] = {task: self._drawn(rule, n, task, pool) for task, pool in self.pools.items()}
        return self._known[rule, n]

    def _drawn(self, rule: Rule, n: int, task: str, pool: Sequence[Sample]) -> float:
        if rule == "pass@n":
            return pass_at_k(len(pool), sum(sample.right >= 1.0 for sample in pool), n)
        if n == 1:
            return fmean(sample.right for sample in pool)  # of one sample there is nothing to choose
        random = generator("plain", self.seed, task, n)  # the same draws for every rule
        return fmean(RULES[rule](random.sample(pool, n)) for _ in range(DRAWS if n < len(pool) else 1))

    def at(self, rule: Rule, count: float) -> dict[str, float]:
        """The same at any number of samples: linear between the measured n on both sides, constant beyond the first and the last."""
        low, high, share = between(count, self.sizes)
        if not share:
            return dict(self.of(rule, low))
        first, last = self.of(rule, low), self.of(rule, high)
        return {task: (1 - share) * first[task] + share * last[task] for task in first}

    def curve(self, rule: Rule) -> dict[int, float]:
        """Accuracy by n."""
        return {n: fmean(self.of(rule, n).values()) for n in self.sizes}


def between(count: float, sizes: Sequence[int]) -> tuple[int, int, float]:
    """The sizes around a number, and how far from the first to the second it is; the outermost size and 0 for what lies beyond them."""
    count = min(max(count, sizes[0]), sizes[-1])
    place = bisect_right(sizes, count) - 1
    low, high = sizes[place], sizes[min(place + 1, len(sizes) - 1)]
    return low, high, (count - low) / (high - low) if high > low else 0.0


@dataclass(frozen=True, slots=True)
class Comparison:
    """A way beside something else on the same tasks."""

    against: str
    """What it is compared with."""
    tokens: float
    """Tokens that the other samples a task."""
    paired: Paired
    """`first` is the other's accuracy, `last` the way's."""
    samples: float | None = None
    """Of a point on a plain curve: how many samples it is."""

    @property
    def word(self) -> Word:
        """What the way does: "helps" or "hurts" where the interval and the exact test both say so, else "unclear"."""
        return WORDS[self.paired.moved()]


def compare(against: str, tokens: float, other: Mapping[str, float], way: Mapping[str, float], samples: float | None = None) -> Comparison:
    """Outcomes of a way and of something else, from 0 to 1 by task id.

    Raises:
        ValueError: of different tasks.
    """
    return Comparison(against, tokens, paired(other, way), samples)


def on_curve(plain: Plain, rule: Rule, count: float, sample: float, way: Mapping[str, float]) -> Comparison:
    """A way beside `count` samples of `sample` tokens each. Beyond the pool it is beside the whole pool, and says so by its number of samples."""
    count = min(max(count, plain.sizes[0]), plain.sizes[-1])
    return compare(rule, count * sample, plain.at(rule, count), way, count)
