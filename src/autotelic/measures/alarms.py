"""Alarms: numbers of a run that tell of known ways to fail, each with a limit, and what happens beyond it. Declared as data; docs/monitors.md is made from it.

A monitor is a pure function of the metrics of the rounds so far, so that a resumed run raises what the whole run would. Not the gate, which decides
what becomes of a round's weights, and not the verdict.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast

from pydantic import Field

from autotelic.measures.metrics import Metric, find
from autotelic.types import Metrics, Settings

Act = Literal["off", "warn", "lower", "stop"]
RATE, STOP, RAISED = "alarm/rate", "alarm/stop", "alarm/raised"
OWN = "monitor/"
"""How the numbers begin that a monitor makes of others; the rest are logged as they are."""
LOGP_MEAN = "sampling/sampling_logp_difference/mean"


class Alarm(Settings):
    """When one monitor is heard, and what follows."""

    limit: float = Field(ge=-1.0, le=1e9)
    act: Act = "warn"
    """"warn": an event that the output and the report show; "lower": the learning rate too, by `alarms.factor`; "stop": the run ends after the round."""


class Alarms(Settings):
    """The alarms of a run. One is raised where its number has been beyond its limit `patience` times in a row, and again where it has come back in between."""

    patience: int = Field(2, ge=1)
    factor: float = Field(0.5, gt=0.0, lt=1.0)
    """What the learning rate is multiplied by at each alarm whose act is "lower"."""
    proxy_over_truth: Alarm = Alarm(limit=0.25)
    vote_over_truth: Alarm = Alarm(limit=0.5)
    reach_lost: Alarm = Alarm(limit=0.1)
    verification_gap: Alarm = Alarm(limit=-0.02)
    exploration: Alarm = Alarm(limit=0.25)
    exploitation: Alarm = Alarm(limit=-0.02)
    no_signal: Alarm = Alarm(limit=0.9)
    repeated_proposals: Alarm = Alarm(limit=0.5)
    logp_gap: Alarm = Alarm(limit=0.1)
    judge_length: Alarm = Alarm(limit=0.5)
    judge_position: Alarm = Alarm(limit=0.5)
    judge_self: Alarm = Alarm(limit=0.25)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a monitor reads: the metrics of the rounds, the last of them that of now, and the name of the proxy where there is one."""

    rounds: Sequence[Metrics]
    proxy: str | None = None

    @property
    def now(self) -> Metrics:
        """Of the round that has just been."""
        return self.rounds[-1]

    def first(self, name: str) -> float | None:
        """The first value of a metric; None where there is none yet."""
        return next((metrics[name] for metrics in self.rounds if name in metrics), None)

    def largest(self, prefix: str) -> str | None:
        """The metric of now of such a name with the largest number behind it, as of `probe/pass@`; None below 2."""
        counts = [int(name.removeprefix(prefix)) for name in self.now if name.startswith(prefix)]
        return f"{prefix}{max(counts)}" if max(counts, default=0) > 1 else None


@dataclass(frozen=True, slots=True)
class Monitor:
    """One way to fail, and the number that tells of it."""

    name: str
    """Its setting: `alarms.NAME`."""
    metric: str
    """The number, as it is logged."""
    read: Callable[[Seen], float | None]
    """The number of now; None where nothing is known."""
    beyond: Literal["above", "below"]
    do: str
    """What helps, in a sentence without the period."""

    def logged(self, metrics: Metrics) -> float | None:
        """The number in the log of a round."""
        return metrics.get(self.metric) if self.metric.startswith(OWN) else self.read(Seen([metrics]))

    def is_beyond(self, value: float, limit: float) -> bool:
        """Whether a value is on the wrong side of a limit."""
        return value > limit if self.beyond == "above" else value < limit

    @property
    def documented(self) -> Metric:
        """Its number, as data."""
        found = find(self.metric)
        assert found is not None, self.metric
        return found


def plain(name: str) -> Callable[[Seen], float | None]:
    """Reads a metric as it is."""
    return lambda seen: seen.now.get(name)


def size_of(name: str) -> Callable[[Seen], float | None]:
    """Reads how far a metric is from 0."""
    return lambda seen: abs(seen.now[name]) if name in seen.now else None


def proxy_over_truth(seen: Seen) -> float | None:
    """The rise of a proxy between 0 and 1 since it was first seen, minus the rise of accuracy on the probe."""
    proxies = [metrics[seen.proxy] for metrics in seen.rounds if seen.proxy in metrics]
    first, now = seen.first("probe/accuracy"), seen.now.get("probe/accuracy")
    if first is None or now is None or not proxies or not all(0.0 <= value <= 1.0 for value in proxies):
        return None
    return (proxies[-1] - proxies[0]) - (now - first)


def vote_over_truth(seen: Seen) -> float | None:
    """How far samples agree, minus how often what they agree on is right."""
    name = seen.largest("probe/majority@")
    return None if name is None or "probe/agreement" not in seen.now else seen.now["probe/agreement"] - seen.now[name]


def reach_lost(seen: Seen) -> float | None:
    """What pass@k has lost since the first weights."""
    name = seen.largest("probe/pass@")
    first = None if name is None else seen.first(name)
    return None if name is None or first is None else first - seen.now[name]


def exploration(seen: Seen) -> float | None:
    """Different right solutions of a group over its size, as a share of what they first were."""
    first = seen.first("explore/right")
    return seen.now["explore/right"] / first if first and "explore/right" in seen.now else None


def repeated_proposals(seen: Seen) -> float | None:
    """The share of self-made tasks that another one repeats."""
    return 1.0 - seen.now["proposals/distinct"] if "proposals/distinct" in seen.now else None


