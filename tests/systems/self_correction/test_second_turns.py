"""Recipes that speak again in a chat: what is shown is a further message of the user, and what was sampled before stays as it was sampled."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from chatting import TEMPLATE, chat_model
from command import call, refused
from complaints import lines, names
from smollm import smollm_folder

from autotelic.runs.opening import plan
from autotelic.runs.reading import RunReader

ONCE = "{% if messages | length > 2 %}{{ raise_exception('one turn only') }}{% endif %}" + TEMPLATE
ROWS = [json.dumps({"prompt": [{"role": "user", "content": f"What is {i} plus 3?"}], "answer": str(i + 3)}) for i in range(12)]
SMALL = ("sampling.max_tokens=8", "probe_size=2", "probe_samples=0", "tasks_per_round=2", "group_size=2", "--rounds", 1)
AGAIN = "<|open|>user\n{}<|close|>\n<|open|>assistant\n"
THOUGHTS = str(Path(__file__).parents[3] / "examples" / "second_thoughts.py")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return chat_model(tmp_path_factory.mktemp("models") / "chat", context=256)


def rows_of(out: Path) -> list[dict[str, Any]]:
    return [row for row in RunReader(out).rollouts(1) if row["turns"]]


@pytest.mark.parametrize(
    ("recipe", "settings", "shown"),
    [
        ("score", ("retry=Look again.",), ["Look again."]),
        ("cocos", ("retry=Look again.",), ["Look again."]),
        ("correction-traces", ("retry=Look again.",), ["Look again."]),
        ("reflect-retry-reward", ("reflect=What went wrong?", "retry=And now?"), ["What went wrong?", "And now?"]),
        (THOUGHTS, (), ["="]),
    ],
    ids=["score", "cocos", "correction-traces", "reflect-retry-reward", "second thoughts"],
)
def test_a_further_turn_is_a_message_of_the_user(recipe: str, settings: tuple[str, ...], shown: list[str], model: Path, tmp_path: Path) -> None:
    tasks = lines(tmp_path / "t.jsonl", *ROWS)
    done = call("run", recipe, "--model", model, "--tasks", tasks, "--verifier", "number", *settings, *SMALL, "--out", tmp_path / "run")
    assert done.status == 0, done
    found = rows_of(tmp_path / "run")
    assert found
    for row in found:
        assert [kind for kind, _, _ in row["turns"]] == ["action", *["observation", "action"] * len(shown)]
        for (_, _, turn), text in zip(row["turns"][1::2], shown, strict=True):
            assert turn in ("\n" + AGAIN.format(text), "<|close|>\n" + AGAIN.format(text))


def test_past_attempts_stand_in_a_chat_as_they_were_sampled(model: Path, tmp_path: Path) -> None:
    """ExIt: a start is a task with attempts of an earlier round, each followed by a message of the user."""
    raw = {"recipe": "exit", "model": str(model), "tasks": str(lines(tmp_path / "t.jsonl", *ROWS)), "verifier": "number", "refine": "Look again."}
    session = plan({**raw, "sampling": {"max_tokens": 8}, "probe_size": 2, "probe_samples": 0})
    ctx, policy = session.ctx, session.ctx.policies["solver"]
    task, past = ctx.pool.tasks[0], [*policy.tokenizer.encode("5"), policy.tokenizer.closing]
    start = task.changed(hidden={"attempts": [past]})
    (group,) = asyncio.run(session.recipe.attempt(ctx, [start], 1, set()))  # type: ignore[attr-defined]
    talk = [*task.prompt, {"role": "assistant", "content": "5"}, {"role": "user", "content": "Look again."}]
    assert [token for turn in group.rollouts[0].turns[:2] for token in turn.tokens] == policy.tokenizer.encode_prompt(talk)


@pytest.mark.parametrize("recipe", ["score", "reflect-retry-reward", "exit"])
def test_a_template_for_one_turn_is_refused_at_the_start(recipe: str, tmp_path: Path) -> None:
    once, tasks = chat_model(tmp_path / "once", ONCE), lines(tmp_path / "t.jsonl", *ROWS)
    setting = {"score": "retry", "reflect-retry-reward": "reflect", "exit": "refine"}[recipe]
    complaint = refused(tmp_path / "run", recipe, "--model", once, "--tasks", tasks, "--verifier", "number", *SMALL)
    names(complaint, f"{setting} = ", "the chat template refuses it: one turn only")


@pytest.mark.smollm
def test_smollm_is_asked_again(tmp_path: Path) -> None:
    """As a user would: the same conversation goes on, in the words and marks of the model's own template."""
    folder = smollm_folder()
    again = "Look at it again. What is the answer?"
    small = ("sampling.max_tokens=24", "probe_size=2", "probe_samples=0", "tasks_per_round=1", "group_size=2", "pool_size=8", "gate.mode=off")
    found = call(
        "run", "score", "--model", folder, "--tasks", "word-problems?shots=0", f"retry={again}", *small, "--rounds", 1, "--out", tmp_path / "r"
    )
    assert found.status == 0, found
    for row in rows_of(tmp_path / "r"):
        assert again not in row["prompt"] and row["prompt"].endswith("<|im_start|>assistant\n")
        assert row["turns"][1][2].removeprefix("<|im_end|>") == f"\n<|im_start|>user\n{again}<|im_end|>\n<|im_start|>assistant\n"
