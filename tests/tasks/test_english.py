"""The English of task files: its prompts word for word, its readers, its truth, its settings; and four recipes that run on it."""

import json
from pathlib import Path
from typing import Any

import pytest
from subwords import subwords, write_model

from autotelic.errors import DataError, SettingError
from autotelic.runs import loop
from autotelic.runs.opening import plan
from autotelic.runs.progress import Progress
from autotelic.systems.proposer_solver.posing import known_task
from autotelic.tasks import english
from autotelic.tasks.english import Texts
from autotelic.tasks.file_world import FileWorld
from autotelic.tasks.language import NAMES, agrees
from autotelic.types import Message, Prompt, Task

PROBLEM = "Tom has 3 apples and buys 4. How many has he?"
SOLUTION = "He has 3.\nHe buys 4. So 3 + 4 = 7.\nAnswer: 7"


def user(text: str) -> list[Message]:
    return [Message(role="user", content=text)]


def world(*prompts: Prompt, texts: Texts | None = None) -> FileWorld:
    tasks = [Task(f"t{place}", prompt, "7") for place, prompt in enumerate(prompts or [PROBLEM])]
    return FileWorld(tasks, verifier="number", texts=texts)


def test_the_words_of_every_skill() -> None:
    shown = "Problem:\n" + PROBLEM + "\n\nSolution:\nStep 1: He has 3.\nStep 2: He buys 4.\nStep 3: So 3 + 4 = 7.\nStep 4: Answer: 7\n\n"
    end = " End with a line 'Answer: ' and the answer."
    given: dict[str, tuple[Any, ...]] = {
        "critique": (PROBLEM, SOLUTION), "judge": (PROBLEM, SOLUTION), "score": (PROBLEM, SOLUTION, "2"), "refine": (PROBLEM, SOLUTION, "2"),
        "explain": (PROBLEM, "7"), "continue": (PROBLEM, "He has 3.\n"), "propose": (), "sneak": (PROBLEM, SOLUTION, 2),
        "rewrite": (PROBLEM,), "demonstrate": (PROBLEM,), "imitate": (PROBLEM, ["Problem: A\nSolution: B", "Problem: C\nSolution: D"]),
    }  # fmt: skip
    expected = {
        "critique": shown
        + "Check the solution step by step. Which step is the first wrong one? End with a line 'Answer: N', where N is the number of "
        "that step, or 0 if every step is right.",
        "judge": shown
        + "Is the solution right? Grade it from 0 (wrong) to 5 (right and complete). End with a line 'Answer: N', where N is the grade.",
        "score": shown
        + "A reviewer says: step 2 is the first wrong one.\n\nWho is right? End with a line 'Answer: N', where N is 3 if the solution is "
        "right, 1 if the solution is wrong and the reviewer is right about it, and 2 if neither is right.",
        "refine": shown + "A reviewer says: step 2 is the first wrong one.\n\nWrite a better solution, step by step." + end,
        "explain": f"Problem:\n{PROBLEM}\n\nThe answer is 7. Explain step by step how to find it." + end,
        "continue": f"Problem:\n{PROBLEM}\n\nThis is how a solution begins:\nHe has 3.\n\nContinue it from there, without repeating it." + end,
        "propose": f"Here are some problems.\n\nProblem: {PROBLEM}\n\nWrite one new problem of this kind. Write only the problem, not its solution.",
        "sneak": shown + "Rewrite step 2 so that it is wrong, but looks right. Write the new step in one line, and nothing else.",
        "rewrite": f"Problem:\n{PROBLEM}\n\nRewrite the problem so that it is easier to solve: leave out what does not matter, put together what belongs "
        "together, and keep all numbers that are needed and the question. Write only the problem, not its solution.",
        "demonstrate": f"Problem:\n{PROBLEM}\n\nDo not solve it. Write another problem of this kind with a solution, in this form:\nProblem: the new problem\n"
        "Solution: its solution, step by step\nAnswer: the answer",
        "imitate": "Here are some solved problems.\n\nProblem: A\nSolution: B\n\nProblem: C\nSolution: D\n\nSolve this problem in the same way."
        + end
        + f"\n\nProblem: {PROBLEM}",
    }
    assert set(expected) == set(NAMES)
    plain, chat = world(), world(user(PROBLEM))
    for name, text in expected.items():
        assert plain.skill(name).ask(*given[name]) == text + ("\n\nProblem:" if name == "propose" else "\n")
        assert chat.skill(name).ask(*(user(PROBLEM) if part == PROBLEM else part for part in given[name])) == user(text)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("Problem: A has 2. How many?\nSolution: 2\nAnswer: 2", "Problem: A has 2. How many?\nSolution: 2\nAnswer: 2"),
        ("Here is one.\n**Problem:** A has 2?\n**Solution:** So\n\nAnswer: 2", "Problem: A has 2?\nSolution: ** So\n\nAnswer: 2"),
        ("A has 2?\nAnswer: 2", "Problem: A has 2?\nSolution: 2"),
        ("Problem: A has 2?\nSolution: nobody knows", None),
        ("Problem: A has 2?", None),
        ("", None),
    ],
)
def test_a_demonstration_is_a_problem_and_a_solution_with_an_answer(text: str, read: str | None) -> None:
    assert world().skill("demonstrate").read(text) == read


