"""Iterative deepening sampling, with a policy that says what the test wants: where it is interrupted, and what is read."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from engines import sampled_by

from autotelic.engines.base import Completion, Request, Vocabulary
from autotelic.engines.torch_engine import TorchEngine
from autotelic.errors import SettingError
from autotelic.learning.learner import Optimizer
from autotelic.networks.model import LanguageModel
from autotelic.policies.policy import Policy
from autotelic.policies.tokenizer import Tokenizer, character_tokenizer
from autotelic.rounds.context import Context
from autotelic.systems.search.iterative_deepening.way import IterativeDeepening, winner
from autotelic.tasks.pool import TaskPool
from autotelic.types import Rollout, Sampling, Task, TurnKind
from autotelic.worlds import open_world

Make = Callable[..., Policy]
WORLD = open_world("chain-skills")
TASK = Task("t", "1+2=")


class Spans:
    """The torch engine, forced to write one text span by span, as long as it is let; it keeps how long the spans may be."""

    name = "spans"

    def __init__(self, tokenizer: Tokenizer, text: str) -> None:
        self.left = [*tokenizer.encode(text), tokenizer.end_id]
        self.asked: list[int] = []

    def generate(self, model: LanguageModel, requests: list[Request], vocabulary: Vocabulary) -> list[list[Completion]]:
        (request,) = requests
        self.asked.append(limit := request.sampling.max_tokens)
        span, self.left = self.left[:limit], self.left[limit:]
        return TorchEngine().generate(model, [Request(request.prompt, request.streams, request.sampling, tuple(span))], vocabulary)


def deepened(policy: Make, text: str, room: int = 96, **settings: Any) -> tuple[Rollout, Context, Spans]:
    solver = policy(context=room)
    solver.tokenizer = character_tokenizer("0123456789+-*=#;?", room)
    engine = Spans(solver.tokenizer, text)
    way = IterativeDeepening(samples=1, **{"budget": 3, **settings})
    ctx = Context(
        world=WORLD, pool=TaskPool([TASK], 0), policies={"solver": sampled_by(engine, solver)}, roles=way.roles(WORLD), seed=0, optimizer=Optimizer()
    )
    ctx.begin_round(1)
    way.setup(ctx)
    (found,) = asyncio.run(way.answer(ctx, [TASK]))
    return found, ctx, engine


def test_spans_grow_and_all_that_was_written_is_read_as_one(policy: Make) -> None:
    """Spans of 3, 6, 12: '1+2', '=3;1+2', and the rest, which ends."""
    found, ctx, engine = deepened(policy, "1+2=3;1+2=4;#4")
    assert engine.asked == [3, 6, 12] and ctx.metrics["iterative-deepening/triggers"] == 2
    assert [turn.text for turn in found.turns if turn.kind is TurnKind.OBSERVATION] == ["?", "?"]
    assert (found.text, found.answer) == ("1+2=3;1+2=4;#4", "4")


def test_a_short_answer_is_a_plain_sample_and_growth_one_a_fixed_rhythm(policy: Make) -> None:
    found, ctx, _ = deepened(policy, "#3")
    assert found.answer == "3" and not ctx.metrics.get("iterative-deepening/triggers")
    assert deepened(policy, "1+2=3;#3", growth=1.0)[2].asked == [3, 3, 3]
    assert deepened(policy, "1+2=3;1+2=3;#3", growth=1.5)[2].asked == [3, 5, 7]


def test_the_solutions_vote() -> None:
    some = [Rollout(str(place), TASK, [], answer=answer) for place, answer in enumerate(("3", "4", None, "4"))]
    assert winner(some) is some[1] and winner(some[2:3]) is some[2]


@pytest.mark.parametrize(("room", "limit"), [(12, 96), (96, 7)], ids=["no room in the context", "no more tokens"])
def test_what_is_never_ended_has_no_answer_and_is_counted(room: int, limit: int, policy: Make) -> None:
    found, ctx, _ = deepened(policy, "1+2=3;1+2=3;1+2=3;1+2=3;#3", room, sampling=Sampling(max_tokens=limit))
    assert found.answer is None and ctx.metrics["iterative-deepening/cut"] == 1


def test_its_ablation_says_nothing_between_the_spans(policy: Make) -> None:
    way = IterativeDeepening().ablations["nothing said"]
    assert way.says == "nothing" and way.ablations == {}
    found, ctx, engine = deepened(policy, "1+2=3;#3", says="nothing")
    assert (found.answer, engine.asked) == ("3", [3, 6]) and "iterative-deepening/triggers" not in ctx.metrics


def test_a_trigger_that_cannot_be_written_is_refused(policy: Make) -> None:
    with pytest.raises(SettingError, match="trigger = 'Wait'"):
        deepened(policy, "#3", trigger="Wait")
