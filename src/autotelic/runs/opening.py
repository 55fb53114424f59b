"""A run in memory, and how it is opened: its parts put together, each checked before the next. Nothing here trains or writes."""

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from autotelic.bases.keeping import at_hand
from autotelic.errors import SettingError
from autotelic.learning.learner import Learner, check_optimizer, check_room
from autotelic.measures.probe import ProbeResult
from autotelic.policies.policy import Policy
from autotelic.policies.sizes import free_memory
from autotelic.policies.start import start_of
from autotelic.rounds.asking import prompt_tokens, put
from autotelic.rounds.context import Context
from autotelic.rounds.held_out import HeldOut
from autotelic.rounds.playing import environment
from autotelic.rounds.sealed import sealed_world
from autotelic.runs.checks import check_engine, check_gold, check_skills, check_tasks
from autotelic.runs.framing import check_chat, frame_of, framed, say_plain
from autotelic.runs.guarding import Guard, guard_of
from autotelic.runs.models import learning_settled, load_policy, load_weights, most_apart, read_policy, refusal, say_fast, settled
from autotelic.runs.settings import RunSettings, resolve
from autotelic.runs.speaking import endpoints, spoken
from autotelic.runs.store import check_vacant
from autotelic.runs.tasks import is_world, open_tasks
from autotelic.runs.trackers import Mirror, check_installed
from autotelic.systems.base import Recipe
from autotelic.tasks.columns import SOURCE
from autotelic.tasks.mixing import MixedWorld
from autotelic.tasks.pool import TaskPool
from autotelic.tasks.samplers import Sampler, Weighted
from autotelic.types import Metrics, Task, World


class Saved(NamedTuple):
    """What a round holds of a policy or of its optimizer. The same object that has been updated as often has not moved."""

    what: Policy | Learner
    updates: int


@dataclass(slots=True)
class Session:
    """A run in memory."""

    settings: RunSettings
    """With the model and the tasks named, by the recipe where the user did not."""
    recipe: Recipe
    rounds: int
    world: World
    ctx: Context
    probe_tasks: list[Task]
    probe_world: World
    guard: Guard
    saved: dict[str, Saved] = field(default_factory=dict)
    """What the last committed round holds, by the name of its file."""
    baseline: Metrics = field(default_factory=dict)
    """Metrics of round 0."""
    before: Metrics = field(default_factory=dict)
    """Metrics of the last committed round."""
    scores: dict[int, Metrics] = field(default_factory=dict)
    """By round, what the choice of weights (`measures.selection`) and alarms (`measures.alarms`) rest on."""
    mirror: Mirror = field(default_factory=lambda: Mirror({}))
    """The trackers that are told of every round."""
    first: ProbeResult | None = None
    """What the probe saw of the first weights."""


def prepare(settings: RunSettings, recipe: Recipe, rounds: int | None = None, quiet: bool = False) -> Session:
    """Load and check everything a run needs, training nothing but the bases that are nowhere yet; `quiet`: without a word on them.

    Raises:
        AutotelicError: anything that would make the run fail later and can be seen now.
    """
    spec, model = settings.tasks or recipe.about.tasks, settings.model or recipe.about.model
    settings = settings.model_copy(update={"tasks": spec, "model": model})  # what is saved, so that other defaults never change a resumed run
    check_installed(settings.report_to)
    world = open_tasks(spec, settings)
    check_skills(recipe, world)
    frame = frame_of(settings, world)
    roles = framed(recipe.roles(world if recipe.sees_gold else sealed_world(world, recipe.about.environment)), world, frame)
    check_engine(recipe, roles, settings)
    roles = spoken(recipe, roles, settings.policies)
    tasks = recipe.pool(world, settings.pool_size, settings.seed)
    probe_world, probe_tasks = open_probe(settings, recipe, world)
    check_tasks(recipe, settings, tasks, probe_tasks)
    if settings.gate.max_drift is not None and any(environment(probe_world, task) for task in probe_tasks):
        raise SettingError("gate.max_drift: it is measured on single answers, and the held-out tasks are played in turns")
    guard = guard_of(settings, recipe, probe_tasks)
    if recipe.optimizer.processes > 1:  # each has one thread
        settings = settings.model_copy(update={"threads": settings.threads or 1})
    policy = load_policy("solver", model, settings, quiet)
    settings, recipe = settled(settings, policy.model), learning_settled(recipe, policy)
    check_optimizer(recipe.optimizer, policy.model)
    check_room(policy, recipe.optimizer, free_memory() if policy.model.device.type == "cpu" else None)
    check_chat(policy, frame)
    if recipe.reads_answers:
        check_gold(policy, roles["solver"] if recipe.trains_on_gold else None, world, tasks)
    pool = TaskPool(tasks, settings.seed, sampler_of(recipe, world))
    ctx = Context(
        world=world, pool=pool, policies={"solver": policy}, roles=roles, seed=settings.seed, optimizer=recipe.optimizer,
        held_out=HeldOut(world, unseen(probe_tasks, tasks)), main=roles[recipe.main].policy,
    )  # fmt: skip
    probed = roles[recipe.main]
    prompts = [prompt_tokens(policy, probed, put(world, task), probed.sampling) for task in tasks]
    prompts += [prompt_tokens(policy, probed, put(probe_world, task), settings.probe_sampling.over(probed.sampling)) for task in probe_tasks]
    say_plain(policy, frame, tasks)
    say_fast(policy, recipe.optimizer)
    policy.check_engine(prompts[:4], most_apart(settings, policy.model))
    ctx.set_start("solver", start_of(policy, "start", partial(read_policy, "start", model, settings, policy.batcher)))
    for name, source in recipe.policies().items():
        add_policy(ctx, name, source, settings, quiet)
    ctx.endpoints = endpoints(settings, ctx.meter)
    set_up(recipe, ctx)
    return Session(settings, recipe, recipe.rounds if rounds is None else rounds, world, ctx, probe_tasks, probe_world, guard)


