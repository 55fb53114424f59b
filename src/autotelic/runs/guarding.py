"""The gate in a run: what it asks of a challenger beside the probe, and how the champion's weights are put back. What it decides is `measures.champion`."""

from dataclasses import dataclass, field

from autotelic.engines.base import Request
from autotelic.errors import DataError, SettingError
from autotelic.jsonfiles import read_json
from autotelic.measures.champion import CHAMPION, PROMOTED, Ruling, graded, rule, standing, sure
from autotelic.measures.gate import Decision, GateSettings, decide
from autotelic.measures.probe import ProbeResult, mean
from autotelic.measures.selection import parts
from autotelic.policies.policy import Policy
from autotelic.rounds.asking import prompt_tokens
from autotelic.rounds.context import Context
from autotelic.rounds.disturbed import sampled
from autotelic.rounds.roles import Role
from autotelic.runs.framing import frame_of, framed
from autotelic.runs.probing import probe
from autotelic.runs.settings import RunSettings
from autotelic.runs.store import Store
from autotelic.runs.tasks import open_tasks
from autotelic.streams import key
from autotelic.systems.base import Recipe
from autotelic.types import Metrics, Task, World


@dataclass(slots=True)
class Guard:
    """The gate of a run: its settings, and what it asks with."""

    settings: GateSettings
    main: str
    """The role that is probed."""
    tasks: list[Task]
    """Of the probe."""
    earlier: "Earlier | None"


@dataclass(slots=True)
class Earlier:
    """Tasks of earlier abilities, and who is asked."""

    world: World
    tasks: list[Task]
    role: Role
    first: ProbeResult | None = field(default=None)
    """What the first weights did with them, once it was asked."""


def guard_of(settings: RunSettings, recipe: Recipe, tasks: list[Task]) -> Guard:
    """The gate that settings ask for.

    Raises:
        AutotelicError: its tasks of earlier abilities cannot be had, or have no answers.
    """
    return Guard(settings.gate, recipe.main, tasks, earlier_of(settings, recipe) if settings.gate.challenges and settings.gate.abilities else None)


def earlier_of(settings: RunSettings, recipe: Recipe) -> Earlier:
    """The tasks of earlier abilities.

    Raises:
        SettingError: the recipe plays games, whose plays are no tasks.
        DataError: a task has no gold answer.
    """
    spec = str(settings.gate.abilities)
    world = open_tasks(spec, settings, probe_share=1.0)
    seed = settings.seed if settings.probe_seed is None else settings.probe_seed
    tasks = world.tasks(settings.gate.abilities_size, seed=seed, split="probe")
    if missing := [task.id for task in tasks if task.answer is None]:
        raise DataError(f"gate.abilities = {spec!r}: {len(missing)} tasks have no answer (first: {missing[0]})")
    return Earlier(world, tasks, framed(recipe.roles(world), world, frame_of(settings, world))[recipe.main])


def check_can_decide(result: ProbeResult, settings: GateSettings) -> None:
    """See to it, by what the probe saw of the first weights, that there is something to decide by.

    Raises:
        SettingError: there is not: no gold answers, no samples, too few tasks.
    """
    if settings.challenges:
        first = parts(result, settings.share, "gate.share")[0]
        if not graded(first, settings, sure(first)):
            lacking = {
                "accuracy": "no gold answer is known of the tasks that decide",
                "pass@1": "no gold answer is known of the tasks that decide, or the probe takes no samples",
            }
            raise SettingError(
                f"gate.by = {settings.by!r}: {lacking.get(settings.by, 'the first weights agree with themselves on none of the tasks')}"
            )


