"""The world over a task file, and the validation of any world."""

import json
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotelic.errors import DataError, SettingError
from autotelic.tasks.columns import read_tasks
from autotelic.tasks.file_world import FileWorld
from autotelic.tasks.validate import validate
from autotelic.types import Task, World
from autotelic.worlds import open_world

SPLITS = ("train", "probe", "validation")


def questions(count, answered=True):
    return [Task(f"q{i}", f"{i}+1?", str(i + 1) if answered else None) for i in range(count)]


def ids(tasks):
    return {task.id for task in tasks}


@given(st.integers(1, 60), st.floats(0, 0.6), st.floats(0, 0.39))
def test_splits_cover_the_file_once(count, probe_share, validation):
    world = FileWorld(questions(count), probe_share=probe_share, validation=validation)
    parts = [ids(world.splits[split]) for split in SPLITS]
    assert sum(map(len, parts)) == count == len(set().union(*parts))
    assert parts[0], "something is left to train on"
    assert count < 3 or bool(parts[1]) == (probe_share > 0)


def test_splits_depend_on_the_file_only():
    tasks = questions(50)
    world = FileWorld(tasks)
    assert len(world.splits["probe"]) == 5 and not world.splits["validation"]
    assert ids(FileWorld(tasks[::-1]).splits["probe"]) == ids(world.splits["probe"])
    drawn = world.tasks(45, seed=1)
    assert ids(drawn) == ids(world.splits["train"]) and drawn == world.tasks(45, seed=1) != world.tasks(45, seed=2)
    assert world.tasks(5, seed=0, split="probe") != []


def test_equal_prompts_stay_together_and_checkable_tasks_are_held_out():
    twins = [Task(f"{twin}{i}", f"{i}?", "1" if i < 5 else None) for i in range(40) for twin in "ab"]
    world = FileWorld(twins, probe_share=0.1)
    assert {task.prompt for task in world.splits["probe"]}.isdisjoint(task.prompt for task in world.splits["train"])
    assert all(task.answer for task in world.splits["probe"])


def test_a_file_may_be_held_out_as_a_whole():
    world = FileWorld(questions(10), probe_share=1.0)
    assert len(world.tasks(99, seed=0, split="probe")) == 10 and world.tasks(99, seed=0) == []
    assert world.skill("propose").ask() and world.task("New?").answer is None


def test_requests_that_do_not_fit():
    world = FileWorld(questions(10))
    assert len(world.tasks(100, seed=0)) == 9, "a file gives all it has"
    for arguments, message in (
        ({"count": 1, "split": "tarin"}, "did you mean 'train'"),
        ({"count": 1, "ops": 3}, "a task file has no knob 'ops'"),
        ({"count": -1}, "must be 0 or more, got -1"),
    ):
        with pytest.raises(SettingError, match=message):
            world.tasks(seed=0, **arguments)
    for options, message in (
        ({"verifier": "nubmer"}, "no verifier 'nubmer': did you mean 'number'"),
        ({"places": ("boxd",)}, "no place 'boxd' for an answer: did you mean 'boxed'"),
        ({"probe_share": 1.0, "validation": 0.1}, "leave something to train on"),
        ({"probe_share": -0.1}, "leave something to train on"),
    ):
        with pytest.raises(SettingError, match=message):
            FileWorld(questions(3), **options)
    for tasks, message in (([], "holds no tasks"), (questions(2) * 2, "ids repeat")):
        with pytest.raises(DataError, match=message):
            FileWorld(tasks)
    with pytest.raises(DataError, match="task x: the verifier 'number' finds no answer in 'yes'"):
        FileWorld([Task("x", "?", "yes")], verifier="number")


EXACT = {
    "so\n \\boxed{a b}": "a b",
    "#### a b\nbye": "a b",
    "The answer: a b": "a b",
    "<answer>a b</answer>.": "a b",
    "thus\na b\n": "a b",
    " ": None,
}


def test_exact():
    world = FileWorld([Task("x", "?", "a b")])
    assert {text: world.parse(text) for text in EXACT} == EXACT
    assert world.verify(Task("x", "?", " a b\n"), "a b") == 1.0
    assert [world.verify(Task("x", "?", "a b"), answer) for answer in ("A b", "ab", "", None)] == [0.0] * 4
    assert FileWorld([Task("x", "?", "a")], places=("whole",)).parse("1\n2 ") == "1\n2"


