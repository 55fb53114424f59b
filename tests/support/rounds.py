"""Runs of shipped recipes that stand before or behind one round, with nothing written to disk."""

import asyncio
from typing import Any

from small import small

from autotelic.runs import loop
from autotelic.runs.opening import Session, plan


def ready(name: str, **more: Any) -> Session:
    """A small run of a recipe, checked and set up, at the start of round 1."""
    session = plan(small(name, **more))
    session.ctx.begin_round(1)
    return session


def play_round(session: Session, number: int = 1) -> None:
    """One round of a run, behind the seal where it declares that it needs no answers."""
    session.ctx.begin_round(number)
    asyncio.run(loop.play_round(session))
