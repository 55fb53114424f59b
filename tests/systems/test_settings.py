"""Every setting of every recipe does something or is refused.

Each setting is set to another legal value, alone: the bits of a small run must change (weights, rollouts, rewards, metrics, tasks), or the run must be
refused. And each is set to illegal values, which must be refused before anything is loaded. Settings that act only beside another setting are tried
beside it (`BESIDE`), those that need another value than the usual one have it in `OTHER`, and what cannot act has its reason in `IDLE`.
"""

import asyncio
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from rounds import play_round
from small import small

from autotelic.errors import AutotelicError, SettingError
from autotelic.learning.learner import Optimizer, Updates
from autotelic.learning.objectives import DPO, NLL, PolicyGradient
from autotelic.runs.opening import Session, plan
from autotelic.runs.settings import resolve
from autotelic.systems.registry import recipes
from autotelic.types import Sampling

Leaf = tuple[str, Any, FieldInfo]
CORPUS = str(Path(__file__).parents[1] / "support" / "documents")
"""A folder of two texts."""
NAMES = sorted(recipes())

SHARED: dict[type[BaseModel], tuple[str, ...]] = {
    Optimizer: ("learning_rate", "weight_decay"),
    Updates: ("batch_size",),
    PolicyGradient: ("aggregation", "entropy"),
    NLL: ("aggregation",),
    DPO: ("beta",),
}
"""Groups of settings that one part of the library reads, whatever the recipe: of these each recipe shows by some fields that they arrive. All of
their fields are tried on the recipes of `WHOLE`: with one update a round on what was just sampled, as most recipes make, a clip for instance has
nothing to hold back."""
WHOLE: dict[str, tuple[str, ...]] = {"supervised": ("optimizer", "updates", "objective"), "spin": ("objective",), "spiral": ("objective",)}

IDLE: dict[str, str] = {
    "rounds": "is the number of rounds, of which these runs play the first ones",
    "optimizer.token_budget": "bounds memory and leaves the update what it is",
    "optimizer.checkpointing": "computes again what it would keep, bit for bit",
    "optimizer.processes": "shares out work and leaves the update what it is",
}
IDLE_OF: dict[str, dict[str, str]] = {
    "b-star": {"sampling.temperature": "is the probe's: `temperatures` and `temperature` are those of training"},
    "self-backtracking": dict.fromkeys(("sampling.temperature", "sampling.stop"), "is the probe's: the tries of a search have their own"),
    "critique-in-the-loop": {"slack": "is how many numbers a refinement may lack, and here none lacks as many"},
    "spiral": {
        "rules.seconds": "is how long an environment may take, and none here hangs",
        "objective.staleness": "lets older samples in, and there are none",
        "objective.allow_off_policy": "lets texts in that nobody sampled, and there are none",
    },
    **{
        name: dict.fromkeys((f"sampling.{field}" for field in Sampling.model_fields), "is the probe's: nothing is sampled in training")
        for name in ("supervised", "dpo", "kto")
    },
}
BASE: dict[str, dict[str, Any]] = {
    "easy-to-hard": {"model": "addition-4-weak", "known": 3, "labels": 24, "wanted": 40, "tries": 2, "batch_size": 8, "advance": 0.1},
    "format-only": {"sampling": {"temperature": 2.4}},
    "soar": {"problems": 3, "hard": 6, "steps": 1, "students": 1},
    "r-zero": {"asking_steps": 1, "steps": 1},
    "rest-mcts": {"search": {"iterations": 12, "gate": 2.0}, "model": "chain-range", "tasks": "chain?ops=4-6"},
    "spc": {"tasks_per_round": 12},
    "critic-cot": {"tasks_per_round": 8, "sampling": {"temperature": 1.5}, "critiques": {"temperature": 1.5}, "refinements": {"temperature": 1.5}},
    "critique-in-the-loop": {"tasks_per_round": 8, "sampling": {"temperature": 1.5}, "critiques": {"temperature": 1.5}},
    "exit": {"replay": 0.9, "least": 1},
    "spiral": {"tasks_per_round": 12, "tasks": "games?play=kuhn"},
    "spice": {"tasks_per_round": 6, "sampling": {"temperature": 1.3}},
    "sqlm": {"sampling": {"temperature": 1.5}},
    "b-star": {"temperatures": [0.8, 1.2], "dev": 4, "sampling": {"max_tokens": 64}},
}
"""What the small runs of a recipe have beside the usual."""

