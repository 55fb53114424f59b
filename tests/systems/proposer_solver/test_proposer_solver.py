"""SQLM, R-Zero and SOAR: their formulas by hand, what they do when nothing is valid, all is solved or nothing is, and that they run."""

import json
import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small import small

from autotelic.bases.making import fresh
from autotelic.bases.places import base_folder
from autotelic.bases.specs import find_spec
from autotelic.engines.batching import Batcher
from autotelic.engines.torch_engine import TorchEngine
from autotelic.errors import SettingError
from autotelic.learning.advantages import against_others as spread_gains
from autotelic.policies.checkpoint import load_model
from autotelic.policies.policy import Policy
from autotelic.rewards.novelty import bleu, linked, repetition_shares
from autotelic.runs import loop
from autotelic.runs.opening import plan
from autotelic.runs.progress import Progress
from autotelic.systems.proposer_solver.posing import known_task, labeled
from autotelic.systems.proposer_solver.r_zero.recipe import uncertainty
from autotelic.systems.proposer_solver.soar.recipe import gain
from autotelic.systems.proposer_solver.sqlm.recipe import worth
from autotelic.systems.registry import find
from autotelic.types import Task
from autotelic.worlds import open_world

QUICK: dict[str, dict[str, Any]] = {
    "sqlm": {"tasks_per_round": 8},
    "r-zero": {"tasks_per_round": 3, "asking_steps": 2, "questions": 24, "tries": 4},
    "soar": {"tasks_per_round": 2, "problems": 4, "hard": 8},
}


# ---- formulas


@pytest.mark.parametrize(
    "right,some,verified,half", [(0, 0.0, 0.0, 0.0), (1, 0.0, 1.0, 0.5), (2, 1.0, 1.0, 1.0), (3, 1.0, 1.0, 0.5), (4, 0.0, 0.0, 0.0)]
)
def test_what_a_question_is_worth(right, some, verified, half):
    assert worth(right, 4) == some
    assert worth(right, 4, judge="verifier") == verified
    assert worth(right, 4, "half") == pytest.approx(half)


def test_uncertainty_is_that_of_the_published_code():
    assert uncertainty(0.7, 0.01) == pytest.approx(0.29)
    assert uncertainty(None, 0.05) == pytest.approx(-1.05)
    assert [uncertainty(share, 0.0) for share in (0.0, 0.5, 1.0)] == [0.0, 0.5, 0.0]
    assert uncertainty(0.7, 0.01, scale=2) == pytest.approx(1 - 2 * abs(0.7 - 0.5) - 0.01)


def test_gains_are_centered_on_the_other_sets():
    assert gain(0.25, [0.5, 0.25]) == pytest.approx(0.125)
    assert gain(0.25, []) == 0.0
    assert spread_gains([0.3, 0.1, 0.2]) == pytest.approx([0.15, -0.15, 0.0])
    assert spread_gains([0.3]) == [0.0] and spread_gains([]) == [] and spread_gains([0.2, 0.2]) == [0.0, 0.0]


def test_bleu_is_that_of_nltk_with_smoothing_method_1():
    assert bleu("3+4*2=", "3+4*2=") == pytest.approx(1.0)
    assert bleu("3+4*2=", "3+4*5=") == pytest.approx((5 / 6 * 3 / 5 * 2 / 4 * 1 / 3) ** 0.25)
    assert bleu("3+4=", "3+4*2=") == pytest.approx(math.exp(1 - 6 / 4) * (1 * 2 / 3 * 1 / 2 * 0.1) ** 0.25)
    assert bleu("3+4=", "98*") == 0.0 and bleu("", "3") == 0.0
    assert bleu(["a", "b"], ["a", "b"]) == pytest.approx((0.1 * 0.1) ** 0.25)


