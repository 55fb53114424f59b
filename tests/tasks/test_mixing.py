"""Several sources as one: shares, ids, splits, slices, judges; and what cannot be mixed."""

import json
from collections import Counter
from pathlib import Path

import pytest
from complaints import lines

from autotelic.errors import DataError, SettingError
from autotelic.runs.settings import RunSettings
from autotelic.runs.tasks import Source, named, open_tasks, sources
from autotelic.tasks.mixing import MixedWorld
from autotelic.types import Task, World


def file(path: Path, count: int, say: str = "{}+1=", **more: object) -> Path:
    path.parent.mkdir(exist_ok=True)
    return lines(path, *(json.dumps({"prompt": say.format(i), "answer": str(i + 1), **more}) for i in range(count)))


def opened(spec: str, probe_share: float = 0.1, **settings: object) -> World:
    return open_tasks(spec, RunSettings(**settings), probe_share)


def by_source(tasks: list[Task]) -> Counter[str]:
    return Counter(task.tags["source"] for task in tasks)


def test_shares_splits_ids_and_slices(tmp_path: Path) -> None:
    one, two = file(tmp_path / "a" / "t.jsonl", 60), file(tmp_path / "b" / "t.jsonl", 40, "{} plus 1?", id="x")
    lines(two, *(json.dumps({"prompt": f"{i} plus 1?", "answer": i + 1, "id": str(i)}) for i in range(40)))
    world = opened(f"{one}*2 + {two}", verifier="number")
    assert isinstance(world, MixedWorld) and world.name == "a/t.jsonl + b/t.jsonl" and world.weights == {"a/t.jsonl": 2.0, "b/t.jsonl": 1.0}
    train, probe = world.tasks(30, seed=0), world.tasks(99, seed=0, split="probe")
    assert by_source(train) == {"a/t.jsonl": 20, "b/t.jsonl": 10}
    assert by_source(probe) == {"a/t.jsonl": 6, "b/t.jsonl": 4}
    assert by_source(world.tasks(999, seed=0)) == {"a/t.jsonl": 54, "b/t.jsonl": 36}
    assert world.tasks(9, seed=0) == train[:9]
    assert len({task.id for task in (*train, *probe)}) == 40 and all(task.id.startswith(task.tags["source"] + "/") for task in train)
    assert {task.tags["part"] for task in probe} == {"a/t.jsonl", "b/t.jsonl"}
    assert all(world.verify(task, world.parse(world.gold(task))) == 1.0 for task in train)
    places = [int(task.tags["record"].rpartition(" ")[2]) for task in sorted(world.tasks(999, seed=0), key=world.place)]
    assert places == sorted(places[:54]) + sorted(places[54:])


def test_a_slice_column_tells_parts_of_each_file_apart(tmp_path: Path) -> None:
    one, two = file(tmp_path / "a.jsonl", 5, level=1), file(tmp_path / "b.jsonl", 5, "{} plus 1?")
    lines(tmp_path / "b.jsonl", *(json.dumps({"prompt": f"{i}?", "answer": "1", "level": i}) for i in range(2)))
    world = opened(f"{one} + {two}", slice_column="level")
    assert {task.tags["part"] for task in world.tasks(99, seed=0)} <= {"a.jsonl, level 1", "b.jsonl, level 0", "b.jsonl, level 1"}


def test_what_two_files_share_is_read_once_and_a_contradiction_names_both_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = file(tmp_path / "a.jsonl", 20), file(tmp_path / "b.jsonl", 30)
    world = opened(f"{one} + {two}")
    assert by_source([*world.tasks(99, seed=0), *world.tasks(99, seed=0, split="probe")]) == {"a.jsonl": 20, "b.jsonl": 10}
    assert capsys.readouterr().err == "note: b.jsonl: 20 of 30 tasks repeat prompts of files before it, and are left out\n"
    lines(two, *(json.dumps({"prompt": "1+1=", "answer": answer, "id": answer}) for answer in ("2", "3")))
    with pytest.raises(DataError, match=rf"{two} line 2: repeats the prompt of {one} line 2 with another answer \('3', not '2'\)"):
        opened(f"{one} + {two}")
    file(two, 20)
    with pytest.raises(DataError, match=r"b\.jsonl: all of its prompts are in files before it"):
        opened(f"{one} + {two}")


