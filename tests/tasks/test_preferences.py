"""Preferences in task files: every layout that TRL documents, and what is wrong with others."""

import json
from pathlib import Path
from typing import Any

import pytest

from autotelic.errors import DataError, GoldLeak, SettingError
from autotelic.rounds.sealed import sealed
from autotelic.tasks.columns import Columns, read, read_tasks
from autotelic.tasks.preferences import labeled_of, pair_of
from autotelic.tasks.prompting import Template
from autotelic.types import Task

USER = {"role": "user", "content": "What color is the sky?"}
SYSTEM = {"role": "system", "content": "Be brief."}


def says(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


def read_rows(folder: Path, *rows: dict[str, Any]) -> list[Task]:
    path = folder / "t.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return read_tasks(path)


@pytest.mark.parametrize(
    ("row", "prompt"),
    [
        ({"prompt": "The sky is", "chosen": " blue.", "rejected": " green."}, "The sky is"),
        ({"chosen": "The sky is blue.", "rejected": "The sky is green."}, "The sky is"),
        ({"prompt": [USER], "chosen": [says(" blue.")], "rejected": [says(" green.")]}, [USER]),
        ({"chosen": [USER, says(" blue.")], "rejected": [USER, says(" green.")]}, [USER]),
        ({"prompt": USER["content"], "chosen": [USER, says(" blue.")], "rejected": [USER, says(" green.")]}, [USER]),
        ({"chosen": [SYSTEM, USER, says(" blue.")], "rejected": [SYSTEM, USER, says(" green.")]}, [SYSTEM, USER]),
        ({"prompt": "The sky is", "chosen": [says(" blue.")], "rejected": [says(" green.")]}, "The sky is"),
    ],
)
def test_the_layouts_of_trl(tmp_path: Path, row: dict[str, Any], prompt: Any) -> None:
    task = read_rows(tmp_path, {**row, "score": 3})[0]
    assert (task.prompt, pair_of(task), task.hidden["score"]) == (prompt, (" blue.", " green."), 3)


@pytest.mark.parametrize(
    ("chosen", "rejected", "prompt", "ends"),
    [
        ("the sky is blue", "the sky is black", "the sky is", (" blue", " black")),
        ("Q: 1+1?\n\nA: 2", "Q: 1+1?\n\nA: 3", "Q: 1+1?\n\nA:", (" 2", " 3")),
        ("a b", "a b c", "a", (" b", " b c")),
        ("a\n\n b", "a\n\n c", "a", ("\n\n b", "\n\n c")),
    ],
)
def test_an_implicit_prompt_ends_with_a_whole_word(tmp_path: Path, chosen: str, rejected: str, prompt: str, ends: tuple[str, str]) -> None:
    task = read_rows(tmp_path, {"chosen": chosen, "rejected": rejected})[0]
    assert (task.prompt, pair_of(task)) == (prompt, ends)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"prompt": "a", "chosen": "b", "rejected": "b"}, "line 1: the columns 'chosen' and 'rejected' say the same"),
        ({"prompt": "a", "chosen": "b", "rejected": 3}, "line 1, column 'rejected': expected text, got a number"),
        ({"prompt": "a", "chosen": "b", "rejected": [says("c")]}, "'chosen' is text and 'rejected' is a list"),
        ({"chosen": "blue", "rejected": "black"}, "begin with no word in common"),
        ({"chosen": [says("b")], "rejected": [says("c")]}, "begin with no message in common"),
        ({"chosen": [USER, says("b"), USER, says("c")], "rejected": [USER, says("d"), USER, says("e")]}, "differ in their last message alone"),
        ({"chosen": [USER], "rejected": [USER, says("c")]}, "differ in their last message alone"),
        ({"prompt": "Else?", "chosen": [USER, says("b")], "rejected": [USER, says("c")]}, "begin with messages that are not the column 'prompt'"),
        ({"prompt": "a", "chosen": " ", "rejected": "c"}, "column 'chosen': is empty"),
        ({"chosen": "a b"}, "no column 'prompt'"),
    ],
)
def test_sides_that_are_none(tmp_path: Path, row: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError) as caught:
        read_rows(tmp_path, row)
    assert message in str(caught.value)


def test_one_prompt_may_have_many_preferences(tmp_path: Path) -> None:
    pairs = read_rows(tmp_path, *({"prompt": "a", "chosen": "b", "rejected": other} for other in ("c", "d", "c")))
    assert [pair_of(task) for task in pairs] == [("b", "c"), ("b", "d")]
    labeled = read_rows(tmp_path, *({"prompt": "a", "completion": text, "label": text == "b"} for text in "bc"))
    assert [labeled_of(task) for task in labeled] == [("b", True), ("c", False)]


@pytest.mark.parametrize(("label", "expected"), [(True, True), (0, False), ("True", True), ("false", False), ("1", True)])
def test_labels(tmp_path: Path, label: Any, expected: bool) -> None:
    assert labeled_of(read_rows(tmp_path, {"prompt": [USER], "completion": [says("b")], "label": label})[0]) == ("b", expected)


@pytest.mark.parametrize("label", ["good", 2, 0.5, [1]])
def test_what_is_no_label(tmp_path: Path, label: Any) -> None:
    task = read_rows(tmp_path, {"prompt": "a", "completion": "b", "label": label})[0]
    with pytest.raises(DataError, match="line 1, column 'label': expected true or false"):
        labeled_of(task)


def test_no_prompt_and_no_label_free_recipe_sees_a_side(tmp_path: Path) -> None:
    task = read_rows(tmp_path, {"prompt": "a", "chosen": "b", "rejected": "c"})[0]
    for name in ("chosen", "rejected"):
        with pytest.raises(GoldLeak):
            sealed(task).hidden[name]
    with pytest.raises(SettingError, match="the column 'chosen' holds the answer"):
        read(tmp_path / "t.jsonl", Columns(template=Template("{prompt} {chosen}")))
