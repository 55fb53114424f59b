"""Functions by instruction: what is right is what the tests say, whatever it looks like, and code of models runs in the sandbox alone."""

import json
import random

import pytest

from autotelic.answers.unit_tests import score
from autotelic.errors import DataError, SettingError
from autotelic.sandbox import why_not
from autotelic.tasks.validate import validate
from autotelic.types import Task
from autotelic.worlds import functions, open_world
from autotelic.worlds.functions import EDGES, PLAIN, STEPS, Functions, outcomes, read

here = pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")
TASK = Task("t", "skip 2,above 3,sum:")


def test_an_instruction_and_what_it_gives():
    assert read("skip 2,above 3,sum:") == [("skip", 2), ("above", 3), ("sum", 0)]
    assert Functions().gold(TASK) == "x=x[2:]\nx=[v for v in x if v>3]\nreturn sum(x)"
    plain, edges = json.loads(functions.tests(TASK.prompt))
    assert plain[2] == "assert f([9, 8, 7, 6, 5, 4, 3, 2, 1]) == 22" and edges[0] == "assert f([]) == 0", "7 + 6 + 5 + 4"
    assert (len(plain), len(edges)) == (len(PLAIN), len(EDGES))


@pytest.mark.parametrize(
    "prompt", ["", "sum", "sum,reverse:", "add:", "add 0:", "add 12:", "sort 3:", "jump 3:", "sum:\n", ",".join(["sort"] * 9) + ":"]
)
def test_what_is_no_instruction(prompt):
    with pytest.raises(DataError, match="not an instruction"):
        Functions().solve(prompt)


def test_a_body_is_read_as_python_writes_it():
    world = Functions()
    assert world.parse("x=x[1:] # the rest\n\nreturn  x") == world.parse("x = x[1:]\nreturn x") == "x = x[1:]\nreturn x"
    assert world.parse("for v in x:\n if v>1:\n  return v") == "for v in x:\n    if v > 1:\n        return v"
    for text in ("", "return (", "return x" + " " * 400, "\0", "x=1\n  y=2", "(" * 300):
        assert world.parse(text) is None
    assert world.parse("return [v+3for v in x]") == "return [v + 3 for v in x]"


@here
@pytest.mark.parametrize(
    "body,worth,part",
    [
        ("return sum(v for v in x[2:] if v>=4)", 1.0, 1.0),  # other code that does the same
        ("total=0\nfor v in x[2:]:\n if v>3:\n  total+=v\nreturn total", 1.0, 1.0),
        ("x=x[2:]\nx=[v for v in x if v>3]\nreturn sum(x) if x else None", 0.0, 0.75),  # wrong of the two lists of four of which nothing is left
        ("return sum(v for v in x[2:] if v>2)", 0.0, 0.0),
        ("return 22", 0.0, 1 / 6),  # right of one ordinary list of three
        ("while True: pass", 0.0, 0.0),
        ("import os\nos._exit(0)", 0.0, 0.0),
        ("raise SystemExit", 0.0, 0.0),
        ("return open('/etc/passwd').read()", 0.0, 0.0),
    ],
)
def test_what_a_body_is_worth(body, worth, part):
    world, partly = Functions(), Functions(partial=True)
    assert world.verify(TASK, world.parse(body)) == worth
    assert partly.verify(TASK, partly.parse(body)) == pytest.approx(part)


@here
def test_the_worlds_own_code_is_right_and_its_slips_differ():
    assert validate(open_world("functions?ops=1-4&largest=9"), 30, seed=0).ok
    for name, step in STEPS.items():
        prompt = f"{name} 2:" if name in functions.NUMBERED else f"{name}:"
        for slip in step.slips:
            code = f"def f(x):\n return {functions._written(slip, 2)}"
            assert score(code, functions.tests(prompt)) < 1.0, (prompt, code)


@here
def test_no_function_of_the_probe_is_in_training():
    world = open_world("functions")
    probe, train = (world.tasks(100, seed=0, split=split) for split in ("probe", "train"))
    assert not {str(outcomes(read(task.prompt))) for task in probe} & {str(outcomes(read(task.prompt))) for task in train}
    assert world.tasks(20, seed=0) == train[:20] and {task.tags["ops"] for task in train} == {2, 3}
    assert Functions().split("add 1,add 2:") == Functions().split("add 3:") == Functions().split("reverse,add 3,reverse:")


def test_the_teacher_slips_as_often_as_asked_and_on_the_same_steps():
    rng = random.Random(3)
    sure, never = Functions(), Functions(slips=1.0, slip_rates=(1.0, 1.0))
    assert sure.lesson(TASK, rng).completion == sure.gold(TASK)
    assert len({never.lesson(TASK, rng).completion for _ in range(20)}) == 1
    assert all(never.believed(name, 2, rng) != functions._written(step.code, 2) for name, step in STEPS.items())
    half = Functions(slips=1.0, slip_rates=(0.5, 0.5))
    assert 400 < sum(half.believed("sort", 0, rng) == "sorted(x)" for _ in range(1000)) < 600


def test_without_a_sandbox_there_are_no_tasks(monkeypatch):
    monkeypatch.setattr(functions, "why_not", lambda: "there is no `bwrap` here")
    with pytest.raises(SettingError, match="world 'functions' runs code of models: there is no `bwrap` here"):
        open_world("functions").tasks(1, seed=0)
