"""Comparisons at an equal budget: how arms are made, what is said of data whose truth is known, the page, and a real one that goes on."""

import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import call

from autotelic.errors import AutotelicError, DataError, SettingError
from autotelic.measures.budget import USED
from autotelic.runs.reading import RunReader
from autotelic.studies.comparing import PAGE, RESULTS, WORDS, told, write_all
from autotelic.studies.comparison_page import page
from autotelic.studies.contest import MEASURED, Contest, contest_of, folder_of, read_contest
from autotelic.studies.pairs import BASE, VOTE, curve, headline, lines, pairs, sides, table, warnings
from autotelic.studies.results import FAILED, Row, write
from autotelic.studies.running import by_task, together

SMALL = {"budget": "1k", "pool_size": 8, "probe_size": 4, "probe_samples": 2, "tasks_per_round": 2, "group_size": 2}


def contest(*words: str, **more: object) -> Contest:
    return contest_of(words, {"budget": "1k", **more})


def test_arms_have_one_base_one_set_of_tasks_one_probe_and_one_budget(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('recipe = "intuitor"\ngroup_size = 4\n', encoding="utf-8")
    found = contest("srt", f"{file} tasks_per_round=8", "srt group_size=8 optimizer.learning_rate=1e-4", "probe_size=50", model="chain-good")
    mine = f"{file} tasks_per_round=8"
    assert found.compared == ("srt", mine, "srt group_size=8 optimizer.learning_rate=1e-4") and found.controls == ("gold", "random-reward")
    same = {"model": "chain-good", "tasks": "chain", "budget": "1k", "probe_size": 50, "probe_samples": 8, "probe_seed": 0}
    for settings in found.arms.values():
        assert settings.items() >= same.items() and settings["probe_sampling"]["temperature"] == 1.0
    assert (found.arms[mine]["recipe"], found.arms[mine]["group_size"], found.arms[mine]["tasks_per_round"]) == ("intuitor", 4, 8)
    assert found.arms[found.compared[2]]["optimizer"] == {"learning_rate": 1e-4}
    assert folder_of(found) == folder_of(contest("srt", mine, found.compared[2], "probe_size=50", model="chain-good"))
    assert folder_of(found) != folder_of(contest("srt", mine, found.compared[2], "probe_size=51", model="chain-good"))


def test_a_control_that_was_asked_for_is_there_once_and_without_answers_there_is_no_gold(tmp_path: Path) -> None:
    assert contest("gold", "srt").controls == ("random-reward",) and contest("random-reward").compared == ("random-reward",)
    asked, answers = tmp_path / "q.jsonl", tmp_path / "a.jsonl"
    asked.write_text("".join(f'{{"prompt": "{n}+1="}}\n' for n in range(30)), encoding="utf-8")
    answers.write_text("".join(f'{{"prompt": "{n}+2=", "answer": "{n + 2}"}}\n' for n in range(30)), encoding="utf-8")
    assert contest("srt", tasks=str(asked), probe=str(answers)).controls == ("random-reward",)
    with pytest.raises(DataError, match=r"held-out tasks have no answer .* give some with answers, as --probe"):
        contest("srt", tasks=str(asked))


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ([], "no arm to compare"),
        (["group_size=8"], "no arm to compare"),
        (["srt", "srt"], "two arms are the same"),
        (["srt seed=3"], "arm 'srt seed=3': seed is the same for all arms"),
        (["srt model=chain-good"], "model is the same for all arms; give it once"),
        (["srt", "seed=3"], "seed: not a setting of a comparison; say --seeds"),
        (["srt", "select.by=accuracy"], "select: not a setting"),
        (["srtt"], "arm 'srtt': no recipe 'srtt'.* did you mean 'srt'"),
        (["srt goup_size=8"], "arm 'srt goup_size=8': no setting 'goup_size'; did you mean 'group_size'"),
        (["srt", "supervised", "group_size=8"], "arm 'supervised': no setting 'group_size'"),
        (["srt 'a"], "No closing quotation"),
        ([" "], "an arm without a recipe"),
        (["no-such.toml"], "no-such.toml: no such settings file"),
        (["srt", "model=chain-god"], "chain-god: neither a folder nor a model .* nor is it a base; did you mean 'chain-good'"),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_is_refused_before_anything_is_run(words: list[str], complaint: str) -> None:
    with pytest.raises(AutotelicError, match=complaint):
        contest(*words)


def test_a_comparison_needs_a_budget() -> None:
    with pytest.raises(SettingError, match="a comparison needs one; say --budget 200k"):
        contest_of(["srt"], {})
    with pytest.raises(SettingError, match="is no budget"):
        contest_of(["srt"], {"budget": "five"})


COMMON: dict[str, Any] = {"model": "chain-good", "tasks": "chain", "budget": "1k"}
TWO = Contest(
    system="a, b", quantities=MEASURED, compared=("a", "b"), budget="1k",
    arms={name: {"recipe": recipe, **COMMON} for name, recipe in {"a": "srt", "b": "intuitor", "gold": "gold", "random-reward": "random-reward"}.items()},
)  # fmt: skip


def rows_of(chances: dict[str, float], seeds: int = 3, tasks: int = 200, base: float = 0.4, vote: float = 0.5) -> list[Row]:
    """Runs whose arms answer every task rightly with one chance. The base answers the same ones in every run."""
    random = np.random.default_rng(0)
    first = (random.random(tasks) < base).astype(float).tolist()
    voted = (random.random(tasks) < vote).astype(float).tolist()
    found = []
    for arm, chance in chances.items():
        for seed in range(seeds):
            last = (random.random(tasks) < chance).astype(float).tolist()
            history = {"probe/accuracy": [(0, base), (4, chance)], USED: [(0, 0.0), (4, 1010.0)]}
            outcomes = {"first": first, "first/vote": voted, "last": last}
            found.append(
                Row(
                    arm=arm, seed=seed, verdict="improved", seconds=2, command="autotelic run srt", rounds=4, history=history, tasks="t", outcomes=outcomes
                )
            )  # fmt: skip
    return found


ROWS = rows_of({"a": 0.8, "b": 0.42, "gold": 0.8, "random-reward": 0.4})


def test_verdicts_in_words() -> None:
    found = {(pair.first, pair.second): pair for pair in pairs(TWO, ROWS)}
    assert list(found) == [
        ("a", "b"), ("a", "gold"), ("a", "random-reward"), ("a", BASE), ("a", VOTE),
        ("b", "gold"), ("b", "random-reward"), ("b", BASE), ("b", VOTE), ("gold", BASE), ("random-reward", BASE),
    ]  # fmt: skip
    above = {names for names, pair in found.items() if pair.told == "above"}
    assert above == {("a", "b"), ("a", "random-reward"), ("a", BASE), ("a", VOTE), ("gold", BASE)}
    assert found["b", "gold"].told == "below" and found["b", BASE].told == found["a", "gold"].told == "not told apart"
    assert found["a", "b"].sentence(11).startswith("a ends above b by 0.3") and found["a", "b"].sentence(11).endswith("p < 0.0001 of 11 pairs).")
    assert found["b", "gold"].sentence(11).startswith("b ends below gold by 0.3") and "-" not in found["b", "gold"].sentence(11)
    assert "a and gold are not told apart: the difference lies between -0." in found["a", "gold"].sentence(11)
    assert "would be seen in one pair alone, and chance brings such a one among 11 (p = 0.13)" in found["b", BASE].sentence(11)
    assert headline(TWO, list(found.values())) == "a is better than the base; a is better than the base's own majority vote; a ends above b."
    assert all(pair.p >= pair.found.p for pair in found.values())


def test_a_headline_groups_methods_and_of_many_only_counts_them() -> None:
    names = [f"m{n}" for n in range(10)]
    rows = rows_of({**dict.fromkeys(names[:4], 0.9), **dict.fromkeys(names[4:], 0.1), "random-reward": 0.4}, seeds=5)

    def said(count: int) -> str:
        arms = {name: {"recipe": "srt", **COMMON} for name in [*names[4 - count // 2 : 4 + count // 2], "random-reward"]}
        found = replace(TWO, compared=tuple(arms)[:-1], arms=arms)
        return headline(found, pairs(found, rows))

    assert said(4) == (
        "m2 and m3 are better than the base; m2 and m3 are better than the base's own majority vote; m4 and m5 are worse; m2 and m3 end above m4 and m5."
    )
    everybody = replace(TWO, compared=tuple(names), arms={name: {"recipe": "srt", **COMMON} for name in [*names, "random-reward"]})
    found = pairs(everybody, rows)
    assert headline(everybody, found).endswith("m4, m5, m6, m7, m8 and m9 are worse; of 45 pairs of methods 24 are told apart.")
    text = told(everybody, rows)
    assert "m0 and m1 are not told apart" not in text and "other pairs are not told apart; the page has their intervals." in text
    shown = page(everybody, rows, {})
    assert shown.count("<svg") == 11 and "m0 and m1 are not told apart" in shown


def test_runs_that_failed_alike_are_told_together_and_who_reads_answers_is_said() -> None:
    rows = [replace(row, verdict=FAILED, outcomes={}, history={}, error="error: broken") if row.arm in ("a", "b") else row for row in ROWS]
    assert "a, seeds 0, 1, 2; b, seeds 0, 1, 2: error: broken." in warnings(TWO, rows)
    gone = replace(TWO, arms={**TWO.arms, "b": {**TWO.arms["b"], "recipe": "gone.py"}})
    assert {line.arm: line.answers for line in lines(gone, rows)} == {"a": False, "b": None, "gold": True, "random-reward": False}


def test_too_few_seeds_and_other_tasks_are_said_and_not_judged() -> None:
    few = rows_of({"a": 0.9, "b": 0.1}, seeds=2)
    assert {pair.told for pair in pairs(TWO, few)} == {"not compared"} and headline(TWO, pairs(TWO, few)).startswith("Nothing can be said yet")
    assert "Only 2 seeds of some arms: a verdict needs 3." in warnings(TWO, few)
    other = [replace(row, tasks="other") if row.arm == "b" else row for row in ROWS]
    found = {(pair.first, pair.second): pair for pair in pairs(TWO, other)}
    assert (
        found["a", "b"].sentence(1) == "a and b are not compared: they share no seed on the same tasks."
        and found["a", "gold"].told == "not told apart"
    )
    assert "Not all arms were asked the same held-out tasks; such pairs are not compared." in warnings(TWO, other)


def test_the_table_has_the_best_first_and_failed_runs_last() -> None:
    rows = [*ROWS[:9], *(replace(row, verdict=FAILED, outcomes={}, history={}, tasks=None, error="error: broken") for row in ROWS[9:])]
    assert [line.arm for line in lines(TWO, rows)][-1] == "random-reward" and lines(TWO, rows)[0].last > 0.75
    shown = table(TWO, rows).splitlines()
    assert len({len(line) for line in shown}) == 1 and "(control)" in shown[-3] and "3 failed" in shown[-3] and shown[-1].startswith(f"| {VOTE}")
    assert "random-reward, seeds 0, 1, 2: error: broken." in warnings(TWO, rows) and sides(TWO, rows)[BASE].mean == pytest.approx(0.4, abs=0.1)


def test_a_curve_holds_the_last_probe_before_each_tenth_of_the_budget() -> None:
    """Of 1,000 tokens: one run probed at 250 and 1,100, another at 500 and ended there."""
    base = {"arm": "a", "verdict": "improved", "seconds": 1.0, "command": ""}
    rows = [
        Row(**base, seed=0, history={"probe/accuracy": [(0, 0.2), (1, 0.4), (2, 0.8)], USED: [(0, 0), (1, 250), (2, 1100)]}),  # type: ignore[arg-type]
        Row(**base, seed=1, history={"probe/accuracy": [(0, 0.2), (2, 0.6)], USED: [(0, 0), (2, 500)]}),  # type: ignore[arg-type]
    ]
    found = curve(TWO, rows, "a")
    assert [point[0] for point in found] == [100 * n for n in range(11)]
    means = [0.2, 0.2, 0.2, 0.3, 0.3, 0.5, 0.5, 0.5, 0.5, 0.5, 0.7]
    assert [point[1] for point in found] == pytest.approx(means) and found[-1][2:] == (0.6, 0.8) and curve(TWO, rows, "b") == []


def test_names_and_errors_are_escaped_on_the_page_which_has_no_script() -> None:
    evil = "<script>alert(1)</script>"
    named = replace(
        TWO, system=evil, compared=(evil, "b"), arms={evil: TWO.arms["a"], **{name: TWO.arms[name] for name in ("b", "gold", "random-reward")}}
    )
    rows = [replace(row, arm=evil, error=evil, command=evil) if row.arm == "a" else row for row in ROWS]
    text = page(named, rows, {"python": evil})
    assert (
        "<script" not in text and text.count("&lt;script&gt;") > 10 and "default-src 'none'" in text and "http" not in text.replace("http-equiv", "")
    )
    assert page(TWO, [], {}).count("No run has been probed") == 1


def test_results_are_read_back_and_told_again(tmp_path: Path) -> None:
    write(tmp_path / RESULTS, TWO, ROWS, {"cores": 2})
    assert read_contest(tmp_path / RESULTS) == TWO
    write_all(TWO, ROWS, tmp_path)
    said = json.loads((tmp_path / WORDS).read_text(encoding="utf-8"))
    assert (
        said["headline"].startswith("a is better")
        and len(said["pairs"]) == 11
        and said["pairs"][0]["told"] == "above"
        and len(said["curves"]["a"]) == 11
    )
    again = call("compare", "--from", tmp_path)
    assert again.status == 0 and told(TWO, ROWS) in again.out
    assert json.loads(call("compare", "--from", tmp_path, "--json").out) == said
    for text in ("{", "[]", '{"system": "two", "rows": []}', '{"system": "a", "comparison": {"compared": ["x"], "budget": "1k", "arms": {"a": {}}}}'):
        (tmp_path / RESULTS).write_text(text, encoding="utf-8")
        with pytest.raises(DataError):
            read_contest(tmp_path / RESULTS)


def test_plays_that_are_not_independent_count_as_one() -> None:
    assert together({"t1": 1.0, "t2": 0.0, "t3": 0.5}, {"t2": "deal", "t3": "deal"}) == {"deal": 0.25, "t1": 1.0}


def test_a_comparison_runs_goes_on_and_its_rows_have_every_task(tmp_path: Path) -> None:
    """Runs use the budget, an arm that cannot run fails alone, and a second seed makes no row of the first again."""
    words = ["compare", "srt", "gold device=nowhere", "--model", "chain-good", "--budget", "1k", "--workers", 2, "--out", tmp_path]
    words += [f"{key}={value}" for key, value in SMALL.items() if key != "budget"] + ["engine=torch"]
    first = call(*words, "--seeds", 1)
    assert first.status == 1 and "4/4 " in first.out and (tmp_path / PAGE).is_file()
    found = read_contest(tmp_path / RESULTS)
    assert found.compared == ("srt", "gold device=nowhere") and found.controls == ("gold", "random-reward")
    rows = {row["arm"]: row for row in json.loads((tmp_path / RESULTS).read_text(encoding="utf-8"))["rows"]}
    assert rows["gold device=nowhere"]["verdict"] == FAILED and "nowhere" in rows["gold device=nowhere"]["error"]
    for arm in ("srt", "gold", "random-reward"):
        assert {key: len(values) for key, values in rows[arm]["outcomes"].items()} == dict.fromkeys(rows[arm]["outcomes"], 4)
        assert rows[arm]["outcomes"]["first"] == rows["srt"]["outcomes"]["first"] and rows[arm]["history"][USED][-1][1] >= 1000
        assert rows[arm]["tasks"] == rows["srt"]["tasks"]
    assert {"first", "first/pass@1", "first/vote", "last"} < rows["srt"]["outcomes"].keys() and "--budget 1k" in rows["srt"]["command"]
    assert shlex.split(rows["srt"]["command"])[:3] == ["autotelic", "run", "srt"]
    again = call(*words, "--seeds", 1)
    assert f"{tmp_path / RESULTS}: 3 of 4 runs are done already" in again.out


def test_where_a_gate_decides_by_some_tasks_no_arm_is_judged_by_these(tmp_path: Path) -> None:
    found = contest("srt", "gold gate.by=accuracy gate.share=0.25", model="chain-good")
    assert [found.reads_answers(arm) for arm in ("srt", "gold gate.by=accuracy gate.share=0.25", "random-reward")] == [False, True, False]
    assert contest("srt gate.by=accuracy", model="chain-good").reads_answers("srt gate.by=accuracy")
    assert found.deciding == 0.25 and contest("srt", "gold gate.by=accuracy gate.mode=warn", model="chain-good").deciding is None
    words = ["compare", "gold", "gold gate.by=accuracy gate.share=0.25", "--model", "chain-good", "--budget", "1k", "--workers", 1, "--seeds", 1]
    call(*words, "--out", tmp_path, *(f"{key}={value}" for key, value in SMALL.items() if key != "budget"), "engine=torch")
    rows = json.loads((tmp_path / RESULTS).read_text(encoding="utf-8"))["rows"]
    assert {len(row["outcomes"]["last"]) for row in rows} == {3} and len({row["tasks"] for row in rows}) == 1


def test_a_run_without_a_probe_has_no_outcomes(tmp_path: Path) -> None:
    assert by_task(RunReader(tmp_path)) == (None, {})