def test_a_problem_in_other_words_keeps_what_stands_before_it() -> None:
    chat = [*user("Say 2."), Message(role="assistant", content="2"), *user(PROBLEM)]
    assert english.reworded(chat, "How many?") == [*chat[:2], *user("How many?")] and english.reworded(PROBLEM, "How many?") == "How many?"


def test_critiques_in_words_and_texts_that_are_not_filled_twice() -> None:
    assert [english.said(critique) for critique in ("0", "3", None)] == [
        "every step is right.", "step 3 is the first wrong one.", "nothing that can be read.",
    ]  # fmt: skip
    texts = Texts(judge=r"{problem} | {solution} | mark \boxed{N}")
    assert world(texts=texts).skill("judge").ask("What is {solution}?", "") == "What is {solution}? | (empty) | mark \\boxed{N}\n"


@pytest.mark.parametrize(
    ("text", "critique", "grade", "score"),
    [
        ("Answer: 2", "2", "2", "2"),
        ("Step 1 is right.\n**Answer: 0**", "0", "0", None),
        ("It is \\boxed{3}.", "3", "3", "3"),
        ("Answer: Step 3", "3", "3", "3"),
        ("4", "4", "4", None),
        ("**4**", "4", "4", None),
        ("Answer: 4/5", None, "4", None),
        ("Answer: 3 out of 5", None, "3", None),
        ("Answer: 4.5", None, None, None),
        ("Answer: 12", "12", None, None),
        ("Answer: -1", None, None, None),
        ("Step 2 is the first wrong one.", None, None, None),
        ("The solution is right.", None, None, None),
        ("Answer: N", None, None, None),
        ("Answer: 2 or 3", None, None, None),
        ("<think>Answer: 1", None, None, None),
        ("<think>Answer: 1</think>Answer: 2", "2", "2", "2"),
        ("", None, None, None),
    ],
)
def test_marked_numbers_and_bare_ones_are_read_and_no_others(text: str, critique: str | None, grade: str | None, score: str | None) -> None:
    skills = world()
    assert tuple(skills.skill(name).read(text) for name in ("critique", "judge", "score")) == (critique, grade, score)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (PROBLEM, PROBLEM),
        (f" {PROBLEM}\n\nSolution: 7", PROBLEM),
        (f"Problem: {PROBLEM}\nProblem: Another?", PROBLEM),
        (f"**New problem:** {PROBLEM}", PROBLEM),
        (f"Here is a new problem of this kind:\n\n{PROBLEM}\n\n**Answer:** 7", PROBLEM),
        ("Sam has a problem: he lost 2 of 9 pens.\nHow many has he?", "Sam has a problem: he lost 2 of 9 pens.\nHow many has he?"),
        ("Problem:\n", None),
        ("Answer: 7", None),
        ("", None),
    ],
)
def test_a_problem_is_read_without_what_stands_around_it(text: str, problem: str | None) -> None:
    assert world().skill("propose").read(text) == problem


def test_steps_are_lines_and_sentences_and_the_last_is_none_to_spoil() -> None:
    sneak = world().skill("sneak")
    assert english.pieces("1. Add 3.5 and 4. That is 7.5!\n\n2) Done\n**Step 3:** Answer: 7.5") == [
        "Add 3.5 and 4.",
        "That is 7.5!",
        "Done",
        "Answer: 7.5",
    ]
    assert sneak.steps(SOLUTION) == ["He has 3.\n", "He buys 4.\n", "So 3 + 4 = 7.\n"]
    assert sneak.steps("Answer: 7") == sneak.steps("") == []
    assert sneak.read("\nStep 2: He buys 5.\nSo 8.") == "He buys 5.\n" and sneak.read(" \n") is None
    assert sneak.read("He buys 4.") == sneak.steps(SOLUTION)[1], "a step that was left as it was is seen to be"


def test_the_truth_is_known_where_the_answer_is() -> None:
    known = world()
    critique, judge = (known.skill(name).truth for name in ("critique", "judge"))
    assert critique and judge and known.skill("refine").truth is None
    task = Task("t", PROBLEM, "7")
    assert [critique(task, text) for text in (SOLUTION, "Answer: 8", "")] == ["0", "flawed", "flawed"]
    assert [judge(task, text) for text in (SOLUTION, "Answer: 8")] == ["5", "0"]
    assert critique(Task("t", PROBLEM), SOLUTION) is None
    assert [agrees(found, "flawed") for found in ("0", "1", "7", None)] == [False, True, True, False]
    assert agrees("0", "0") and not agrees(None, "0") and not agrees("2", "1")


