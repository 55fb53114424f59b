"""Studies: how arms are compared, what a file of results may hold, what the committed ones say, and a real run of two arms."""

import json
import math
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from command import call
from complaints import ENVIRONMENT, lines

from autotelic.errors import DataError, SettingError
from autotelic.measures.stats import Interval
from autotelic.runs.checking import checked
from autotelic.runs.lock import LOCK
from autotelic.runs.reading import RunReader
from autotelic.runs.settings import resolve
from autotelic.studies.catalogue import catalogue, search, state
from autotelic.studies.figures import curve, figure
from autotelic.studies.jobs import command, settings_digest, words_of
from autotelic.studies.registry import declared, find, outcome_of, results_of
from autotelic.studies.results import FAILED, Row, comparisons, number, read, says, table, words, write
from autotelic.studies.running import run_arms
from autotelic.studies.trial import main as trial
from autotelic.studies.trial import read as read_trial
from autotelic.systems.registry import recipes
from autotelic.systems.study import Study

COMMITTED = [name for name in declared() if results_of(name).exists()]
ABOVE, BELOW, AROUND, UNKNOWN = Interval(0.1, 0.3), Interval(-0.3, -0.1), Interval(-0.1, 0.1), Interval(math.nan, math.nan)

TWO = Study(
    system="two",
    recipes=("srt",),
    claim="One rises.",
    quantities={"probe/accuracy": "up", "probe/entropy": "shown"},
    arms={"one": {"recipe": "srt"}, "other": {"recipe": "random-reward"}, "third": {"recipe": "srt", "model": "chain-weak"}},
    control="other",
    against={"third": None},
)


def row(arm: str, seed: int, first: float, last: float, **more: object) -> Row:
    history = {"probe/accuracy": [(0, first), (4, last)]}
    made = Row(arm=arm, seed=seed, verdict="improved", seconds=2.0, command="autotelic run srt", rounds=4, history=history)
    return replace(made, **more)  # type: ignore[arg-type]


ROWS = [row("one", 0, 0.4, 0.8), row("one", 1, 0.4, 0.9), row("other", 0, 0.4, 0.4), row("other", 1, 0.4, 0.3), row("third", 0, 0.1, 0.2)]


@pytest.mark.parametrize(
    ("move", "change", "difference", "said"),
    [
        ("up", ABOVE, ABOVE, "yes"),
        ("up", AROUND, ABOVE, "unclear"),
        ("up", ABOVE, AROUND, "unclear"),
        ("up", BELOW, ABOVE, "no"),
        ("up", ABOVE, BELOW, "no"),
        ("up", ABOVE, UNKNOWN, "unclear"),
        ("down", BELOW, BELOW, "yes"),
        ("down", BELOW, ABOVE, "no"),
        ("above", BELOW, ABOVE, "yes"),
        ("above", ABOVE, AROUND, "unclear"),
        ("below", ABOVE, BELOW, "yes"),
        ("below", ABOVE, ABOVE, "no"),
    ],
)
def test_what_intervals_say_of_a_claim(move: str, change: Interval, difference: Interval, said: str) -> None:
    assert says(move, change, difference) == said  # type: ignore[arg-type]


def test_arms_are_compared_seed_by_seed() -> None:
    """Changes .4 and .5: mean .45, half width t(.975, 1) * .0707107 / sqrt 2 = 12.7062 * .05; differences .4 and .6: .5 and 12.7062 * .1."""
    one, other, third = comparisons(TWO, ROWS)
    assert (one.arm, one.seeds, one.first, one.last, one.control) == ("one", 2, pytest.approx(0.4), pytest.approx(0.85), "other")
    assert one.change == pytest.approx((0.45 - 0.63531, 0.45 + 0.63531), abs=1e-4)
    assert one.difference == pytest.approx(0.5) and one.interval == pytest.approx((0.5 - 1.27062, 0.5 + 1.27062), abs=1e-4)
    assert one.said == "unclear"
    assert other.control is None and math.isnan(other.difference) and other.said is None
    assert third.control is None and math.isnan(third.change.low), "one seed has no interval"