def test_worlds_that_read_alike_are_mixed_and_judge_their_own(tmp_path: Path) -> None:
    path = lines(tmp_path / "n.jsonl", *(json.dumps({"prompt": f"{i} apples and 1?", "answer": i + 1}) for i in range(20)))
    world = opened(f"word-problems*2 + units + {path}", verifier="number")
    tasks = world.tasks(40, seed=0)
    assert by_source(tasks) == {"word-problems": 20, "units": 10, "n.jsonl": 10}
    assert all(world.verify(task, world.parse(world.gold(task))) == 1.0 for task in tasks)
    assert isinstance(world, MixedWorld)
    story = next(task for task in world.tasks(9, seed=0, split="probe") if task.tags["source"] == "word-problems")
    assert world.held_out(str(story.prompt[-1]["content"])) and not world.held_out("1 apples and 1?")  # type: ignore[index]
    assert world.task("How many feet are 2 yards?").tags["source"] == "units" and world.task("Why?").tags["source"] == "word-problems"
    two = opened("chain?ops=2 + chain?ops=5*3")
    assert Counter(task.tags["ops"] for task in two.tasks(20, seed=1)) == {2: 5, 5: 15}
    assert isinstance(two, MixedWorld) and two.task("1+2=").tags["source"] == "chain?ops=2"
    for call, message in (
        (lambda: two.skill("judge"), "has no skill 'judge'"),
        (lambda: two.task("what?"), "no source knows the problem 'what\\?'"),
        (lambda: two.tasks(3, seed=0, ops=4), "a mix has no knob 'ops'"),
        (lambda: two.tasks(-1, seed=0), "must be 0 or more"),
        (lambda: two.tasks(1, seed=0, split="tset"), "unknown split .tset."),
        (lambda: two.verify(Task("x", "1+2=", "3"), "3"), "the task 'x' is of none of these sources"),
    ):
        with pytest.raises((SettingError, DataError), match=message):
            call()


def test_a_mix_of_files_speaks_as_a_file_does(tmp_path: Path) -> None:
    one, two = file(tmp_path / "a.jsonl", 9), file(tmp_path / "b.jsonl", 9, "{} plus 1?")
    world = opened(f"{one} + {two}")
    shown = str(world.skill("propose").ask())
    assert "+1=" in shown and "plus 1?" in shown
    task = world.tasks(1, seed=0)[0]
    truth = world.skill("judge").truth
    assert truth is not None and (truth(task, str(task.answer)), truth(task, "no")) == ("5", "0")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("chain + word-problems", "the answers of 'chain' and 'word-problems' are not read alike, and what is mixed must be$"),
        ("a.jsonl + word-problems", "are not read alike.*; with verifier=number they are"),
        ("word-problems + weekdays", "the answers of 'word-problems' and 'weekdays' are not read alike, and what is mixed must be$"),
        ("a.jsonl,b.jsonl", "no such file.*several sources are written 'a.jsonl \\+ b.jsonl'"),
        ("a.jsonl*0 + b.jsonl", "the weight '0' of 'a.jsonl' is no number above 0"),
        ("a.jsonl*-1 + b.jsonl", "the weight '-1' of 'a.jsonl' is no number above 0"),
        ("a.jsonl*much + b.jsonl", "the weight 'much' of 'a.jsonl' is no number above 0"),
        ("a.jsonl + a.jsonl", "names 'a.jsonl' twice; a weight says how often: 'a.jsonl\\*2'"),
        ("a.jsonl + ./a.jsonl", "'a.jsonl' is named twice"),
        ("a.jsonl*2", "a weight is beside that of another source"),
        ("a.jsonl + ", "there is nothing beside a '\\+'"),
        ("a.jsonl + b.josnl", "b.josnl: no data set.*did you mean 'b.jsonl'"),
        ("a.jsonl + bad.jsonl", "bad.jsonl line 2: no column 'prompt': did you mean 'promt'"),
    ],
)
def test_what_cannot_be_mixed(spec: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file(Path("a.jsonl"), 3), file(Path("b.jsonl"), 3, "{} plus 1?")
    lines(Path("bad.jsonl"), '{"prompt": "a"}', '{"promt": "b"}')
    with pytest.raises((SettingError, DataError), match=message):
        opened(spec)


def test_templates_know_the_columns_of_every_source(tmp_path: Path) -> None:
    one = lines(tmp_path / "a.jsonl", '{"question": "1+1", "answer": "2"}')
    two = lines(tmp_path / "b.jsonl", '{"prompt": "1+2", "question": "0", "answer": "3"}')
    with pytest.raises(SettingError, match=r"the prompt of a\.jsonl is in the column 'question' and that of b\.jsonl in 'prompt'"):
        opened(f"{one} + {two}", template="{question}?")


def test_a_spec_is_read_as_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a + b.jsonl", "c*2"):
        Path(name).write_text("")
    assert sources("a + b.jsonl") == [Source("a + b.jsonl", 1.0)]
    assert sources("c*2 + d.jsonl * .5") == [Source("c*2", 1.0), Source("d.jsonl", 0.5)]
    assert sources("chain?operators=+-*") == [Source("chain?operators=+-*", 1.0)]
    assert sources("chain?operators=+*1.5 + chain?ops=3") == [Source("chain?operators=+", 1.5), Source("chain?ops=3", 1.0)]
    assert list(named(sources("chain?ops=2 + c*2"))) == ["chain?ops=2", "c*2"]
