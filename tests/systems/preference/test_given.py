"""DPO and KTO on given preferences: of a world, of files, and what is refused before the first round."""

import asyncio
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from rounds import play_round, ready

from autotelic.errors import DataError
from autotelic.systems.preference.given import ahead, judged, ranking, sides
from autotelic.tasks.preferences import pair_of
from autotelic.worlds import open_world
from autotelic.worlds.chain.world import spoiled

FAST: dict[str, Any] = {"optimizer": {"learning_rate": 1e-3}, "tasks_per_round": 48}


def written(folder: Path, *rows: dict[str, Any]) -> str:
    path = folder / "t.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def chains(count: int) -> list[dict[str, Any]]:
    """Pairs of right and wrong solutions, as records."""
    tasks = open_world("chain?pairs=true&ops=3").tasks(count, seed=1)
    return [{"prompt": task.prompt, **task.hidden} for task in tasks]


def test_a_spoiled_chain_has_one_wrong_result_that_is_carried_on() -> None:
    world = open_world("chain?pairs=true&ops=3")
    for task in world.tasks(40, seed=2):
        chosen, rejected = pair_of(task) or ("", "")
        assert chosen == world.gold(task) and rejected == spoiled(str(task.prompt)) != chosen
        equations = [equation.split("=") for equation in rejected.split(";")[:-1]]
        wrong = [worked(left) != int(right) for left, right in equations]
        assert len(equations) == 3 and sum(wrong) == 1
        assert all(after[0][0] == before[1] for before, after in pairwise(equations))
        assert rejected.endswith(f"#{equations[-1][1]}")
    assert not open_world("chain").tasks(1, seed=2)[0].hidden


def worked(equation: str) -> int:
    left, op, right = equation
    return {"+": int(left) + int(right), "-": int(left) - int(right), "*": int(left) * int(right)}[op] % 10


@pytest.mark.parametrize("name", ["dpo", "kto"])
def test_pairs_are_told_apart_better_and_better(name: str) -> None:
    session = ready(name, **FAST)
    ctx, tasks = session.ctx, session.ctx.pool.tasks
    before = ranking(ctx, tasks)
    assert before["probe/pairs/accuracy"] == 0.5, "nothing has been gained, so all are ties"
    for number in (1, 2):
        play_round(session, number)
    after = ranking(ctx, tasks)
    assert after["probe/pairs/accuracy"] > 0.7 and after["probe/pairs/likelier"] > before["probe/pairs/likelier"]
    assert ctx.trained_on.keys() >= {f"{tasks[0].id}/chosen", f"{tasks[0].id}/rejected"}


def test_a_file_of_pairs_and_what_its_probe_says(tmp_path: Path) -> None:
    session = ready("dpo", tasks=written(tmp_path, *chains(30)), probe_size=3, **FAST)
    play_round(session)
    assert 0 <= session.ctx.metrics["rewards/accuracies"] <= 1
    assert asyncio.run(session.recipe.measure(session.ctx, session.probe_tasks)).keys() == {"probe/pairs/accuracy", "probe/pairs/likelier"}
    assert {task.prompt for task in session.probe_tasks}.isdisjoint(task.prompt for task in session.ctx.pool.tasks)


def test_kto_reads_labels_without_pairs(tmp_path: Path) -> None:
    rows = [{"prompt": row["prompt"], "completion": row[side], "label": side == "chosen"} for row in chains(20) for side in ("chosen", "rejected")]
    session = ready("kto", tasks=written(tmp_path, *rows), **FAST)
    ctx = session.ctx
    found = [judged(ctx, task) for task in ctx.pool.tasks]
    assert all(len(good) + len(bad) == 1 for good, bad in found)
    assert sum(len(good) for good, _ in found) == sum(len(bad) for _, bad in found)
    play_round(session)
    assert set(ranking(ctx, ctx.pool.tasks)) == {"probe/labels/accuracy"} and ranking(ctx, ctx.pool.tasks)["probe/labels/accuracy"] > 0.5


def test_sides_are_completions_behind_the_prompt() -> None:
    session = ready("dpo")
    task = session.ctx.pool.tasks[0]
    chosen, rejected = sides(session.ctx, task)
    tokenizer = session.ctx.policies["solver"].tokenizer
    for side, text in zip((chosen, rejected), pair_of(task) or (), strict=True):
        assert side.tokens == [*tokenizer.encode_prompt(task.prompt), *tokenizer.encode_completion(text)]
        assert sum(side.mask) == len(tokenizer.encode_completion(text))


def test_ahead() -> None:
    assert [ahead(2, 1), ahead(1, 1), ahead(1, 2)] == [1.0, 0.5, 0.0]


@pytest.mark.parametrize(
    ("name", "rows", "message"),
    [
        ("dpo", [{"prompt": "1+1="}, {"prompt": "1+2="}], "has no preference to train on: a record needs 'chosen' and 'rejected'; of worlds"),
        ("kto", [{"prompt": "1+1="}, {"prompt": "1+2="}], "needs 'chosen' and 'rejected', or 'completion' and 'label'"),
        ("dpo", [{"prompt": f"{i}+1=", "completion": "#2", "label": True} for i in range(3)], "needs 'chosen' and 'rejected'"),
        ("kto", [{"prompt": f"{i}+1=", "completion": "#2", "label": True} for i in range(3)], "all 2 completions are good"),
        ("kto", [{"prompt": f"{i}+1=", "completion": "#2", "label": "yes"} for i in range(3)], "expected true or false, got 'yes'"),
        ("dpo", [{"prompt": f"{i}+1=", "chosen": "#2" * 200, "rejected": "#3"} for i in range(3)], "exceed the model's context"),
        ("dpo", [{"prompt": f"{i}+1=", "chosen": "x", "rejected": "#3"} for i in range(3)], "'x'"),
    ],
)
def test_what_cannot_be_trained_on_is_refused_before_the_first_round(tmp_path: Path, name: str, rows: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(DataError) as caught:
        ready(name, tasks=written(tmp_path, *rows), sampling={"max_tokens": 8})
    assert (message in str(caught.value) and "t.jsonl line" in str(caught.value)) or "all 2" in message
