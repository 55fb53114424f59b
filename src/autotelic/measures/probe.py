"""What a probe saw: one `Outcome` per held-out task, and the numbers made of them. Not the asking itself (`runs.probing`)."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from math import isnan
from statistics import fmean
from typing import Any

from pydantic import Field

from autotelic.measures.stats import pass_at_k
from autotelic.types import Sampling, Settings


class ProbeSampling(Settings):
    """How the probe samples, where it is to differ from the main role's own sampling; None: as the role."""

    temperature: float | None = Field(None, gt=0.0)
    top_p: float | None = Field(None, gt=0.0, le=1.0)
    top_k: int | None = Field(None, ge=0)
    max_tokens: int | None = Field(None, ge=1)
    """Of greedy completions too."""

    def over(self, role: Sampling) -> Sampling:
        """A role's sampling with what is given here in its place."""
        return role.model_copy(update=self.model_dump(exclude_none=True))


@dataclass(slots=True)
class Outcome:
    """What one set of weights did with one held-out task."""

    task: str
    slice: str
    """The part of the probe it belongs to, such as 'digits 8'; '' where tasks carry no difficulty."""
    answer: str | None
    """The greedy answer; None when it did not parse."""
    correct: float | None
    """1.0 or 0.0 for the greedy answer; None where the task has no gold answer."""
    samples: list[str | None] = field(default_factory=list)
    """Answers of the sampled completions."""
    sample_correct: list[float] = field(default_factory=list)
    majority_correct: float | None = None
    """Whether the most frequent of `samples` is right."""
    tokens: float = 0.0
    """Length of the greedy completion in tokens."""
    truncated: bool = False
    entropy: float | None = None
    """Mean entropy in nats of the policy's next-token distribution along the greedy completion; None where it was not measured."""
    gold: str | None = None
    """The gold answer in canonical form, where there is one."""
    moves: int = 0
    """Of a task that is played in turns, the greedy player's moves."""
    ending: str = ""
    """Of such a task, why the greedy play ended."""
    shared: str = ""
    """What it has in common with other outcomes that are not independent of it, such as a deal that is played against several opponents; '' alone."""

    @property
    def broken(self) -> bool:
        """Whether the greedy completion is truncated or holds no answer."""
        return self.truncated or self.answer is None


@dataclass(slots=True)
class ProbeResult:
    """All outcomes of one probe with one version of one policy."""

    version: int
    round: int
    outcomes: list[Outcome]
    plays: bool = False
    """Whether the outcomes are plays of games: moves are sampled, and what is right about one is its score, from 0 to 1. Else answers, and greedy."""
    sampling: Sampling | None = None
    """How `samples` were sampled, or the moves of plays; None where nothing was."""

    @property
    def has_gold(self) -> bool:
        """Whether the truth is known for every task."""
        return bool(self.outcomes) and all(outcome.correct is not None for outcome in self.outcomes)

    @property
    def correct(self) -> dict[str, float]:
        """Greedy correctness by task id, of tasks with a gold answer."""
        return {outcome.task: outcome.correct for outcome in self.outcomes if outcome.correct is not None}

    @property
    def together(self) -> dict[str, str]:
        """By task id, what outcomes that are not independent have in common."""
        return {outcome.task: outcome.shared for outcome in self.outcomes if outcome.shared}

    @property
    def pass_at_1(self) -> dict[str, float]:
        """The share of right samples by task id, of tasks with a gold answer that were sampled."""
        return {outcome.task: fmean(outcome.sample_correct) for outcome in self.outcomes if outcome.sample_correct}

    @property
    def majority(self) -> dict[str, float]:
        """Whether the most frequent sampled answer is right, by task id, of the same tasks."""
        return {outcome.task: outcome.majority_correct for outcome in self.outcomes if outcome.majority_correct is not None}

    @property
    def samples(self) -> int:
        """Samples of each task, of the one with the fewest; 0 where none was sampled."""
        return min((len(outcome.samples) for outcome in self.outcomes if outcome.samples), default=0)

    def accuracy(self, part: str | None = None) -> float:
        """Share of right greedy answers, in one slice or overall; NaN where no gold answer is known."""
        return mean(o.correct for o in self.outcomes if o.correct is not None and part in (None, o.slice))

    @property
    def slices(self) -> list[str]:
        """The slices by name, numbers in them by size."""
        return sorted({outcome.slice for outcome in self.outcomes if outcome.slice}, key=natural)

    @property
    def distinct(self) -> float:
        """Distinct greedy answers as a share of tasks: near 0 when every prompt gets the same answer."""
        return len({outcome.answer for outcome in self.outcomes}) / max(len(self.outcomes), 1)

    @property
    def effective(self) -> float:
        """How many different greedy answers there effectively are (`effective_number`), unparsed ones left out."""
        return effective_number(outcome.answer for outcome in self.outcomes if outcome.answer is not None)

    @property
    def gold_effective(self) -> float:
        """The same of the gold answers: what a perfect model would show; 0 where they are not known."""
        return effective_number(outcome.gold for outcome in self.outcomes if outcome.gold is not None)

    @property
    def broken(self) -> float:
        """Share of greedy completions that are truncated or hold no answer."""
        return mean(outcome.broken for outcome in self.outcomes)

    @property
    def agreement(self) -> float:
        """Mean share of the most frequent sampled answer: the majority-vote proxy, seen on the probe."""
        return mean(share_of_mode(outcome.samples) for outcome in self.outcomes if outcome.samples)

    @property
    def overruled(self) -> float:
        """Share of the tasks with samples whose most frequent sampled answer is not the greedy one. Accuracy of the majority cannot differ from greedy
        accuracy by more than this, and no gold answer is needed to know it."""
        return mean(overruled(outcome) for outcome in self.outcomes if outcome.samples)

    @property
    def vote_gap(self) -> float:
        """How much the model's own votes know (`relative_gap`), mean over the tasks with several samples that are not all right; NaN where there are none."""
        several = [outcome for outcome in self.outcomes if len(outcome.samples) > 1 and outcome.sample_correct]
        gaps = [relative_gap(votes(outcome.samples), outcome.sample_correct) for outcome in several if fmean(outcome.sample_correct) < 1.0]
        return mean(gaps)

    def metrics(self) -> dict[str, float]:
        """The numbers a round logs, under `probe/`; what needs gold answers is absent where there are none."""
        numbers = {
            "probe/distinct": self.distinct,
            "probe/unparsed": mean(outcome.answer is None for outcome in self.outcomes),
            "probe/truncated": mean(outcome.truncated for outcome in self.outcomes),
            "probe/tokens": mean(outcome.tokens for outcome in self.outcomes),
        }
        entropies = [outcome.entropy for outcome in self.outcomes if outcome.entropy is not None]
        numbers |= {"probe/entropy": mean(entropies)} if entropies else {}
        numbers |= played(self.outcomes)
        if self.correct:
            parts = {f"probe/accuracy/{part}": self.accuracy(part) for part in self.slices}
            numbers |= {"probe/accuracy": self.accuracy()} | {name: value for name, value in parts.items() if not isnan(value)}
        return numbers | self._sampled()

    def _sampled(self) -> dict[str, float]:
        """What the samples say."""
        k, judged = self.samples, [outcome.sample_correct for outcome in self.outcomes if outcome.sample_correct]
        numbers = {"probe/agreement": self.agreement, "probe/overruled": self.overruled} if k else {}
        if judged:
            numbers["probe/pass@1"] = mean(self.pass_at_1.values())
            numbers[f"probe/pass@{k}"] = mean(pass_at_k(len(right), sum(value >= 1.0 for value in right), k) for right in judged)
            numbers[f"probe/majority@{k}"] = mean(self.majority.values())
            numbers |= {} if isnan(gap := self.vote_gap) else {"probe/vote_gap": gap}
        return numbers

    def to_json(self) -> dict[str, Any]:
        """Plain values for a file."""
        return {**asdict(self), "sampling": self.sampling and self.sampling.model_dump(mode="json")}

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> "ProbeResult":
        """The inverse of `to_json`."""
        sampling = raw.get("sampling")
        return cls(**{**raw, "outcomes": [Outcome(**outcome) for outcome in raw["outcomes"]], "sampling": sampling and Sampling(**sampling)})


