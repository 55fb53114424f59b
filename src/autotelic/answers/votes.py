"""The vote of a group of answers, with every choice in which published systems differ as a parameter. No reward: that is one line of recipe.

Defaults are SRT's. TTRL: denominator "all", without a threshold, so that only the share it reports differs. EMPO: `frequencies`, with an `equal` that
verifies. SeRL: count "agreements". SQLM: unparsed "candidate", denominator "all". Co-rewarding: `vote` over the other view's answers. R-Zero: `equal`
that grades in both directions; denominator "all" in its server and "parsed" in its data script.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from pydantic import Field

from autotelic.types import Group, Settings

Equal = Callable[[str, str], bool]
Count = Literal["members", "agreements"]
"""Votes of a candidate: members of its cluster, each compared with the cluster's first; or answers that equal it, where every distinct answer is a
candidate and every pair is compared. The two agree wherever equality is transitive, as that of canonical answers is."""
Unparsed = Literal["drop", "candidate", "alone"]
"""Answers that are None: not counted; one more candidate, whose win leaves no label; or each a candidate of its own, which never wins."""


class VoteRule(Settings):
    """How answers are counted."""

    unparsed: Literal["drop", "candidate"] = "drop"
    """Answers that are None: not counted, or one more candidate, whose win leaves no label."""
    ties: Literal["first", "none", "all"] = "first"
    """Among equally many votes: the one seen first wins; nobody does; or all of them do, and each is a label."""
    denominator: Literal["parsed", "all"] = "parsed"
    """What the share that `min_share` asks for is a share of; unparsed answers that are a candidate are counted either way."""
    min_share: float = Field(0.0, ge=0.0, le=1.0)
    """Below this share there is no label."""


@dataclass(frozen=True, slots=True)
class Vote:
    """The outcome. `winners` has one label as a rule, none without a decision, several only with ties "all"."""

    winners: tuple[str, ...]
    share: float
    """Share of the leading candidate, whether or not it got to be the label; 0 when nothing was counted."""
    votes: tuple[int, ...]
    """Votes that each answer's candidate got, in order of the answers; 0 for answers not counted."""
    outcome: Literal["decided", "none parsed", "unparsed won", "tie", "below threshold"]

    @property
    def label(self) -> str | None:
        """The pseudo-label; None where there is none."""
        return self.winners[0] if self.winners else None

    def elects(self, answer: str | None) -> bool:
        """Whether an answer is the label, or one of several."""
        return answer is not None and answer in self.winners


def same(a: str, b: str) -> bool:
    """Equality of canonical answers."""
    return a == b


def vote(answers: Sequence[str | None], rule: VoteRule | None = None, equal: Equal = same, count: Count = "members") -> Vote:
    """Count `answers` under `rule`; `equal` says when two parsed answers are one."""
    rule = rule or VoteRule()
    candidates = tally(answers, rule.unparsed, equal, count)
    parsed = sum(answer is not None for answer in answers)
    votes = votes_beside(answers, candidates)
    counted = [candidate for candidate in candidates if candidate[0] is not None or rule.unparsed == "candidate"]
    if not counted:
        return Vote((), 0.0, tuple(votes), "none parsed")
    most = max(received for _, _, received in counted)
    leaders: list[str | None] = []
    for label, _, received in counted:
        if received == most and not any(agrees(label, other, equal) for other in leaders):
            leaders.append(label)
    share = most / (len(answers) if rule.denominator == "all" or rule.unparsed == "candidate" else parsed)

    def undecided(outcome: Literal["unparsed won", "tie", "below threshold"]) -> Vote:
        return Vote((), share, tuple(votes), outcome)

    if len(leaders) > 1 and rule.ties == "none":
        return undecided("tie")
    winners = tuple(label for label in (leaders if rule.ties == "all" else leaders[:1]) if label is not None)
    if not winners:
        return undecided("unparsed won")
    if share < rule.min_share:
        return undecided("below threshold")
    return Vote(winners, share, tuple(votes), "decided")


Candidate = tuple[str | None, list[int], int]
"""A label, the places of its answers, and its votes."""


def tally(answers: Sequence[str | None], unparsed: Unparsed, equal: Equal, count: Count = "members") -> list[Candidate]:
    """Candidates in order of first appearance."""
    clusters: list[tuple[str | None, list[int]]] = []
    for place, answer in enumerate(answers):
        if answer is None and unparsed == "drop":
            continue
        alone = answer is None and unparsed == "alone"
        joins = same_answer if count == "agreements" else partial(matches, equal=equal)
        home = None if alone else next((cluster for cluster in clusters if joins(cluster[0], answer)), None)
        if home is None:
            clusters.append((answer, [place]))
        else:
            home[1].append(place)
    if count == "members":
        return [(label, members, len(members)) for label, members in clusters]
    return [(label, members, sum(agrees(label, other, equal) for other in answers)) for label, members in clusters]


def votes_beside(answers: Sequence[str | None], candidates: Sequence[Candidate]) -> list[int]:
    """The votes that each answer's candidate got, in order of the answers; 0 for answers not counted."""
    votes = [0] * len(answers)
    for _, members, received in candidates:
        for member in members:
            votes[member] = received
    return votes


def same_answer(label: str | None, answer: str | None) -> bool:
    """Whether they are the same string, or both missing."""
    return label == answer


def matches(label: str | None, answer: str | None, equal: Equal) -> bool:
    """Whether an answer joins a cluster with this label."""
    if label is None or answer is None:
        return label is answer
    return label == answer or equal(answer, label)


def agrees(label: str | None, answer: str | None, equal: Equal) -> bool:
    """Whether two parsed answers are one in both directions."""
    return label is not None and answer is not None and (label == answer or (equal(answer, label) and equal(label, answer)))


def heaviest(ballots: Iterable[tuple[str | None, float]]) -> tuple[str | None, float]:
    """The answer whose ballots weigh most in sum, of equals the one seen first, and its share of all weight; unparsed answers do not count.

    (None, 0.0) where none parses.
    """
    weights: dict[str, float] = {}
    for answer, weight in ballots:
        if answer is not None:
            weights[answer] = weights.get(answer, 0.0) + weight
    if not weights:
        return None, 0.0
    label = max(weights, key=lambda answer: weights[answer])
    total = sum(weights.values())
    return label, weights[label] / total if total else 0.0


def weighted_vote(group: Group, weights: Mapping[str, float]) -> str | None:
    """`heaviest` of a group, each rollout with its weight, by id, clamped to 0..1; those without a weight have no vote."""
    return heaviest((rollout.answer, min(max(weights[rollout.id], 0.0), 1.0)) for rollout in group if rollout.id in weights)[0]


def frequencies(answers: Sequence[str | None], equal: Equal = same) -> list[float]:
    """EMPO's reward (arXiv:2504.05812): the share of each answer's cluster among all answers; an unparsed answer is a cluster of its own."""
    return [received / len(answers) for received in votes_beside(answers, tally(answers, "alone", equal))]