def test_a_control_with_other_seeds_counts_only_where_both_ran() -> None:
    one, *_ = comparisons(TWO, [row("one", 0, 0.4, 0.8), row("one", 1, 0.4, 0.9), row("other", 1, 0.4, 0.3)])
    assert one.difference == pytest.approx(0.6) and math.isnan(one.interval.low)
    one, *_ = comparisons(TWO, ROWS[:2])
    assert math.isnan(one.difference) and one.said == "unclear"


def test_table_and_words() -> None:
    lines = table(TWO, [*ROWS, row("third", 1, 0, 0, verdict=FAILED, history={}, error="error: no such base")]).splitlines()
    assert len(lines) == 5 and len({len(line) for line in lines}) == 1
    assert [cell.strip() for cell in lines[2].split("|")[1:4]] == ["one", "accuracy", "0.40 to 0.85"]
    assert "1 improved, 1 failed" in lines[4]
    assert words(TWO, ROWS) == ["probe/accuracy rises, and ends above that of 'other', as the paper says: unclear"]
    assert words(TWO, [row("third", 1, 0, 0, verdict=FAILED, history={}, error="error: no such base")]) == ["third, seed 1: error: no such base"]
    assert table(TWO, []).startswith("| arm |")


def test_numbers_of_a_table() -> None:
    shown = [number(value) for value in (0.0, 1.0, 0.4049, 0.0123, 0.00123, 250.4, -0.5)]
    assert shown == ["0.00", "1.00", "0.40", "0.012", "0.0012", "250", "-0.50"]


