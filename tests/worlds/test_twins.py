"""One problem in another guise stays in its split: operands exchanged, parts in another order, the same thing asked from its other end."""

import itertools
import random
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from autotelic.rounds.held_out import posed_in
from autotelic.sandbox import why_not
from autotelic.worlds import WORLDS, addition, asides, open_world
from autotelic.worlds.base import GeneratedWorld
from autotelic.worlds.countdown import read as read_countdown
from autotelic.worlds.english import stories
from autotelic.worlds.facts import PROPERTIES, question
from autotelic.worlds.programs import Programs, run

SPLITS = ("train", "probe", "validation")


def of_addition(prompt: str) -> Iterator[str]:
    """Operands exchanged, moved, and written with a leading zero more."""
    said = addition.read(prompt)
    window = prompt.index("+")
    for a, b in ((said.a, said.b), (said.b, said.a)):
        yield addition.write(a, b, window - said.digits, window, said.digits)
        if said.digits < window:
            yield addition.write(a, b, 0, window, said.digits + 1)


def of_asides(prompt: str) -> Iterator[str]:
    """Without its asides, and with another one."""
    yield asides.plain(prompt)
    yield f"{prompt[0]}(+3){prompt[1:]}"


def of_countdown(prompt: str) -> Iterator[str]:
    """The numbers in every order."""
    numbers, target = read_countdown(prompt)
    yield from (f"{','.join(map(str, order))}:{target}" for order in itertools.permutations(numbers))


def of_facts(prompt: str) -> Iterator[str]:
    """The properties in the other order."""
    name, items = prompt.rstrip("=").split(".")
    yield question(name, items[::-1])


def of_programs(prompt: str) -> Iterator[str]:
    """What came out asked for what went in, and the other way round, from any list that gives it; pairs in another order."""
    kind, *rest = prompt.rstrip("=").split(":")
    if kind == "i":
        yield f"i:{','.join(reversed(rest[0].split(',')))}="
        return
    program, data = rest
    after = run(program, data) if kind == "d" else data
    yield f"a:{program}:{after}="
    yield from (f"d:{program}:{''.join(order)}=" for order in itertools.permutations(after or "") if run(program, "".join(order)) == after)


def of_functions(prompt: str) -> Iterator[str]:
    """A sum in two steps, a list turned round before what does not look at its order, filters the other way round."""
    steps = prompt[:-1].split(",")
    for place, step in enumerate(steps):
        before, after = steps[:place], steps[place + 1 :]
        if step in ("sort", "sum", "count", "largest"):
            yield ",".join([*before, "reverse", step, *after]) + ":"
        if step == "add 3":
            yield ",".join([*before, "add 1", "add 2", *after]) + ":"
        if after and {step.split()[0], after[0].split()[0]} <= {"above", "below", "even", "odd"}:
            yield ",".join([*before, after[0], step, *after[1:]]) + ":"


def of_stories(prompt: str) -> Iterator[str]:
    """Another person: where a name stands once and no pronoun stands for it, this is the same story."""
    names = set(itertools.chain(*stories.names()))
    for name in {word for word in re.findall(r"[A-Z][a-z]+", prompt) if word in names}:
        yield re.sub(rf"\b{name}\b", "Xenia", prompt)


def of_lists(prompt: str) -> Iterator[str]:
    """What a list holds, in every order."""
    before, listed = prompt[:-1].split(": ")
    yield from (f"{before}: {', '.join(order)}{prompt[-1]}" for order in itertools.permutations(listed.split(", ")))


GUISES: dict[str, Callable[[str], Iterator[str]]] = {
    "addition": of_addition,
    "asides": of_asides,
    "countdown": of_countdown,
    "countdown-steps": of_countdown,
    "facts": of_facts,
    "functions": of_functions,
    "programs": of_programs,
    "comparing": of_lists,
    "sorting": of_lists,
    "word-problems": of_stories,
}
ORDERED = {
    "chain": "every equation is a fact of its own, which longer chains teach: see the test below",
    "chain-skills": "as chain, whose splits it shares",
    "habits": "as chain, whose splits it shares",
    "slips": "as chain-skills, whose splits it shares",
    "rules": "every name has a rule of its own, and every digit is known by itself",
    "strings": "letters and operations have an order, and another order or another letter has another answer",
    "games": "a play is no problem with an answer",
    "lookup": "the facts of a task are its own, or those of one corpus, whose every question is asked in one way",
    "ordering": "other people, or sentences in another order, are another problem to a reader",
    "units": "every number is asked for in one way",
    "weekdays": "every day and distance is asked for in one way",
}
"""Worlds whose prompts are their own identities, and why."""


