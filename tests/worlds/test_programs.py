"""The toy language: its interpreter by hand, three kinds of problem, proposals, and the teacher."""

import random

import pytest

from autotelic.errors import SettingError
from autotelic.tasks.validate import validate
from autotelic.types import Task
from autotelic.worlds import open_world, programs
from autotelic.worlds.programs import LONGEST_LIST, LONGEST_PROGRAM, OPERATIONS, Snippet, backwards, pose, read, run, shortest, trace

WORLD = open_world("programs?ops=1-5&digits=1-4")


@pytest.mark.parametrize(
    "program,data,after",
    [
        ("R", "123", "321"), ("S", "3121", "1123"), ("L", "123", "231"), ("I", "189", "290"), ("E", "1234", "24"), ("RIS", "417", "258"),
        ("E", "135", None), ("EIE", "24", None), ("R" * LONGEST_PROGRAM, "12", "12"), ("R" * (LONGEST_PROGRAM + 1), "12", None),
        ("R", "1" * (LONGEST_LIST + 1), None), ("R", "", None), ("", "1", None),
    ],
)  # fmt: skip
def test_the_interpreter(program, data, after):
    assert run(program, data) == after
    assert trace("RIS", "417") == ["714", "825", "258"]


def test_the_interpreter_is_total_and_repeatable():
    rng = random.Random(0)
    for _ in range(500):
        program = "".join(rng.choices("RSLIE", k=rng.randint(1, 10)))
        data = "".join(rng.choices("0123456789", k=rng.randint(0, 8)))
        assert run(program, data) == run(program, data)
        steps = trace(program, data)
        assert steps is None or len(steps) == len(program)


def test_working_backwards_and_the_shortest_program():
    for task in WORLD.tasks(300, seed=1, kinds="abduction"):
        _, program, data = str(task.prompt).rstrip("=").split(":")
        found = backwards(program, data)
        assert found is None or run(program, found[-1]) == data
        assert WORLD.verify(task, task.answer) == 1.0
    assert backwards("SLE", "24") == ["241", "124", "124"], "E may have dropped an odd digit"
    assert shortest([("123", "321"), ("40", "04")]) == "R"
    assert shortest([("12", "34")]) == "II"
    assert shortest([("12", "13")]) is None


def test_several_answers_may_be_right():
    sort = Task("x", "a:S:12=")
    assert [WORLD.verify(sort, answer) for answer in ("12", "21", "22", "", None, "RS", "9" * 99)] == [1, 1, 0, 0, 0, 0, 0]
    guess = Task("x", "i:12>21,34>43=", hidden={"pairs": [["123", "321"], ["10", "01"]]})
    assert [WORLD.verify(guess, answer) for answer in ("R", "RRR", "L", "12", "SS", "R" * 9)] == [1, 1, 0, 0, 0, 0], "the hidden pairs judge"
    assert WORLD.verify(Task("x", guess.prompt), "L") == 1.0, "without hidden pairs the shown ones do"


def test_what_a_proposer_may_write():
    assert read("deduction", "", "RS:417") == Snippet("RS", ("417",))
    assert [read("abduction", "", text) for text in ("", "RS", "RX:1", "RS:", "R:1;S:2", "rs:1", "R" * 9 + ":1", "R:1234567")] == [None] * 8
    assert read("induction", "RS", "12,12,3") == Snippet("RS", ("12", "3")), "a list counts once"
    assert [read("induction", "RS", text) for text in ("", "12,", "a", "RS:12")] == [None] * 4
    assert pose("deduction", Snippet("RI", ("41",)), 3) == ("d:RI:41=", {"program": "RI", "data": ["41"]})
    assert pose("abduction", Snippet("RI", ("41",)), 3) == ("a:RI:25=", {"program": "RI", "data": ["41"]})
    assert pose("induction", Snippet("R", ("12", "34", "5")), 2) is None, "two to show and two to hide"
    assert pose("deduction", Snippet("E", ("13",)), 3) is None
    prompt, hidden = pose("induction", Snippet("R", ("12", "34", "56", "78")), 2)
    assert (prompt, hidden["pairs"]) == ("i:12>21,34>43=", [["56", "65"], ["78", "87"]])


def test_tasks_hide_what_they_must_and_stay_in_their_split():
    assert validate(WORLD, 200, seed=0).ok
    for task in WORLD.tasks(100, seed=2, split="probe"):
        assert WORLD.held_out(str(task.prompt))
        assert ("pairs" in task.hidden) == (task.tags["kind"] == "induction")
    assert not any(WORLD.held_out(str(task.prompt)) for task in WORLD.tasks(100, seed=2))
    with pytest.raises(SettingError, match="ops must be a range within 1 to 8"):
        open_world("programs?ops=0-3")


def test_the_teacher_solves_poses_and_slips():
    world = open_world("programs?slips=0.5&ops=1-4")
    rng = random.Random(0)
    tasks = world.tasks(400, seed=0, kinds="deduction,abduction")
    right = [world.verify(task, world.parse(world.taught(task, rng))) for task in tasks]
    assert 0.4 < sum(right) / len(right) < 0.95, "some steps are wrong"
    sure = open_world("programs?ops=1-4")
    assert all(sure.verify(task, sure.parse(sure.taught(task, rng))) == 1.0 for task in tasks)
    posing = open_world("programs?posing=1")
    for task in posing.tasks(60, seed=1):
        (prompt,), text = posing.lesson(task, rng)
        kind = task.tags["kind"]
        assert prompt.startswith(f"*{kind[0]}:")
        snippet = read(kind, prompt[3:-1], text)
        assert snippet is not None and pose(kind, snippet, 3) is not None
        assert len(prompt) <= posing.longest().prompt and len(text) <= posing.longest().completion


def test_every_letter_has_a_meaning():
    assert all(programs.before(letter, "2468") is not None and OPERATIONS[letter]("2468") for letter in OPERATIONS)
    assert all(OPERATIONS[letter](earlier) == "246" for letter in OPERATIONS for earlier in programs.before(letter, "246"))
