"""Templates and frames: what a model is shown of a task, worked out by hand."""

import json
from pathlib import Path

import pytest
from complaints import lines
from hypothesis import given
from hypothesis import strategies as st

from autotelic.errors import DataError, SettingError
from autotelic.tasks.columns import Columns, read
from autotelic.tasks.prompting import Frame, Template
from autotelic.types import Message, Task

ASKED = Message(role="user", content="1+1?")
SYSTEM = Message(role="system", content="Be brief.")


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{question} Answer:", "1+1? Answer:"),
        ("{prompt} Answer:", "1+1? Answer:"),
        ("{question}{question}", "1+1?1+1?"),
        ("{level}: {question}", "3: 1+1?"),
        (r"{question} Put it into \boxed{}.", r"1+1? Put it into \boxed{}."),
        ('{question} Say {{"answer": 1}}.', '1+1? Say {"answer": 1}.'),
        ("{{{question}}}", "{1+1?}"),
        ("{question}\n{", "1+1?\n{"),
    ],
)
def test_templates(template: str, text: str) -> None:
    assert Frame(Template(template), column="question")(Task("t", "1+1?", hidden={"level": 3})) == text


@given(st.text("{}ab"), st.text("{}ab"))
def test_what_is_put_in_is_not_read_as_a_template(before: str, own: str) -> None:
    escaped = before.replace("{", "{{").replace("}", "}}")
    assert Frame(Template(escaped + "{prompt}"))(Task("t", own)) == before + own


def test_a_template_goes_around_the_last_message_of_the_user() -> None:
    earlier = [SYSTEM, ASKED, Message(role="assistant", content="2"), Message(role="user", content="2+2?")]
    task = Task("t", earlier)
    assert Frame(Template("Q: {prompt}"))(task) == [*earlier[:3], Message(role="user", content="Q: 2+2?")]
    assert task.prompt == earlier and earlier[3]["content"] == "2+2?", "the task stays as it is"
    with pytest.raises(DataError, match="no message of the user"):
        Frame(Template("Q: {prompt}"))(Task("t", [SYSTEM]))


def test_system_messages_and_chat() -> None:
    task = Task("t", "1+1?")
    assert Frame()(task) == "1+1?"
    assert Frame(chat=True)(task) == [ASKED]
    assert Frame(system="Be brief.")(task) == [SYSTEM, ASKED]
    assert Frame(Template("{prompt}"), system="")(Task("t", [ASKED])) == [Message(role="system", content=""), ASKED]
    with pytest.raises(DataError, match="has a system message of its own"):
        Frame(system="Be long.")(Task("t", [SYSTEM, ASKED]))


def test_templates_are_checked_against_the_columns(tmp_path: Path) -> None:
    path = lines(
        tmp_path / "t.jsonl",
        json.dumps({"question": "1+1?", "context": "sums", "answer": "2", "solution": "2"}),
        json.dumps({"question": "2+2?", "answer": "4"}),
    )
    for template, parts in {
        "Answer:": ["names no column in braces, such as {context}", "columns of", "line 1: 'context', 'question'"],
        "{qestion} Answer:": ["no column 'qestion'", "did you mean 'question'?", "line 1"],
        "{question} {context}": ["no column 'context'", "line 2: 'prompt', 'question'"],
        "{question} {answer}": ["the column 'answer' holds the answer"],
        "{question} {solution}": ["the column 'solution' holds the answer"],
        r"{question} \boxed{x}": ["no column 'x'", "write {{ and }} for braces"],
    }.items():
        with pytest.raises(SettingError) as caught:
            read(path, Columns(template=Template(template)))
        assert all(part in str(caught.value) for part in [f"template = {template!r}", *parts]), str(caught.value)


def test_what_is_no_text_cannot_be_shown(tmp_path: Path) -> None:
    path = lines(tmp_path / "t.jsonl", json.dumps({"question": "1+1?", "choices": ["1", "2"]}))
    with pytest.raises(DataError, match=r"line 1, column 'choices': the template needs text or a number, got list"):
        read(path, Columns(template=Template("{question} {choices}")))


def test_the_first_column_of_the_template_is_the_prompt_where_none_is_named(tmp_path: Path) -> None:
    template = Template("{question} Answer:")
    found = read(lines(tmp_path / "t.jsonl", json.dumps({"question": "1+1?", "id": "a"})), Columns(template=template))
    assert found.columns.prompt == "question" and found.tasks[0].prompt == "1+1?"
    assert Frame(template, column=found.columns.prompt)(found.tasks[0]) == "1+1? Answer:"
    both = read(lines(tmp_path / "both.jsonl", json.dumps({"prompt": "a", "question": "b"})), Columns(template=template))
    assert both.columns.prompt == "prompt" and Frame(template)(both.tasks[0]) == "b Answer:"


def test_a_template_changes_no_id_and_tells_tasks_apart_by_all_it_shows(tmp_path: Path) -> None:
    rows = [json.dumps({"question": "Which?", "options": options, "answer": options[0]}) for options in ("ab", "bc")]
    path = lines(tmp_path / "t.jsonl", *rows)
    with pytest.raises(DataError, match="with another answer"):
        read(path, Columns("question"))
    found = read(path, Columns("question", template=Template("{question} {options}")))
    assert [task.answer for task in found.tasks] == ["a", "b"] and found.repeated == 0
    plain, put = (read(lines(tmp_path / "o.jsonl", rows[0]), Columns("question", template=t)) for t in (None, Template("{question} Answer:")))
    assert plain.tasks == put.tasks
