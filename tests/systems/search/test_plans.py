"""Self-Discover and Auto-Evolve, with a planner that says what the test wants: the order of the calls, their prompts, their cost."""

import asyncio
from collections.abc import Callable
from typing import Any

from chatting import byte_tokenizer
from engines import sampled_by

from autotelic.engines.base import Completion, Request, Vocabulary
from autotelic.engines.torch_engine import TorchEngine
from autotelic.learning.learner import Optimizer
from autotelic.networks.model import LanguageModel
from autotelic.policies.policy import Policy
from autotelic.policies.tokenizer import Tokenizer
from autotelic.rounds.context import Context
from autotelic.systems.base import Way
from autotelic.systems.search.auto_evolve.way import AutoEvolve
from autotelic.systems.search.self_discover.modules import MODULES
from autotelic.systems.search.self_discover.way import SelfDiscover
from autotelic.tasks.pool import TaskPool
from autotelic.types import Message, Rollout, Task
from autotelic.worlds import open_world

Make = Callable[..., Policy]
WORLD = open_world("word-problems?shots=0")
TASKS = [Task(f"t{n}", [Message(role="user", content=f"Ann has {n} nuts. How many?")], str(n)) for n in (2, 3, 4)]


class InOrder:
    """The torch engine, forced to say the given texts one after the other; it keeps what it was asked."""

    name = "in order"

    def __init__(self, tokenizer: Tokenizer, texts: list[str]) -> None:
        self.tokenizer, self.texts, self.asked = tokenizer, iter(texts), list[str]()

    def generate(self, model: LanguageModel, requests: list[Request], vocabulary: Vocabulary) -> list[list[Completion]]:
        found = []
        for request in requests:
            self.asked.append(self.tokenizer.decode(request.prompt))
            said = (*self.tokenizer.encode(next(self.texts)), self.tokenizer.end_id)
            found += TorchEngine().generate(model, [Request(request.prompt, request.streams, request.sampling, said)], vocabulary)
        return found


def planned(way: Way, policy: Make, texts: list[str]) -> tuple[list[Rollout], Context, list[str]]:
    tokenizer = byte_tokenizer()
    solver = policy(vocab_size=len(tokenizer.inner), context=8192)
    solver.tokenizer = tokenizer
    engine = InOrder(tokenizer, texts)
    roles: dict[str, Any] = way.roles(WORLD)
    ctx = Context(world=WORLD, pool=TaskPool(TASKS, 0), policies={"solver": sampled_by(engine, solver)}, roles=roles, seed=0, optimizer=Optimizer())
    ctx.begin_round(1)
    way.setup(ctx)
    return asyncio.run(way.answer(ctx, TASKS)), ctx, engine.asked


ANSWERS = ["Answer: 2", "Answer: 3", "Answer: 5"]


def test_self_discover_selects_adapts_implements_and_fills_in(policy: Make) -> None:
    found, ctx, asked = planned(SelfDiscover(examples=2), policy, ["- Think.", "- Count.", "what is counted: ", *ANSWERS])
    assert [rollout.answer for rollout in found] == ["2", "3", "5"] and len(asked) == 6
    assert len(MODULES) == 39 and all(module in asked[0] for module in MODULES)
    assert "Ann has 2 nuts" in asked[0] and "Ann has 3 nuts" in asked[0] and "Ann has 4 nuts" not in asked[0], "of two examples"
    assert "- Think." in asked[1] and MODULES[0] not in asked[1] and "- Count." in asked[2]
    assert all("what is counted:" in text and f"Ann has {n} nuts" in text for n, text in zip((2, 3, 4), asked[3:], strict=True))
    setup = sum(len(ctx.policies["solver"].tokenizer.encode(text)) + 1 for text in ("- Think.", "- Count.", "what is counted: "))
    assert ctx.metrics["self-discover/setup"] == setup and ctx.meter.completions == 6


def test_a_call_that_says_nothing_leaves_what_it_was_given(policy: Make) -> None:
    _, ctx, asked = planned(SelfDiscover(), policy, ["- Think.", " ", "", *ANSWERS])
    assert ctx.metrics["planner/unparsed"] == 2 and "- Think." in asked[2] and "- Think." in asked[3]


def test_auto_evolve_creates_combines_and_refines(policy: Make) -> None:
    texts = ["- Count.", "PLAN 1", "too short", "PLAN 2", "fine", "PLAN 3"]
    found, _ctx, asked = planned(AutoEvolve(), policy, [*texts, *ANSWERS])
    assert [rollout.answer for rollout in found] == ["2", "3", "5"] and len(asked) == 9
    assert "- Count." in asked[1] and "PLAN 1" in asked[2] and "too short" in asked[3] and "PLAN 2" in asked[4] and "fine" in asked[5]
    assert all("PLAN 3" in text and "PLAN 2" not in text for text in asked[6:])
    assert len(planned(AutoEvolve(refinements=0), policy, [*texts[:2], *ANSWERS])[2]) == 5


def test_without_any_plan_tasks_are_asked_as_they_are(policy: Make) -> None:
    _, ctx, asked = planned(AutoEvolve(refinements=1), policy, ["", "", "", "", *ANSWERS])
    assert ctx.metrics["planner/unparsed"] == 4 and all("plan" not in text for text in asked[4:])


def test_their_ablations_make_the_plan_and_do_not_show_it(policy: Make) -> None:
    for way, calls in ((SelfDiscover(), 3), (AutoEvolve(), 6)):
        other = way.ablations["without the plan"]
        assert not other.ablations
        _, _, asked = planned(other, policy, [*["PLAN"] * calls, *ANSWERS])
        assert len(asked) == calls + 3 and all("PLAN" not in text for text in asked[calls:])
