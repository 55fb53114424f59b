"""SEC, BOTS, ExIt and B-STaR: their formulas by hand, pools that are empty or one-sided, histories, and a controller that follows its monitor."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from small import small

from autotelic.errors import SettingError
from autotelic.rewards.novelty import spread
from autotelic.runs import loop
from autotelic.runs.opening import Session, plan
from autotelic.runs.progress import Progress
from autotelic.runs.reading import RunReader
from autotelic.systems.curriculum.exit.recipe import differs
from autotelic.systems.curriculum.sec.recipe import signal
from autotelic.systems.registry import find
from autotelic.systems.self_training.b_star.recipe import balance, means, ranked, select
from autotelic.tasks.samplers import Bandit, BetaBand
from autotelic.types import Group, Rollout, Task, Turn, TurnKind

NAMES = ("sec", "bots", "exit", "b-star")
TASK = Task("t", "1+1=")


def rollout(name: str, text: str = "", **rewards: float) -> Rollout:
    return Rollout(name, TASK, [], text, rewards=rewards)


def a_round(session: Session, number: int = 1) -> None:
    session.ctx.begin_round(number)
    asyncio.run(session.recipe.round(session.ctx))


# ---- formulas


def test_signal_is_the_mean_absolute_advantage() -> None:
    group = Group(TASK, [rollout("a"), rollout("b"), rollout("c"), rollout("d")])
    for item, advantage in zip(group, (0.5, -0.5, [0.2, -0.4], None), strict=True):
        item.advantage = advantage
    assert signal(group) == pytest.approx((0.5 + 0.5 + 0.3 + 0.0) / 4)
    assert signal(Group(TASK, [])) == 0.0


@pytest.mark.parametrize(
    ("right", "selected", "wanted", "effect"), [(8, 10, 8, 0.8), (4, 4, 8, 0.5), (4, 8, 8, 0.25), (12, 12, 8, 1.0), (0, 5, 8, 0.0), (0, 0, 8, 0.0)]
)
def test_query_effect(right: int, selected: int, wanted: int, effect: float) -> None:
    found = balance([rollout(f"r{i}", correct=float(i < right)) for i in range(selected)], wanted)
    assert found.effect == pytest.approx(effect)
    assert means([found, balance([], wanted)])["balance/effect"] == pytest.approx(effect / 2)
    assert means([])["balance/effect"] == 0.0


def test_selection_takes_different_texts_above_the_threshold_best_first() -> None:
    group = Group(
        TASK,
        [
            rollout("a", "x", correct=1.0, error=0.1),
            rollout("b", "x", correct=1.0, error=0.1),
            rollout("c", "y", correct=0.0, error=0.6),
            rollout("d", "z", correct=1.0, error=-0.5),
            rollout("e", "w", correct=1.0, error=0.4),
        ],
    )
    best = ranked(group)
    assert [r.id for r in best] == ["e", "a", "c", "d"]
    assert [r.id for r in select(best, 0.5, 9)] == ["e", "a", "c"]  # a score of exactly .5 does not pass
    assert [r.id for r in select(best, 0.4, 2)] == ["e", "a"]
    assert select(best, 2.0, 9) == []


def test_spread_is_the_distance_from_the_centroid() -> None:
    assert spread(["ab", "ab", "cd"]) == pytest.approx([0.5, 0.5, 1.0])  # (1/3, 1/3) and (2/3, 2/3) from the mean (2/3, 1/3)
    assert spread(["ab", "ab"]) == [0.0, 0.0]
    assert spread([]) == [] and spread(["", "a"]) == [0.0, 0.0]


def test_repeating_the_last_attempt_is_no_divergence() -> None:
    task = Task("h", "1+1=", hidden={"attempts": [[1, 2], [3, 4]]})
    turns = {name: [Turn(TurnKind.ACTION, tokens)] for name, tokens in {"same": [3, 4], "other": [1, 2]}.items()}
    assert [differs(Rollout(name, task, actions)) for name, actions in turns.items()] == [False, True]
    assert differs(Rollout("fresh", TASK, turns["same"]))


# ---- pools that are empty or one-sided


@pytest.mark.parametrize("name", NAMES)
def test_a_round_on_an_empty_pool_learns_nothing(name: str) -> None:
    session = plan(small(name))
    session.ctx.pool.evict(lambda task: True, "all gone")
    before = session.ctx.policies["solver"].version
    a_round(session)
    assert session.ctx.policies["solver"].version == before
    assert session.ctx.groups == []


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("reward", [0.0, 1.0])
def test_where_all_is_solved_or_nothing_rounds_go_on(name: str, reward: float) -> None:
    session = plan(small(name))

    class OneSided:
        def __getattr__(self, attribute: str) -> Any:
            return getattr(session.world, attribute)

        def verify(self, task: Task, answer: str | None) -> float:
            return reward

    session.ctx.world = OneSided()  # type: ignore[assignment]
    for number in range(1, 5):
        a_round(session, number)
        assert len({group.task.id for group in session.ctx.groups}) == 4
    pool = session.ctx.pool
    if isinstance(pool.sampler, Bandit):
        assert set(pool.sampler.state["values"].values()) == {0.0}
    if isinstance(pool.sampler, BetaBand):
        assert all((alpha > beta) == bool(reward) for alpha, beta in (pool.sampler.posterior(pool, seen) for seen in pool.stats))
    assert all("depth" not in task.tags for task in pool.tasks)


# ---- settings that cannot work


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("bots", {"tasks": "programs", "model": "programs", "tag": "kind"}, "tag = 'kind': must grow with difficulty, as a number above 0"),
        ("bots", {"tag": "opps"}, "tag = 'opps': task .* has no tag 'opps', .* did you mean 'ops'"),
        ("bots", {"references": (0.9, 0.5)}, "references must be two rates within 0 to 1, the weak solver's first, got 0.9 and 0.5"),
        ("bots", {"references": (0.5, 0.5)}, "references must be two rates"),
        ("sec", {"tag": "opps"}, "tag = 'opps': task .* has no tag 'opps'"),
        ("sec", {"tag": "opps", "curriculum": "ordered"}, "tag = 'opps': task .* has no tag 'opps'"),
        ("exit", {"diverge": 0.2}, "diverge=0.2 needs another text than refine='[?]' in apart"),
        ("exit", {"refine": "Again"}, "refine = 'Again': the model's vocabulary lacks 'A'"),
        ("exit", {"apart": ""}, "apart = ''"),
    ],
)
def test_what_cannot_work_is_refused_before_the_first_round(name: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        plan(small(name, **settings))


@pytest.mark.parametrize(("name", "settings"), [("sec", {"curriculum": "random"}), ("bots", {"select": "uniform"})])
def test_controls_that_do_not_look_at_the_tag_still_run(name: str, settings: dict[str, Any]) -> None:
    assert plan(small(name, **settings)).ctx.pool.draw(4)


# ---- what is particular to each


def test_under_one_prompt_a_right_copy_is_paid_in_one_way() -> None:
    assert find("exit").model_validate({}).diverge == 0.0  # type: ignore[attr-defined]
    recipe = find("exit").model_validate({"diverge": 1.0, "apart": "!"})
    session = plan(small("exit", tasks_per_round=8, least=1, replay=1.0, diverge=1.0, apart="!"))
    assert recipe.model_dump()["apart"] == "!"
    for number in range(1, 4):
        a_round(session, number)
    told = [one for group in session.ctx.groups for one in group if group.task.hidden.get("attempts")]
    assert told
    decode = session.ctx.policies["solver"].tokenizer.decode
    for one in told:
        shown = [decode(turn.tokens) for turn in one.turns if turn.kind is TurnKind.OBSERVATION]
        right = session.world.verify(one.task, one.answer)
        assert shown[-1].endswith("!") and one.rewards["correct"] == right * differs(one)


def test_sec_and_its_controls_draw_as_they_say() -> None:
    for curriculum in ("sec", "random", "ordered"):
        session = plan(small("sec", curriculum=curriculum, rounds=8))
        levels = []
        for number in range(1, 9):
            a_round(session, number)
            levels.append({group.task.tags["ops"] for group in session.ctx.groups})
            assert ("curriculum/chance/ops 1" in session.ctx.metrics) == (curriculum == "sec")
        if curriculum == "ordered":
            assert levels == [{level} for level in range(1, 9)]


def test_sec_counts_the_groups_with_a_signal() -> None:
    session = plan(small("sec", pool_size=160))
    a_round(session)
    rates = [sum(r.rewards["correct"] for r in group) / len(group) for group in session.ctx.groups]
    assert session.ctx.metrics["signal/mixed_so_far"] == sum(0 < rate < 1 for rate in rates) == 4 * session.ctx.metrics["signal/mixed"]


def test_bots_counts_the_groups_with_a_signal() -> None:
    session = plan(small("bots"))
    total = 0.0
    for number in range(1, 4):
        a_round(session, number)
        total += 4 * session.ctx.metrics["signal/mixed"]
        assert session.ctx.metrics["signal/mixed_so_far"] == total
    assert session.ctx.state == {"mixed": total}


def test_exit_starts_from_attempts_and_keeps_lineage(tmp_path: Path) -> None:
    session = plan(small("exit", tasks_per_round=8, least=1, replay=1.0, capacity=4))
    deepest = 0
    for number in range(1, 9):
        a_round(session, number)
        for group in session.ctx.groups:
            attempts = group.task.hidden.get("attempts", [])
            for one in group:
                past = [turn.tokens for turn in one.turns if turn.kind is TurnKind.OBSERVATION]
                question = session.ctx.policies["solver"].tokenizer.encode("?")
                assert past == [[*attempt, *question] for attempt in attempts]
                assert len(one.actions) == 1
    histories = [task for task in session.ctx.pool.tasks if "depth" in task.tags]
    assert 0 < len(histories) <= 4
    for task in histories:
        assert task.id == f"by-{task.tags['parents'][0]}"
        assert session.world.verify(task, task.answer) == 1.0
        assert "variance" in session.ctx.pool.stats[task.id]
        deepest = max(deepest, task.tags["depth"])
    assert deepest >= 2
    assert any(event["event"] == "evict" for event in session.ctx.pool.take_events())


def test_exit_without_replay_keeps_no_histories() -> None:
    session = plan(small("exit", replay=0.0, least=1))
    for number in range(1, 4):
        a_round(session, number)
    assert len(session.ctx.pool) == 48


def test_the_controller_of_b_star_picks_the_best_pair_of_its_grid() -> None:
    session = plan(small("b-star", noise=0.0, temperatures=(1.0,), thresholds=(-1.0, 0.5, 1.0)))
    a_round(session)
    # Without noise a threshold between 0 and 1 lets exactly the right ones pass; -1 lets wrong ones in, and 1 none.
    assert session.ctx.metrics["balance/threshold"] == 0.5
    assert session.ctx.metrics["balance/exploitation"] <= 1.0
    fixed = plan(small("b-star", controller=False, temperature=0.8, threshold=0.2))
    a_round(fixed)
    assert (fixed.ctx.metrics["balance/temperature"], fixed.ctx.metrics["balance/threshold"]) == (0.8, 0.2)


@pytest.mark.parametrize("name", NAMES)
def test_a_smoke_run(name: str, tmp_path: Path) -> None:
    outcome = loop.start(small(name, rounds=2, out=str(tmp_path / "run")), Progress(quiet=True))
    history = RunReader(outcome.folder).history()
    assert len(history) == 3 and outcome.report.is_file()
    if name == "exit":
        assert {f"probe/step {step}" for step in range(1, 9)} <= history[0].keys() and "probe/improvement" in history[2]
