"""The lessons of chain-skills are true where they should be, its parsers accept its own texts only, and its truths are right."""

import random
from collections import Counter

import pytest

from autotelic.bases.making import fresh, lesson_example
from autotelic.bases.specs import find_spec
from autotelic.errors import SettingError
from autotelic.tasks.language import NAMES
from autotelic.types import Task
from autotelic.worlds import open_world
from autotelic.worlds.chain import language as skills
from autotelic.worlds.chain_skills import SKILLS

RIGHT = ("3+4*2-5=", "3+4=7;7*2=4;4-5=9;#9")


def lessons(skill: str, count: int = 60, knobs: str = "slips=0&judge_noise=0&critique_noise=0"):
    """(problem, lesson) pairs of one skill."""
    world = open_world(f"chain-skills?ops=1-6&skills={skill}&{knobs}")
    rng = random.Random(3)
    return [(str(task.prompt), world.lesson(task, rng)) for task in world.tasks(count, seed=2)]


def test_tasks_answers_and_splits_are_those_of_chain():
    chain, world = open_world("chain?ops=3"), open_world("chain-skills?ops=3")
    assert [world.gold(task) for task in world.tasks(5, seed=0)] == [chain.gold(Task("x", t.prompt)) for t in world.tasks(5, seed=0)]
    probe = {task.prompt for task in world.tasks(300, seed=1, split="probe")}
    assert not probe & {task.prompt for task in chain.tasks(3000, seed=2)}
    assert world.parse("3+4=7;#7") == "7"


@pytest.mark.parametrize(
    "solution,marks,quality,first",
    [
        (RIGHT[1], [True, True, True], 5, 0),
        ("3+4=8;8*2=6;6-5=1;#1", [False, True, True], 0, 1),
        ("3+4=7;7*2=5;5-5=0;#0", [True, False, True], 2, 2),
        ("3+4=7;7*2=4;4-5=9;#8", [True, True, True], 0, 4),
        ("3+4=7;7*2=4;#4", [True, True], 0, 3),
        ("3+4=7;7*2=", [True], 0, 2),
        ("3+4=7;8*2=6;6-5=1;#1", [True, False, True], 2, 2),
        ("3+4=7;;4-5=9;#9", [True, False, False], 2, 2),
        ("3+4=7;7*2=4;4-5=9;9+1=0;#0", [True, True, True, False], 0, 4),
        ("", [], 0, 1),
        ("#9", [], 0, 1),
        (";;;#", [False, False, False], 0, 1),
    ],
)
def test_the_truth_about_a_solution(solution, marks, quality, first):
    assert skills.marks(RIGHT[0], solution) == marks
    assert skills.quality(RIGHT[0], solution) == quality
    assert skills.first_wrong(RIGHT[0], solution) == first


def test_a_late_mistake_is_called_the_ninth():
    problem = "1" + "+1" * 12 + "="
    gold = open_world("chain").gold(Task("x", problem))
    assert skills.first_wrong(problem, gold.replace("#3", "#4")) == 9


def test_without_doubt_every_skill_is_taught_the_truth():
    world = open_world("chain-skills")
    for problem, lesson in lessons("solve") + lessons("explain"):
        assert lesson.completion == world.gold(Task("x", problem))
    for problem, lesson in lessons("propose"):
        assert lesson.turns == ("@",) and problem.startswith(lesson.completion[:-1])
        assert skills.proposal(lesson.completion) == lesson.completion and len(skills.operations(lesson.completion)) <= 4
    for skill, mark, truth, read in (("judge", "J", skills.quality, skills.grade), ("critique", "C", skills.first_wrong, skills.index)):
        for problem, lesson in lessons(skill):
            assert lesson.turns[0].startswith(mark + problem) and lesson.turns[0].endswith(":")
            assert read(lesson.completion) == str(truth(problem, lesson.turns[0][1 + len(problem) : -1]))
    for problem, lesson in lessons("score"):
        solution, _, named = lesson.turns[0][1 + len(problem) : -1].partition(":")
        truth = skills.first_wrong(problem, solution)
        assert skills.verdict(lesson.completion) == ("3" if not truth else "1" if named == str(truth) else "2")


