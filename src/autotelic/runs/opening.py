"""A run in memory, and everything that is opened and checked before it: weights, engine, tasks, probe. Nothing here trains or writes."""

import os
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import torch

import autotelic
from autotelic.bases.specs import BASES, base_folder, shipped
from autotelic.engines.base import Engine
from autotelic.engines.batching import Batcher
from autotelic.engines.torch_engine import TorchEngine
from autotelic.errors import AutotelicError, DataError, SettingError, nearest
from autotelic.learning.learner import Learner
from autotelic.measures.probe import ProbeResult
from autotelic.networks import machine
from autotelic.networks.model import LanguageModel
from autotelic.policies.policy import Policy
from autotelic.policies.start import start_of
from autotelic.rounds.asking import encode_prompt, prompt_tokens
from autotelic.rounds.context import Context
from autotelic.rounds.held_out import HeldOut
from autotelic.rounds.roles import Role
from autotelic.rounds.sealed import sealed_world
from autotelic.runs.framing import check_chat, frame_of, framed, say_plain, template_of
from autotelic.runs.reading import FORMAT
from autotelic.runs.sealing import digest_of
from autotelic.runs.settings import RunSettings, resolve
from autotelic.runs.store import check_vacant
from autotelic.systems.base import Recipe, System
from autotelic.tasks.columns import Columns, named, read
from autotelic.tasks.file_world import FileWorld
from autotelic.tasks.language import ENGLISH, Language, speaks
from autotelic.tasks.pool import TaskPool
from autotelic.tasks.validate import Misfit
from autotelic.types import Metrics, Sampling, Task, World
from autotelic.worlds import WORLDS, known_worlds, open_world

LOGPROB_LIMIT = {"fp32": 1e-4, "bf16": 0.5}
"""Largest difference between sampler and trainer that a policy may have when it is loaded. Ten times as much on a GPU, which sums in other orders."""


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
    saved: dict[str, Saved] = field(default_factory=dict)
    """What the last committed round holds, by the name of its file."""
    baseline: Metrics = field(default_factory=dict)
    """Metrics of round 0."""
    before: Metrics = field(default_factory=dict)
    """Metrics of the last committed round."""
    first: ProbeResult | None = None
    """What the probe saw of the first weights."""


def choose_engine(settings: RunSettings, model: LanguageModel) -> Engine:
    """The native engine on a CPU where it can be had, else torch; says on stderr why the native one cannot."""
    precision = machine.settled(settings.precision, model)
    if settings.engine == "torch" or (settings.engine == "auto" and model.device.type != "cpu"):
        return TorchEngine(precision=precision)
    from autotelic.engines.native import NativeEngine, available, supports

    reason = supports(model) or available()
    if reason is None:
        return NativeEngine(threads=settings.workers or machine.usable_cores(), precision=precision)
    if settings.engine == "native":
        raise AutotelicError(f"engine=native: {reason}")
    print(f"sampling with the torch engine: {reason}", file=sys.stderr)
    return TorchEngine(precision=precision)


def settled(settings: RunSettings, model: LanguageModel) -> RunSettings:
    """Settings with the threads and the precision that suit a run's main model, where they were left open."""
    chosen = {"threads": settings.threads or machine.threads_for(model), "precision": machine.settled(settings.precision, model)}
    return settings.model_copy(update=chosen)


def learning_settled(recipe: Recipe, model: LanguageModel) -> Recipe:
    """A recipe with the precision of learning that suits a run's main model, where it was left open."""
    precision = machine.settled(recipe.optimizer.precision, model)
    return recipe.model_copy(update={"optimizer": recipe.optimizer.model_copy(update={"precision": precision})})


def load_policy(name: str, source: str, settings: RunSettings) -> Policy:
    """A policy on the device of the settings, with the engine that suits it; `source` may be a shipped base."""
    torch.set_num_threads(settings.threads or 1)
    policy = read_policy(name, source, settings, Batcher(TorchEngine()))
    settings = settled(settings, policy.model)
    torch.set_num_threads(settings.threads or 1)
    policy.batcher.engine = choose_engine(settings, policy.model)
    return policy


def read_policy(name: str, source: str, settings: RunSettings, batcher: Batcher) -> Policy:
    """A policy on the device of the settings that samples through a batcher."""
    try:
        policy = Policy.load(name, base_folder(source) or source, batcher, choose_device(settings.device), settings.lora)
    except DataError as error:
        unknown = not Path(source).exists() and "/" not in source and source not in shipped()
        raise DataError(f"{error}; nor is it a shipped base; {nearest(source, shipped())}") if unknown else error from error
    policy.tokenizer.set_variables(settings.chat_template_kwargs)
    return policy