def test_clusters_are_those_of_average_linkage():
    def slow(distances: list[list[float]], cut: float) -> set[frozenset[int]]:
        clusters = [frozenset([i]) for i in range(len(distances))]
        while len(clusters) > 1:
            apart = {(a, b): np.mean([distances[i][j] for i in a for j in b]) for a in clusters for b in clusters if min(a) < min(b)}
            (a, b), nearest = min(apart.items(), key=lambda item: item[1])
            if nearest >= cut:
                break
            clusters = [cluster for cluster in clusters if cluster not in (a, b)] + [a | b]
        return set(clusters)

    rng = random.Random(0)
    for size in (1, 2, 5, 9):
        for _ in range(10):
            distances = [[0.0] * size for _ in range(size)]
            for i in range(size):
                for j in range(i):
                    distances[i][j] = distances[j][i] = rng.random()
            names = linked(np.array(distances), 0.45)
            assert {frozenset(i for i in range(size) if names[i] == name) for name in names} == slow(distances, 0.45)


def test_repetition_shares():
    assert repetition_shares(["3+4*2=", "3+4*5=", "9-1=", "", ""]) == [0.4, 0.4, 0.2, 0.2, 0.2], "nothing is like nothing else, not even like nothing"
    assert repetition_shares([""] * 4) == [0.25] * 4, "a batch without a question: -1 - 1/N each"
    assert repetition_shares(["12", "12", "123", "123"]) == [0.25, 0.25, 0.5, 0.5], "BLEU of two equal tokens is (.1 * .1)^(1/4) = .32"
    assert repetition_shares(["a"]) == [1.0] and repetition_shares([]) == []
    assert repetition_shares(["1+1="] * 4) == [1.0] * 4
    assert repetition_shares(["ab", "cd"], cut=0.0) == [0.5, 0.5]


# ---- proposals


def test_a_problem_is_one_of_the_worlds():
    world = open_world("chain")
    task = known_task(world, "3+4=")
    assert task is not None and task.answer == "7"
    assert [known_task(world, text) for text in ("", "3+4", "3+4=7", "12+3=")] == [None] * 4


def test_labels_are_hidden_and_missing_ones_leave_the_problem_out():
    tasks = [Task("a", "1+1="), Task("b", "2+2=", hidden={"x": 1})]
    assert [task.hidden for task in labeled(tasks, {"a": None, "b": "4"})] == [{"x": 1, "label": "4"}]


def test_a_band_must_be_one():
    with pytest.raises(SettingError, match="keep must be a band"):
        loop.start(small("r-zero", keep=(0.8, 0.3)), Progress(quiet=True))


# ---- runs


