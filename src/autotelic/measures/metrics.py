"""Every number that a run logs, as data: its name, its unit, its range, and what it means in a sentence. Not how it is measured.

`TABLES` holds what runs of any recipe log and what parts that several recipes use log; a recipe declares its own in `Recipe.metrics`. The tables
of docs/run-directory.md and the hints of a report are made from these, and `check` holds the numbers of a round against them: in the tests
every number is documented and within its range.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import inf, isnan
from typing import Literal

from autotelic.errors import MetricError, nearest
from autotelic.types import Metrics

RANGES: Mapping[str, tuple[float, float]] = {
    "share": (0.0, 1.0),
    "0 or 1": (0.0, 1.0),
    "difference": (-1.0, 1.0),
    "nats": (-inf, inf),
    "reward": (-inf, inf),
    "loss": (-inf, inf),
    "chips": (-inf, inf),
    "points": (-inf, inf),
    "log-probability": (-inf, 0.0),
}
"""Least and greatest value by unit; "difference" is of two shares. Every other unit counts something, from 0 up."""
ROUNDING = 1e-9
"""How far a value may lie outside of its range: shares are sums of floats."""
Owner = Literal["run", "role", "policy"]


@dataclass(frozen=True)
class Metric:
    """What one number is, or all numbers whose names fit a pattern."""

    name: str
    """As it is logged; a word in braces stands for what differs, such as `probe/accuracy/{slice}`."""
    unit: str
    """What is counted; see `RANGES`."""
    meaning: str
    """In one sentence, without the period."""
    low: float | None = None
    """Least value; None: that of the unit."""
    high: float | None = None
    of: Owner = "run"
    """Whose number it is. Of a role: other roles than the main one have it behind their names (`judge/answers/unparsed`). Of a policy: other
    policies have it behind theirs, and so have the terms of a `Mixture` (`questioner/loss`, `score/entropy`)."""

    @property
    def range(self) -> tuple[float, float]:
        """Least and greatest value."""
        low, high = RANGES.get(self.unit, (0.0, inf))
        return low if self.low is None else self.low, high if self.high is None else self.high

    def holds(self, value: float) -> bool:
        """Whether a value is within the range. NaN is: it says that nothing is known."""
        low, high = self.range
        return isnan(value) or low - ROUNDING <= value <= high + ROUNDING

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """What its names look like."""
        parts = re.split(r"{(\w+)}", self.name)
        wild = [PLACES.get(part, r"[^/]+") if place % 2 else re.escape(part) for place, part in enumerate(parts)]
        return re.compile(OWNERS[self.of] + "".join(wild))


PLACES = {"k": r"[0-9]+", "slice": r".+", "category": r".+"}
"""What a word in braces stands for, where it is not any text without a slash."""
OWNERS: Mapping[Owner, str] = {"run": "", "role": r"(?:(?!probe/)[^/]+/)?", "policy": r"(?:(?!probe/)[^/]+/){0,2}"}
"""What may stand before a name."""


def known() -> Iterator[Metric]:
    """Everything in the tables."""
    for rows in TABLES.values():
        yield from rows


def find(name: str, own: Iterable[Metric] = ()) -> Metric | None:
    """What a number is, among those of a recipe and of the tables; of several patterns the first; None where it is not documented."""
    return next((metric for metric in own if metric.pattern.fullmatch(name)), None) or _find(name)


@lru_cache(maxsize=4096)
def _find(name: str) -> Metric | None:
    return next((metric for metric in known() if metric.pattern.fullmatch(name)), None)


def check(metrics: Metrics, own: Iterable[Metric] = ()) -> None:
    """Hold the numbers of a round against what is documented.

    Raises:
        MetricError: a number that is not documented, or is outside of its range.
    """
    own = tuple(own)
    for name, value in metrics.items():
        metric = find(name, own)
        if metric is None:
            names = [one.name for one in (*own, *known())]
            raise MetricError(f"metric {name!r} is not documented; {nearest(name, names)}; declare it in `metrics` of its recipe")
        if not metric.holds(value):
            low, high = metric.range
            raise MetricError(f"metric {name!r} is {value:g}, outside of {low:g} to {high:g}, the range of {metric.name!r}: {metric.meaning}")


PROBE = (
    Metric("probe/accuracy", "share", "greedy answers on the held-out tasks that are right; of games, the mean score of plays with sampled moves"),
    Metric("probe/moves", "moves", "of a play on the held-out tasks, where these are played in turns, mean"),
    Metric("probe/illegal", "share", "of these plays that ended by an illegal move"),
    Metric("probe/too_long", "share", "of these plays that had too many turns"),
    Metric("probe/no_room", "share", "of these plays in which the context was full"),
    Metric("probe/over", "share", "of these plays that were over before the first move"),
    Metric("probe/raised", "share", "of these plays whose environment raised an error"),
    Metric("probe/timed_out", "share", "of these plays whose environment took too long"),
    Metric("probe/accuracy/{slice}", "share", "the same of a slice, such as `digits 8`"),
    Metric("probe/pass@{k}", "share", "chance that at least one of k samples of a task is right, mean; `probe/pass@1` is sampled accuracy"),
    Metric("probe/majority@{k}", "share", "tasks on which the most frequent of k sampled answers is right"),
    Metric("probe/agreement", "share", "share of a task's most frequent sampled answer, mean over the tasks"),
    Metric("probe/overruled", "share", "tasks whose most frequent sampled answer is not the greedy answer"),
    Metric("probe/distinct", "share", "different greedy answers, over the number of tasks"),
    Metric("probe/unparsed", "share", "greedy completions without an answer"),
    Metric("probe/truncated", "share", "greedy completions that ran into the limit on new tokens"),
    Metric("probe/tokens", "tokens", "mean length of greedy completions"),
    Metric("probe/entropy", "nats", "mean entropy of the next-token distributions along greedy completions", low=0.0),
    Metric("select/score", "share", "what `select.by` names, on the probe tasks that choose the weights and are left out of the verdict"),
    Metric("flips/wrong_to_right", "tasks", "probe tasks that were wrong with the first weights and are right now; plays that end better"),
    Metric("flips/right_to_wrong", "tasks", "probe tasks that were right with the first weights and are wrong now; plays that end worse"),
)
ROLLOUTS = (
    Metric("reward", "reward", "sum of a rollout's rewards, mean over the rollouts that got any", of="role"),
    Metric("reward_std", "reward", "standard deviation of these sums in a group, mean over the groups", low=0.0, of="role"),
    Metric("frac_reward_zero_std", "share", "groups whose rewards are all equal, which carry no signal", of="role"),
    Metric("rewards/{name}/mean", "reward", "mean of one reward, over the rollouts that got it", of="role"),
    Metric("completions/mean_length", "tokens", "mean length of the round's completions", of="role"),
    Metric("completions/max_length", "tokens", "length of the longest", of="role"),
    Metric("completions/clipped_ratio", "share", "rollouts that ran into the limit on new tokens", of="role"),
    Metric("answers/unparsed", "share", "rollouts without an answer", of="role"),
    Metric("answers/distinct", "share", "different answers in a group over its size, mean over groups; not of plays", of="role"),
    Metric("num_tokens", "tokens", "sampled in this round, in rollouts that were noted", of="role"),
    Metric("rollouts/no_room", "actions", "actions for which the context had no room"),
    Metric("rollouts/slips", "actions", "actions into which the world wrote, in a world such as slips"),
    Metric("episodes/failed", "plays", "plays whose environment raised an error; nothing is trained on them"),
)
LABELS = (
    Metric("label/agreement", "share", "votes for the leading answer of a group, mean over groups; not of plays"),
    Metric("label/majority_is_gold", "share", "groups whose plain majority is right, whatever rule the recipe votes by; never trained on"),
    Metric("label/coverage", "share", "tasks to which the recipe's own rule gave a label"),
    Metric("label/purity", "share", "labels that the recipe used and that are right, of tasks with a known answer; never trained on"),
    Metric("label/kept", "share", "what the recipe's filter keeps of what it made: answers, pairs, labels"),
)
LOGP_GAP = "absolute difference between the log-probabilities of sampler and trainer for the same tokens, where both are at one temperature, mean"
LEARNING = (
    Metric("loss", "loss", "mean over the optimizer steps of the round", of="policy"),
    Metric("grad_norm", "norm", "norm of the gradient before clipping, mean over the steps", of="policy"),
    Metric("learning_rate", "rate", "mean over the steps", of="policy"),
    Metric(
        "entropy",
        "nats",
        "entropy of the policy at the temperature of scoring, mean over the target tokens of the rows that are scored",
        low=0.0,
        of="policy",
    ),
    Metric("kl", "nats", "estimated KL divergence from the reference, mean over the same tokens; rows without signal are not scored", of="policy"),
    Metric("clip_ratio/region_mean", "share", "target tokens of the rows that are scored whose probability ratio was held back", of="policy"),
    Metric("rewards/chosen", "reward", "pair losses: beta times the log-ratio of the chosen side to the reference", of="policy"),
    Metric("rewards/rejected", "reward", "the same of the rejected side", of="policy"),
    Metric("rewards/margins", "reward", "their difference", of="policy"),
    Metric("rewards/accuracies", "share", "pairs whose chosen side has the larger log-ratio; ties count half", of="policy"),
    Metric("score/error", "squared error", "of a token's score as a regression has it (`TokenScore`)", of="policy"),
    Metric("sampling/sampling_logp_difference/mean", "nats", LOGP_GAP, low=0.0, of="policy"),
    Metric("sampling/sampling_logp_difference/max", "nats", "the largest of these differences", low=0.0, of="policy"),
    Metric("learner/left_out", "examples", "that the objective does not train on, as with `overlong=drop`", of="policy"),
    Metric("learner/updates", "steps", "optimizer steps", of="policy"),
    Metric("learner/rows", "examples", "examples in a step after those without signal are left out, mean over the steps", of="policy"),
)
COST = (
    Metric("tokens/sampled", "tokens", "sampled since the run began, probes not counted"),
    Metric(
        "tokens/read",
        "tokens",
        "read without being sampled or trained on since the run began: prompts, once for all samples of a request, and scored texts",
    ),
    Metric("engine/calls", "batches", "sent to the engine since the run began"),
    Metric(
        "endpoint/requests", "requests", "to endpoints that were answered since the run began, from the cache or by a server, failed ones counted"
    ),
    Metric("endpoint/read", "tokens", "of prompts since the run began, as endpoints count them"),
    Metric("endpoint/sampled", "tokens", "of replies since the run began, as endpoints count them"),
    Metric("endpoint/cached", "requests", "of the round that were answered from the cache"),
    Metric("endpoint/retries", "requests", "of the round that were made again"),
    Metric("endpoint/timed_out", "replies", "of the round that did not come in time"),
    Metric("endpoint/refused", "replies", "of the round that were refusals"),
    Metric("endpoint/malformed", "replies", "of the round that could not be read as such"),
    Metric("learner/held_out", "examples", "about tasks of the probe's split, which are left out: a fault of the recipe"),
    Metric("tokens/trained", "tokens", "trained on since the run began, prompts counted"),
    Metric("tokens/probe", "tokens", "sampled by the probe and the recipe's yardsticks after this round"),
    Metric("seconds/sample", "seconds", "of the round, in the engine"),
    Metric("seconds/learn", "seconds", "in the learner"),
    Metric("seconds/probe", "seconds", "in the probe"),
    Metric("seconds/own", "seconds", "in everything else"),
    Metric("seconds/total", "seconds", "all of the round"),
    Metric("budget/used", "as the budget", "of the run's budget, probes not counted", low=0.0),
    Metric("gate/rolled_back", "0 or 1", "whether the gate put the weights back"),
    Metric("gate/champion", "round", "whose weights are the champion after this one"),
    Metric("gate/promoted", "0 or 1", "whether the weights of this round became the champion"),
    Metric(
        "gate/difference",
        "share",
        "deciding tasks that this round's weights do better than the champion, or by votes than the first weights",
        low=-1.0,
        high=1.0,
    ),
    Metric("gate/abilities", "share", "tasks of earlier abilities that are right, greedily"),
    Metric("gate/drift", "nats", "KL divergence from the first weights, a token, along sampled answers to deciding tasks"),
)
ALARMS = (
    Metric("monitor/proxy_over_truth", "difference", "rise of the proxy since it was first seen, minus the rise of accuracy on the probe", low=-2.0, high=2.0),
    Metric("monitor/vote_over_truth", "difference", "agreement of the probe's samples, minus the share of tasks on which their majority is right"),
    Metric("monitor/reach_lost", "difference", "pass@k of the first weights minus that of now, for the largest k"),
    Metric("monitor/exploration", "ratio", "`explore/right` over what it first was"),
    Metric("monitor/repeated_proposals", "share", "self-made tasks that repeat another"),
    Metric(
        "probe/vote_gap", "share of the headroom",
        "how much more often the half of a task's samples with the most votes is right than all of them, over how often all are wrong, mean", low=-inf, high=1.0,
    ),
    Metric("explore/right", "share", "different right solutions of a group over its size, mean over groups with a known answer; never trained on"),
    Metric("exploit/gain", "difference", "right ones among a group's best rewarded minus right ones among all, mean where rewards differ; never trained on"),
    Metric("judge/length_bias", "difference", "of answers equally right: longer ones that the judge grades higher minus shorter ones"),
    Metric("judge/position_bias", "difference", "of pairs in random order: choices of the first shown minus choices of the second"),
    Metric("judge/self_preference", "grade", "mean grade of a judge's own answers minus that of others' that are equally right", low=-inf),
    Metric("alarm/raised", "alarms", "raised after this round"),
    Metric("alarm/rate", "share", "what the learning rate is multiplied by from the next round on, once an alarm has lowered it"),
    Metric("alarm/stop", "0 or 1", "whether an alarm ends the run"),
)  # fmt: skip
PARTS = (
    Metric("{role}/unparsed", "replies", "what a role said that could not be read"),
    Metric("judge/pair_accuracy", "share", "pairs of a right and a wrong answer to one task that the judge puts in the right order"),
    Metric("probe/judge/pair_accuracy", "share", "the same on the probe"),
    Metric("proposals/valid", "share", "self-made tasks that are valid"),
    Metric("proposals/distinct", "share", "different ones among the valid"),
    Metric("proposals/length", "characters", "their mean length"),
    Metric("proposals/invalid", "tasks", "self-made tasks that cannot be read, or do not fit into the context"),
    Metric("proposals/none_valid", "rounds", "1 where no self-made task was valid"),
    Metric("proposals/held_out", "tasks", "self-made tasks of the probe's split, on which nothing is trained"),
    Metric("turns/first", "share", "two attempts: right at the first"),
    Metric("turns/second", "share", "right at the second"),
    Metric("turns/gain", "difference", "the second minus the first"),
    Metric("turns/changed", "share", "another answer at the second attempt than at the first"),
    Metric("turns/wrong_to_right", "share", "wrong at the first and right at the second attempt"),
    Metric("turns/right_to_wrong", "share", "right at the first and wrong at the second attempt"),
    Metric("probe/turns/first", "share", "right at the first attempt, greedy, on the probe"),
    Metric("probe/turns/second", "share", "right after the second; a right first answer that is not tried again counts"),
    Metric("probe/turns/gain", "difference", "the second minus the first"),
    Metric("probe/turns/changed", "share", "another answer at the second attempt than at the first"),
    Metric("probe/turns/wrong_to_right", "share", "wrong at the first and right at the second attempt"),
    Metric("probe/turns/right_to_wrong", "share", "right at the first and wrong at the second attempt"),
    Metric("signal/mixed", "share", "groups of the round that are neither all right nor all wrong"),
    Metric("signal/mixed_so_far", "groups", "such groups since the run began"),
    Metric("probe/vote/accuracy", "share", "accuracy of the vote of several models"),
    Metric("tree/unfinished", "trees", "search trees without a finished leaf"),
    Metric("tool/calls", "programs", "of models, run in the sandbox as a tool"),
    Metric("tool/failed", "programs", "that raised, or passed a limit"),
    Metric("tool/not_shown", "outputs", "of programs, for which the context had no room or the vocabulary no characters: their rollouts end there"),
    Metric("search/tries", "completions", "sampled by a search with steps back"),
    Metric("games/plays", "plays", "begun in the round"),
    Metric("games/turns", "turns", "in all plays"),
    Metric(
        "games/{ending}",
        "plays",
        "that ended so: `finished`, `illegal` for an illegal move, `too_long`, `no_room` where the context was full, `over` before the "
        "first move, or `raised` or `timed_out` where the environment failed",
    ),
    Metric("opponents/missing", "plays", "for which the chosen past opponent's weights were gone"),
    Metric("probe/illegal/{game}", "share", "mean probability of an illegal move where the yardstick asks"),
    Metric("probe/nashconv", "chips", "Kuhn poker: what exact best responses gain against the role in both seats; 0 in equilibrium", low=0.0),
    Metric("probe/value_first", "chips", "Kuhn poker: expected gain of the first seat when the role plays itself"),
    Metric("probe/gain", "points", "negotiation: expected gain against the fixed opponent, mean of both seats"),
)
TABLES: Mapping[str, tuple[Metric, ...]] = {
    "probe": PROBE,
    "rollouts": ROLLOUTS,
    "labels": LABELS,
    "learning": LEARNING,
    "cost": COST,
    "alarms": ALARMS,
    "parts": PARTS,
}
"""By what they are about; "parts" are numbers of parts that several recipes use."""
