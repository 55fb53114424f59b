"""Reading what a model wrote takes every world linear time."""

import time

import pytest

from autotelic.sandbox import why_not
from autotelic.tasks import english
from autotelic.worlds import countdown_steps, open_world, programs, questions
from autotelic.worlds.chain import language

WORLDS = ("addition", "asides", "chain", "chain-skills", "countdown", "countdown-steps", "facts", "habits", "programs", "rules", "strings")
RUN = () if why_not() else ("functions",)
"""Whose answers are code."""
UNITS = (
    ";",
    ";#",
    "#",
    "#1 ",
    ";#1",
    ";#a",
    "; ",
    " ;",
    "\n",
    "1",
    "1 ",
    "1,",
    "1+1=2;",
    "3*2=6,7;",
    "1+1=1,1",
    "(",
    "1+(",
    "a",
    "a1",
    "R",
    "1>2,",
    "R:1;",
    "=",
    "1=",
    "problem ",
    "problem:",
    "Step 1: ",
    "a. ",
    "/",
)
SIZE = 200_000


@pytest.mark.parametrize("unit", UNITS)
def test_parsers_take_linear_time(unit):
    """No timed test: the bound is far above what linear code takes (some tenths of a second), and far below what quadratic code does (minutes)."""
    filler = unit * (SIZE // len(unit))
    worlds = [open_world(name) for name in (*WORLDS, *RUN)]
    tasks = [world.tasks(1, seed=0)[0] for world in worlds]
    start = time.process_time()
    for text in (filler, f";{filler}#1", f"{filler}Z", f"1+1=2;{filler};#1"):
        for world, task in zip(worlds, tasks, strict=True):
            world.verify(task, world.parse(text))
        for skill in (language.grade, language.verdict, language.index, language.proposal, language.equation):
            skill(text)
        for truth in (language.marks, language.ended, language.quality, language.first_wrong):
            truth("3+4*2=", text)
        for reader in (english.grade, english.score, english.problem_of, english.one_step, english.numbered, english.steps):
            reader(text)
        for kind in programs.KINDS:
            programs.read(kind, "R", text)
        list(countdown_steps.steps(text))
        worlds[WORLDS.index("facts")].stated(text, "kl.ab=")
        questions.read_question(worlds[WORLDS.index("chain")], r"(?P<question>[^=]+=)(?P<answer>.+)", text)
    assert time.process_time() - start < 60


def test_answers_of_reasoning_gym_take_linear_time():
    pytest.importorskip("reasoning_gym")
    world = open_world("reasoning-gym:n_queens")
    start = time.process_time()
    for unit in ("answer:", "answer: 1 ", "answer:\n", "<answer>", "<answer>1</answer>", "<think>", "</think>", "answer ", "\n"):
        world.parse(unit * (SIZE // len(unit)))
    assert time.process_time() - start < 60


@pytest.mark.parametrize(
    "text,answer",
    [
        ("<think>so <answer>7</answer></think><answer> 4 2 </answer>", "4 2"),
        ("maybe answer: 7</think>**Answer:** 42", "42"),
        ("Answer: 1\nanswer:\n2 3\n4 5\n", "2 3\n4 5"),
        ("4 2\n1 3\n", "4 2\n1 3"),
        ("<think>answer: 42", None),
        ("I think so.\nAnswer:", None),
    ],
)
def test_where_an_answer_of_reasoning_gym_stands(text, answer):
    pytest.importorskip("reasoning_gym")
    assert open_world("reasoning-gym:n_queens").parse(text) == answer