def run(name: str, folder: Path, **settings: Any) -> tuple[list[dict[str, float]], Path]:
    """The metrics of each round of a small run, and its folder."""
    outcome = loop.start(small(name, **{"rounds": 2, "out": str(folder / "run"), "probe_size": 8, **QUICK[name], **settings}), Progress(quiet=True))
    rows = [json.loads(line) for line in (outcome.folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    merged: dict[int, dict[str, float]] = {}
    for row in rows:
        merged.setdefault(row["round"], {}).update(row["metrics"])
    return [merged[number] for number in sorted(merged) if number], outcome.folder


@pytest.fixture(scope="session")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model that has learned nothing, whose proposals are no problems."""
    folder = tmp_path_factory.mktemp("untrained") / "model"
    spec = find_spec("chain-skills").model_copy(update={"width": 32, "layers": 1})
    model, tokenizer = fresh(spec, open_world(spec.tasks).alphabet)
    Policy("solver", model, tokenizer, Batcher(TorchEngine())).save(folder)
    return str(folder)


def same_weights(a: str | Path | None, b: str | Path | None) -> bool:
    """Whether two model folders hold the same weights."""
    assert a and b
    return all((x == y).all() for x, y in zip(load_model(Path(a)).parameters(), load_model(Path(b)).parameters(), strict=True))


@pytest.mark.parametrize("name", QUICK)
def test_a_small_run(name, tmp_path):
    rows, _ = run(name, tmp_path)
    assert all(row["proposals/valid"] > 0.5 for row in rows)
    assert all(0 <= row["label/purity"] <= 1 for row in rows if "label/purity" in row)
    assert find(name).about.catalogue


@pytest.mark.parametrize("name", QUICK)
def test_without_a_valid_proposal_nothing_is_learned_and_it_is_counted(name, tmp_path, untrained):
    rows, folder = run(name, tmp_path, model=untrained)
    assert all(row["proposals/valid"] == 0 and row["proposals/none_valid"] >= 1 for row in rows)
    assert same_weights(folder / "model", untrained)


def test_where_all_agree_or_none_answers_sqlm_learns_nothing(tmp_path):
    agreed, folder = run("sqlm", tmp_path / "agreed", sampling={"temperature": 0.0, "max_tokens": 64})
    assert all(row["proposals/unanimous"] == 1.0 and row["proposer/rewards/worth/mean"] == 0 for row in agreed)
    assert same_weights(folder / "model", base_folder("chain-skills"))
    mute, folder = run("sqlm", tmp_path / "mute", sampling={"max_tokens": 2})
    assert all(row["rewards/solved/mean"] == 0 and "label/purity" not in row for row in mute)
    assert same_weights(folder / "model", base_folder("chain-skills"))


def test_sqlm_by_the_verifier_pays_for_the_truth(tmp_path):
    rows, folder = run("sqlm", tmp_path, judge="verifier")
    assert all(0 < row["rewards/solved/mean"] < 1 for row in rows)
    stored = [json.loads(line) for line in (folder / "rounds" / "00001" / "rollouts.jsonl").read_text(encoding="utf-8").splitlines()]
    world = open_world("chain")
    solved = [row for row in stored if "solved" in row["rewards"]]
    assert solved and all(
        row["rewards"]["solved"] == world.verify(Task("x", row["prompt"].removeprefix("<|begin|>")), row["answer"]) for row in solved
    )


@pytest.mark.parametrize("invalid", [None, -1.0])
def test_sqlm_pays_for_what_is_no_question_only_when_told(invalid, tmp_path):
    _, folder = run("sqlm", tmp_path, invalid=invalid, asking={"max_tokens": 6})
    stored = [json.loads(line) for line in (folder / "rounds" / "00001" / "rollouts.jsonl").read_text(encoding="utf-8").splitlines()]
    asked = {row["answer"] is None: row["rewards"].get("worth") for row in stored if row["prompt"] == "<|begin|>@"}
    assert set(asked) == {True, False} and asked[True] == invalid and asked[False] in (0.0, 1.0)


def test_without_a_question_in_the_band_r_zero_leaves_the_solver_alone(tmp_path):
    for name, settings in {"agreed": {"keep": (0.0, 0.0)}, "mute": {"sampling": {"max_tokens": 2}}}.items():
        rows, folder = run("r-zero", tmp_path / name, **settings)
        assert all(row["filter/empty"] == 1 and row["filter/kept"] == 0 and "rewards/correct/mean" not in row for row in rows)
        assert same_weights(folder / "model", base_folder("chain-skills"))


def test_soar_keeps_the_student_unless_the_gain_is_above_the_threshold(tmp_path):
    rows, folder = run("soar", tmp_path / "high", threshold=1.0, window=1)
    assert not any(row["student/promoted"] for row in rows) and same_weights(folder / "model", base_folder("chain-skills"))
    rows, folder = run("soar", tmp_path / "low", threshold=-1.0, window=1, gate={"mode": "off"})
    assert all(row["student/promoted"] for row in rows) and not same_weights(folder / "model", base_folder("chain-skills"))
    rows, _ = run("soar", tmp_path / "window", threshold=-1.0, window=2, rounds=3)
    assert [row["student/promoted"] for row in rows] == [0, 1, 0]


@pytest.mark.parametrize("pay", ["learnability", "random"])
def test_soar_with_other_pay(pay, tmp_path):
    rows, _ = run("soar", tmp_path, pay=pay)
    assert all(0 <= row[f"teacher/rewards/{pay}/mean"] <= 1 for row in rows)


@pytest.mark.parametrize("name", QUICK)
def test_a_prompt_that_the_model_cannot_read_is_refused_before_the_first_round(name):
    with pytest.raises(SettingError, match=r"asks: the role '.*' cannot read it: .*vocabulary lacks 'A'"):
        plan(small(name, **QUICK[name], asks="Ask"))
    with pytest.raises(SettingError, match=r"asks: the role '.*' has no room for a prompt of .* tokens and a reply of 32"):
        plan(small(name, **QUICK[name], asks="@" * 400))
