"""Which tasks a draw takes, and how that choice learns. A sampler's state is plain JSON and is saved with the run. It does not
change the pool."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from itertools import islice
from math import exp, inf
from random import Random
from statistics import fmean
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from autotelic.errors import DataError, SettingError, nearest
from autotelic.types import Task

FORGOTTEN = 1e-3
"""Counts of a task's own below which they are dropped from a state."""


class Pool(Protocol):
    """What a sampler sees of a `TaskPool`."""

    births: list[str]
    """Ids in the order in which they were added; one that came back stands twice."""
    draws: int
    """Draws so far."""
    stats: dict[str, dict[str, float]]
    """Statistics by id and name."""

    def __len__(self) -> int: ...
    def __getitem__(self, name: str) -> Task: ...
    def __contains__(self, name: str) -> bool: ...
    def newest(self, count: int) -> list[str]:
        """The ids of the newest tasks."""

    def arm(self, tag: str, name: str) -> str:
        """The value of a tag of a task, as text."""

    def arms(self, tag: str) -> Mapping[str, Sequence[str]]:
        """Ids by the value of a tag."""

    def random(self, draw: int) -> Random:
        """The generator of a draw."""


class Sampler(ABC):
    """Picks tasks of a pool. `state` is what a restart needs; a sampler without any keeps it empty."""

    def __init__(self) -> None:
        self.state: dict[str, Any] = {}

    def check(self, pool: Pool) -> None:  # noqa: B027 - most can pick from any
        """Asked of the pool that a run begins with.

        Raises:
            SettingError: this sampler cannot pick from it, such as by a tag that its tasks lack.
        """

    @abstractmethod
    def pick(self, pool: Pool, count: int, random: Random) -> list[str]:
        """Ids of `count` different tasks of the pool; fewer if it is smaller."""

    def observe(self, pool: Pool, found: Mapping[str, float]) -> None:  # noqa: B027 - most have nothing to learn
        """What a round found out about the tasks it drew, one number by id; see `TaskPool.observe`."""


class Shuffled(Sampler):
    """Every task once before any comes again, in a fresh order each time round: what a data loader does. Tasks with the tag `skip` are passed over.

    Its state names the draw that made the order, not the order, and is small however large the pool is. A pick takes time in proportion to
    its size, and each new order takes one shuffle of all tasks that were ever added. Tasks that are added meanwhile are in the next order.
    """

    def __init__(self, skip: str | None = None) -> None:
        super().__init__()
        self.skip = skip
        self.state = {"draw": 0, "born": 0, "place": 0, "held": []}
        self._order: tuple[tuple[int, int], list[str]] = ((0, 0), [])

    def pick(self, pool: Pool, count: int, random: Random) -> list[str]:
        picked = self._take(pool, count, [])
        if len(picked) < count:
            self.state |= {"draw": pool.draws, "born": len(pool.births), "place": 0, "held": []}
            picked = self._take(pool, count, picked)
        return picked

    def _take(self, pool: Pool, count: int, picked: list[str]) -> list[str]:
        """Go on in the order until `count` are picked; a task that is picked already is held back for the next draw."""
        state, taken = self.state, list(picked)
        held: list[str] = []
        ahead, order = list(state["held"]), self._shuffled(pool)
        while len(taken) < count and (ahead or state["place"] < len(order)):
            if ahead:
                name = ahead.pop(0)
            else:
                name, state["place"] = order[state["place"]], state["place"] + 1
            if name not in pool or not self.takes(pool[name]):
                continue
            (held if name in picked else taken).append(name)
        state["held"] = held + ahead
        return taken

    def takes(self, task: Task) -> bool:
        """Whether a task is drawn at all."""
        return self.skip is None or self.skip not in task.tags

    def _shuffled(self, pool: Pool) -> list[str]:
        """The order that the state names."""
        made_by = (self.state["draw"], self.state["born"])
        if self._order[0] != made_by:
            order = list(dict.fromkeys(pool.births[: self.state["born"]]))
            pool.random(self.state["draw"]).shuffle(order)
            self._order = (made_by, order)
        return self._order[1]


class OneValue(Shuffled):
    """The same of the tasks with one value of a tag; '': of those that lack the tag."""

    def __init__(self, tag: str, value: str) -> None:
        super().__init__()
        self.tag, self.value = tag, value

    def takes(self, task: Task) -> bool:
        return str(task.tags.get(self.tag, "")) == self.value