def opened(name: str) -> GeneratedWorld[Any]:
    world = open_world("addition?digits=1-3&window=6" if name == "addition" else name)
    assert isinstance(world, GeneratedWorld)
    return world


def test_every_world_says_what_makes_its_problems_the_same() -> None:
    assert sorted([*GUISES, *ORDERED]) == sorted(WORLDS)
    for name in ORDERED:
        world = opened(name)
        assert all(world.identity(prompt) == prompt for task in world.tasks(5, seed=0) for prompt in [world.problem(posed_in(task.prompt))])


@pytest.mark.parametrize("name", GUISES)
def test_a_problem_in_another_guise_is_in_the_same_split(name: str) -> None:
    if name == "functions" and (reason := why_not()):
        pytest.skip(reason)
    world, seen = opened(name), 0
    for split in SPLITS:
        for task in world.tasks(60, seed=4, split=split):
            prompt = world.problem(posed_in(task.prompt))
            for twin in GUISES[name](prompt):
                world.solve(twin)  # it is a problem of this world
                assert world.identity(twin) == world.identity(prompt), (prompt, twin)
                assert world.held_out(twin) == (split != "train")
                seen += twin != prompt
    assert seen > 60


def test_problems_that_differ_are_not_taken_for_one() -> None:
    """Identities must not lump together what has different answers."""
    world = opened("programs")
    assert world.identity("d:S:12=") == world.identity("d:S:21=") == world.identity("a:S:12="), "any list that sorts to 12 solves the last"
    assert world.identity("d:R:12=") != world.identity("d:RRR:12=") != world.identity("d:R:21=")
    assert world.identity("i:12>21,34>43=") == world.identity("i:34>43,12>21=") != world.identity("i:12>21,35>53=")
    facts = opened("facts")
    names = facts.names()  # type: ignore[attr-defined]
    for name in names[:3]:
        found = {facts.identity(question(name, items)) for items in itertools.permutations(PROPERTIES, 2)}
        assert len(found) == 15
    assert facts.identity("kl.dd=") == "kl.dd=" and facts.identity("who?") == "who?", "no question is nobody's twin"


def test_programs_ask_of_the_probe_what_training_cannot_ask_in_any_guise() -> None:
    world = Programs()
    random_list = random.Random(0)
    held = world.tasks(60, seed=0, split="probe", kinds="abduction")
    for task in held:
        _, program, after = str(task.prompt).rstrip("=").split(":")
        tries = ("".join(random_list.choices("0123456789", k=random_list.randint(1, 4))) for _ in range(400))
        assert all(world.held_out(f"d:{program}:{data}=") for data in tries if run(program, data) == after)


def test_chains_with_exchanged_operands_are_two_problems() -> None:
    """'3+4*2=' and '4+3*2=' have one answer, and their splits are drawn apart: an equation is what a model learns by heart, '3+4=7' is another than
    '4+3=7', and training holds all of them, inside of chains that no probe has."""
    world = open_world("chain?ops=1-8")
    equations = {text for task in world.tasks(1000, seed=0) for text in world.gold(task).split(";")[:-1]}
    assert len(equations) == 300
    world = open_world("chain")
    pool = {task.prompt for task in world.tasks(2048, seed=0)}
    exchanged = [
        str(task.prompt)[2] + str(task.prompt)[1] + str(task.prompt)[0] + str(task.prompt)[3:] for task in world.tasks(200, seed=0, split="probe")
    ]
    assert not pool & set(exchanged), "of six operations there are too many for a twin to be met"