def test_number():
    world = FileWorld([Task("x", "?", "Half of 3 is 1.5\n#### 1.50")], verifier="number")
    task = world.splits["train"][0]
    for text in ("It is 3/2", "\\boxed{1.5} of 7", "1.5, I say", "answer: about 1.50 litres\nfor 2 people", "#### $1.50"):
        assert world.verify(task, world.parse(text)) == 1.0, text
    for text in ("It is 3/2 or 2", "\\boxed{two}", "none", ""):
        assert world.verify(task, world.parse(text)) == 0.0, text


def test_math_on_and_off_the_main_thread():
    pytest.importorskip("math_verify")
    task = Task("x", "?", r"\frac{\sqrt{2}}{2}")
    world = FileWorld([task], verifier="math")
    right = (r"\boxed{\frac{1}{\sqrt{2}}}", r"so it is $\sqrt{2}/2$", r"#### \frac{ \sqrt{2} }{2}")
    wrong = (r"\boxed{\sqrt{2}}", "nothing", "", r"\boxed{9^{9^{9^9}}}")

    def check():
        return [world.verify(task, world.parse(text)) for text in (*right, *wrong)]

    found: list[float] = []
    thread = threading.Thread(target=lambda: found.extend(check()))
    thread.start()
    thread.join()
    assert check() == found == [1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]


def test_math_without_the_library(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "math_verify", None)
    with pytest.raises(SettingError, match=r'pip install "autotelic\[math\]"'):
        FileWorld(questions(3), verifier="math")


def test_gold():
    world = FileWorld(questions(3))
    assert world.gold(Task("x", "?", "4")) == "4"
    assert world.gold(Task("x", "?", "4", {"completion": "2+2\n#### 4"})) == "2+2\n#### 4"
    assert world.gold(Task("x", "?", "4", {"completion": "five"})) == "4"
    boxed = FileWorld([Task("x", "?", "\\boxed{4}")], places=("boxed",))
    assert boxed.gold(Task("x", "?", "\\boxed{4}")) == "\\boxed{4}"
    for call in (world.gold, lambda task: world.verify(task, "1")):
        with pytest.raises(DataError, match="task 'x' has no answer"):
            call(Task("x", "?"))


@pytest.mark.parametrize("spec", ["addition", "chain", "countdown?numbers=2-4", "strings", "reasoning-gym:n_queens"])
def test_worlds_validate(spec):
    report = validate(open_world(spec), 30, seed=2)
    assert report.ok and report.checked == 30 and report.without_gold == 0, str(report)


def test_a_task_file_validates_from_disk_to_verdict(tmp_path):
    rows = [{"question": f"What is {i}+{i}?", "answer": f"{i}+{i}={2 * i}\n#### {2 * i}"} for i in range(20)]
    path = tmp_path / "q.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    world = FileWorld(read_tasks(path, prompt_column="question"), verifier="number")
    report = validate(world, 18, seed=0)
    assert report.ok and report.checked == 18, str(report)
    without = validate(FileWorld(questions(10, answered=False)), 9, seed=0)
    assert (without.ok, without.checked, without.without_gold) == (False, 0, 9)


class Flawed:
    """A chain world with a flaw of choice, to see that validation finds it."""

    def __init__(self, flaw):
        self.inner, self.flaw, self.name = open_world("chain"), flaw, f"flawed {flaw}"

    def tasks(self, count, *, seed, split="train", **knobs):
        return self.inner.tasks(count, seed=seed, split=split, **knobs)

    def parse(self, text):
        return None if self.flaw == "parse" else self.inner.parse(text)

    def verify(self, task, answer):
        return {"strict": 0.0, "lenient": 1.0, "any digit": float(answer is not None and answer.isdigit())}.get(
            self.flaw, self.inner.verify(task, answer)
        )

    def gold(self, task):
        return self.inner.gold(task)


@pytest.mark.parametrize(
    "flaw,message",
    [("parse", "does not parse"), ("strict", "verifies with 0"), ("lenient", "a wrong answer verifies"), ("any digit", "all other tasks verify")],
)
def test_validation_finds_flawed_verifiers(flaw, message):
    world: World = Flawed(flaw)
    report = validate(world, 10, seed=0)
    assert not report.ok and message in str(report) and str(report).startswith(f"flawed {flaw}: 10 checked")
    assert validate(Flawed("none"), 10, seed=0).ok
