"""S3c-Math: what its lessons teach and leave out, whose wrong steps they show, and what is refused."""

import asyncio
from typing import Any

import pytest
from scripted import made
from small import small

from autotelic.errors import SettingError
from autotelic.runs.opening import plan
from autotelic.types import Example


def session(**settings: Any) -> Any:
    return plan(small("s3c-math", **settings), quiet=True)


def learned(monkeypatch: pytest.MonkeyPatch, **settings: Any) -> tuple[Any, list[Example]]:
    """A session after a round, and what was learned in it."""
    opened, found = session(**settings), list[Example]()
    learn = type(opened.ctx).learn
    monkeypatch.setattr(
        type(opened.ctx), "learn", lambda ctx, policy, data, *more, **named: (found.extend(data), learn(ctx, policy, data, *more, **named))[1]
    )
    opened.ctx.begin_round(1)
    asyncio.run(opened.recipe.round(opened.ctx))
    return opened.ctx, found


def shown(ctx: Any, item: Example, targets: bool) -> str:
    decode = ctx.policies["solver"].tokenizer.decode
    return decode([token for token, wanted in zip(item.tokens, item.mask, strict=True) if bool(wanted) == targets])


def test_the_wrong_step_is_left_out_and_all_else_is_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    ctx, found = learned(monkeypatch)
    whole, repairs = found[:4], found[4:]
    assert len(repairs) == 2 and ctx.metrics["label/kept"] == 0.5
    for item in repairs:
        assert item.task is not None
        gold, prompt = ctx.world.gold(item.task), str(item.task.prompt)
        start, _, rest = shown(ctx, item, True).partition("<")
        assert start + rest == gold, "without the detour it is the solution"
        wrong = shown(ctx, item, False).removeprefix(prompt)
        assert len(wrong) == 6 and wrong.endswith(";") and not gold[len(start) :].startswith(wrong)
    assert all(shown(ctx, item, True) == ctx.world.gold(item.task) for item in whole)


def test_unmasked_the_wrong_step_is_a_target(monkeypatch: pytest.MonkeyPatch) -> None:
    ctx, found = learned(monkeypatch, masked=False)
    assert all(shown(ctx, item, False) == str(item.task.prompt) for item in found if item.task)


def test_own_wrong_steps_are_those_that_slipped(monkeypatch: pytest.MonkeyPatch) -> None:
    ctx, found = learned(monkeypatch, wrong="own", back_share=1.0, tasks_per_round=12)
    slips = ctx.metrics["rollouts/slips"]
    repairs = found[12:]
    assert slips and 0 < len(repairs) <= 12
    for item in repairs:
        start, _, rest = shown(ctx, item, True).partition("<")
        assert start + rest == ctx.world.gold(item.task)
    ctx, found = learned(monkeypatch, wrong="own", tasks="slips?rate=0", sampling={"temperature": 0.0})
    assert ctx.metrics["rollouts/slips"] == 0 and ctx.metrics["label/kept"] == len(found[4:]) / 4


def test_a_sample_without_any_step_is_counted() -> None:
    recipe = made("s3c-math", wrong="own")
    opened = session(wrong="own", sampling={"max_tokens": 1})
    opened.ctx.begin_round(1)
    assert asyncio.run(recipe.own.__func__(opened.recipe, opened.ctx, opened.ctx.pool.draw(3))) == []
    assert opened.ctx.metrics["repair/no_step"] == 3


def test_worlds_that_read_no_repair_are_refused() -> None:
    with pytest.raises(SettingError, match="reads no answer"):
        session(tasks="countdown-steps?largest=12", model="countdown-back", sampling={"max_tokens": 40})
    with pytest.raises(SettingError, match="makes no wrong steps"):
        session(tasks="chain", model="chain-medium")