HOT: dict[str, Any] = {"sampling": {"temperature": 2.4}, "group_size": 8}
"""So hot that many answers cannot be read."""
BESIDE: dict[tuple[str, str], dict[str, Any]] = {
    ("srt", "vote.unparsed"): HOT,
    ("srt", "vote.denominator"): {**HOT, "vote": {"min_share": 0.3}},
    ("scpo", "vote.unparsed"): {**HOT, "vote": {"min_share": 0.0}},
    ("scpo", "vote.ties"): {**HOT, "vote": {"min_share": 0.0}},
    ("scpo", "vote.denominator"): {**HOT, "vote": {"min_share": 0.3}},
    ("lmsi", "vote.unparsed"): HOT,
    ("lmsi", "vote.denominator"): {**HOT, "vote": {"min_share": 0.3}},
    ("restrain", "penalty"): {"vote": {"min_share": 1.0}},
    ("*", "updates.batch_size"): {"updates": {"batch_size": 3}},
    ("supervised", "optimizer.betas"): {"updates": {"steps": 3}},
    ("supervised", "optimizer.warmup"): {"updates": {"steps": 3}},
    ("supervised", "updates.divide_by"): {"updates": {"batch_size": 3}, "tasks": "chain?ops=1-8"},
    ("supervised", "updates.rate"): {"updates": {"steps": 3}},
    ("spin", "objective.divergence"): {"updates": {"steps": 3}},
    ("score", "alpha"): {"stage_one": 0},
    ("score", "credit"): {"stage_one": 0},
    ("laser", "score_after"): {"score_after": 0},
    ("laser", "beta"): {"score_after": 0},
    ("laser", "coefficient"): {"score_after": 0},
    ("laser", "constant"): {"score_after": 0},
    ("laser", "blend_after"): {"blend_after": 0, "filter": 0.0},
    ("laser", "blend"): {"blend_after": 0, "filter": 0.0},
    ("laser", "filter"): {"blend_after": 0, "filter": 0.0},
    ("b-star", "temperature"): {"controller": False},
    ("b-star", "threshold"): {"controller": False},
    ("eepo", "window"): {"entropy_below": 0.035, "window": 1},
    ("easy-to-hard", "sampling.top_p"): {"sampling": {"temperature": 2.0}},
    ("easy-to-hard", "sampling.top_k"): {"sampling": {"temperature": 2.0}},
    ("easy-to-hard", "tries"): {"wanted": 100},
    ("easy-to-hard", "cuts"): {"sampling": {"temperature": 1.4}, "cuts": 1, "labels": 128, "wanted": 128, "tries": 1},
    ("easy-to-hard", "tied"): {"sampling": {"temperature": 1.3}},
    ("easy-to-hard", "advance"): {"sampling": {"temperature": 1.3}, "advance": 0.0},
    ("grpo", "reward_weights"): {"rewards": ["correct", "format"], "sampling": {"temperature": 2.4}, "group_size": 8},
    ("absolute-zero", "batch_size"): {"tasks_per_round": 6},
    ("exit", "replay"): {"replay": 0.9, "least": 1},
    ("exit", "diverge"): {"refine": "?", "apart": "!"},
    ("exit", "apart"): {"diverge": 1.0, "apart": "!"},
    ("bots", "objective.aggregation"): HOT,
    ("rest-mcts", "updates.batch_size"): {"updates": {"batch_size": 3}, "tasks_per_round": 8},
    ("rest-mcts", "value_updates.batch_size"): {"value_updates": {"batch_size": 30}},
    ("rest-mcts", "value_updates.divide_by"): {"value_updates": {"batch_size": 30}},
    ("self-backtracking", "back_share"): {"taught": 1},
    ("soar", "threshold"): {"window": 1, "threshold": -1.0},
    ("soar", "window"): {"window": 1, "threshold": -1.0},
    ("sec", "decay"): {"temperature": 0.02, "tasks_per_round": 2, "rate": 0.9, "group_size": 8},
    ("spice", "passage"): {"corpus": CORPUS},
    ("spiral", "objective.delta"): {"objective": {"clip_high": 0.0}},
    ("spiral", "drop_zero"): {"tasks": "games?play=tictactoe", "baseline": "none", "objective": {"kl": 0.1}},
    ("spiral", "final_rate"): {"rounds": 2},
    ("spiral", "opponents.choose"): {"opponents": {"share": 1.0, "every": 1, "step": 400.0}},
    ("spiral", "opponents.every"): {"opponents": {"share": 1.0, "every": 1}},
    ("spiral", "opponents.most"): {"opponents": {"share": 1.0, "every": 1, "most": 4}},
    ("spiral", "opponents.step"): {"opponents": {"share": 1.0, "every": 1}},
    ("spiral", "objective.constant"): {"objective": {"aggregation": "constant"}},
    ("spiral", "objective.kl_corrected"): {"objective": {"kl": 0.1}},
    ("spiral", "objective.kl_estimator"): {"objective": {"kl": 0.1}},
    ("spiral", "objective.entropy_aggregation"): {"objective": {"entropy": 0.1}},
    ("spiral", "objective.gates"): {"objective": {"surrogate": "sapo"}},
    ("spiral", "objective.overlong"): {"sampling": {"max_tokens": 1}},
    ("sqlm", "vote.unparsed"): {"sampling": {"temperature": 2.4}},
    ("sqlm", "vote.ties"): {"sampling": {"temperature": 2.0}},
    ("sqlm", "vote.denominator"): {"sampling": {"temperature": 2.4}, "vote": {"unparsed": "drop", "min_share": 0.5}},
    ("sqlm", "invalid"): {"asking": {"temperature": 2.0}},
    ("rest-mcts", "search.blend"): {"search": {"exploration": 0.0}},
    ("sqlm", "pay"): {"sampling": {"temperature": 1.4}},
    ("expo", "explanations"): {"everywhere": True},
    ("expo", "instead"): {"everywhere": True},
    ("expo", "coefficient"): {"everywhere": True},
    ("self", "critiques.top_p"): {"critiques": {"temperature": 1.0}},
    ("self", "critiques.top_k"): {"critiques": {"temperature": 1.0}},
    ("self-rewarding", "updates.batch_size"): {"updates": {"batch_size": 3}, "tasks_per_round": 12},
}
OTHER: dict[tuple[str, str], Any] = {
    ("critic-cot", "votes"): 1,
    ("*", "optimizer.learning_rate"): 7e-4,
    ("*", "optimizer.precision"): "bf16",  # "fp32" is what "auto" is for a tiny model
    ("*", "max_tokens"): 12,
    ("*", "stop"): ["1"],
    ("*", "betas"): [0.5, 0.5],
    ("*", "updates.steps"): 2,
    ("*", "updates.rate"): [1.0, 0.5],
    ("*", "updates.batch_size"): 1,
    ("*", "optimizer.warmup"): 5,
    ("srt", "trained"): 2,
    ("grpo", "rewards"): ["format"],
    ("grpo", "reward_weights"): [1.0, -0.5],
    ("kdrl", "teacher"): "chain-weak",
    ("dapo", "cache"): 90,
    ("scpo", "vote.min_share"): 1.0,
    ("srt", "vote.min_share"): 1.0,
    ("lmsi", "vote.min_share"): 1.0,
    ("lmsi", "formats"): ["{prompt}", "1{prompt}"],
    ("rest", "thresholds"): [0.5],
    ("score", "stage_one"): 0,
    ("score", "retry"): "!",
    ("correction-traces", "retry"): "!",
    ("reflect-retry-reward", "retry"): "+",
    ("reflect-retry-reward", "reflect"): "+",
    ("cream", "trust"): 0.9,
    ("cream", "seeds"): 8,
    ("eepo", "entropy_below"): 0.0,
    ("eepo", "window"): 2,
    ("easy-to-hard", "cuts"): 4,
    ("easy-to-hard", "tries"): 1,
    ("easy-to-hard", "wanted"): 1,
    ("easy-to-hard", "advance"): 1.0,
    ("easy-to-hard", "target"): 8,
    ("expo", "explanations"): 1,
    ("b-star", "most"): 1,
    ("absolute-zero", "batch_size"): 5,
    ("absolute-zero", "buffer"): 2,
    ("absolute-zero", "probe_ops"): [1, 2],
    ("bots", "tag"): "none",
    ("bots", "references"): [0.2, 0.9],
    ("comas", "bases"): ["chain-short"],
    ("comas", "learns"): ["solve"],
    ("exit", "refine"): "!",
    ("exit", "apart"): "+",
    ("exit", "capacity"): 1,
    ("exit", "least"): 1000,
    ("exit", "replay"): 0.0,
    ("r-zero", "keep"): [0.0, 1.0],
    ("r-zero", "asks"): "1",
    ("r-zero", "batch"): 1,
    ("*", "asking.max_tokens"): 5,
    ("rest-mcts", "search.step"): "=",
    ("rest-mcts", "search.iterations"): 2,
    ("rest-mcts", "search.exploration"): 0.0,
    ("rest-mcts", "search.blend"): 0.0,
    ("rest-mcts", "keep"): 1,
    ("rest-mcts", "high"): "1",
    ("rest-mcts", "low"): "1",
    ("rest-mcts", "measured"): 1,
    ("rest-mcts", "value_updates.batch_size"): 5,
    ("rest-mcts", "value_updates.steps"): 2,
    ("rest-mcts", "value_updates.rate"): [1.0, 0.5],
    ("rlccf", "bases"): ["chain-second-teacher"],
    ("sec", "tag"): "none",
    ("self-backtracking", "back"): ";",
    ("self-backtracking", "step_end"): "=",
    ("soar", "asks"): "1",
    ("soar", "threshold"): 2.0,
    ("soar", "window"): 2,
    ("spc", "checks"): 1,
    ("spc", "drop"): 1.0,
    ("spice", "corpus"): CORPUS,
    ("spice", "asks"): "{document}",
    ("spice", "form"): "(?P<question>[^=]+=)(?P<answer>.)",
    ("spice", "passage"): 15,
    ("spice", "penalty"): -5.0,
    ("spiral", "rules.turns"): 1,
    ("spiral", "opponents.share"): 1.0,
    ("spiral", "opponents.every"): 2,
    ("spiral", "opponents.most"): 1,
    ("spiral", "max_tokens"): 1,
    ("spiral", "sampling.max_tokens"): 1,
    ("spiral", "sampling.stop"): ["b", "c"],
    ("spiral", "refresh"): 1,
    ("spiral", "objective.delta"): 1.001,
    ("spiral", "objective.entropy_aggregation"): "sequence",
    ("spiral", "objective.gates"): [2.0, 3.0],
    ("spiral", "objective.clip_low"): 0.0,
    ("spiral", "objective.clip_high"): 0.0,
    ("spiral", "objective.overlong"): "drop",
    ("sqlm", "asks"): "1",
    ("sqlm", "invalid"): -1.0,
    ("sqlm", "vote.min_share"): 1.0,
    ("sqlm", "pay"): "random",
    ("spiral", "objective.constant"): 32,
    ("laser", "constant"): -5.0,
    ("laser", "token"): "<|pad|>",
    ("laser", "filter"): 0.9,
    ("b-star", "temperatures"): [0.9],
    ("b-star", "thresholds"): [0.2],
    ("self", "teacher"): "chain-skills?ops=2",
    ("unfiltered", "teacher"): "chain?ops=2",
}
ROUNDS: dict[str, int] = {
    "cream": 3,
    "spin": 2,
    "eepo": 2,
    "score": 2,
    "easy-to-hard": 2,
    "bots": 3,
    "sec": 4,
    "exit": 3,
    "spiral": 3,
    "soar": 2,
    "kdrl": 2,
}
"""Rounds that a recipe must play before all of its settings can have acted; one where it does not say."""


