"""The world slips: what it writes into completions, what stands of a solution, the exact chances, and that nothing it wrote is ever trained on."""

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotelic.bases.places import base_folder
from autotelic.engines.base import Completion, Request
from autotelic.engines.batching import Batcher
from autotelic.engines.torch_engine import TorchEngine
from autotelic.errors import SettingError
from autotelic.learning.advantages import by_action
from autotelic.learning.examples import example, under
from autotelic.policies.policy import Policy
from autotelic.policies.tokenizer import character_tokenizer
from autotelic.rounds.disturbed import written_into
from autotelic.runs.framing import frame_of, framed
from autotelic.runs.settings import RunSettings
from autotelic.tasks.mixing import MixedWorld
from autotelic.tasks.validate import validate
from autotelic.types import Rollout, Sampling, StopReason, Task, Turn, TurnKind
from autotelic.worlds import open_world
from autotelic.worlds.chain.language import first_wrong, marks
from autotelic.worlds.slips import Slips, standing, standing_rate

SCRIPT = character_tokenizer(Slips.alphabet, 64)
PROBLEM, RIGHT = "3+4*2-5=", "3+4=7;7*2=4;4-5=9;#9"


def test_gold_solutions_verify_and_nothing_else_does() -> None:
    assert validate(open_world("slips"), 100, seed=0).ok
    chain = {str(task.prompt) for task in open_world("chain").tasks(300, seed=1)}
    assert not chain & {str(task.prompt) for task in open_world("slips").tasks(100, seed=2, split="probe")}


def test_every_finished_equation_may_slip_and_nothing_else() -> None:
    always, never = Slips(rate=1.0), Slips(rate=0.0)
    place, digit = always.disturb(RIGHT, 0, 1) or (0, "")
    assert place == 4 and digit != "7" and digit.isdigit()
    assert (always.disturb(RIGHT, 5, 1) or (0, ""))[0] == 10
    assert (always.disturb(RIGHT, 11, 1) or (0, ""))[0] == 16
    assert always.disturb(RIGHT, 17, 1) is None and always.disturb("3+4=7", 0, 1) is None and never.disturb(RIGHT, 0, 1) is None
    shares = [Slips(rate=0.25).disturb("3+4=7;", 0, stream) is not None for stream in range(2000)]
    assert 0.21 < sum(shares) / len(shares) < 0.29


def scripted(text: str, end: bool = True) -> Completion:
    tokens = [*SCRIPT.encode(text), *([SCRIPT.end_id] if end else [])]
    return Completion(tokens, [-0.5] * len(tokens), StopReason.END)


def test_the_policy_goes_on_from_what_the_world_wrote() -> None:
    def once(text: str, start: int, stream: int) -> tuple[int, str] | None:
        return (4, "1") if start == 0 else None

    asked = written_into([Request((1, 2), (7,), Sampling(max_tokens=40))], SCRIPT, once)
    assert next(asked)[0].prompt == (1, 2)
    rest = asked.send([[scripted(RIGHT)]])[0]
    assert rest.prompt == (1, 2, *SCRIPT.encode("3+4=1")) and rest.sampling.max_tokens == 35
    with pytest.raises(StopIteration) as done:
        asked.send([[scripted(";<3+4=7;#7")]])
    ((found,),) = done.value.value
    assert SCRIPT.decode(found.tokens) == "3+4=1;<3+4=7;#7"
    assert found.given == (4,) and found.logprobs[3:6] == [-0.5, 0.0, -0.5] and len(found.logprobs) == len(found.tokens)


def test_a_slip_at_the_limit_leaves_a_completion_that_is_cut_off() -> None:
    asked = written_into([Request((1,), (7,), Sampling(max_tokens=5))], SCRIPT, lambda text, start, stream: None if start else (4, "1"))
    next(asked)
    with pytest.raises(StopIteration) as done:
        asked.send([[scripted("3+4=7", end=False)]])
    assert done.value.value[0][0].stop is StopReason.LENGTH


def test_forced_tokens_stay() -> None:
    forced = tuple(SCRIPT.encode("3+4=7;"))
    asked = written_into([Request((1,), (7,), Sampling(max_tokens=40), forced)], SCRIPT, Slips(rate=1.0).disturb)
    next(asked)
    assert asked.send([[scripted(RIGHT)]])[0].prompt[: 1 + len(forced)] == (1, *forced)


def slipped() -> Rollout:
    tokens = [SCRIPT.encode(text) for text in ("1+1=", "1+1=3;", "#3")]
    turns = [Turn(TurnKind.PROMPT, tokens[0])]
    turns += [
        Turn(TurnKind.ACTION, tokens[1], [-1.0] * 6, given=(4,), stop=StopReason.STOP),
        Turn(TurnKind.ACTION, tokens[2], [-2.0] * 2, stop=StopReason.END),
    ]
    return Rollout("r", Task("t", "1+1="), turns)


def test_what_the_world_wrote_is_no_target() -> None:
    rollout = slipped()
    by_action(rollout, [1.0, 2.0])
    item = example(rollout)
    assert item.mask == [0, 0, 0, 0, 1, 1, 1, 1, 0, 1, 1, 1]
    assert item.advantage == [0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 2, 2]
    assert example(rollout, actions=[1]).mask == [0] * 10 + [1, 1]
    assert under(rollout, [9, 9]).mask == [0, 0, 1, 1, 1, 1, 0, 1, 1, 1]


