"""Learning in a round: nothing held out is learned, several calls are one in the metrics, and what it costs is counted once and for all."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from contexts import TASKS, context
from subwords import subwords, write_model

from autotelic.engines.batching import Batcher
from autotelic.engines.torch_engine import TorchEngine
from autotelic.errors import HeldOutError
from autotelic.learning.examples import pair, written
from autotelic.learning.objectives import DPO, NLL
from autotelic.policies.policy import Policy
from autotelic.rounds.context import Context
from autotelic.rounds.held_out import HeldOut
from autotelic.rounds.sealed import sealed
from autotelic.rounds.weights import over_updates
from autotelic.types import Task
from autotelic.worlds import open_world

Make = Callable[..., Policy]
CHAIN = open_world("chain-skills")
HELD = CHAIN.tasks(1, seed=0, split="probe")[0]
FREE = CHAIN.tasks(1, seed=0)[0]


def told(ctx: Context, *tasks: Task) -> list[str]:
    """The ids of the texts about tasks that a learner is given."""
    ctx.trained_on = {}
    ctx.learn("solver", [written(task.id, [1, 5], [6], task=task) for task in tasks], NLL())
    return sorted(ctx.trained_on)


def test_what_is_held_out_is_left_out_and_counted(policy: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AUTOTELIC_STRICT")
    ctx = context(policy())
    ctx.held_out = HeldOut(CHAIN, [Task("p", "probed")])
    inside = Task("critique", f"C{HELD.prompt}0;#0:")
    about = Task("refine", "mend it", hidden={"origin": HELD})
    assert told(ctx, HELD, sealed(HELD), inside, about, Task("q", "probed"), FREE, Task("write", "@")) == sorted([FREE.id, "write"])
    assert ctx.metrics["learner/held_out"] == 5


def test_in_tests_it_is_fatal_and_so_is_text_about_nothing(policy: Make) -> None:
    ctx = context(policy())
    ctx.held_out = HeldOut(CHAIN)
    with pytest.raises(HeldOutError, match=f"{HELD.id} is about a task that is held out"):
        told(ctx, HELD)
    with pytest.raises(HeldOutError, match="nameless names no task"):
        ctx.learn("solver", [written("nameless", [1, 5], [6])], NLL())


def test_the_sides_of_a_pair_share_their_fate(policy: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AUTOTELIC_STRICT")
    ctx = context(policy())
    ctx.held_out = HeldOut(CHAIN)
    sides = pair(written("good", [1, 5], [6], task=FREE), written("bad", [1, 5], [7], task=HELD))
    ctx.learn("solver", sides, DPO())
    assert ctx.trained_on == {} and ctx.metrics["learner/held_out"] == 2


def test_metrics_of_several_calls_are_means_over_all_their_updates() -> None:
    calls = [{"loss": 1.0, "learner/updates": 1.0}, {"loss": 4.0, "kl": 2.0, "learner/updates": 2.0}, {"learner/updates": 0.0}]
    assert over_updates(calls) == {"loss": 3.0, "kl": 2.0, "learner/updates": 3.0}


def test_other_policies_have_their_numbers_behind_their_names(policy: Make) -> None:
    ctx = context(policy())
    ctx.clone("solver", "questioner")
    for _ in range(2):
        for name in ("solver", "questioner"):
            ctx.learn(name, [written("t", [1, 5], [6], task=FREE)], NLL())
    assert ctx.metrics["learner/updates"] == ctx.metrics["questioner/learner/updates"] == 2
    assert ctx.metrics["learning_rate"] == ctx.metrics["questioner/learning_rate"]


def test_what_was_spent_stays_spent_when_a_policy_is_dropped(policy: Make) -> None:
    ctx = context(policy())
    ctx.clone("solver", "student")
    ctx.learn("student", [written("t", [1, 5], [6, 7], task=FREE)], NLL())
    ctx.drop("student")
    ctx.clone("solver", "student")
    assert ctx.meter.trained == 4
    asyncio.run(ctx.sample("solver", TASKS[:1], n=3))
    assert ctx.meter.read == len(ctx.prompt("solver", TASKS[0])), "a prompt is read once for all its samples"
    assert ctx.meter.metrics()["tokens/trained"] == 4 and ctx.meter.sampled > 3


def test_a_text_is_taught_behind_the_prompt_of_a_role(policy: Make) -> None:
    ctx = context(policy())
    item = ctx.taught("solver", TASKS[1], "25", weight=0.5)
    prompt, end = ctx.prompt("solver", TASKS[1]), ctx.policies["solver"].tokenizer.end_id
    assert item.tokens[: len(prompt)] == prompt and item.tokens[-1] == end and sum(item.mask) == 3
    assert (item.rollout, item.weight, item.task) == ("b", 0.5, TASKS[1])


def test_what_is_taught_in_a_chat_ends_as_its_template_closes_an_answer(tmp_path: Path) -> None:
    write_model(tmp_path, subwords(eos_token="<|endoftext|>"))
    ctx = context(Policy.load("solver", tmp_path, Batcher(TorchEngine())))
    chat = Task("chat", [{"role": "user", "content": "What is 2 plus 3?"}])
    item = ctx.taught("solver", chat, "5")
    assert item.tokens == [*ctx.prompt("solver", chat), *ctx.policies["solver"].tokenizer.encode("5"), 2]
    assert ctx.taught("solver", TASKS[1], "25").tokens[-1] == ctx.completion("solver", TASKS[1], "25")[-1] == 0