class Weighted(Sampler):
    """The values of a tag by weight, and of a value every task once before any comes again.

    What a value is owed is carried from draw to draw, so that it has its share of the tasks drawn to within one. Where one has fewer tasks than a draw
    owes it, the others have its place. Tasks that lack the tag, such as those that a run made, come as often as their number among all says.
    """

    def __init__(self, tag: str, weights: Mapping[str, float]) -> None:
        super().__init__()
        self.tag, self.weights = tag, weights
        self._each = {name: OneValue(tag, name) for name in (*weights, "")}
        self.state = {"owed": {}, "each": {name: one.state for name, one in self._each.items()}}
        self._seen: tuple[tuple[int, int], Counter[str]] = ((0, 0), Counter())

    def check(self, pool: Pool) -> None:
        if lacking := [value for value in tagged(pool, self.tag) if value not in self.weights]:
            raise SettingError(f"tag = {self.tag!r}: no weight for {lacking[0]!r}; {nearest(lacking[0], self.weights)}")

    def pick(self, pool: Pool, count: int, random: Random) -> list[str]:
        room = self._room(pool)
        tagged = sum(room.values()) - room[""]
        weights = {**self.weights, "": sum(self.weights.values()) * room[""] / tagged if tagged else 1.0}
        order = list(islice(turns(weights, room, self.state["owed"]), count))
        drawn = {}
        for name, many in Counter(order).items():
            self._each[name].state = self.state["each"][name]
            drawn[name] = iter(self._each[name].pick(pool, many, random))
        return [next(drawn[name]) for name in order]

    def _room(self, pool: Pool) -> Counter[str]:
        """How many tasks each value has; kept until the pool changes."""
        now = len(pool.births), len(pool)
        if self._seen[0] != now:
            self._seen = now, Counter(str(pool[name].tags.get(self.tag, "")) for name in dict.fromkeys(pool.births) if name in pool)
        return self._seen[1]


class Newest(Sampler):
    """Uniform over the `window` youngest tasks."""

    def __init__(self, window: int) -> None:
        super().__init__()
        self.window = window

    def pick(self, pool: Pool, count: int, random: Random) -> list[str]:
        window = pool.newest(self.window)
        return random.sample(window, min(count, len(window)))