def played(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """Of the tasks that are played in turns: the mean number of moves, and which shares of the plays ended otherwise than by their rules."""
    plays = [outcome for outcome in outcomes if outcome.ending]
    endings = {name: count / len(plays) for name, count in Counter(outcome.ending for outcome in plays).items() if name != "finished"}
    return {"probe/moves": mean(outcome.moves for outcome in plays)} | {f"probe/{name}": share for name, share in endings.items()} if plays else {}


def votes(samples: Sequence[str | None]) -> list[float]:
    """For each answer how many are equal to it; none for what did not parse."""
    counts = Counter(samples)
    return [0.0 if answer is None else float(counts[answer]) for answer in samples]


def relative_gap(scores: Sequence[float], truths: Sequence[float]) -> float:
    """The generation-verification gap of one task (arXiv:2412.02674), over its headroom: how much truer the half with the highest scores is than all, over how
    much all lack. Equal scores are kept or left out together. The task has headroom."""
    least = sorted(scores, reverse=True)[(len(scores) + 1) // 2 - 1]
    kept = [truth for score, truth in zip(scores, truths, strict=True) if score >= least]
    return (fmean(kept) - fmean(truths)) / (1.0 - fmean(truths))


def natural(name: str) -> list[tuple[int, str]]:
    """A sort key under which 'digits 8' comes before 'digits 10'."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"([0-9]+)", name)]


def mean(values: Iterable[float]) -> float:
    """The mean, or NaN of nothing."""
    values = list(values)
    return fmean(values) if values else float("nan")


def effective_number(values: Iterable[str]) -> float:
    """Inverse of the chance that two draws are equal (Hill number of order 2): 1 when all values are equal, their count when all differ, 0 of none.

    A few odd values beside a dominant one hardly raise it, which a count of distinct values does not forgive.
    """
    counts = Counter(values).values()
    return sum(counts) ** 2 / sum(count * count for count in counts) if counts else 0.0


def overruled(outcome: Outcome) -> bool:
    """Whether the samples have a most frequent answer, of equals the one seen first, and it is not the greedy answer."""
    counts = Counter(answer for answer in outcome.samples if answer is not None)
    return bool(counts) and counts.most_common(1)[0][0] != outcome.answer


def share_of_mode(answers: list[str | None]) -> float:
    """Share of the most frequent parsed answer among all answers; 0 when none parses."""
    counts = Counter(answer for answer in answers if answer is not None)
    return max(counts.values(), default=0) / max(len(answers), 1)