def leaves(model: BaseModel, prefix: str = "") -> Iterator[Leaf]:
    """Dotted name, value and field of every setting that is no group of settings."""
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            wanted = SHARED.get(type(value))
            whole = prefix == "" and name in WHOLE.get(getattr(getattr(model, "about", None), "name", ""), ())
            yield from (
                leaf for leaf in leaves(value, f"{prefix}{name}.") if whole or wanted is None or leaf[0].removeprefix(f"{prefix}{name}.") in wanted
            )
        else:
            yield f"{prefix}{name}", value, field


def another(name: str, dotted: str, value: Any, field: FieldInfo) -> Any:
    """Another legal value of a setting."""
    key = dotted.rpartition(".")[2]
    for known in ((name, dotted), ("*", dotted), ("*", key)):
        if known in OTHER:
            return OTHER[known]
    if isinstance(value, bool):
        return not value
    choices = [choice for part in (field.annotation, *get_args(field.annotation)) if get_origin(part) is Literal for choice in get_args(part)]
    if choices:
        return next(choice for choice in choices if choice != value)
    if isinstance(value, int):
        return value + 1
    if isinstance(value, float):
        return value / 2 if value else 0.5
    raise AssertionError(f"{name}: say in OTHER what else {dotted} = {value!r} may be")


