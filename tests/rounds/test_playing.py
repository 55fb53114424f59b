"""Attempts at tasks that open an environment: what is sampled, shown and trained on, and every way in which an environment can fail."""

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest
from rounds import play_round, ready

from autotelic.errors import DataError, SettingError
from autotelic.learning.examples import example
from autotelic.learning.learner import Optimizer
from autotelic.policies.policy import Policy
from autotelic.rounds import playing
from autotelic.rounds.context import Context
from autotelic.rounds.playing import Ending, Rules, _guarded
from autotelic.rounds.roles import Role
from autotelic.rounds.sealed import sealed
from autotelic.runs.opening import plan
from autotelic.runs.probing import probe
from autotelic.tasks.pool import TaskPool
from autotelic.types import Rollout, Sampling, Task, Turn, TurnKind
from autotelic.worlds.lookup import Lookup, Search

PLAYED = {"model": "lookup", "tasks": "lookup"}


class Told(Context):
    """A context whose player says what it is told; without more it samples."""

    told: Iterator[str] = iter(())

    async def act(self, role: str, rollout: Rollout, **settings: Any) -> Turn:
        said = next(self.told, None)
        if said is None:
            return await super().act(role, rollout, **settings)
        tokenizer = self.policies["solver"].tokenizer
        tokens = [*tokenizer.encode(said), tokenizer.end_id]
        rollout.turns.append(Turn(TurnKind.ACTION, tokens, [0.0] * len(tokens), role, "solver", 0, text=said))
        rollout.text = said
        return rollout.turns[-1]


@pytest.fixture(scope="module")
def base() -> Policy:
    return ready("gold", **PLAYED).ctx.policies["solver"]


def context(policy: Policy, world: Any, *told: str) -> Told:
    ctx = Told(
        world=world, pool=TaskPool([], 0), policies={"solver": policy}, seed=0, optimizer=Optimizer(),
        roles={"solver": Role("solver", "solver", Sampling(max_tokens=6), world.parse)},
    )  # fmt: skip
    ctx.begin_round(1)
    ctx.told = iter(told)
    return ctx


def attempt(policy: Policy, world: Any, *told: str, n: int = 1) -> tuple[list[Rollout], dict[str, float]]:
    ctx = context(policy, world, *told)
    [group] = asyncio.run(ctx.sample("solver", [Lookup().tasks(1, seed=0)[0]], n))
    return group.rollouts, ctx.metrics


def test_a_play_is_one_rollout_whose_moves_alone_are_targets(base: Policy) -> None:
    world = Lookup()
    task = world.tasks(1, seed=0)[0]  # '743505 1', which opens 'nuc=': the answer is 5
    assert (task.prompt, world.open(task).question, task.answer) == ("743505 1", "nuc=", "5")
    [rollout], counts = attempt(base, world, "?nuc", "#5")
    assert [(turn.kind.value, turn.text.rstrip("\x03")) for turn in rollout.turns] == [
        ("prompt", rollout.turns[0].text), ("action", "?nuc"), ("observation", "5:"), ("action", "#5")
    ]  # fmt: skip
    assert (rollout.task, rollout.text, rollout.answer, rollout.rewards) == (task, "?nuc\n#5", "5", {})
    assert rollout.keys | {"role": 0, "task": 0} == {
        "role": 0, "task": 0, "opening": "nuc=", "env": "lookup", "ending": "finished", "outcome": "answered 5", "won": 1.0
    }  # fmt: skip
    mask = example(rollout).mask
    assert mask == [0.0] * len(rollout.turns[0].tokens) + [1.0] * 5 + [0.0] * 2 + [1.0] * 3
    assert counts == {"games/plays": 1.0, "games/turns": 2.0, "games/finished": 1.0}


