"""Numbers of a round from small groups."""

import json
from pathlib import Path

import pytest
from small import small

from autotelic.answers.votes import VoteRule, vote
from autotelic.measures.monitors import answering, balance_metrics, completion_metrics, label_metrics, purity, reward_metrics, round_metrics
from autotelic.runs import loop
from autotelic.runs.progress import Progress
from autotelic.runs.reading import RunReader
from autotelic.types import Group, Rollout, StopReason, Task, Turn, TurnKind
from autotelic.worlds import open_world

WORLD = open_world("chain")
TASK = WORLD.tasks(1, seed=0)[0]
WRONG = "wrong"


def group(*answers: str | None, rewards: list[dict[str, float]] | None = None, task: Task = TASK) -> Group:
    rollouts = []
    for place, answer in enumerate(answers):
        stop = StopReason.LENGTH if answer is None else StopReason.END
        turns = [Turn(TurnKind.PROMPT, [1, 2, 3]), Turn(TurnKind.ACTION, [4] * (place + 1), [0.0] * (place + 1), stop=stop)]
        rollouts.append(Rollout(f"r{place}", task, turns, answer=answer, rewards=dict(rewards[place]) if rewards else {}))
    return Group(task, rollouts)


def test_rewards_by_name_and_in_sum() -> None:
    groups = [
        group("1", "2", rewards=[{"a": 1.0, "b": 0.5}, {"a": 0.0, "b": 0.5}]),
        group("1", "1", rewards=[{"a": 1.0}, {"a": 1.0}]),
        group("1", "1"),
    ]
    assert reward_metrics(groups) == pytest.approx(
        {"reward": (1.5 + 0.5 + 1 + 1) / 4, "reward_std": 0.25, "frac_reward_zero_std": 0.5, "rewards/a/mean": 0.75, "rewards/b/mean": 0.5}
    )
    assert reward_metrics([group("1", "1")]) == {}


def test_a_rollout_without_a_reward_does_not_count_as_zero() -> None:
    """Grades 4, 4 and none: the mean is 4, nothing is spread, and the group carries no signal."""
    found = reward_metrics([group("1", "2", "3", rewards=[{"grade": 4.0}, {"grade": 4.0}, {}])])
    assert found == {"reward": 4.0, "reward_std": 0.0, "frac_reward_zero_std": 1.0, "rewards/grade/mean": 4.0}


def test_a_group_of_several_roles_is_split_between_them() -> None:
    """The winner sits second, and the opponent's loss is not the solver's."""
    play = group("a", "b", rewards=[{"won": -1.0}, {"won": 1.0}])
    for rollout, role in zip(play, ("opponent", "solver"), strict=True):
        rollout.keys |= {"role": role, "game": "kuhn"}
    found = round_metrics([play], WORLD)
    assert (found["reward"], found["opponent/reward"]) == (1.0, -1.0)
    assert (found["completions/mean_length"], found["opponent/completions/mean_length"]) == (2.0, 1.0)
    assert round_metrics([play], WORLD, main="opponent")["reward"] == -1.0


def test_completions() -> None:
    found = completion_metrics([group("1", "1", None, "2"), group("5")])
    assert found == pytest.approx(
        {
            "completions/mean_length": 11 / 5, "completions/max_length": 4, "completions/clipped_ratio": 0.2, "answers/unparsed": 0.2,
            "num_tokens": 11, "answers/distinct": 0.75,
        }
    )  # fmt: skip
    assert completion_metrics([]) == {}


def test_moves_of_a_game_neither_agree_nor_vote() -> None:
    plays = group("b", "b", "c")
    for seat, rollout in enumerate(plays):
        rollout.keys |= {"game": "kuhn", "seat": seat % 2}
    assert answering([plays, group("1"), group("1", "2")]) == [group("1", "2")]
    assert label_metrics([plays], WORLD) == {} and "answers/distinct" not in completion_metrics([plays])


