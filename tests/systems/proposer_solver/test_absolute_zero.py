"""The Absolute Zero Reasoner: its rewards by hand, a round with given completions, the ends, and that it runs."""

import asyncio
from pathlib import Path

import pytest
from replying import context
from scripted import Noting, made
from small import small

from autotelic.bases.making import fresh
from autotelic.bases.specs import find_spec
from autotelic.engines.batching import Batcher
from autotelic.engines.torch_engine import TorchEngine
from autotelic.errors import SettingError
from autotelic.learning.advantages import whiten
from autotelic.policies.policy import Policy
from autotelic.runs import loop
from autotelic.runs.opening import plan
from autotelic.runs.progress import Progress
from autotelic.systems.proposer_solver.absolute_zero.recipe import AbsoluteZero, learnability, solved
from autotelic.systems.registry import find
from autotelic.types import Rollout, Task, Turn, TurnKind
from autotelic.worlds import open_world

WORLD = open_world("programs?pairs=2")
SEEDS = {"d:R:345=": ["#543"], "a:R:543=": ["#345"], "i:345>543,12>21=": ["#L"]}
POSED = {"*d:R:345=": ["RI:41", "E:13", "RR"], "*a:R:345=": ["S:21"] * 3, "*i:R=": ["1", "12,12,34,5", "0,1,2,34"]}


def played(replies: dict[str, list[str]], **settings: object) -> Noting:
    """The context after one round of three problems of each kind, two tries of each and one solution to learn from."""
    recipe = made("absolute-zero", tasks_per_round=3, tries=2, solutions=1, bootstrap=0, **settings)
    model, tokenizer = fresh(find_spec("programs"), WORLD.alphabet)
    ctx = context(recipe, Policy("solver", model, tokenizer, Batcher(TorchEngine())), WORLD, recipe.pool(WORLD, 9, 0), replies)
    ctx.policies |= {name: ctx.policies["solver"].clone(name) for name in recipe.policies()}
    asyncio.run(recipe.round(ctx))
    return ctx


def rewards(ctx: Noting, name: str) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for rollout in (rollout for group in ctx.groups for rollout in group if name in rollout.rewards):
        found.setdefault(rollout.task.tags["kind"], []).append(rollout.rewards[name])
    return found


@pytest.mark.parametrize(
    "rate,shipped,paper,inverse",
    [(0.0, -0.5, 0.0, 1.0), (0.25, 0.75, 0.75, 0.75), (0.5, 0.5, 0.5, 0.5), (1.0, -0.5, 0.0, -0.5), (None, -1.0, -1.0, -1.0)],
)
def test_what_a_problem_is_worth(rate, shipped, paper, inverse):
    assert [learnability(rate, ends) for ends in ("shipped", "paper", "inverse")] == [shipped, paper, inverse]


def test_what_a_solution_is_worth():
    assert [solved("1", 1.0), solved("1", 0.0), solved(None, 0.0)] == [1.0, -0.5, -1.0]


def test_buckets_do_not_share_a_mean():
    def rollout(name: str, kind: str, reward: float) -> Rollout:
        turn = Turn(TurnKind.ACTION, [1], [0.0])
        return Rollout(name, Task(name, "", tags={"kind": kind}), [turn], rewards={"solved": reward}, keys={"role": "solver"})

    rollouts = [rollout("a", "deduction", 1.0), rollout("b", "deduction", -0.5), rollout("c", "induction", -0.5), rollout("d", "induction", -1.0)]
    whiten(rollouts, key=lambda each: (each.keys["role"], each.task.tags["kind"]))
    assert [each.advantage for each in rollouts] == pytest.approx([1.0, -1.0, 1.0, -1.0], abs=1e-4)
    whiten(rollouts, key=lambda each: "all")
    assert rollouts[2].advantage < 0 < rollouts[0].advantage


