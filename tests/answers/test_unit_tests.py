"""Unit tests as a verifier of task files."""

import json

import pytest

from autotelic.answers import unit_tests
from autotelic.answers.unit_tests import code_in, score, tiers_in
from autotelic.errors import DataError, SettingError
from autotelic.sandbox import why_not
from autotelic.tasks import file_world
from autotelic.tasks.file_world import FileWorld
from autotelic.types import Task

here = pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")
TESTS = json.dumps([["assert double(2) == 4", "assert double(0) == 0"], ["assert double('a') == 'aa'", "assert double([1])"]])
RIGHT, INTS, WRONG = ("def double(x): return 2 * x", "def double(x): return int(x) * 2", "def double(x): return 0")


def test_the_last_fenced_block_is_the_program():
    assert code_in("First:\n```python\nx = 1\n```\nBetter:\n```py\nx = 2\n```\nDone.") == "x = 2"
    assert code_in("x = 3\n") == "x = 3" and code_in("I think that") is None and code_in("") is None


@pytest.mark.parametrize("tests", ["", "x = 1", "assert f(", "[]", "[[]]", '["import os"]', "[1]"])
def test_what_is_no_test_is_not_read(tests):
    assert tiers_in(tests) is None


@here
def test_a_later_tier_counts_only_behind_whole_ones():
    assert [score(code, TESTS) for code in (RIGHT, INTS, WRONG)] == [1.0, 0.5, 0.25]
    assert score("while True: pass", "assert double(2) == 4") == 0.0


@here
@pytest.mark.parametrize(
    "cheat",
    [
        "import os; os._exit(0)",
        "raise SystemExit",
        "class E:\n    def __eq__(self, other): return True\ndouble = lambda x: E()",
        'import os; os.write(3, b\'{"error": "", "values": ["1"]}\'); os._exit(0)',
        "import builtins; builtins.eval = lambda *a: True",
    ],
)
def test_a_program_that_only_says_that_it_is_right_is_not(cheat):
    assert score(cheat, "assert double(2) == 4\nassert double(3) == 6") == 0.0


@here
def test_a_task_file_is_verified_by_its_tests():
    tasks = [Task("t", "Write double(x).", TESTS, {"completion": f"```python\n{RIGHT}\n```"})]
    whole, partly = (FileWorld(tasks, verifier=name, probe_share=0.0) for name in unit_tests.NAMES)
    answers = [whole.parse(f"```python\n{code}\n```") for code in (RIGHT, INTS, WRONG)]
    assert [whole.verify(tasks[0], answer) for answer in answers] == [1.0, 0.0, 0.0]
    assert [partly.verify(tasks[0], answer) for answer in answers] == [1.0, 0.5, 0.25]
    assert whole.verify(tasks[0], whole.parse("no program here")) == 0.0 and whole.gold(tasks[0]) == tasks[0].hidden["completion"]


@here
def test_tests_that_cannot_be_read_are_an_error_of_the_file():
    with pytest.raises(DataError, match="'tests' finds no answer in 'four'"):
        FileWorld([Task("t", "Write it.", "four")], verifier="tests")


def test_without_a_sandbox_the_verifier_is_refused(monkeypatch):
    monkeypatch.setattr(file_world, "why_not", lambda: "there is no `bwrap` here")
    with pytest.raises(SettingError, match=r"'tests'.*no `bwrap`"):
        FileWorld([Task("t", "Write double(x).", TESTS)], verifier="tests")