def test_labels_against_the_truth() -> None:
    gold = TASK.answer
    assert gold is not None
    unlabeled = Task(TASK.id, TASK.prompt)
    found = label_metrics([group(gold, gold, WRONG, None), group(WRONG, WRONG, WRONG, gold), group(gold), group("1", "1", task=unlabeled)], WORLD)
    assert found == pytest.approx({"label/agreement": (0.5 + 0.75 + 1.0) / 3, "label/majority_is_gold": 0.5})
    assert label_metrics([group(gold)], WORLD) == {}
    assert round_metrics([], WORLD) == {}


def test_labels_that_were_used_are_told_apart_from_the_plain_majority() -> None:
    """Of three groups with the majorities gold, wrong and wrong a strict vote labels the first alone."""
    gold = TASK.answer
    groups = [group(gold, gold, gold, WRONG), group(WRONG, WRONG, gold, "2"), group(WRONG, WRONG, gold, "3")]
    found = round_metrics(groups, WORLD, labels=[(TASK, gold), (TASK, None), (TASK, None)])
    assert found["label/coverage"] == pytest.approx(1 / 3) and found["label/purity"] == 1.0
    assert found["label/majority_is_gold"] == pytest.approx(1 / 3)
    unknown = Task("u", TASK.prompt)
    assert round_metrics([], WORLD, labels=[(unknown, "1"), (unknown, None)]) == {"label/coverage": 0.5}
    assert round_metrics([], WORLD, labels=[(TASK, None)]) == {"label/coverage": 0.0}


def test_srt_tells_which_labels_it_used(tmp_path: Path) -> None:
    """With a threshold, coverage and purity are of the groups that reach it, as the stored rollouts say."""
    settings = small("srt", rounds=1, vote={"min_share": 0.6}, tasks_per_round=16, group_size=4, out=str(tmp_path / "run"))
    outcome = loop.start(settings, Progress(quiet=True))
    rows = [json.loads(line) for line in (outcome.folder / "rounds/00001/rollouts.jsonl").read_text(encoding="utf-8").splitlines()]
    votes = [
        vote([row["answer"] for row in rows if row["task"] == task], VoteRule(min_share=0.6)).label for task in dict.fromkeys(r["task"] for r in rows)
    ]
    gold = [next(row["gold"] for row in rows if row["task"] == task) for task in dict.fromkeys(row["task"] for row in rows)]
    right = [label == known for label, known in zip(votes, gold, strict=True) if label is not None]
    metrics = RunReader.of(outcome.folder).metrics(1)
    assert 0 < len(right) < len(votes) == 16
    assert metrics["label/coverage"] == len(right) / 16 and metrics["label/purity"] == pytest.approx(sum(right) / len(right))


def test_purity_asks_only_where_the_truth_is_known() -> None:
    unknown = Task("u", TASK.prompt)
    assert purity(WORLD, [(TASK, TASK.answer), (TASK, WRONG), (TASK, None), (unknown, WRONG), (TASK, TASK.answer)]) == {"label/purity": 0.5}
    assert purity(WORLD, [(unknown, TASK.answer)]) == purity(WORLD, []) == {}


def test_exploration_and_exploitation_of_groups() -> None:
    right = str(TASK.answer)
    told = group(right, right, WRONG, None, rewards=[{"a": 1.0}, {"a": 0.0}, {"a": 1.0}, {"a": 0.0}])
    for rollout, text in zip(told, ("x", "y", "z", ""), strict=True):
        rollout.text = text
    found = balance_metrics([told, group(right, right, task=Task("unknown", "1+1="))], WORLD)
    assert found == {"explore/right": 0.5, "exploit/gain": 0.0}  # of the two best rewarded one is right, as of all
    told.rollouts[2].rewards["a"] = 0.0
    told.rollouts[1].text = "x"
    assert balance_metrics([told], WORLD) == {"explore/right": 0.25, "exploit/gain": 0.5}
    equal = group(right, WRONG, rewards=[{"a": 1.0}, {"a": 1.0}])
    assert balance_metrics([equal], WORLD) == {"explore/right": 0.5}  # rewards that do not differ prefer nothing
    assert balance_metrics([group(right)], WORLD) == {}