def test_a_round():
    tried = {"d:RI:41=": ["14;#25", "#14", "#25"], "a:S:12=": ["#12", "#21"] * 3 + ["#12", "##", "#3"], "i:0>0,1>1=": ["#R", "#L", "#R"]}
    ctx = played({**POSED, **{prompt: said * 3 for prompt, said in SEEDS.items()}, **tried})
    assert rewards(ctx, "learnability") == {"deduction": [0.5, -1.0, -1.0], "abduction": [-0.5] * 3, "induction": [-1.0, -1.0, -0.5]}
    assert ctx.metrics["proposals/unparsed"] == 1 and ctx.metrics["proposals/refused"] == 3, "RR; E on odd digits, too few lists twice"
    by_id = {item.rollout: item for item in ctx.learned[0][0]}
    assert len(ctx.learned) == 1 and {name.split("/")[1] for name in by_id} == {"solver", "proposer"}
    kept = [task for task in ctx.pool.tasks if "born" in task.tags]
    assert all(not WORLD.held_out(task.prompt) and task.tags["parents"][0].startswith("r1/proposer/") for task in kept)
    assert all(set(task.tags["references"]) <= set(ctx.pool.ids) and "rate" in ctx.pool.stats[task.id] for task in kept)
    trained = {group.task.prompt for group in ctx.groups if group.rollouts[0].keys["role"] == "solver"}
    assert not any(WORLD.held_out(prompt) for prompt in trained), "what a probe may ask is posed and never solved for training"


def test_the_bootstrap_poses_after_what_it_posed_before():
    session = plan(small("absolute-zero", tasks_per_round=8, bootstrap=3, tries=1, solutions=1))
    session.ctx.begin_round(1)
    asyncio.run(session.recipe.round(session.ctx))
    passes: dict[str, list[Task]] = {}
    for task in session.ctx.pool.tasks:
        if "born" in task.tags:
            passes.setdefault(task.tags["parents"][0].split("/")[-1], []).append(task)
    assert sorted(passes) == ["0", "1", "2", "3"], "three passes of the bootstrap, then the round itself"
    seeds = {task.id for task in session.recipe.pool(session.world, 1, 0)}
    assert all(set(task.tags["references"]) <= seeds for task in passes["0"])
    programs = [{task.hidden["program"] for task in passes[number]} for number in "012"]
    assert any(name not in seeds for task in passes["1"] for name in task.tags["references"])
    assert len(set().union(*programs)) > len(programs[0])


@pytest.mark.parametrize("proposer", ["trained", "frozen"])
def test_nothing_that_parses(proposer):
    junk = {prompt: ["="] * 3 for prompt in POSED}
    ctx = played({**junk, **{prompt: said * 3 for prompt, said in SEEDS.items()}}, proposer=proposer)
    assert rewards(ctx, "learnability") == {"deduction": [-1.0] * 3, "abduction": [-1.0] * 3, "induction": [-1.0] * 3}
    assert ctx.metrics["proposals/unparsed"] == 9 and len(ctx.pool) == 3
    assert {name for name, value in rewards(ctx, "solved").items() if value} == {"deduction", "abduction", "induction"}, "the buffers are trained on"
    assert ("proposer" in {item.rollout.split("/")[1] for item in ctx.learned[0][0]}) == (proposer == "trained")


def test_full_buffers_drop_the_oldest():
    tried = {"d:RI:41=": ["#25"] * 3, "a:S:12=": ["#12"] * 9, "i:0>0,1>1=": ["#R"] * 3}
    ctx = played({**POSED, **{prompt: said * 3 for prompt, said in SEEDS.items()}, **tried}, buffer=1)
    assert all(len(names) == 1 for names in ctx.pool.arms("kind").values())
    assert any("born" in task.tags for task in ctx.pool.tasks)


def test_the_settings():
    with pytest.raises(SettingError, match="runs on the world 'programs'"):
        AbsoluteZero().roles(open_world("chain"))
    with pytest.raises(ValueError, match="tries_temperature"):
        find("absolute-zero").model_validate({"tries_temperature": 0})
    for task in AbsoluteZero().pool(WORLD, 1, 0):
        assert not WORLD.held_out(task.prompt), "the seeds are trained on"
    assert {task.tags["ops"] for task in AbsoluteZero(probe_ops=(2, 3)).probe(WORLD, 30, 0)} == {2, 3}


@pytest.mark.parametrize("proposer", ["trained", "frozen"])
def test_it_runs(proposer, tmp_path: Path):
    outcome = loop.start(small("absolute-zero", rounds=2, proposer=proposer, out=str(tmp_path / "run")), Progress(quiet=True))
    assert outcome.report.is_file()


def test_references_that_the_model_has_no_room_for_are_refused_before_the_first_round():
    with pytest.raises(
        SettingError, match=r"references: the role 'proposer' has no room for a prompt of \d+ tokens and a reply of 48 in a context of 96"
    ):
        plan(small("absolute-zero", references=6))
    with pytest.raises(SettingError, match="tasks: the role 'solver' has no room"):
        plan(small("absolute-zero", tasks="programs?pairs=5"))