def choose_device(name: str) -> str:
    """The device of a name as torch spells them; "auto" is the first GPU where there is one.

    Raises:
        SettingError: torch does not have it.
    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        raise SettingError(f"device = {name!r}: {str(error).splitlines()[0]}") from error
    return name


def open_tasks(spec: str, settings: RunSettings, held_out: float = 0.1) -> World:
    """A world by name, or the tasks of a file, folder or data set, of which a share is held out as the split "probe"."""
    if is_world(spec):
        return open_world(spec)
    columns = Columns(settings.prompt_column, settings.answer_column, settings.slice_column, template_of(settings))
    try:
        found = read(spec, columns)
    except DataError as error:
        raise DataError(f"{error}; nor is it a world; {nearest(spec, known_worlds())}") if is_word(spec) else error from error
    if found.note:
        print(f"note: {found.note}", file=sys.stderr)
    return FileWorld(
        found.tasks, verifier=settings.verifier, held_out=held_out, name=Path(spec).name, repeated=found.repeated, prompt_column=found.columns.prompt,
        texts=settings.texts, language=spoken(settings),
    )  # fmt: skip


def spoken(settings: RunSettings) -> Language | None:
    """The language of a world in which roles are asked about a task file; None: English."""
    speaking = {name: language for name, made in WORLDS.items() if (language := getattr(made, "language", None))}
    if settings.language is None:
        return speaking.get(BASES[settings.model].tasks.split("?")[0]) if settings.model in BASES else None
    if settings.language not in (ENGLISH, *speaking):
        raise SettingError(f"language = {settings.language!r}: {nearest(settings.language, [ENGLISH, *speaking])}")
    return speaking.get(settings.language)


def is_world(spec: str) -> bool:
    """Whether a tasks spec names a generated world rather than a file or a data set."""
    return spec.split("?")[0] in known_worlds() or spec.startswith("reasoning-gym:")


def is_word(spec: str) -> bool:
    """Whether a tasks spec that cannot be read may have been meant as a world: no path, no file name."""
    return not Path(spec).exists() and "/" not in spec and "." not in spec


def prepare(settings: RunSettings, recipe: Recipe, rounds: int | None = None) -> Session:
    """Load and check everything a run needs, training nothing.

    Raises:
        AutotelicError: anything that would make the run fail later and can be seen now.
    """
    spec, model = settings.tasks or recipe.about.tasks, settings.model or recipe.about.model
    settings = settings.model_copy(update={"tasks": spec, "model": model})  # what is saved, so that other defaults never change a resumed run
    world = open_tasks(spec, settings)
    check_skills(recipe, world)
    frame = frame_of(settings, world)
    roles = framed(recipe.roles(world if recipe.reads_answers else sealed_world(world, recipe.about.environment)), world, frame)
    tasks = recipe.pool(world, settings.pool_size, settings.seed)
    probe_world, probe_tasks = open_probe(settings, recipe, world)
    check_tasks(recipe, settings, tasks, probe_tasks)
    if recipe.optimizer.processes > 1:  # each has one thread
        settings = settings.model_copy(update={"threads": settings.threads or 1})
    policy = load_policy("solver", model, settings)
    settings, recipe = settled(settings, policy.model), learning_settled(recipe, policy.model)
    check_chat(policy, frame)
    if recipe.reads_answers:
        check_gold(policy, roles["solver"] if recipe.trains_on_gold else None, world, tasks)
    pool = TaskPool(tasks, settings.seed, recipe.sampler())
    ctx = Context(
        world=world, pool=pool, policies={"solver": policy}, roles=roles, batcher=policy.batcher, seed=settings.seed, optimizer=recipe.optimizer,
        held_out=HeldOut(world, unseen(probe_tasks, tasks)), main=roles[recipe.probed].policy,
    )  # fmt: skip
    probed = roles[recipe.probed]
    prompts = [prompt_tokens(policy, probed, task, probed.sampling) for task in tasks]
    prompts += [prompt_tokens(policy, probed, task, settings.probe_sampling.over(probed.sampling)) for task in probe_tasks]
    say_plain(policy, frame, tasks)
    policy.check_engine(
        prompts[:4], LOGPROB_LIMIT[machine.settled(settings.precision, policy.model)] * (1 if policy.model.device.type == "cpu" else 10)
    )
    ctx.set_start("solver", start_of(policy, "start", partial(read_policy, "start", model, settings, policy.batcher)))
    for name, source in recipe.policies().items():
        add_policy(ctx, name, source, settings)
    set_up(recipe, ctx)
    return Session(settings, recipe, recipe.rounds if rounds is None else rounds, world, ctx, probe_tasks, probe_world)


def unseen(probe_tasks: list[Task], tasks: list[Task]) -> list[Task]:
    """The probe's tasks without those that the user gave to be trained on too, of which the report tells."""
    given = {repr(task.prompt) for task in tasks}
    return [task for task in probe_tasks if repr(task.prompt) not in given]