def test_a_check_reckons_what_the_solution_goes_on_from():
    world = open_world("chain-skills")
    assert world.checked(RIGHT[0], RIGHT[1], random.Random(0)) == ("3+4=7;7*2=4;4-5=9;", [True, True, True])
    assert world.checked(RIGHT[0], "3+4=8;8*2=7;7-5=2;#2", random.Random(0)) == ("3+4=7;", [False])
    assert world.checked(RIGHT[0], "3+4=7;7*2=5;5-5=0;#0", random.Random(0)) == ("3+4=7;7*2=4;", [True, False])
    assert world.checked(RIGHT[0], "3+4", random.Random(0)) == ("", [])
    unsure = open_world("chain-skills?slips=1&slip_rates=1-1")
    lines, agree = unsure.checked(RIGHT[0], unsure.taught(RIGHT[0], random.Random(0)), random.Random(0))
    assert agree == [True, True, True] and lines != "3+4=7;7*2=4;4-5=9;"


def test_sloppy_solutions_differ_and_some_break_off():
    found = Counter(skills.grade(lesson.completion) for _, lesson in lessons("judge", 300, "unended=0.2&judge_noise=0"))
    assert set(found) == set("012345") and found["5"] > 60 and found["0"] > 60


def test_mended_solutions_keep_what_was_right_and_mend_what_was_not():
    world = open_world("chain-skills")
    for skill, start in (("refine", "R"), ("correct", "")):
        for problem, lesson in lessons(skill):
            index = int(lesson.turns[0][-2] if skill == "refine" else lesson.turns[1][-1])
            solution = lesson.turns[0][len(start + problem) :].split(":")[0]
            assert skills.first_wrong(problem, solution) == index
            assert lesson.completion == world.gold(Task("x", problem))
            kept = solution.split(";")[: max(index - 1, 0)]
            assert lesson.completion.split(";")[: len(kept)] == kept
    unsure = open_world("chain-skills?slips=1&slip_rates=1-1")
    mended = unsure.mended(*RIGHT, 2, random.Random(0))
    assert skills.marks(RIGHT[0], mended) == [True, True, False]
    assert unsure.mended(*RIGHT, 0, random.Random(0)) == RIGHT[1]


def test_sneaked_equations_are_wrong_and_at_their_place():
    for problem, lesson in lessons("sneak"):
        *_, index, equals = lesson.turns[0]
        equations = open_world("chain").gold(Task("x", problem)).split(";")
        *before, wrong, end = lesson.completion.split(";")
        assert equals == "=" and end == "" and before == equations[: int(index) - 1] and skills.equation(lesson.completion) == wrong + ";"
        assert wrong[:4] == equations[int(index) - 1][:4] and wrong[4] != equations[int(index) - 1][4]


def test_second_turns_follow_the_end_of_the_first():
    retried = lessons("retry", 200)
    assert all(lesson.turns[1:] == ("?",) for _, lesson in retried)
    assert 60 < sum(lesson.turns[0].endswith(lesson.completion) for _, lesson in retried) < 190
    for problem, lesson in lessons("reflect"):
        solution = lesson.turns[0][len(problem) :]
        assert lesson.turns[1:] == ("!",) and skills.index(lesson.completion) == str(skills.first_wrong(problem, solution)) != "0"
    assert all(lesson.turns[2] == "?" and lesson.turns[1][0] == "!" for _, lesson in lessons("correct"))


def test_a_noisy_teacher_errs_as_often_as_said():
    for skill, noise in (("critique", "critique_noise=0.3"), ("judge", "judge_noise=0.3")):
        truth = skills.first_wrong if skill == "critique" else skills.quality
        found = lessons(skill, 400, noise)
        read = skills.index if skill == "critique" else skills.grade
        wrong = sum(read(lesson.completion) != str(truth(problem, lesson.turns[0][1 + len(problem) : -1])) for problem, lesson in found)
        assert 90 < wrong < 150


def test_a_lesson_in_tokens_ends_turns_and_learns_the_completion_only():
    world = open_world("chain-skills?skills=correct")
    _, tokenizer = fresh(find_spec("chain-skills"), world.alphabet)
    lesson = world.lesson(world.tasks(1, seed=0)[0], random.Random(0))
    example = lesson_example("x", lesson, tokenizer)
    learned = [token for token, mask in zip(example.tokens, example.mask, strict=True) if mask]
    assert tokenizer.decode(learned) == lesson.completion and learned[-1] == tokenizer.end_id
    assert example.tokens.count(tokenizer.end_id) == 3
    assert tokenizer.decode(example.tokens) == "".join(lesson.turns) + lesson.completion


