"""The pool: draws, lineage, statistics, and a replay of all of it."""

import json
from collections import Counter
from typing import Any

import pytest

from autotelic.errors import DataError
from autotelic.tasks.pool import TaskPool
from autotelic.tasks.samplers import Newest, Shuffled
from autotelic.types import Task


def tasks(count: int, prefix: str = "t") -> list[Task]:
    return [Task(f"{prefix}{i}", f"{i}+1=", answer=str(i + 1), hidden={"note": i}, tags={"level": i % 3}) for i in range(count)]


def names(found: list[Task]) -> list[str]:
    return [task.id for task in found]


@pytest.mark.parametrize("count", [1, 3, 4, 7, 10])
def test_every_task_comes_once_before_any_comes_again(count: int) -> None:
    pool = TaskPool(tasks(10), seed=0)
    drawn: list[str] = []
    for _ in range(60):
        batch = names(pool.draw(count))
        assert len(set(batch)) == len(batch) == count
        drawn += batch
        seen = Counter(drawn)
        most, least = max(seen.values()), min(seen[f"t{i}"] for i in range(10))
        assert most - least <= 1 + (10 % count != 0)  # a batch across the end of a round may not hold a task twice
    rounds = [tuple(drawn[i : i + 10]) for i in range(0, len(drawn) - 9, 10)]
    assert all(sorted(one) == sorted(names(tasks(10))) for one in rounds)
    assert len(set(rounds)) > 1


def test_draws_are_keyed_by_the_seed() -> None:
    first, same, other = (TaskPool(tasks(30), seed) for seed in (0, 0, 1))
    batch = names(first.draw(10))
    assert batch == names(same.draw(10)) != names(other.draw(10))
    assert batch != names(tasks(30))[:10]


def test_a_draw_gives_what_there_is() -> None:
    assert sorted(names(TaskPool(tasks(3), 0).draw(8))) == ["t0", "t1", "t2"]
    assert TaskPool([], 0).draw(4) == []
    assert TaskPool(tasks(3), 0).draw(0) == []


def test_newcomers_and_the_evicted_are_seen_by_the_sampler() -> None:
    pool = TaskPool(tasks(6), 0)
    pool.draw(4)
    pool.add(tasks(2, "new"), why="grown")
    assert pool.evict(lambda task: task.id == "t0", "easy") == 1
    drawn = Counter(name for _ in range(14) for name in names(pool.draw(3)))
    assert "t0" not in drawn
    assert drawn.keys() == {*names(tasks(6)), "new0", "new1"} - {"t0"}
    assert max(drawn.values()) - min(drawn.values()) <= 2


def test_newest_draws_from_the_window() -> None:
    pool = TaskPool(tasks(10), 0)
    sampler = Newest(3)
    assert sorted(names(pool.draw(5, sampler))) == ["t7", "t8", "t9"]
    pool.add(tasks(1, "new"), "grown")
    seen = {name for _ in range(20) for name in names(pool.draw(2, sampler))}
    assert seen == {"t8", "t9", "new0"}


def test_ids_are_unique() -> None:
    with pytest.raises(DataError, match="the pool already holds a task with id 't1'"):
        TaskPool([*tasks(3), Task("t1", "other")], 0)
    pool = TaskPool(tasks(3), 0)
    with pytest.raises(DataError, match="'t2'"):
        pool.add(tasks(3)[2:], "again")
    assert (len(pool), "t2" in pool, "t9" in pool, pool["t2"].prompt) == (3, True, False, "2+1=")


def test_events_tell_what_happened_once() -> None:
    pool = TaskPool(tasks(3), 0)
    child = Task("child", "9+9=", tags={"parents": ["t1"], "born": 2})
    pool.add([child], why="harder version")
    pool.update("t1", solved=0.5, seen=8)
    pool.update("t1", solved=0.75)
    pool.evict(lambda task: task.tags.get("level") == 2, why="too hard")
    events = pool.take_events()
    assert [event["event"] for event in events] == ["add", "update", "update", "evict"]
    assert (events[0]["why"], events[0]["task"]["id"], events[0]["task"]["tags"]["parents"]) == ("harder version", "child", ["t1"])
    assert events[3] == {"event": "evict", "why": "too hard", "id": "t2"}
    assert pool.stats["t1"] == {"solved": 0.75, "seen": 8}
    assert pool.take_events() == []


@pytest.mark.parametrize("through_json", [False, True])
def test_a_replayed_pool_draws_the_same(through_json: bool) -> None:
    pool = TaskPool(tasks(20), seed=5, sampler=Shuffled())
    log: list[dict[str, Any]] = []
    for number in range(4):
        for task in pool.draw(3):
            pool.update(task.id, seen=number)
        pool.add(tasks(2, f"r{number}-"), why="grown")
        pool.evict(lambda task, n=number: task.id == f"t{n}", why="old")  # type: ignore[misc]
        log += pool.take_events()
    state = pool.state()
    pool_next = [names(pool.draw(5)) for _ in range(9)]  # must not reach into the state that was taken
    if through_json:
        state, log = json.loads(json.dumps(state)), json.loads(json.dumps(log))
    for _ in range(2):  # a state can be restored more than once
        again = TaskPool(tasks(20), seed=5)
        again.restore(state, log)
        assert again.tasks == pool.tasks
        assert again.stats == pool.stats
        assert again.take_events() == []
        assert [names(again.draw(5)) for _ in range(9)] == pool_next


def test_trimming_drops_the_first_of_the_names() -> None:
    pool = TaskPool(tasks(5), seed=0)
    assert pool.trim(["t3", "t0", "t4"], 1, why="full") == 2 and names(pool.tasks) == ["t1", "t2", "t4"]
    assert pool.trim(["t1", "t2"], 2, why="full") == 0 and pool.trim([], 3, why="full") == 0
    assert [(event["id"], event["why"]) for event in pool.take_events()] == [("t0", "full"), ("t3", "full")]