def nested(dotted: str, value: Any) -> dict[str, Any]:
    """A flat name with dots as settings in settings."""
    first, _, rest = dotted.partition(".")
    return {first: nested(rest, value) if rest else value}


def merged(one: Mapping[str, Any], two: Mapping[str, Any]) -> dict[str, Any]:
    """`two` laid over `one`, group by group."""
    both = dict(one)
    for key, value in two.items():
        both[key] = merged(both[key], value) if isinstance(value, Mapping) and isinstance(both.get(key), Mapping) else value
    return both


def play(name: str, settings: dict[str, Any]) -> tuple[str, Callable[[], str]]:
    """The bits of the first rounds of a small run, and what its yardsticks then say."""
    session = plan(merged(merged(small(name), BASE.get(name, {})), settings))
    digest = hashlib.sha256()
    for number in range(1, ROUNDS.get(name, 1) + 1):
        play_round(session, number)
        digest.update(repr(bits(session)).encode())
    for policy in (session.ctx.policies[key] for key in sorted(session.ctx.policies)):
        for key, tensor in sorted(policy.snapshot().items()):
            digest.update(key.encode() + tensor.cpu().numpy().tobytes())
    return digest.hexdigest(), lambda: json.dumps(asyncio.run(yardsticks(session)), sort_keys=True)