def test_plays_and_answers_are_sampled_side_by_side(base: Policy) -> None:
    """A task that opens no environment is answered at once, in the same call, and groups come in the order of their tasks."""
    ctx = context(base, world := Lookup())
    tasks = [world.tasks(1, seed=0)[0], Task("plain", "kl="), *world.tasks(3, seed=0)[1:]]
    groups = asyncio.run(ctx.sample("solver", tasks, 3))
    assert [group.task for group in groups] == tasks and all(len(group) == 3 for group in groups)
    assert ["env" in group.rollouts[0].keys for group in groups] == [True, False, True, True]
    assert len({rollout.id for group in groups for rollout in group}) == 12
    again = context(base, world)
    alone = asyncio.run(again.sample("solver", tasks[2:3], 3))
    assert [rollout.tokens for rollout in alone[0]] == [rollout.tokens for rollout in groups[2]]  # whatever else is sampled
    with pytest.raises(SettingError, match="forced"):
        asyncio.run(ctx.sample("solver", tasks, 1, forced=[3]))


def test_the_same_player_behind_the_seal(base: Policy) -> None:
    ctx = context(base, world := Lookup())
    with ctx.sealing():
        [group] = asyncio.run(ctx.sample("solver", [sealed(world.tasks(1, seed=0)[0])], 2))
    assert group.rollouts[0].keys["ending"] in set(Ending)


def test_illegal_moves_end_a_play_and_cost_nothing_else(base: Policy) -> None:
    for move in ("?kk", "nuc", "?nu", "#12"):
        [rollout], counts = attempt(base, Lookup(), "?nuc", move)
        assert (rollout.keys["ending"], rollout.keys["won"], rollout.answer, rollout.rewards, rollout.trained) == ("illegal", 0.0, None, {}, True)
        assert counts["games/illegal"] == 1.0


class Hostile(Search):
    """Sources that do what `fault` says, at the second observation unless it says otherwise."""

    fault: str

    def reset(self, seed: int) -> None:
        super().reset(seed)
        if self.fault == "raises at once":
            raise RuntimeError("no")

    @property
    def to_move(self) -> int | None:
        return None if self.fault == "over" else super().to_move

    def step(self, action: str) -> bool:
        if self.fault == "nothing is legal":
            return False
        if self.fault == "hangs":
            while True:
                try:
                    time.sleep(0.01)
                except Exception:
                    continue
        if self.fault == "never ends":
            return True
        return super().step(action)

    def observe(self, player: int) -> Any:
        first = not self.asked
        if self.fault == "raises" and not first:
            raise KeyError("gone")
        if self.fault == "a megabyte":
            return self.shown if first else "7" * 10**6
        if self.fault == "a megabyte at once":
            return "7" * 10**6
        if self.fault == "no text":
            return self.shown if first else 7
        if self.fault == "unreadable":
            return self.shown if first else "\N{SNOWMAN}:"
        if self.fault == "never ends":
            return "7:" if self.moved else self.shown
        return super().observe(player)

    moved = False


def hostile(fault: str) -> Lookup:
    class World(Lookup):
        def open(self, task: Task) -> Search:
            found = type("Found", (Hostile,), {"fault": fault})(*self.posed(str(task.prompt)), self.knobs) if fault != "raises at once" else None
            if found is None:
                found = object.__new__(type("Found", (Hostile,), {"fault": fault}))
                found.question, found.facts, found.knobs = *self.posed(str(task.prompt)), self.knobs
            return found

    return World()


@pytest.mark.parametrize(
    ("fault", "ending", "trained"),
    [
        ("raises at once", Ending.RAISED, False), ("raises", Ending.RAISED, False), ("hangs", Ending.TIMED_OUT, False), ("a megabyte", Ending.NO_ROOM, True),
        ("a megabyte at once", Ending.NO_ROOM, True), ("over", Ending.OVER, False), ("nothing is legal", Ending.ILLEGAL, True),
        ("no text", Ending.RAISED, False), ("unreadable", Ending.RAISED, False),
    ],
)  # fmt: skip
def test_what_an_environment_does_wrong_is_an_ending_that_is_counted(
    base: Policy, monkeypatch: pytest.MonkeyPatch, fault: str, ending: Ending, trained: bool
) -> None:
    monkeypatch.setattr(playing, "ALONE", Rules(illegal=0.0, others=0.0, seconds=0.1))
    rollouts, counts = attempt(base, hostile(fault), *["?nuc"] * 2, n=2)
    assert [(one.keys["ending"], one.answer, one.trained, one.keys["won"]) for one in rollouts] == [(ending, None, trained, 0.0)] * 2
    assert counts[f"games/{ending.value}"] == 2.0
    assert all(len(one.tokens) < 128 for one in rollouts)
    assert not any(any(example(one).mask) for one in rollouts) or trained