class Staged(Sampler):
    """Easy to hard: the values of a tag in order, each for an equal share of `draws`, the last from then on. Uniform within a value."""

    def __init__(self, tag: str, draws: int) -> None:
        super().__init__()
        self.tag, self.draws = tag, max(draws, 1)
        self.state = {"drawn": 0}

    def check(self, pool: Pool) -> None:
        tagged(pool, self.tag)

    def pick(self, pool: Pool, count: int, random: Random) -> list[str]:
        arms = list(pool.arms(self.tag).values())
        stage = min(self.state["drawn"] * len(arms) // self.draws, len(arms) - 1)
        self.state["drawn"] += 1
        return random.sample(arms[stage], min(count, len(arms[stage]))) if arms else []


class Bandit(Sampler):
    """Tasks with one value of a tag are an arm; arms are drawn by the softmax of what they were worth: SEC (arXiv:2505.14970).

    P(arm) = softmax(Q / temperature), for every task of a draw anew; uniform within an arm. Observed values are averaged by arm:
    Q <- (1 - rate) Q + rate mean (TD(0)), from 0. Arms that were not drawn count as 0, as in the published code, so that they come again when
    the others are worth as little; with `decay` off they keep their Q.
    """

    def __init__(self, tag: str, rate: float = 0.5, temperature: float = 1.0, decay: bool = True) -> None:
        super().__init__()
        self.tag, self.rate, self.temperature, self.decay = tag, rate, temperature, decay
        self.state = {"values": {}}

    def check(self, pool: Pool) -> None:
        tagged(pool, self.tag)

    def chances(self, pool: Pool) -> dict[str, float]:
        """How likely each arm is to be drawn next."""
        arms = list(pool.arms(self.tag))
        return dict(zip(arms, softmax([self.state["values"].get(arm, 0.0) for arm in arms], self.temperature), strict=True))

    def pick(self, pool: Pool, count: int, random: Random) -> list[str]:
        arms, chances, wanted = pool.arms(self.tag), self.chances(pool), Counter[str]()
        for _ in range(min(count, len(pool))):
            open_arms = [arm for arm in arms if wanted[arm] < len(arms[arm])]
            wanted[random.choices(open_arms, [chances[arm] + 1e-300 for arm in open_arms])[0]] += 1
        return [name for arm, many in wanted.items() for name in random.sample(arms[arm], many)]

    def observe(self, pool: Pool, found: Mapping[str, float]) -> None:
        """`found`: what each task was worth, such as its mean absolute advantage."""
        worth: dict[str, list[float]] = {}
        for name, value in found.items():
            worth.setdefault(pool.arm(self.tag, name), []).append(value)
        values = self.state["values"]
        for arm in {*pool.arms(self.tag), *worth} if self.decay else worth:
            values[arm] = (1 - self.rate) * values.get(arm, 0.0) + self.rate * fmean(worth.get(arm, [0.0]))


class BetaBand(Sampler):
    """A Beta posterior over the success rate of every task; it draws the tasks whose rate seems nearest to a target: BOTS (arXiv:2510.26374).

    After a round, with counts s = m rate of the tasks it drew and pseudo-counts of all (m = `counts`, l = `forget`, r = `implicit`):
    alpha <- (1-l) alpha + l + (1-r) s + r p m, beta likewise with failures and 1-p, from (1, 1). p is the observed rate where there is one;
    for all others it is read off between two reference solvers, who succeed with the chances weak^d and strong^d at difficulty d (a numeric tag):
    p = clip(weak^d + cap (strong^d - weak^d), 0, 1), where cap says where the policy stands between them on the tasks of this round, a moving
    average with the share `keep` for the past. With `implicit` 0 only a task's own counts matter; with 1 tasks of like difficulty move together.

    All updates are linear, so what tasks of a difficulty share is stored once for them, and of a task only what its own counts added.
    """

    def __init__(
        self, tag: str, target: float = 0.5, references: tuple[float, float] = (0.6, 0.98), counts: float = 16, forget: float = 0.1,
        implicit: float = 0.1, keep: float = 0.9, thompson: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        self.tag, self.target, self.references, self.counts = tag, target, references, counts
        self.forget, self.implicit, self.keep, self.thompson = forget, implicit, keep, thompson
        self.state = {"time": 0, "cap": None, "shared": {}, "own": {}}

    def check(self, pool: Pool) -> None:
        for arm, names in tagged(pool, self.tag).items():
            if not difficulty(arm):
                raise SettingError(f"tag = {self.tag!r}: must grow with difficulty, as a number above 0; of task {names[0]!r} it is {arm!r}")

    def posterior(self, pool: Pool, name: str) -> tuple[float, float]:
        """(alpha, beta) of a task."""
        alpha, beta = self.state["shared"].get(pool.arm(self.tag, name), (1.0, 1.0))
        more, less = self._own(name)
        return alpha + more, beta + less

    def pick(self, pool: Pool, count: int, random: Random) -> list[str]:
        names = [name for members in pool.arms(self.tag).values() for name in members]
        sizes = {arm: len(members) for arm, members in pool.arms(self.tag).items()}
        both = np.repeat([self.state["shared"].get(arm, (1.0, 1.0)) for arm in sizes] or np.ones((0, 2)), list(sizes.values()), axis=0)
        place = {name: i for i, name in enumerate(names)} if self.state["own"] else {}
        for name in self.state["own"]:
            if name in place:
                both[place[name]] += self._own(name)
        both = np.maximum(both, 1e-6)
        draws = np.random.Generator(np.random.PCG64(random.getrandbits(64)))
        rates = draws.beta(both[:, 0], both[:, 1]) if self.thompson else both[:, 0] / both.sum(1) + 1e-9 * draws.random(len(both))
        return top(names, -np.abs(rates - self.target), count)

    def observe(self, pool: Pool, found: Mapping[str, float]) -> None:
        """`found`: the rate at which each task was solved."""
        if not found:
            return
        state, arms = self.state, {name: pool.arm(self.tag, name) for name in found}
        anchors = [self._anchors(arm) for arm in arms.values()]
        weak, strong = fmean(a for a, _ in anchors), fmean(b for _, b in anchors)
        cap = (fmean(found.values()) - weak) / (strong - weak + 1e-6)
        state["cap"] = cap if state["cap"] is None else self.keep * state["cap"] + (1 - self.keep) * cap
        guess = {arm: self.guess(arm) for arm in {*pool.arms(self.tag), *arms.values(), *state["shared"]}}
        own = {name: self._own(name) for name in {*state["own"], *found}}
        state["time"] += 1
        for arm, rate in guess.items():
            shared = state["shared"].get(arm, (1.0, 1.0))
            state["shared"][arm] = [
                (1 - self.forget) * value + self.forget + self.implicit * p * self.counts for value, p in zip(shared, (rate, 1 - rate), strict=True)
            ]
        for name, values in own.items():
            kept = [(1 - self.forget) * value for value in values]
            if name in found:
                rate, beside = found[name], self.implicit * (found[name] - guess[arms[name]])
                kept[0] += self.counts * ((1 - self.implicit) * rate + beside)
                kept[1] += self.counts * ((1 - self.implicit) * (1 - rate) - beside)
            state["own"][name] = [*kept, state["time"]]
        state["own"] = {name: values for name, values in sorted(state["own"].items()) if name in pool and max(map(abs, values[:2])) > FORGOTTEN}

    def guess(self, arm: str) -> float:
        """The success rate that the references and what was seen so far let one expect at a difficulty."""
        weak, strong = self._anchors(arm)
        return min(max(weak + (self.state["cap"] or 0.0) * (strong - weak), 0.0), 1.0)

    def _anchors(self, arm: str) -> tuple[float, float]:
        return self.references[0] ** float(arm), self.references[1] ** float(arm)

    def _own(self, name: str) -> tuple[float, float]:
        """What a task's own counts add to what it shares, forgotten up to now."""
        more, less, since = self.state["own"].get(name, (0.0, 0.0, self.state["time"]))
        left = (1 - self.forget) ** (self.state["time"] - since)
        return more * left, less * left


class Learnability(Sampler):
    """Weighted, without replacement, by a statistic of the pool such as the variance of a task's returns; tasks that lack it are passed over.

    With all weights at `floor`, where everything is solved or nothing is, this is uniform.
    """

    def __init__(self, statistic: str = "variance", floor: float = 1e-6) -> None:
        super().__init__()
        self.statistic, self.floor = statistic, floor

    def pick(self, pool: Pool, count: int, random: Random) -> list[str]:
        known = [(name, stats[self.statistic]) for name, stats in pool.stats.items() if name in pool and self.statistic in stats]
        weights = np.array([max(value, self.floor) for _, value in known])
        draws = np.random.Generator(np.random.PCG64(random.getrandbits(64)))
        return top([name for name, _ in known], -draws.exponential(size=len(known)) / weights, count)  # Efraimidis and Spirakis, 2006


def turns(weights: Mapping[str, float], room: Mapping[str, float], owed: dict[str, float] | None = None) -> Iterator[str]:
    """Names by turns, as often as their weights say, each at most as often as it has room: the one that is owed most comes next. Ends when none has room.

    owed: what is carried over from turns before, and kept up to date.
    """
    owed, left = {} if owed is None else owed, {name: room[name] for name in weights if weights[name] > 0}
    while waiting := [name for name, many in left.items() if many > 0]:
        for name in waiting:
            owed[name] = owed.get(name, 0.0) + weights[name]
        chosen = max(waiting, key=lambda name: owed[name])
        owed[chosen] -= sum(weights[name] for name in waiting)
        left[chosen] -= 1
        yield chosen


def tagged(pool: Pool, tag: str) -> Mapping[str, Sequence[str]]:
    """`Pool.arms` of a tag that a setting names.

    Raises:
        SettingError: a task without it.
    """
    try:
        return pool.arms(tag)
    except DataError as error:
        raise SettingError(f"tag = {tag!r}: {error}") from error


def difficulty(arm: str) -> bool:
    """Whether the value of a tag is a number above 0."""
    try:
        return 0 < float(arm) < inf
    except ValueError:
        return False


def softmax(values: Sequence[float], temperature: float = 1.0) -> list[float]:
    """exp(value / temperature), summing to 1; the empty list for none."""
    most = max(values, default=0.0)
    powers = [exp((value - most) / temperature) for value in values]
    return [power / sum(powers) for power in powers]


def top(names: Sequence[str], scores: NDArray[np.float64], count: int) -> list[str]:
    """The `count` names of highest score (N,), highest first."""
    count = min(count, len(names))
    if count <= 0:
        return []
    best = np.argpartition(-scores, count - 1)[:count]
    return [names[i] for i in best[np.lexsort((best, -scores[best]))]]


def rank(value: Hashable) -> tuple[bool, Any]:
    """The place of a tag's value among others: numbers by size, then text."""
    return (False, value) if isinstance(value, int | float) else (True, str(value))
