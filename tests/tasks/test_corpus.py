"""Corpora of a user, and the world of facts."""

import random

import pytest

from autotelic.errors import DataError
from autotelic.tasks.corpus import document_tasks, passages, read_corpus, shortened
from autotelic.types import Task
from autotelic.worlds import open_world


def test_files_and_folders(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "b.txt").write_text("two")
    (tmp_path / "sub" / "a.md").write_text("one")
    (tmp_path / "c.jsonl").write_text('{"text": "three"}\n\n{"document": "four", "id": 1}\n')
    (tmp_path / "blank.txt").write_text(" \n")
    (tmp_path / "picture.png").write_bytes(b"\xff")
    assert read_corpus(tmp_path) == {"b.txt": "two", "c.jsonl:1": "three", "c.jsonl:3": "four", "sub/a.md": "one"}
    assert read_corpus(tmp_path / "b.txt") == {"b.txt": "two"}


@pytest.mark.parametrize(
    "name,content,message",
    [
        ("x.txt", b"", "the corpus is empty"), ("x.txt", b"\xff\xfe\xfa", "cannot be read as UTF-8"), ("x.jsonl", b"{", "line 1: not JSON"),
        ("x.jsonl", b'{"txt": "a"}', "line 1: needs a text in the column 'document' or 'text'"), ("x.csv", b"a", "unknown kind of file '.csv'"),
    ],
)  # fmt: skip
def test_what_cannot_be_read(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_corpus(tmp_path / name)


def test_nothing_there(tmp_path):
    with pytest.raises(DataError, match="the corpus is empty"):
        read_corpus(tmp_path)
    with pytest.raises(DataError, match="no such file or folder"):
        read_corpus(tmp_path / "nowhere")


def test_passages():
    assert passages("  one two three ", 7) == ["one two", "three"]
    assert passages("a" * 10, 4) == ["aaaa", "aaaa", "aa"]
    assert passages("short", 99) == ["short"]
    assert passages(" \n", 4) == []
    words = " ".join(map(str, range(9999)))
    assert all(0 < len(piece) <= 100 for piece in passages(words, 100)) and " ".join(passages(words, 100)) == words


def test_the_world_of_facts():
    world = open_world("facts")
    documents = world.documents()
    assert len(documents) == len(set(documents)) == 40 and documents == open_world("facts").documents() != open_world("facts?corpus=1").documents()
    for task in world.tasks(100, seed=0, split="probe"):
        name, items = world.asked(task.prompt)
        document = next(text for text in documents if text.startswith(name))
        assert world.stated(document, task.prompt) == task.answer
        assert all(f"{item}{world.value(name, item)}" in document for item in items)
    assert world.stated("kl:a4b7c2d9e1f5", "kl.cd=") == "1"
    assert [world.stated("kl:a4b7", prompt) for prompt in ("kl.c=", "km.a=", "kl.a")] == [None] * 3
    for prompt in ("zz.a=", "kl.aa=", "kl.g=", "kl.abc=", "kl.a"):
        assert world.verify(Task("x", prompt), "1") == 0.0
        with pytest.raises(DataError, match="not a question"):
            world.asked(prompt)


def test_the_teacher_of_facts():
    world = open_world("facts?names=5&asking=0")
    rng = random.Random(0)
    found = {item: [world.believed(name, item, rng) == world.value(name, item) for name in world.names() for _ in range(200)] for item in "af"}
    assert all(found["a"]) and 0.05 < sum(found["f"]) / 1000 < 0.15
    asking = open_world("facts?asking=1")
    seen = set()
    for task in asking.tasks(100, seed=0):
        (prompt,), text = asking.lesson(task, rng)
        question, _, answer = text.partition("=")
        seen.add(prompt == "=")
        assert prompt == "=" or asking.stated(prompt[:-1], question + "=") == asking.parse(answer)
        assert not asking.held_out(question + "="), "the probe's questions are never taught"
    assert seen == {True, False}


def test_documents_as_tasks_are_shortened_until_they_fit():
    first, second, other = document_tasks({"a": "one two", "b": "three"}, 5)
    assert [(task.id, task.hidden["document"], task.tags["passage"]) for task in (first, second, other)] == [
        ("a/0", "one", 0), ("a/1", "two", 1), ("b/0", "three", 0),
    ]  # fmt: skip
    assert shortened(other, lambda task: True) is other
    assert shortened(other, lambda task: len(task.hidden["document"]) < 3).hidden["document"] == "th", "5, 3, 2 characters"
    assert shortened(other, lambda task: False) is None