def test_a_play_that_never_ends_is_ended(base: Policy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(playing, "ALONE", Rules(illegal=0.0, others=0.0, turns=5))
    [rollout], counts = attempt(base, hostile("never ends"), *["?nuc"] * 9)
    assert (rollout.keys["ending"], len(rollout.actions), counts["games/too_long"]) == ("too_long", 5, 1.0)
    monkeypatch.undo()
    [rollout], counts = attempt(base, hostile("never ends"), *["?nuc"] * 99)  # or where its context is full
    assert (rollout.keys["ending"], counts["games/no_room"]) == ("no_room", 1.0) and len(rollout.tokens) <= 128


@pytest.mark.parametrize("name", ["gold", "raft", "scpo", "intuitor", "exit", "entropy-only"])
@pytest.mark.parametrize("fault", ["raises", "over"])
def test_rounds_go_on_where_every_environment_fails(name: str, fault: str) -> None:
    session = ready(name, **PLAYED)
    session.ctx.world = hostile(fault)
    play_round(session)
    assert session.ctx.metrics[f"games/{'raised' if fault == 'raises' else fault}"] > 0.0


def test_a_task_whose_environment_cannot_be_opened_is_refused_before_the_first_round(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Lookup, "open", hostile("over").open.__func__)  # type: ignore[attr-defined]
    with pytest.raises(DataError, match="over before the first move"):
        ready("gold", **PLAYED)


def test_an_alarm_that_somebody_else_set_is_left_as_it_was() -> None:
    import signal

    rung = []
    before = signal.signal(signal.SIGALRM, lambda *_: rung.append(1))
    signal.setitimer(signal.ITIMER_REAL, 60.0)
    try:
        with _guarded("x", 0.5):
            pass
        assert 50.0 < signal.getitimer(signal.ITIMER_REAL)[0] <= 60.0 and signal.getsignal(signal.SIGALRM) is not before
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
    assert rung == []


def test_the_probe_plays_held_out_tasks(base: Policy) -> None:
    world = Lookup()
    role = Role("solver", "solver", Sampling(max_tokens=6), world.parse)
    tasks = world.tasks(8, seed=0, split="probe")
    one, two = (asyncio.run(probe(base, role, world, tasks, samples=3, round_number=number)) for number in (0, 5))
    assert one.outcomes == two.outcomes  # the same luck in every round
    assert one.slices == ["hops 1", "hops 2"] and all(len(outcome.samples) == 3 for outcome in one.outcomes)
    metrics = one.metrics()
    assert metrics["probe/moves"] > 1.0 and 0.0 <= metrics["probe/accuracy"] <= 1.0 and metrics["probe/entropy"] > 0.0


def test_what_is_taught_is_the_play_with_its_observations() -> None:
    ctx = ready("supervised", **PLAYED).ctx
    task = Lookup().tasks(1, seed=0)[0]
    item = ctx.taught("solver", task, "?nuc\n#5")
    tokenizer = ctx.policies["solver"].tokenizer
    prompt = ctx.prompt("solver", task)
    parts = [(tokenizer.encode_completion("?nuc"), 1.0), (tokenizer.encode("5:"), 0.0), (tokenizer.encode_completion("#5"), 1.0)]
    assert item.tokens == [*prompt, *(token for tokens, _ in parts for token in tokens)]
    assert item.mask == [0.0] * len(prompt) + [weight for tokens, weight in parts for _ in tokens]


def test_nothing_held_out_is_learned_from_plays() -> None:
    session = ready("gold", **PLAYED)
    ctx = session.ctx
    assert all(task in ctx.held_out for task in session.probe_tasks) and not any(task in ctx.held_out for task in ctx.pool.tasks)


def test_what_needs_single_answers_is_refused() -> None:
    with pytest.raises(SettingError, match="played in turns"):
        plan({"recipe": "gold", **PLAYED, "gate": {"by": "accuracy", "max_drift": 0.1}})