async def ruled(
    guard: Guard,
    ctx: Context,
    store: Store,
    history: dict[int, Metrics],
    metrics: Metrics,
    baseline: Metrics,
    first: ProbeResult | None,
    result: ProbeResult | None,
) -> tuple[Decision, Metrics]:
    """What becomes of the weights of a round with these metrics, and the gate's own metrics.

    history: of the rounds before, what `champion.standing` reads. result: what the probe saw of the weights, if it was asked.
    """
    decision, now = decide(metrics, baseline, guard.settings), standing(history)
    if not guard.settings.challenges or result is None or first is None:
        return decision, {}
    if not decision.keep:
        return decision, {CHAMPION: float(now.round), PROMOTED: 0.0}
    ruling = await challenge(guard, ctx, champion_of(store, now.round), first, result, now.looks + 1)
    promoted = ruling.action == "promoted"
    own = {CHAMPION: float(ctx.round if promoted else now.round), PROMOTED: float(promoted), **ruling.metrics}
    return Decision(ruling.action != "rolled back", ruling.reasons), own


def champion_of(store: Store, number: int) -> ProbeResult:
    """What the probe saw of the weights of a round."""
    return ProbeResult.from_json(read_json(store.round(number) / "probe.json"))


async def challenge(guard: Guard, ctx: Context, champion: ProbeResult, first: ProbeResult, result: ProbeResult, look: int) -> Ruling:
    """Ask what is still to be asked, and decide."""
    deciding, base, now = (parts(one, guard.settings.share, "gate.share")[0] for one in (champion, first, result))
    with ctx.aside():
        abilities = await kept_abilities(guard, ctx) if guard.earlier else None
        drift = await drifted(guard, ctx, {outcome.task for outcome in now.outcomes}) if guard.settings.max_drift else None
    return rule(deciding, now, base, look, guard.settings, abilities, drift)


async def kept_abilities(guard: Guard, ctx: Context) -> tuple[ProbeResult, ProbeResult]:
    """What the first weights and those of now do with the tasks of earlier abilities."""
    earlier, name = guard.earlier, ctx.role(guard.main).policy
    assert earlier is not None

    async def answers(policy: Policy) -> ProbeResult:
        return await probe(policy, earlier.role, earlier.world, earlier.tasks, samples=0, round_number=ctx.round)

    earlier.first = earlier.first or await answers(ctx.start(name))
    return earlier.first, await answers(ctx.policies[name])


async def drifted(guard: Guard, ctx: Context, deciding: set[str]) -> float:
    """The KL divergence of the weights of now from the first ones in nats a token, estimated by one sampled answer to each deciding task, whose luck is
    the same in all rounds: the mean of log p_now - log p_first over its tokens."""
    role = ctx.role(guard.main)
    policy, start = ctx.policies[role.policy], ctx.start(role.policy)
    sampling = role.sampling.model_copy(update={"temperature": 1.0, "top_p": 1.0, "top_k": 0})
    tasks = [task for task in guard.tasks if task.id in deciding]
    prompts = [tuple(prompt_tokens(policy, role, task, sampling)) for task in tasks]
    requests = [Request(prompt, (key("gate", task.id),), sampling) for prompt, task in zip(prompts, tasks, strict=True)]
    found = await sampled(policy, requests, role.disturb)
    rows = [[*prompt, *completions[0].tokens] for prompt, completions in zip(prompts, found, strict=True)]
    now, then = (one.scores(rows, [len(prompt) for prompt in prompts]) for one in (policy, start))
    return mean(float(gap) for one, two in zip(now, then, strict=True) for gap in (one.logprobs - two.logprobs))


def put_back(ctx: Context, store: Store, number: int) -> None:
    """Give the policies that are trained the weights of a committed round, and their optimizers the state; pool and recipe stay as they are."""
    state, _, tensors = store.restore(number)
    for name in [name for name in ctx.learners if name in state["policies"]]:
        ctx.policies[name].restore(tensors[f"policy.{name}"], state["policies"][name])
        if name in state["learners"]:
            ctx.learner(name).load_state(tensors.get(f"optimizer.{name}", {}), state["learners"][name])
        else:
            del ctx.learners[name]
