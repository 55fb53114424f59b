"""Every data set of reasoning-gym through its adapter: gold answers verify, wrong ones do not, seeds repeat within a process."""

import pytest

from autotelic.tasks.validate import validate
from autotelic.worlds import ReasoningGym
from autotelic.worlds.reasoning_gym import REFUSED

factory = pytest.importorskip("reasoning_gym.factory")

WITHOUT_GOLD = {"boxnet", "rush_hour"}
"""The library gives no answer for these; their scorers still work on a model's."""


@pytest.mark.slow
@pytest.mark.parametrize("dataset", sorted(set(factory.DATASETS) - set(REFUSED)))
def test_gold_verifies(dataset):
    world = ReasoningGym(dataset)
    count = 8 if dataset == "propositional_logic" else 3
    report = validate(world, count, seed=1)
    assert report.without_gold == (count if dataset in WITHOUT_GOLD else 0)
    assert not report.rejected, str(report)
    # From contradictory premises, which this data set sometimes has, everything follows.
    assert len(report.accepted) <= (2 if dataset == "propositional_logic" else 0), str(report)
    if dataset != "codeio":
        assert world.tasks(3, seed=1) == ReasoningGym(dataset).tasks(3, seed=1)


FORMS = (
    "{}", "Answer: {}", "**Answer:** {}", "Let me think.\nAnswer: **{}**.", "So <answer>{}</answer>", "It is \\boxed{{{}}}.", "The answer is {}.",
    "Step 1.\n\nWe get **{}**.", "<think>Answer: 0</think>The final answer is: {}",
)  # fmt: skip
CHATTED = (
    "basic_arithmetic", "calendar_arithmetic", "chain_sum", "family_relationships", "gsm_symbolic", "leg_counting", "letter_counting",
    "simple_equations", "spell_backward", "syllogism", "word_sorting",
)  # fmt: skip


@pytest.mark.parametrize("dataset", CHATTED)
def test_right_answers_as_a_chat_model_writes_them(dataset):
    world = ReasoningGym(dataset)
    first, *others = [task for task in world.tasks(40, seed=2) if task.answer]
    other = next(task for task in others if task.answer != first.answer)
    assert first.prompt == [{"role": "user", "content": first.hidden["entry"]["question"]}]
    for form in FORMS:
        assert world.verify(first, world.parse(form.format(first.answer))) == 1.0, form
        assert world.verify(first, world.parse(form.format(other.answer))) == 0.0, form


def test_numbers_of_gym_with_units_and_in_sentences():
    world = ReasoningGym("leg_counting")
    task = world.tasks(1, seed=0)[0]
    gold = task.answer
    right = (f"{gold} legs", f"There are {gold} legs in total.", f"The answer is **{gold} legs**.", f"Answer: {gold}.0", f"1 + 1 is 2.\n= {gold}")
    assert [world.verify(task, world.parse(text)) for text in right] == [1.0] * 5
    wrong = (f"Answer: {gold} or 3", f"{gold}1 legs", f"not {gold}, but 3", "legs", "")
    assert [world.verify(task, world.parse(text)) for text in wrong] == [0.0] * 5


def test_how_questions_of_gym_are_put():
    asked = ReasoningGym("chain_sum", chat=False, ask="End with the answer.")
    (task,) = asked.tasks(1, seed=0)
    question = task.hidden["entry"]["question"]
    assert task.prompt == f"{question}\n\nEnd with the answer." and asked.posed(task.prompt) == question
    assert asked.skill("judge").ask(task.prompt, "1").startswith(f"Problem:\n{question}\n\nSolution:\n")
    assert [t.id for t in ReasoningGym("chain_sum").tasks(9, seed=0)] == [t.id for t in asked.tasks(9, seed=0)]