def set_up(recipe: Recipe, ctx: Context) -> None:
    """`Recipe.setup`, behind the seal where its round is."""
    if recipe.reads_answers:
        recipe.setup(ctx)
        return
    with ctx.sealing(recipe.about.environment, bool(recipe.about.seeds)):
        recipe.setup(ctx)


def add_policy(ctx: Context, name: str, source: str | None, settings: RunSettings) -> None:
    """A further policy of a recipe, which samples through the engine of the first.

    Raises:
        AutotelicError: nothing loadable at `source`, or the engine cannot run it.
    """
    if source is None:
        ctx.clone("solver", name)
        ctx.set_start(name, partial(ctx.start, "solver"))
    else:
        loaded = load_policy(name, source, settings)
        if loaded.batcher.engine.name != ctx.batcher.engine.name:
            raise SettingError(f"policy {name!r}: the {ctx.batcher.engine.name} engine cannot run {source}; say engine=torch")
        loaded.batcher = ctx.batcher
        ctx.policies[name] = loaded
        ctx.set_start(name, start_of(loaded, f"{name}-start", partial(read_policy, name, source, settings, ctx.batcher)))
    ctx.origins.pop(name, None)


def open_probe(settings: RunSettings, recipe: Recipe, world: World) -> tuple[World, list[Task]]:
    """The held-out tasks and the world that judges them; a task file that is named as the probe is one as a whole."""
    if settings.probe is None or is_world(settings.probe):
        held = world if settings.probe is None else open_world(settings.probe)
        return held, recipe.probe(held, settings.probe_size, settings.seed)
    held = open_tasks(settings.probe, settings, held_out=0.0)
    return held, held.tasks(settings.probe_size, seed=settings.seed)


def check_skills(system: System, world: World) -> None:
    """Raises SettingError where the world's language lacks a skill that the system needs."""
    needed, called = system.needed_skills, "way" if system.about.kind == "way" else "recipe"
    if lacking := [name for name in needed if not speaks(world, name)]:
        speaking = [name for name, made in WORLDS.items() if set(needed) <= set(getattr(made, "language", {}))]
        raise SettingError(
            f"{called} {system.about.name!r} needs the skill {lacking[0]!r}, which the world {world.name!r} lacks; it runs on "
            f"{', '.join(speaking)}, on task files and on the data sets of reasoning-gym"
        )


def check_tasks(recipe: Recipe, settings: RunSettings, tasks: list[Task], probe_tasks: list[Task]) -> None:
    """Raises DataError where there is nothing to train on or to hold out, or an answer is missing that the recipe reads."""
    if recipe.reads_answers and (missing := [task.id for task in tasks if task.answer is None]):
        raise DataError(
            f"recipe {recipe.about.name!r} trains on gold answers, and {len(missing)} of {len(tasks)} tasks have none (first: {missing[0]})"
        )
    if not tasks:
        raise DataError(f"{settings.tasks}: no tasks")
    if not probe_tasks:
        source = settings.probe or settings.tasks
        raise DataError(f"{source}: no task is left to hold out; a run needs some that it never trains on: give more tasks, or others with --probe")


def check_gold(policy: Policy, role: Role | None, world: World, tasks: list[Task]) -> None:
    """Raises DataError where a gold completion cannot be read back, holds characters that the policy's vocabulary lacks, or, where it is trained on
    under a role, does not fit the context behind the prompt."""
    for task in tasks:
        if reason := misfit(policy, role, task, world.gold(task)):
            raise DataError(f"{named(task)}, {reason}")