def test_readers_take_what_they_are_for_and_nothing_else():
    texts = ("#0", "#5", "3+4=7;#3", "#9", "6", "", "#55", "3+4=7#3", "#3\n", "#٣", ";")
    assert [skills.grade(text) for text in texts] == ["0", "5", "3", *[None] * 8]
    assert [skills.index(text) for text in texts] == ["0", "5", "3", "9", *[None] * 7]
    assert [skills.verdict(text) for text in texts] == [None, None, "3", *[None] * 8]
    assert [skills.equation(text) for text in ("7*2=5;", "1+1=2;7*2=5;", "7*2=5", "7*2=55;", ";", "", "1+1=2;;")] == ["7*2=5;"] * 2 + [None] * 5
    assert [skills.proposal(text) for text in ("3+4=", "3+4*2", "3=", "", "3+4=7;#7", "12+4=")] == ["3+4=", *[None] * 5]


def test_the_words_of_every_skill():
    """What the shipped bases were taught: they know no other words."""
    world = open_world("chain-skills")
    asked = {
        "critique": ("3+4=", "3+4=7;#7"), "judge": ("3+4=", "3+4=7;#7"), "score": ("3+4=", "3+4=7;#7", "0"), "refine": ("3+4=", "3+4=8;#8", "1"),
        "sneak": ("3+4=", "3+4=7;#7", 1), "continue": ("3+4=", "3+4="), "explain": ("3+4=", "7"), "propose": (),
    }  # fmt: skip
    assert {name: world.skill(name).ask(*given) for name, given in asked.items()} == {
        "critique": "C3+4=3+4=7;#7:", "judge": "J3+4=3+4=7;#7:", "score": "J3+4=3+4=7;#7:0=", "refine": "R3+4=3+4=8;#8:1=",
        "sneak": "S3+4=3+4=7;#7:1=", "continue": "3+4=3+4=", "explain": "E3+4=7:", "propose": "@",
    }  # fmt: skip
    assert set(asked) == set(open_world("chain").language) < set(NAMES)
    assert world.skill("score").ask("3+4=", "#7", None) == "J3+4=#7:?="
    read = {"critique": "3+4=7;#0", "judge": "3+4=7;#5", "score": "#3", "refine": "3+4=7;#7", "sneak": "3+4=8;", "continue": "7;#7", "explain": "#7"}
    assert {name: world.skill(name).read(text) for name, text in read.items()} == {
        "critique": "0", "judge": "5", "score": "3", "refine": "7", "sneak": "3+4=8;", "continue": "7", "explain": "7",
    }  # fmt: skip
    assert world.skill("sneak").steps("3+4=7;7*2=4;#4") == ["3+4=7;", "7*2=4;"]


def test_the_truth_of_skills_is_that_of_solutions():
    world, task = open_world("chain-skills"), Task("x", RIGHT[0])
    for solution, critique, grade in ((RIGHT[1], "0", "5"), ("3+4=7;7*2=5;5-5=0;#0", "2", "2")):
        assert world.skill("critique").truth(task, solution) == critique and world.skill("judge").truth(task, solution) == grade
    assert world.skill("refine").truth is None
    assert world.taught_skills == tuple(name for name in SKILLS if name != "solve") and open_world("chain").taught_skills == ()


def test_a_skill_that_a_world_lacks():
    with pytest.raises(SettingError, match=r"world 'chain' has no skill 'critic'; did you mean 'critique'\?"):
        open_world("chain").skill("critic")
    with pytest.raises(SettingError, match="world 'addition' has no skill 'critique'; known: none"):
        open_world("addition").skill("critique")


@pytest.mark.parametrize(
    "spec,message",
    [
        ("skills=solve,juge", "no skill 'juge': did you mean 'judge'"),
        ("skills=", "no skill ''"),
        ("propose_ops=4-2", "propose_ops must be a range within 1 to 100, got 4-2"),
        ("wrong=0.5-1.5", "wrong must be a range within 0 to 1, got 0.5-1.5"),
        ("judge_noise=2", "judge_noise: Input should be less than or equal to 1"),
        ("critic_noise=0", "no knob 'critic_noise': did you mean 'critique_noise'"),
        ("unended=-1", "unended: Input should be greater than or equal to 0"),
    ],
)
def test_bad_knobs(spec, message):
    with pytest.raises(SettingError, match=message):
        open_world(f"chain-skills?{spec}")