def test_a_rollout_that_is_cut_knows_what_is_left_of_the_worlds_writing() -> None:
    rollout, shorter = slipped(), slipped()
    rollout.cut(3)
    shorter.cut(4)
    assert rollout.turns[-1].given == (4,) and shorter.turns[-1].given == ()


@pytest.mark.parametrize(
    "text,left",
    [("3+4=1;<3+4=7;#7", "3+4=7;#7"), ("3+4=1;<3+4=2;<3+4=7;", "3+4=7;"), ("1+1=2;2+2=5;<<#", "#"), ("<", ""), ("", ""), (RIGHT, RIGHT)],
)
def test_what_stands(text: str, left: str) -> None:
    assert standing(text) == left


def test_skills_are_about_what_stands() -> None:
    world = open_world("slips")
    critique = world.skill("critique")
    mended = "3+4=1;<3+4=7;7*2=4;4-5=9;#9"
    assert critique.truth and critique.truth(Task("t", PROBLEM), mended) == "0"
    assert critique.ask(PROBLEM, mended) == f"C{PROBLEM}{RIGHT}:"
    assert world.skill("sneak").steps(mended) == ["3+4=7;", "7*2=4;", "4-5=9;"]


def test_exact_chances() -> None:
    world = Slips(rate=0.1)
    assert world.chance("3+4=") == pytest.approx(0.9)
    # Two additions: right twice, or the second undoes the first, in one case of nine.
    assert world.chance("3+4+1=") == pytest.approx(0.81 + 0.1 * 0.1 / 9)
    assert world.chance("3+4*0=") == pytest.approx(0.9)  # nothing of the first result is left
    assert world.chance(PROBLEM, mended=1.0) == pytest.approx(1.0)
    assert standing_rate(0.1, 0.5) == pytest.approx(0.05 / 0.95)
    assert standing_rate(1.0, 1.0) == 0.0


@given(st.floats(0, 1), st.floats(0, 0.99))
def test_to_notice_never_hurts(rate: float, mended: float) -> None:
    assert 0 <= standing_rate(rate, mended) <= rate + 1e-12


def test_a_wrong_step_is_wrong() -> None:
    world = Slips()
    for seed in range(50):
        start, wrong = world.wrong_step(PROBLEM, random.Random(seed))
        assert RIGHT.startswith(start) and marks(PROBLEM, start + wrong)[-1] is False


@pytest.mark.parametrize("skill", ["critique", "reflect", "refine", "correct", "retry", "solve"])
def test_lessons(skill: str) -> None:
    world = Slips(skills=(skill,), critique_noise=0.0, kept=0.0)
    rng = random.Random(0)
    for task in world.tasks(30, seed=0):
        lesson, problem = world.lesson(task, rng), str(task.prompt)
        if skill in ("critique", "reflect"):
            solution = lesson.turns[0].removeprefix("C").removesuffix(":").removeprefix(problem)
            assert lesson.completion == f"#{first_wrong(problem, solution)}"
        else:
            assert world.verify(task, world.parse(lesson.completion)) == 1.0


def test_what_cannot_be_taught_is_refused() -> None:
    with pytest.raises(SettingError, match="propose"):
        open_world("slips?skills=propose")


def test_a_mix_of_worlds_is_refused() -> None:
    mixed = MixedWorld.__new__(MixedWorld)
    mixed.parts = {"slips": type("Part", (), {"world": Slips()})()}
    with pytest.raises(SettingError, match="take it alone"):
        frame_of(RunSettings(recipe="gold"), mixed)


def test_every_role_of_the_world_slips_and_of_others_none() -> None:
    from autotelic.systems.registry import find

    recipe = find("gold")()
    for name, slips in (("slips", True), ("chain", False)):
        world = open_world(name)
        roles = framed(recipe.roles(world), world, frame_of(RunSettings(recipe="gold"), world))
        assert (roles["solver"].disturb is not None) == slips


def test_the_base_knows_the_equations_and_not_the_slips() -> None:
    world = open_world("slips")
    policy = Policy.load("solver", base_folder("slips"), Batcher(TorchEngine()))
    tasks = world.tasks(40, seed=3, split="probe")
    prompts = [Request(tuple(policy.tokenizer.encode_prompt(task.prompt)), (1,), Sampling(temperature=0.0, max_tokens=60)) for task in tasks]
    plain = [policy.tokenizer.decode(found[0].tokens) for found in policy.generate(prompts)]
    assert sum(world.verify(task, world.parse(text)) for task, text in zip(tasks, plain, strict=True)) >= 36
    from autotelic.rounds.disturbed import generated

    twice = [
        [found[0].tokens for found in generated(policy, [replace(one, streams=(i,)) for i, one in enumerate(prompts)], world.disturb)]
        for _ in range(2)
    ]
    assert twice[0] == twice[1]
    right = sum(world.verify(task, world.parse(policy.tokenizer.decode(tokens))) for task, tokens in zip(tasks, twice[0], strict=True))
    assert right < 36