def bits(session: Session) -> list[Any]:
    """What a round did, as plain values; without times."""
    ctx = session.ctx
    rollouts = [
        (r.id, r.tokens, r.answer, sorted(r.rewards.items()), r.advantage, [t.logprobs for t in r.turns]) for group in ctx.groups for r in group
    ]
    metrics = sorted((key, value) for key, value in ctx.metrics.items() if "seconds" not in key)
    pool = [(task.id, task.answer) for task in ctx.pool.tasks]
    return [rollouts, metrics, pool, [task.id for task in session.probe_tasks], session.recipe.finished(ctx), sorted(ctx.state)]


async def yardsticks(session: Session) -> dict[str, Any]:
    """What the recipe measures on the probe beside its answers."""
    with session.ctx.aside():
        asked = await session.recipe.ask(session.ctx, session.probe_tasks)
        measured = await session.recipe.measure(session.ctx, session.probe_tasks)
    return {"asked": asked and asked.metrics(), "measured": measured}


@cache
def baseline(name: str, settings: str) -> tuple[str, Callable[[], str]]:
    """`play`, once for each recipe and context."""
    return play(name, json.loads(settings))


def acts(name: str, dotted: str, value: Any, field: FieldInfo) -> str | None:
    """What is wrong with a setting: it changed nothing. None where it changed something, or was refused."""
    beside = BESIDE.get((name, dotted), BESIDE.get(("*", dotted), {}))
    there = json.loads(json.dumps(beside))
    changed = merged(beside, nested(dotted, other := another(name, dotted, value, field)))
    before, measured = baseline(name, json.dumps(there))
    try:
        after, then = play(name, changed)
    except AutotelicError:
        return None
    if after != before or measured() != then():
        return None
    return f"{dotted} = {other!r} does what {value!r} does{f', beside {beside}' if beside else ''}"


def declared_here(name: str) -> set[str]:
    """The settings that a recipe declares; of a variation those that the recipe it varies does not have."""
    about, fields = recipes()[name].about, set(recipes()[name].model_fields)
    return fields - (set(recipes()[about.of].model_fields) if about.of else set())


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NAMES if declared_here(name)])
def test_every_setting_acts_or_is_refused(name: str) -> None:
    idle, mine = {**IDLE, **IDLE_OF.get(name, {})}, declared_here(name)
    found = [acts(name, *leaf) for leaf in leaves(recipes()[name]()) if leaf[0] not in idle and leaf[0].partition(".")[0] in mine]
    assert not [complaint for complaint in found if complaint], "\n".join(complaint for complaint in found if complaint)


def illegal(value: Any, field: FieldInfo) -> list[Any]:
    """Values that a setting must not take, by its type."""
    if isinstance(value, bool):
        return ["perhaps", 7]
    if isinstance(value, int | float) or (value is None and any(part in (int, float) for part in get_args(field.annotation))):
        return ["many", float("nan"), float("inf"), [1]]
    if isinstance(value, str):
        return [5, ["a"]]
    return ["nothing of the kind", {"a": 1}] if isinstance(value, tuple) else [object()]


