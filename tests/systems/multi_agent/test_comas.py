"""CoMAS: who judges whom, what is paid, what is learned, and what is refused."""

import asyncio
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest
from small import small

from autotelic.errors import AutotelicError, SettingError
from autotelic.runs import loop
from autotelic.runs.opening import Session, plan
from autotelic.runs.progress import Progress
from autotelic.systems.multi_agent.comas.recipe import shares, shuffled
from autotelic.types import Rollout


def played(**settings: Any) -> Session:
    session = plan(small("comas", **settings))
    session.ctx.begin_round(1)
    asyncio.run(session.recipe.round(session.ctx))
    return session


def said(session: Session) -> dict[str, list[Rollout]]:
    """Rollouts by the part they play."""
    found: dict[str, list[Rollout]] = {}
    for group in session.ctx.groups:
        for rollout in group:
            found.setdefault(rollout.keys["role"].split(":")[0], []).append(rollout)
    return found


def test_turns_are_shuffled_and_shared_evenly() -> None:
    names = ["a", "b", "c"]
    order = shuffled(names, 10, Random(0))
    assert sorted(Counter(order).values()) == [3, 3, 4] and order != shuffled(names, 10, Random(1))
    assert shuffled(names, 0, Random(0)) == [] and shuffled(["a"], 3, Random(0)) == ["a"] * 3


@pytest.mark.parametrize("agents", [1, 2, 3])
def test_every_solution_is_judged_and_no_one_always_judges_the_same(agents: int) -> None:
    session = played(agents=agents, tasks_per_round=48)
    parts = said(session)
    assert {part: len(rollouts) for part, rollouts in parts.items()} == {"solve": 48, "evaluate": 48, "score": 48}
    solver = {rollout.id: rollout.keys["role"].split(":")[1] for rollout in parts["solve"]}
    for part in ("evaluate", "score"):
        speakers = {rollout.task.tags["parents"][0]: rollout.keys["role"].split(":")[1] for rollout in parts[part]}
        assert set(speakers) == set(solver) and set(Counter(speakers.values()).values()) == {48 // agents}
        pairs = Counter((solver[name], speaker) for name, speaker in speakers.items())
        assert len(pairs) == agents**2, "over a round every agent meets every agent"
    assert set(session.ctx.learners) == set(session.recipe.names)  # type: ignore[attr-defined]


def test_partners_change_from_round_to_round() -> None:
    session = plan(small("comas", tasks_per_round=12))
    orders = []
    for number in (1, 2):
        session.ctx.begin_round(number)
        orders.append(shuffled(["a", "b", "c"], 12, session.ctx.random("turns", "score")))
    assert orders[0] != orders[1]


def test_a_score_is_shared_by_those_it_is_about() -> None:
    parts = said(played(tasks_per_round=12))
    by_solution = {part: {rollout.task.tags["parents"][0]: rollout for rollout in parts[part]} for part in ("evaluate", "score")}
    for solution in parts["solve"]:
        critique, score = by_solution["evaluate"][solution.id], by_solution["score"][solution.id]
        assert tuple(each.rewards["interaction"] for each in (solution, critique, score)) == shares(score.answer)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"bases": ("chain-skills", "chain-skills", "no-such-model")}, "bases names 3 models, for the 2 agents beside the first"),
        ({"agents": 1, "bases": ("chain-skills",)}, "bases names 1 models, for the 0 agents beside the first"),
        ({"bases": ("no-such-model",)}, "no-such-model"),
        ({"bases": ("strings",)}, "bases, strings: the role 'solve:agent-2' cannot read it: .* vocabulary lacks"),
        ({"bases": ("chain-medium",)}, "bases, chain-medium = .*: the model's vocabulary lacks ':' '[?]' 'C' 'J'"),
        ({"learns": ()}, "learns"),
        (
            {"sampling": {"max_tokens": 160}},
            r"sampling.max_tokens: the role 'score:solver' has no room for a prompt of 1\d\d tokens and a reply of 64",
        ),
        ({"learns": ("solving",)}, "learns"),
    ],
)
def test_what_cannot_work_is_refused_before_the_first_round(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(AutotelicError, match=message):
        plan(small("comas", **settings))


def test_models_of_the_vote_that_cannot_read_the_tasks_are_refused() -> None:
    with pytest.raises(SettingError, match="bases, strings: the role 'model-2' cannot read it"):
        plan(small("rlccf", bases=("strings",)))


def test_it_runs_on_tasks_without_answers(tmp_path: Path) -> None:
    tasks = tmp_path / "unlabeled.jsonl"
    tasks.write_text("".join(f'{{"prompt": "{a}+{b}*2="}}\n' for a in range(6) for b in range(4)))
    outcome = loop.start(small("comas", tasks=str(tasks), rounds=1, out=str(tmp_path / "run")), Progress(quiet=True))
    assert outcome.report.is_file()