MONITORS = (
    Monitor(
        "proxy_over_truth", "monitor/proxy_over_truth", proxy_over_truth, "above",
        "The reward is being gamed, or fits a wrong answer: stop, and take weights of an earlier round (`select.by`); another reward, a KL term, the gate",
    ),
    Monitor(
        "vote_over_truth", "monitor/vote_over_truth", vote_over_truth, "above",
        "Votes are sure and wrong, so labels made of them teach errors: do not train on them; ask `autotelic eval` about the base, or raise `vote.min_share`",
    ),
    Monitor(
        "reach_lost", "monitor/reach_lost", reach_lost, "above",
        "Answers that samples once found are not found any more: a lower learning rate, a higher temperature, an entropy or KL term, fewer rounds",
    ),
    Monitor(
        "verification_gap", "probe/vote_gap", plain("probe/vote_gap"), "below",
        "What the model votes for is right less often than what it samples, so votes teach it errors: bring labels or a verifier, or begin with another base",
    ),
    Monitor(
        "exploration", "monitor/exploration", exploration, "below",
        "Solutions have become alike or wrong: raise the temperature, draw harder tasks, lower the learning rate",
    ),
    Monitor(
        "exploitation", "exploit/gain", plain("exploit/gain"), "below",
        "The reward prefers wrong answers: it must be mended before anything is trained on it",
    ),
    Monitor(
        "no_signal", "frac_reward_zero_std", plain("frac_reward_zero_std"), "above",
        "Nearly all groups are all right or all wrong, and teach nothing: tasks of another difficulty, larger groups, a higher temperature",
    ),
    Monitor(
        "repeated_proposals", "monitor/repeated_proposals", repeated_proposals, "above",
        "The proposer repeats itself: a reward for novelty, a higher temperature for the proposer, other examples in its prompt",
    ),
    Monitor(
        "logp_gap", LOGP_MEAN, plain(LOGP_MEAN), "above",
        "Sampler and trainer do not compute the same model: one precision for both (`precision`, `optimizer.precision`), another engine, fewer updates on the same samples",
    ),
    Monitor(
        "judge_length", "judge/length_bias", size_of("judge/length_bias"), "above",
        "The judge grades length: limit lengths, compare answers of like length, or take another judge",
    ),
    Monitor(
        "judge_position", "judge/position_bias", size_of("judge/position_bias"), "above",
        "The judge's choice depends on the order: ask in both orders and keep what both agree on",
    ),
    Monitor(
        "judge_self", "judge/self_preference", plain("judge/self_preference"), "above",
        "Judges prefer what they wrote: let others judge, or a frozen judge",
    ),
)  # fmt: skip
LOOKED_AT = frozenset(monitor.metric for monitor in MONITORS) | {"probe/accuracy", "probe/agreement", "explore/right", RATE, STOP}
PREFIXES = ("probe/pass@", "probe/majority@")


def looked_at(metrics: Metrics, proxy: str | None) -> Metrics:
    """Of the metrics of a round, what monitors of later rounds ask for."""
    return {name: value for name, value in metrics.items() if name == proxy or name in LOOKED_AT or name.startswith(PREFIXES)}


def values(seen: Seen) -> Metrics:
    """The numbers of the monitors that have one of their own, for the log of the round."""
    found = {monitor.metric: monitor.read(seen) for monitor in MONITORS if monitor.metric.startswith(OWN)}
    return {name: value for name, value in found.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Raised:
    """An alarm that was raised."""

    monitor: Monitor
    value: float
    alarm: Alarm

    def __str__(self) -> str:
        times = {"warn": "", "off": "", "lower": "; the learning rate is lowered", "stop": "; the run ends"}[self.alarm.act]
        what = self.monitor.documented.meaning
        number = f"{self.monitor.metric} is {self.value:.3f}, {self.monitor.beyond} {self.alarm.limit:g} ({what})"
        return f"{self.monitor.name}: {number}{times}. {self.monitor.do}.".replace("`", "")


def raised(rounds: Sequence[Metrics], settings: Alarms) -> list[Raised]:
    """The alarms of the last of some rounds, which have the numbers of the monitors."""
    return list(_raised(rounds, settings))


def _raised(rounds: Sequence[Metrics], settings: Alarms) -> Iterator[Raised]:
    for monitor in MONITORS:
        alarm: Alarm = getattr(settings, monitor.name)
        value = None if alarm.act == "off" else monitor.logged(rounds[-1])
        if value is not None and in_a_row(monitor, rounds, alarm.limit, settings.patience) == settings.patience:
            yield Raised(monitor, value, alarm)


def in_a_row(monitor: Monitor, rounds: Sequence[Metrics], limit: float, most: int) -> int:
    """How often in a row, up to the last round, a number was beyond its limit, counted to one more than `most`; rounds without the number do not count."""
    count = 0
    for value in filter(lambda one: one is not None, map(monitor.logged, reversed(rounds))):
        if count > most or not monitor.is_beyond(cast(float, value), limit):
            break
        count += 1
    return count


def effects(alarms: Sequence[Raised], before: Mapping[str, float], factor: float) -> Metrics:
    """What is logged of the alarms of a round: how many, the multiple of the learning rate from the next round on, and whether the run ends."""
    lowered = sum(one.alarm.act == "lower" for one in alarms)
    rate = before.get(RATE, 1.0) * factor**lowered
    found = {RAISED: float(len(alarms))} if alarms else {}
    if rate < 1.0:
        found[RATE] = rate
    return found | ({STOP: 1.0} if any(one.alarm.act == "stop" for one in alarms) else {})