def test_a_written_problem_is_put_as_the_file_puts_its_own() -> None:
    system = Message(role="system", content="Be brief.")
    chat, plain = world([system, *user(PROBLEM)]), world()
    assert plain.task(" 1+1? ").prompt == "1+1?" and plain.task("1+1?").answer is None
    assert chat.task("1+1?").prompt == [system, *user("1+1?")]
    assert chat.skill("judge").ask([system, *user(PROBLEM)], "7") == user(
        Texts().judge.replace("{problem}", PROBLEM).replace("{solution}", "Step 1: 7")
    ), "what the system says of the solver is none of the judge's business"
    with pytest.raises(DataError, match="the problem is empty"):
        plain.task(" \n")
    assert known_task(chat, "") is None and str(known_task(plain, "1+1?").prompt) == "1+1?"  # type: ignore[union-attr]


def test_words_of_ones_own_and_what_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "sums.jsonl"
    file.write_text("".join(json.dumps({"prompt": f"What is {i} plus 3?", "answer": str(i + 3)}) + "\n" for i in range(9)))
    for given, message in (
        ({"judge": "{problm} {solution}"}, r"texts.judge.*nothing is filled in for \{problm\}; did you mean 'problem'"),
        ({"judge": "{problem}"}, r"texts.judge.*the text must have a place for \{solution\}"),
        ({"judging": "{problem}"}, "no setting 'texts.judging'; did you mean 'judge'"),
    ):
        with pytest.raises(SettingError, match=message):
            plan({"recipe": "self-rewarding", "tasks": str(file), "texts": given})
    with pytest.raises(
        SettingError,
        match="recipe 'self' needs the skill 'critique', which the world 'addition' lacks; it runs on chain, chain-skills, habits, slips, on worlds in English",
    ):
        plan({"recipe": "self", "tasks": "addition"})
    with pytest.raises(SettingError, match="recipe 'sqlm' needs the skill 'propose', which the world 'addition' lacks"):
        plan({"recipe": "sqlm", "tasks": "addition"})


def test_a_shipped_base_is_asked_in_the_language_that_it_was_taught(tmp_path: Path) -> None:
    file = tmp_path / "chains.jsonl"
    file.write_text("".join(json.dumps({"prompt": f"{i}+3=", "answer": str((i + 3) % 10)}) + "\n" for i in range(9)))
    raw = {"recipe": "self-rewarding", "tasks": str(file)}
    for given in ({}, {"language": "chain"}):
        assert plan({**raw, **given}).world.skill("judge").ask("1+3=", "#4") == "J1+3=#4:"
    with pytest.raises(SettingError, match="language = 'chian': did you mean 'chain'"):
        plan({**raw, "language": "chian"})
    with pytest.raises(
        SettingError, match=r"model: the role 'proposer' cannot read it: task write: the model's vocabulary lacks .* of 'Here are some problems"
    ):
        plan({**raw, "language": "english"})


SMALL: dict[str, dict[str, Any]] = {
    "self": {"sampling": {"max_tokens": 4}, "critiques": {"max_tokens": 4}},
    "self-rewarding": {"sampling": {"max_tokens": 4}, "replies": {"max_tokens": 4}, "group_size": 2, "judgements": 1},
    "spc": {"sampling": {"max_tokens": 4}, "replies": {"max_tokens": 4}, "checks": 2},
    "sqlm": {"sampling": {"max_tokens": 4}, "asking": {"max_tokens": 4}, "group_size": 2},
    "comas": {"sampling": {"max_tokens": 4}, "replies": {"max_tokens": 4}, "agents": 2},
    "expo": {"sampling": {"max_tokens": 4}, "group_size": 2, "explanations": 2},
}


@pytest.mark.parametrize("name", SMALL)
def test_recipes_whose_roles_judge_and_write_run_on_a_task_file_with_a_chat_model(name: str, tmp_path: Path) -> None:
    """A tiny random model says nothing of sense: the round takes it, counts it, and asks in the chat's form."""
    write_model(tmp_path / "model", subwords(), max_position_embeddings=1024)
    file = tmp_path / "sums.jsonl"
    file.write_text("".join(json.dumps({"prompt": user(f"What is {i} plus 3?"), "answer": str(i + 3)}) + "\n" for i in range(20)))
    run = {"recipe": name, "model": str(tmp_path / "model"), "tasks": str(file), "verifier": "number", "probe_size": 2, "probe_samples": 0}
    settings = {**run, "tasks_per_round": 2, "rounds": 1, "seed": 1, "gate": {"mode": "off"}, "out": str(tmp_path / "run"), **SMALL[name]}
    loop.start(settings, Progress(quiet=True))
    assert (tmp_path / "run" / "report.html").exists()
