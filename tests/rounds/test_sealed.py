"""Gold answers are out of reach of a round that declares that it needs none, whichever way it tries; monitors and yardsticks see them."""

import asyncio
import pickle
from collections.abc import Callable
from dataclasses import replace

import pytest
from contexts import context

from autotelic.errors import GoldLeak
from autotelic.policies.policy import Policy
from autotelic.rounds.context import Context
from autotelic.rounds.sealed import SealedPool, sealed, sealed_world, unsealed
from autotelic.tasks.file_world import FileWorld
from autotelic.tasks.pool import TaskPool
from autotelic.types import Group, Rollout, Task, World
from autotelic.worlds import open_world
from autotelic.worlds.chain_skills import ChainSkills

Make = Callable[..., Policy]
GOLD = Task("a", "1+1=", "2", {"completion": "1+1=2", "document": "sums", "solution": "2"}, {"ops": 1})
CHAIN = open_world("chain-skills")


def test_the_answer_and_gold_columns_raise_and_the_rest_is_there() -> None:
    task = sealed(GOLD)
    assert (task.id, task.prompt, task.tags, task.labeled) == ("a", "1+1=", {"ops": 1}, True)
    with pytest.raises(GoldLeak, match=r"gold answer of task 'a'"):
        _ = task.answer
    with pytest.raises(GoldLeak, match=r"hidden field 'completion'"):
        _ = task.hidden["completion"]
    assert dict(task.hidden) == {"document": "sums"} and len(task.hidden) == 1
    assert unsealed(task) is GOLD and sealed(task) is task
    assert "2" not in repr(task)


def test_copies_stay_sealed() -> None:
    for copy in (sealed(GOLD).changed(tags={}), sealed(GOLD).changed(hidden={"label": "3"}), pickle.loads(pickle.dumps(sealed(GOLD)))):  # noqa: S301
        with pytest.raises(GoldLeak):
            _ = copy.answer
        assert unsealed(copy).answer == "2"
    with pytest.raises(GoldLeak):
        replace(sealed(GOLD), id="b")


def test_a_task_without_an_answer_has_none_and_that_is_no_secret() -> None:
    assert sealed(Task("a", "1+1=")).answer is None and not sealed(Task("a", "1+1=")).labeled


def test_a_pool_hands_out_sealed_tasks_but_for_the_models_own_and_declared_seeds() -> None:
    pool = TaskPool([GOLD, replace(GOLD, id="s", tags={"seed": True})], 0)
    view = SealedPool(pool)
    view.add([Task("own", "2+2=", "5", tags={"born": 1, "parents": ["r"]})], why="own label")
    view.add([sealed(replace(GOLD, id="posed", tags={"born": 1, "parents": ["r"]}))], why="posed")
    assert {task.id for task in view.tasks if isinstance(task, type(sealed(GOLD)))} == {"a", "s", "posed"}
    assert view["own"].answer == "5" and len(view.draw(4)) == 4
    for name in ("a", "s", "posed"):
        with pytest.raises(GoldLeak):
            _ = view[name].answer
    assert SealedPool(pool, seeds=True)["s"].answer == "2"
    assert {task.id for task in pool.tasks} == {"a", "s", "own", "posed"} and pool["posed"].answer == "2"
    with pytest.raises(GoldLeak):
        view.evict(lambda task: task.answer == "2", why="by the answer")


@pytest.mark.parametrize("asked", ["gold", "lesson", "verify", "solve", "sloppy", "mended", "checked", "believed"])
def test_a_world_tells_nothing_that_is_true(asked: str) -> None:
    view = sealed_world(CHAIN)
    assert isinstance(view, ChainSkills) and view.name == "chain-skills"
    with pytest.raises(GoldLeak, match=asked):
        getattr(view, asked)


def test_a_world_still_makes_puts_and_reads_its_tasks() -> None:
    view = sealed_world(CHAIN)
    (task,) = view.tasks(1, seed=0)
    assert task == sealed(CHAIN.tasks(1, seed=0)[0])
    assert view.parse("1+1=2;#2") == CHAIN.parse("1+1=2;#2") == "2"
    assert isinstance(view, ChainSkills) and view.task(str(task.prompt)).labeled
    with pytest.raises(GoldLeak):
        _ = view.task(str(task.prompt)).answer
    files = sealed_world(FileWorld([replace(GOLD, id=name, prompt=name) for name in "abcd"]))
    with pytest.raises(GoldLeak):
        _ = files.splits  # type: ignore[attr-defined]
    with pytest.raises(AttributeError):
        _ = view.no_such_thing  # type: ignore[attr-defined]


@pytest.mark.parametrize("world", [CHAIN, FileWorld([replace(GOLD, id=name, prompt=name) for name in "abcd"])], ids=["generated", "file"])
def test_skills_are_asked_and_read_behind_the_seal_and_tell_no_truth(world: World) -> None:
    task = Task("x", "1+1=", "2")
    for name in ("critique", "judge"):
        open_skill, skill = world.skill(name), sealed_world(world).skill(name)
        assert skill.ask("1+1=", "1+1=2;#2") == open_skill.ask("1+1=", "1+1=2;#2") and skill.read("#3") == open_skill.read("#3")
        assert open_skill.truth and open_skill.truth(task, "1+1=2;#2" if world is CHAIN else "2") in ("0", "5") and skill.truth
        with pytest.raises(GoldLeak, match=f"the truth of the skill '{name}'"):
            skill.truth(sealed(task), "1+1=2;#2")
    with pytest.raises(GoldLeak):
        _ = sealed_world(world).language  # type: ignore[attr-defined]


def test_an_environment_verifies_and_says_no_more() -> None:
    view, (task,) = sealed_world(CHAIN, environment=True), CHAIN.tasks(1, seed=0)
    assert view.verify(sealed(task), task.answer) == 1.0
    with pytest.raises(GoldLeak):
        view.gold(task)


def test_inside_a_round_all_is_sealed_and_afterwards_monitors_see(policy: Make) -> None:
    ctx = context(policy())
    ctx.world, ctx.pool = CHAIN, TaskPool([GOLD], 0)
    with ctx.sealing():
        (task,) = ctx.pool.draw(1)
        ctx.note([Group(task, [Rollout("r", task, [])])])
        ctx.label(task, "2")
        ctx.audit(lambda truth: {"right": truth.verify(task, "2") or 0.0, "unknown": float(truth.verify(Task("x", "?"), "2") is None)})
        with pytest.raises(GoldLeak):
            ctx.world.verify(task, "2")
    assert ctx.groups[0].task.answer == ctx.groups[0].rollouts[0].task.answer == ctx.labels[0][0].answer == "2"

    class Equal:
        def verify(self, task: Task, answer: str | None) -> float:
            return float(task.answer == answer)

    assert ctx.audited(Equal()) == {"right": 1.0, "unknown": 1.0}  # type: ignore[arg-type]
    assert ctx.audited(Equal()) == {}  # type: ignore[arg-type]


def test_yardsticks_leave_no_trace_in_state_or_meter(policy: Make) -> None:
    ctx: Context = context(policy())
    ctx.state["seen"] = [1]
    with ctx.aside():
        asyncio.run(ctx.sample("solver", ctx.pool.draw(1), n=2))
        ctx.state["seen"].append(2)
        ctx.log(x=1.0)
    assert (ctx.state, ctx.metrics, ctx.groups, ctx.meter.sampled) == ({"seen": [1]}, {}, [], 0)