def test_results_are_read_as_written_and_checked(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "two.json"
    write(path, TWO, reversed(ROWS), {"cores": 2})
    assert [(one.seed, one.arm) for one in read(path, TWO)] == [(0, "one"), (0, "other"), (0, "third"), (1, "one"), (1, "other")]
    assert comparisons(TWO, read(path, TWO))[0].last == pytest.approx(0.85)
    assert len(path.read_text(encoding="utf-8").splitlines()) == len(ROWS) + 2
    with pytest.raises(DataError, match="results of 'two', not of 'srt'"):
        read(path, find("srt"))
    path.write_text(path.read_text(encoding="utf-8").replace('"arm": "one"', '"arm": "onee"'), encoding="utf-8")
    with pytest.raises(DataError, match=r"row 1: no arm 'onee'; did you mean 'one'\?"):
        read(path, TWO)
    for text in ("{", "[]", '{"system": "two", "rows": [{"arm": "one"}]}', '{"system": "two"}'):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(DataError, match="cannot be read as results"):
            read(path, TWO)
    with pytest.raises(DataError, match="cannot be read as results"):
        read(tmp_path / "absent.json", TWO)


def test_a_study_names_its_arms() -> None:
    with pytest.raises(SettingError, match=r"no arm 'othr'; did you mean 'other'\?"):
        replace(TWO, control="othr")
    with pytest.raises(SettingError, match="no arm 'fourth'"):
        replace(TWO, against={"one": "fourth"})
    with pytest.raises(SettingError, match="needs arms and quantities"):
        replace(TWO, quantities={})
    with pytest.raises(SettingError, match=r"no study 'srtt'; did you mean 'srt'\?"):
        find("srtt")


def test_commands_spell_settings_so_that_they_are_read_back() -> None:
    settings = {
        "recipe": "srt",
        "model": "chain-weak",
        "rounds": 2,
        "trained": None,
        "vote": {"min_share": 0.6, "denominator": "all"},
        "scale": "std",
    }
    made = command(settings, 3)
    assert shlex.join(made[:8]) == "autotelic run srt --seed 3 --model chain-weak --rounds"
    assert made[8:] == ["2", "trained=null", "vote.min_share=0.6", "vote.denominator=all", "scale=std"]
    assert command({"recipe": "srt", "tied": False, "answer_column": "3"}, 0)[5:] == ["tied=false", 'answer_column="3"']


def test_a_curve_keeps_the_last_value_of_a_run_that_ended() -> None:
    rows = [
        row("one", 0, 0, 0, history={"probe/accuracy": [(0, 0.0), (2, 0.4), (3, 0.6)]}),
        row("one", 1, 0, 0, history={"probe/accuracy": [(0, 0.2), (2, 0.8)]}),
    ]
    found = curve(TWO, rows, "one", "probe/accuracy")
    assert found is not None
    assert (list(found.xs), list(found.ys)) == ([0, 2, 3], pytest.approx([0.1, 0.6, 0.7]))
    assert (found.low, found.high) == ([0.0, 0.4, 0.6], [0.2, 0.8, 0.8])
    assert curve(TWO, rows, "other", "probe/accuracy") is None
    svg = figure(replace(TWO, arms={"a < b": {}, "other": {}, **TWO.arms}), [replace(one, arm="a < b") for one in rows])
    assert "a &lt; b" in svg and "a < b" not in svg and svg.count("<svg") == svg.count("</svg>") == 1
    assert figure(TWO, []) == ""


@pytest.mark.parametrize("name", list(declared()))
def test_every_study_is_of_shipped_recipes_and_its_arms_can_be_run(name: str) -> None:
    study = declared()[name]
    assert set(study.recipes) <= recipes().keys() and study.claim.endswith(".")
    for arm, settings in study.arms.items():
        assert arm.strip() == arm and "seed" not in settings
        if study.trial:
            checked(study.trial, settings)
            continue
        cls = recipes()[settings["recipe"]]
        cls.model_validate({key: value for key, value in settings.items() if key in cls.model_fields})


@pytest.mark.parametrize("name", [name for name, study in declared().items() if not study.trial])
def test_the_arms_of_a_study_are_probed_alike(name: str) -> None:
    """pass@k and agreement of arms that sample at different temperatures do not compare."""
    found = set()
    for arm in declared()[name].arms.values():
        settings, recipe = resolve(arm)
        sampling = settings.probe_sampling.over(recipe.sampling)
        found.add((sampling.scale, sampling.top_p, sampling.top_k))
    assert len(found) == 1


@pytest.mark.parametrize("name", COMMITTED)
def test_committed_results_are_of_the_declared_arms_and_no_outcome_is_better_than_they_are(name: str) -> None:
    study = declared()[name]
    rows = read(results_of(name), study)
    assert {(one.arm, one.seed) for one in rows} >= {(arm, seed) for arm in study.arms for seed in range(study.seeds)}
    assert study.seeds >= 3 or study.outcome in (None, "no")
    for one in rows:
        assert one.verdict != FAILED, one
        assert shlex.split(one.command) == words_of(study, one.arm, one.seed), "the arm was changed after it was run"
    said = [one.said for one in comparisons(study, rows) if one.said]
    assert study.finding
    assert study.outcome != "replicated" or set(said) == {"yes"}
    assert study.outcome != "partly" or "yes" in said


def test_what_was_run_has_an_outcome_and_what_was_not_has_none() -> None:
    assert {name for name, study in declared().items() if study.outcome} == set(COMMITTED)


def test_the_catalogue_is_whole_and_its_states_are_those_of_recipes_and_studies() -> None:
    found = catalogue()
    assert [one.id for one in found] == list(range(366))
    assert all(one.system and one.title and one.family and "|" not in one.system + one.title for one in found)
    assert len({one.title for one in found}) == 366
    for name, cls in recipes().items():
        for catalogued in cls.about.catalogue:
            assert name in found[catalogued].names and found[catalogued].state != "open"
    assert state(()) == "open"
    assert state(("srt",)) == outcome_of("srt")
    assert state(("rest-mcts",)) == "not seen"
    assert state(("random-reward",)) == "runs"
    assert state(("random-reward", "intuitor", "gold")) == "replicated"
    assert [one.id for one in search("SRT label-free replicated")] == [0]


def test_the_command_lists_prints_and_names_the_nearest(tmp_path: Path) -> None:
    listed = call("replicate", "--list").out
    assert all(name in listed and study.claim in listed for name, study in declared().items())
    shown = call("replicate", "srt", "--from", results_of("srt"))
    assert shown.status == 0 and "| srt " in shown.out and "as the paper says: " in shown.out
    assert "did you mean 'srt'" in call("replicate", "srtt").complaint
    assert "did you mean 'random reward'" in call("replicate", "srt", "random rewrd", "--out", tmp_path / "x.json").complaint
    assert "results of 'gold', not of 'srt'" in call("replicate", "srt", "--from", results_of("gold")).complaint
    assert "SRT" in call("systems", "can", "large", "reasoning").out
    assert not (tmp_path / "x.json").exists()


def test_all_arms_are_run_and_a_run_that_fails_is_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quick = {"rounds": 1, "pool_size": 8, "probe_size": 4, "probe_samples": 2, "tasks_per_round": 2, "group_size": 2}
    tiny = replace(
        TWO, system="tiny", arms={"one": {"recipe": "srt", **quick}, "other": {"recipe": "srt", "model": "no/such/base", **quick}}, against={}
    )
    monkeypatch.setitem(declared(), "tiny", tiny)
    out = tmp_path / "tiny.json"
    found = call("replicate", "tiny", "--seeds", 1, "--workers", 1, "--out", out)
    assert found.status == 1 and "1/2 " in found.out and "2/2 " in found.out and "no/such/base" in found.out
    good, bad = read(out, tiny)
    assert (good.arm, good.rounds, good.error) == ("one", 1, None) and [r for r, _ in good.history["probe/accuracy"]] == [0, 1]
    assert good.first["probe/accuracy"] == good.history["probe/accuracy"][0][1]
    assert (bad.verdict, bad.rounds, bad.history) == (FAILED, 0, {}) and bad.error and bad.error.startswith("error: ")
    assert json.loads(out.read_text(encoding="utf-8"))["machine"]["cores"] >= 1


def test_rows_that_are_there_stay_and_are_not_made_again(tmp_path: Path) -> None:
    """Unless they failed, or were made with other settings: by their digest, or by their command where they have none."""
    broken = replace(TWO, arms={**TWO.arms, "other": {"recipe": "no-such-recipe"}})
    out, said = tmp_path / "two.json", []
    ours = [row("one", 0, 0.4, 0.8, command=shlex.join(words_of(TWO, "one", 0))), row("one", 1, 0.4, 0.9, settings=settings_digest(TWO, "one"))]
    write(out, broken, [*ours, *ROWS[2:]], {})
    rows = run_arms(broken, ["one", "other"], seeds=2, workers=1, out=out, say=said.append)
    assert [(one.arm, one.seed, one.verdict) for one in rows] == [
        ("one", 0, "improved"), ("other", 0, FAILED), ("third", 0, "improved"), ("one", 1, "improved"), ("other", 1, FAILED)
    ]  # fmt: skip
    again = [f"other seed {seed}: the row in the file was made with other settings; it is made again" for seed in (0, 1)]
    assert said[:3] == [*again, f"{out}: 2 of 4 runs are done already"]
    assert said[3].startswith("3/4 other seed 0: failed, error: no recipe 'no-such-recipe'")
    assert read(out, broken) == [replace(one, history={k: [list(p) for p in v] for k, v in one.history.items()}) for one in rows]  # type: ignore[misc]
    said.clear()
    run_arms(broken, ["one"], seeds=2, workers=1, out=out, say=said.append)
    assert said == [f"{out}: 2 of 2 runs are done already"] and [path.name for path in tmp_path.iterdir()] == ["two.json"]


def test_a_digest_of_settings_is_of_defaults_and_files_too(tmp_path: Path) -> None:
    tasks = tmp_path / "t.jsonl"
    lines(tasks, '{"prompt": "1+1=", "answer": "2"}')
    ours = {"srt": {"recipe": "srt"}, "said": {"recipe": "srt", "group_size": 16}, "more": {"recipe": "srt", "group_size": 17},
            "elsewhere": {"recipe": "srt", "workers": 2}, "file": {"recipe": "srt", "tasks": str(tasks)}, "refused": {"recipe": "srt", "goup_size": 2}}  # fmt: skip
    study = replace(TWO, arms=ours, control="srt", against={})
    found = {arm: settings_digest(study, arm) for arm in ours}
    assert found["srt"] == found["said"] == found["elsewhere"] and len(set(found.values())) == 4 and found["refused"] is None
    lines(tasks, '{"prompt": "1+1=", "answer": "3"}')
    assert settings_digest(study, "file") != found["file"]


STUDY = """
import sys
from pathlib import Path
from autotelic.runs.stopping import stoppable
from autotelic.studies.running import run_arms
from autotelic.systems.study import Study
quick = {"rounds": 20, "pool_size": 8, "probe_size": 4, "probe_samples": 2, "tasks_per_round": 2, "group_size": 2, "model": "chain-good"}
tiny = Study(system="tiny", claim="It runs.", quantities={"probe/accuracy": "shown"}, arms={"one": {"recipe": "srt", **quick}}, control="one")
with stoppable():
    run_arms(tiny, [], seeds=1, workers=1, out=Path(sys.argv[1]))
"""


def test_a_study_that_is_killed_ends_its_runs_and_goes_on_with_them(tmp_path: Path) -> None:
    """By SIGTERM, and by SIGKILL, of which it is told nothing. The row is that of a study that was left alone."""
    whole, out = tmp_path / "whole.json", tmp_path / "tiny.json"

    def study(out: Path) -> subprocess.Popen[str]:
        return subprocess.Popen([sys.executable, "-c", STUDY, out], env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def killed(at: int, number: signal.Signals) -> tuple[int, str]:
        with study(out) as process:
            while not (found := list(tmp_path.glob(f"tiny.runs/one-0-*/rounds/{at:05d}"))):
                assert process.poll() is None, process.communicate()
                time.sleep(0.01)
            process.send_signal(number)
            told = process.communicate()[1]
        while (found[0].parents[1] / LOCK).exists():
            time.sleep(0.01)
        assert not out.exists() and RunReader.of(found[0].parents[1]).last in range(at, 20)
        return process.returncode, told

    assert killed(2, signal.SIGTERM) == (143, f"stopped by SIGTERM; {out}: 0 of 1 runs are kept; the same command goes on\n")
    assert killed(6, signal.SIGKILL) == (-signal.SIGKILL, "")
    for path in (out, whole):
        with study(path) as process:
            assert process.communicate()[0].startswith("1/1 one seed 0: ")
    ours, theirs = (json.loads(path.read_text(encoding="utf-8"))["rows"] for path in (out, whole))
    assert [{**one, "seconds": 0} for one in ours] == [{**one, "seconds": 0} for one in theirs]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tiny.json", "whole.json"]


def test_arms_without_a_run_are_trials_in_a_process_of_their_own(tmp_path: Path) -> None:
    """Their steps are the rounds of a row."""
    arms = {"used grades": {"count": 4, "refinements": 1, "graded_anew": 1}, "fresh grades": {}}
    small = replace(find("in-context-hacking"), arms=arms)
    (row,) = run_arms(small, ["used grades"], seeds=1, workers=1, out=tmp_path / "small.json", say=lambda line: None)
    assert (row.verdict, row.rounds, row.error, row.proxy) == ("measured", 1, None, None)
    assert row.command == "autotelic.studies.trial in-context-hacking --seed 0 count=4 refinements=1 graded_anew=1"
    assert [step for step, _ in row.history["refine/used"]] == [0, 1] and [step for step, _ in row.history["refine/quality/since_first"]] == [1]
    assert "1 measured" in table(small, read(tmp_path / "small.json", small)) and figure(small, [row]).startswith("<svg")


def test_a_trial_depends_on_its_seed_and_settings_alone(capsys: pytest.CaptureFixture[str]) -> None:
    said = []
    for given in (["--seed", "0"], ["--seed", "0"], ["--seed", "1"], ["--seed", "0", "keeping.decides=coin"]):
        assert trial(["in-context-hacking", *given, "count=3", "refinements=1", "graded_anew=1"]) == 0
        said.append(capsys.readouterr().out)
    assert said[0] == said[1] and len(set(said)) == 3


def test_a_trial_that_cannot_be_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SettingError, match="study 'srt' is made of runs; autotelic replicate srt"):
        read_trial("srt", {})
    with pytest.raises(SettingError, match=r"no setting 'keeping.candidate'; did you mean 'candidates'\?"):
        read_trial("in-context-hacking", {"keeping": {"candidate": 2}})
    for setting, complaint in (("tasks=addition", "world 'addition' has no skill 'critique'"), ("model=chain-medium", "vocabulary")):
        assert trial(["in-context-hacking", "--seed", "0", setting]) == 1
        assert complaint in capsys.readouterr().err
    assert trial(["in-context-hacking"]) == 2 and trial(["in-context-hacking", "--seed", "x"]) == 2