@pytest.mark.parametrize("name", NAMES)
def test_illegal_values_are_refused_before_anything_is_loaded(name: str) -> None:
    taken = []
    for dotted, value, field in everything(recipes()[name]()):
        for wrong in [*illegal(value, field), *out_of_range(field)]:
            try:
                resolve(merged(small(name), nested(dotted, wrong)))
            except SettingError as error:
                assert dotted.split(".")[0] in str(error), f"{dotted} = {wrong!r}: {error}"
            except AutotelicError as error:
                raise AssertionError(f"{dotted} = {wrong!r}: {type(error).__name__} instead of SettingError") from error
            else:
                taken.append(f"{dotted} = {wrong!r}")
    assert not taken, f"{name} takes {taken}"


def everything(model: BaseModel, prefix: str = "") -> Iterator[Leaf]:
    """As `leaves`, of all groups."""
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            yield from everything(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value, field


def out_of_range(field: FieldInfo) -> list[Any]:
    """Values just outside of the limits that a field declares; of numbers without a lower limit none."""
    found = []
    for limit in field.metadata:
        found += [limit.ge - 1] if hasattr(limit, "ge") else []
        found += [limit.gt] if hasattr(limit, "gt") else []
        found += [limit.le + 1] if hasattr(limit, "le") else []
        found += [limit.lt] if hasattr(limit, "lt") else []
    return found


def test_numbers_have_limits() -> None:
    """A number without a lower limit can be set to what makes no sense."""
    free = {f"{name}: {dotted}" for name in NAMES for dotted, value, field in everything(recipes()[name]()) if unlimited(value, field)}
    assert free == set()


def unlimited(value: Any, field: FieldInfo) -> bool:
    """Whether a number has no lower limit."""
    numeric = isinstance(value, int | float) and not isinstance(value, bool)
    return numeric and not any(hasattr(limit, "ge") or hasattr(limit, "gt") for limit in field.metadata)


SENSELESS: list[tuple[str, dict[str, Any], str]] = [
    ("srt", {"trained": 0}, "trained = 0"),
    ("srt", {"trained": -20}, "trained = -20"),
    ("srt", {"trained": 5}, "trained = 5 is more than group_size = 4"),
    ("lmsi", {"formats": []}, "formats"),
    ("lmsi", {"formats": ["no place"]}, "lacks '{prompt}'"),
    ("lmsi", {"formats": ["Q: {prompt}"]}, "formats: 'Q: {prompt}'"),
    ("rest", {"thresholds": []}, "thresholds"),
    ("rest", {"thresholds": [0.5, 1.5]}, "thresholds.1 = 1.5"),
    ("b-star", {"temperatures": [0.0]}, "temperatures.0 = 0.0"),
    ("b-star", {"temperatures": []}, "temperatures"),
    ("b-star", {"thresholds": []}, "thresholds"),
    ("easy-to-hard", {"newest": 0.7}, "newest = 0.7 and older = 0.4 are shares of what is trained on, and more than 1 together"),
    ("easy-to-hard", {"target": 4}, "target = 4 digits must be more than the known = 4"),
    ("eepo", {"entropy_below": 10}, "entropy_below = 10"),
    ("self", {"teacher": "nowhere"}, "nowhere"),
    ("self", {"teacher": "chain"}, "needs a teacher of critiques and refinements"),
    ("self-rewarding", {"coin": True, "frozen_judge": True}, "frozen_judge"),
    ("score", {"retry": "Look again."}, "'Look again.'"),
    ("correction-traces", {"retry": "Look again."}, "'Look again.'"),
    ("reflect-retry-reward", {"reflect": "Why?"}, "'Why?'"),
    ("laser", {"token": "<|vision|>"}, "token = '<|vision|>'"),
    ("srt", {"optimizer": {"betas": [0.9, 1.0]}}, "optimizer.betas.1 = 1.0"),
    ("supervised", {"updates": {"rate": [-1.0, 1.0]}}, "updates.rate.0 = -1.0"),
    ("srt", {"objective": {"delta": 1.1}}, "objective.delta = 1.1"),
]


@pytest.mark.parametrize(("name", "settings", "message"), SENSELESS)
def test_what_makes_no_sense_is_refused_before_the_first_round(name: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(AutotelicError) as caught:
        plan(small(name, **settings))
    assert message in str(caught.value)