def misfit(policy: Policy, role: Role | None, task: Task, gold: str) -> str | None:
    """Why a gold completion cannot be a target of the policy behind the prompt of a role, if there is one; None where it can."""
    try:
        completion = policy.tokenizer.encode_completion(gold)
    except DataError as error:
        return f"answer: {error}"
    prompt = encode_prompt(policy, role, task) if role else []
    if role is None or len(prompt) + len(completion) <= policy.model.context:
        return None
    return f"its prompt of {len(prompt)} tokens and its gold completion of {len(completion)} exceed the model's context of {policy.model.context}"


def fit_check(source: str, settings: RunSettings, world: World) -> Misfit:
    """Why a gold completion cannot be a target of the model at `source` behind its task's prompt: for `autotelic validate`."""
    policy, frame = load_policy("model", source, settings), frame_of(settings, world)
    check_chat(policy, frame)
    return partial(misfit, policy, Role("solver", "model", Sampling(), str, frame))


def config_of(session: Session) -> dict[str, Any]:
    """The resolved config that is saved with a run, and from which it can be resumed: every setting once, then facts."""
    settings, about = session.settings, session.recipe.about
    return {
        "autotelic": autotelic.__version__,
        "format": FORMAT,
        "recipe": {
            "name": about.name, "system": about.system, "paper": about.paper, "family": about.family, "line": about.line,
            "proxy": about.proxy, "settings": session.recipe.model_dump(mode="json"),
        },
        "run": settings.model_dump(mode="json"),
        "parameters": session.ctx.policies["solver"].parameters,
        "pool": len(session.ctx.pool),
        "repeated": getattr(session.world, "repeated", 0),
        "probe": {"tasks": len(session.probe_tasks), "probe_is_train": probe_is_train(session)},
        "digests": beginnings(session),
        "engine": session.ctx.batcher.engine.name,
        "machine": {"system": platform.platform(), "processor": platform.machine(), "cores": os.cpu_count(), "python": platform.python_version()},
        "libraries": libraries(),
    }  # fmt: skip


def libraries() -> dict[str, str]:
    """Versions of the libraries that numbers depend on."""
    return {name: version(name) for name in ("torch", "transformers", "numpy", "safetensors")}


def beginnings(session: Session) -> dict[str, str]:
    """Digests of what a run begins with and reads again when it is resumed: tasks, probe, weights. To be asked before anything has moved."""
    ctx = session.ctx
    models = {"model": ctx.policies["solver"], **{f"policy {name}": ctx.policies[name] for name in session.recipe.policies()}}
    digests = {"tasks": tasks_digest(ctx.pool.tasks), "probe": tasks_digest(session.probe_tasks)}
    return digests | {name: weights_digest(policy) for name, policy in models.items()}


def tasks_digest(tasks: Sequence[Task]) -> str:
    """The digest of tasks as the policy and the verifier see them."""
    return digest_of([[task.id, task.prompt, task.answer] for task in tasks])


def weights_digest(policy: Policy) -> str:
    """The digest of the ends of every weight: enough to tell models apart, and cheap for large ones. Adapters are left out, which a run makes itself."""
    flat = {name: weight.detach().flatten() for name, weight in policy.model.named_parameters() if "lora_" not in name}
    return digest_of({name: [len(values), *values[:32].tolist(), *values[-32:].tolist()] for name, values in flat.items()})


def check_beginnings(session: Session, config: Mapping[str, Any]) -> None:
    """Raises DataError where the tasks or the weights that a run began with are others by now; says on stderr where libraries are."""
    sources = {"tasks": session.settings.tasks, "probe": session.settings.probe or session.settings.tasks, "model": session.settings.model}
    for name, digest in beginnings(session).items():
        if digest != config["digests"].get(name):
            raise DataError(f"{name} = {sources.get(name, name)!r}: is not what it was when the run began; put it back, or begin another run")
    for name, now in libraries().items():
        if now != (before := config["libraries"].get(name)):
            print(f"the run began with {name} {before}, and this is {now}: numbers may differ in their last digits", file=sys.stderr)


def probe_is_train(session: Session) -> bool:
    """Whether a probe task's prompt is also a training task's."""
    trained = {repr(task.prompt) for task in session.ctx.pool.tasks}
    return any(repr(task.prompt) in trained for task in session.probe_tasks)


def plan(raw: dict[str, Any]) -> Session:
    """A new run from flat settings, checked and ready to start, with nothing written: what `--dry-run` does."""
    settings, recipe = resolve(raw)
    if settings.out:
        check_vacant(Path(settings.out))
    return prepare(settings, recipe)