def sampler_of(recipe: Recipe, world: World) -> Sampler | None:
    """How the pool draws: as the recipe says, else of a mix by weight.

    Raises:
        SettingError: both have something to say.
    """
    own = recipe.sampler()
    if not isinstance(world, MixedWorld):
        return own
    if own is not None and len(set(world.weights.values())) > 1:
        raise SettingError(
            f"tasks: recipe {recipe.about.name!r} draws tasks by a rule of its own, so that weights cannot act: {world.name!r} without them"
        )
    return own or Weighted(SOURCE, world.weights)


def unseen(probe_tasks: list[Task], tasks: list[Task]) -> list[Task]:
    """The probe's tasks without those that the user gave to be trained on too, of which the report tells."""
    given = {repr(task.prompt) for task in tasks}
    return [task for task in probe_tasks if repr(task.prompt) not in given]


def set_up(recipe: Recipe, ctx: Context) -> None:
    """`Recipe.setup`, behind the seal where its round is."""
    if recipe.sees_gold:
        recipe.setup(ctx)
        return
    with ctx.sealing(recipe.about.environment, bool(recipe.about.seeds)):
        recipe.setup(ctx)


def add_policy(ctx: Context, name: str, source: str | None, settings: RunSettings, quiet: bool = False) -> None:
    """A further policy of a recipe, which samples through the engine of the first.

    Raises:
        AutotelicError: nothing loadable at `source`, or the engine cannot run it.
    """
    if source is None:
        ctx.clone("solver", name)
        ctx.set_start(name, partial(ctx.start, "solver"))
    else:
        at_hand(source, quiet)
        loaded, batcher = load_weights(source, settings), ctx.policies["solver"].batcher
        if reason := refusal(settings, batcher, loaded.model):
            raise SettingError(f"policy {name!r}: the {batcher.engine.name} engine cannot run {source}: {reason}; say engine=torch")
        policy = ctx.policies[name] = Policy.of(name, loaded, batcher)
        ctx.set_start(name, start_of(policy, f"{name}-start", partial(read_policy, name, source, settings, batcher)))
    ctx.origins.pop(name, None)


def open_probe(settings: RunSettings, recipe: Recipe, world: World) -> tuple[World, list[Task]]:
    """The held-out tasks and the world that judges them; a task file that is named as the probe is one as a whole."""
    seed = settings.seed if settings.probe_seed is None else settings.probe_seed
    held = world if settings.probe is None else open_tasks(settings.probe, settings, probe_share=1.0)
    if settings.probe is None or is_world(settings.probe):
        return held, recipe.probe(held, settings.probe_size, seed)
    return held, held.tasks(settings.probe_size, seed=seed, split="probe")


def plan(raw: dict[str, Any], quiet: bool = False) -> Session:
    """A new run from flat settings, checked and ready to start, with nothing written: what `--dry-run` does."""
    settings, recipe = resolve(raw)
    if settings.out:
        check_vacant(Path(settings.out))
    return prepare(settings, recipe, quiet=quiet)
