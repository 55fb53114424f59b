"""The loop: prepare, then round after round, then the verdict. It knows stores, probes and gates; of the method it knows `recipe.round`."""

import asyncio
import os
import platform
import sys
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, strftime
from typing import Any

import torch

import autotelic
from autotelic.engines.base import Engine
from autotelic.engines.batching import Batcher
from autotelic.engines.torch_engine import TorchEngine
from autotelic.errors import AutotelicError, DataError, SettingError, TrainingError, nearest
from autotelic.guards.gate import decide
from autotelic.guards.monitors import round_metrics
from autotelic.guards.probe import ProbeResult
from autotelic.guards.verdict import Verdict, Word, judge
from autotelic.policies.bases import base_folder, shipped
from autotelic.policies.model import LanguageModel
from autotelic.policies.policy import Policy
from autotelic.recipes.base import Recipe
from autotelic.recipes.context import Context, prompt_tokens
from autotelic.runs.probing import probe
from autotelic.runs.progress import Progress
from autotelic.runs.report import write_report
from autotelic.runs.settings import RunSettings, resolve
from autotelic.runs.store import Store, Tensors, check_vacant, explained
from autotelic.tasks.files import FileWorld, read_tasks
from autotelic.tasks.pool import TaskPool
from autotelic.tasks.worlds import WORLDS, open_world
from autotelic.types import Metrics, Task, World

REJECTED = (Word.WORSE, Word.COLLAPSED, Word.HACKED)
"""Verdicts with which the last weights are not handed over as the improved model."""
LOGPROB_LIMIT = {"fp32": 1e-4, "bf16": 0.5}
"""Largest difference between sampler and trainer that a policy may have when it is loaded."""


@dataclass(slots=True)
class Outcome:
    """What a finished run leaves."""

    folder: Path
    verdict: Verdict
    model: Path
    report: Path


@dataclass(slots=True)
class Session:
    """A run in memory."""

    settings: RunSettings
    recipe: Recipe
    rounds: int
    world: World
    ctx: Context
    probe_tasks: list[Task]
    probe_world: World


def choose_engine(settings: RunSettings, model: LanguageModel) -> Engine:
    """The native engine on a CPU where it can be had, else torch; says on stderr why the native one cannot."""
    if settings.engine == "torch" or (settings.engine == "auto" and model.device.type != "cpu"):
        return TorchEngine()
    from autotelic.engines.native import NativeEngine, available, supports

    reason = supports(model) or available()
    if reason is None:
        return NativeEngine(threads=settings.workers or len(os.sched_getaffinity(0)), precision=settings.precision)
    if settings.engine == "native":
        raise AutotelicError(f"engine=native: {reason}")
    print(f"sampling with the torch engine: {reason}", file=sys.stderr)
    return TorchEngine()


def load_policy(name: str, source: str, settings: RunSettings) -> Policy:
    """A policy on the device of the settings, with the engine that suits it; `source` may be a shipped base."""
    torch.set_num_threads(settings.threads)
    batcher = Batcher(TorchEngine())
    try:
        policy = Policy.load(name, base_folder(source) or source, batcher, choose_device(settings.device), settings.lora)
    except DataError as error:
        unknown = not Path(source).exists() and "/" not in source and source not in shipped()
        raise DataError(f"{error}; nor is it a shipped base; {nearest(source, shipped())}") if unknown else error from error
    batcher.engine = choose_engine(settings, policy.model)
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
    try:
        tasks = read_tasks(spec, prompt_column=settings.prompt_column, answer_column=settings.answer_column)
    except DataError as error:
        raise DataError(f"{error}; nor is it a world; {nearest(spec, WORLDS)}") if is_word(spec) else error from error
    return FileWorld(tasks, verifier=settings.verifier, held_out=held_out, name=Path(spec).name)


def is_world(spec: str) -> bool:
    """Whether a tasks spec names a generated world rather than a file or a data set."""
    return spec.split("?")[0] in WORLDS or spec.startswith("reasoning-gym:")


def is_word(spec: str) -> bool:
    """Whether a tasks spec that cannot be read may have been meant as a world: no path, no file name."""
    return not Path(spec).exists() and "/" not in spec and "." not in spec


def prepare(settings: RunSettings, recipe: Recipe, rounds: int | None = None) -> Session:
    """Load and check everything a run needs, training nothing.

    Raises:
        AutotelicError: anything that would make the run fail later and can be seen now.
    """
    world = open_tasks(settings.tasks or recipe.about.tasks, settings)
    roles = recipe.roles(world)
    tasks = recipe.pool(world, settings.pool_size, settings.seed)
    probe_world, probe_tasks = open_probe(settings, recipe, world)
    check_tasks(recipe, settings, tasks, probe_tasks)
    policy = load_policy("solver", settings.model or recipe.about.model, settings)
    if recipe.about.needs_answers:
        check_gold(policy, world, tasks)
    pool = TaskPool(tasks, settings.seed)
    ctx = Context(world=world, pool=pool, policies={"solver": policy}, roles=roles, batcher=policy.batcher, seed=settings.seed, optimizer=recipe.optimizer)
    prompts = [prompt_tokens(policy, role, task, role.sampling) for role in roles.values() for task in (*tasks, *probe_tasks)]
    policy.check_engine(prompts[:4], LOGPROB_LIMIT[settings.precision])
    ctx.set_start("solver", policy.clone("start"))
    return Session(settings, recipe, recipe.rounds if rounds is None else rounds, world, ctx, probe_tasks, probe_world)


def open_probe(settings: RunSettings, recipe: Recipe, world: World) -> tuple[World, list[Task]]:
    """The held-out tasks and the world that judges them; a task file that is named as the probe is one as a whole."""
    if settings.probe is None or is_world(settings.probe):
        held = world if settings.probe is None else open_world(settings.probe)
        return held, recipe.probe(held, settings.probe_size, settings.seed)
    held = open_tasks(settings.probe, settings, held_out=0.0)
    return held, held.tasks(settings.probe_size, seed=settings.seed)


def check_tasks(recipe: Recipe, settings: RunSettings, tasks: list[Task], probe_tasks: list[Task]) -> None:
    """Raises DataError where there is nothing to train on or to hold out, or an answer is missing that the recipe reads."""
    if recipe.about.needs_answers and (missing := [task.id for task in tasks if task.answer is None]):
        raise DataError(f"recipe {recipe.about.name!r} trains on gold answers, and {len(missing)} of {len(tasks)} tasks have none (first: {missing[0]})")
    if not tasks:
        raise DataError(f"{settings.tasks}: no tasks")
    if not probe_tasks:
        source = settings.probe or settings.tasks or recipe.about.tasks
        raise DataError(f"{source}: no task is left to hold out; a run needs some that it never trains on: give more tasks, or others with --probe")


def check_gold(policy: Policy, world: World, tasks: list[Task]) -> None:
    """Raises DataError where a gold answer holds characters that the policy's vocabulary lacks, or cannot be read back."""
    for task in tasks:
        gold = world.gold(task)
        try:
            policy.tokenizer.encode(gold)
        except DataError as error:
            raise DataError(f"task {task.id}, answer: {error}") from error


def config_of(session: Session) -> dict[str, Any]:
    """The resolved config that is saved with a run, and from which it can be resumed."""
    import numpy
    import safetensors
    import transformers

    settings, about = session.settings, session.recipe.about
    policy = session.ctx.policies["solver"]
    return {
        "autotelic": autotelic.__version__,
        "recipe": {
            "name": about.name, "system": about.system, "paper": about.paper, "family": about.family, "line": about.line,
            "proxy": about.proxy, "settings": session.recipe.model_dump(mode="json"),
        },
        "run": settings.model_dump(mode="json"),
        "rounds": session.rounds,
        "seed": settings.seed,
        "model": settings.model or about.model,
        "parameters": policy.parameters,
        "tasks": settings.tasks or about.tasks,
        "pool": len(session.ctx.pool),
        "probe": {"tasks": len(session.probe_tasks), "samples": settings.probe_samples, "every": settings.probe_every, "probe_is_train": probe_is_train(session)},
        "engine": session.ctx.batcher.engine.name,
        "machine": {"system": platform.platform(), "processor": platform.machine(), "cores": os.cpu_count(), "python": platform.python_version()},
        "libraries": {"torch": torch.__version__, "transformers": transformers.__version__, "numpy": numpy.__version__, "safetensors": safetensors.__version__},
    }  # fmt: skip


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


def start(raw: dict[str, Any], progress: Progress | None = None) -> Outcome:
    """A new run from flat settings (see `settings.resolve`), to its verdict."""
    session = plan(raw)
    settings, recipe = session.settings, session.recipe
    folder = Path(settings.out or f"runs/{recipe.about.name}-seed{settings.seed}-{strftime('%Y%m%d-%H%M%S')}")
    store = Store.create(folder, config_of(session))
    with progress or Progress() as view:
        return asyncio.run(run(session, store, view))


def resume(folder: Path, rounds: int | None = None, progress: Progress | None = None) -> Outcome:
    """Go on with a run from its last committed round, to its planned number of rounds or another."""
    store = Store.open(folder)
    config = store.config
    settings, recipe = resolve({**config["run"], **config["recipe"]["settings"]})
    session = prepare(settings, recipe, rounds if rounds is not None else config["rounds"])
    with progress or Progress() as view:
        return asyncio.run(run(session, store, view))


async def run(session: Session, store: Store, progress: Progress) -> Outcome:
    """All rounds that are not committed yet, then the verdict."""
    done = store.last
    progress.start({**store.config, "rounds": session.rounds}, store.history() if done is not None else ())
    if done is None:
        await open_run(session, store, progress)
        done = 0
    else:
        restore(session, store, done)
    stopped = None
    for number in range(done + 1, session.rounds + 1):
        if session.recipe.finished(session.ctx):
            break
        progress.round_started(number, session.rounds)
        try:
            await one_round(session, store, progress, number)
        except TrainingError as error:
            restore(session, store, number - 1)
            stopped = f"stopped in round {number}: {error}"
            break
    return await finish(session, store, progress, stopped)


async def open_run(session: Session, store: Store, progress: Progress) -> None:
    """Round 0: the probe of the weights as they came, and their checkpoint."""
    progress.round_started(0, session.rounds)
    began = perf_counter()
    session.ctx.begin_round(0)
    result = await ask(session, progress, 0)
    store.save_probe("first", result)
    commit(session, store, 0, {**result.metrics(), "seconds/total": perf_counter() - began})
    progress.round_done(0, store.history()[-1])


async def one_round(session: Session, store: Store, progress: Progress, number: int) -> None:
    """The recipe's round, the probe, the gate, the commit."""
    ctx, began = session.ctx, perf_counter()
    ctx.begin_round(number)
    before = ctx.batcher.seconds
    ctx.on_phase = progress.phase
    await session.recipe.round(ctx)
    sampled = ctx.batcher.seconds - before
    metrics = {**round_metrics(ctx.groups, session.world), **ctx.metrics}
    result = None
    probing = perf_counter()
    if number % session.settings.probe_every == 0 or number == session.rounds:
        result = await ask(session, progress, number)
        metrics |= result.metrics() | flips(store, result)
    metrics |= seconds(ctx, sampled, perf_counter() - probing, perf_counter() - began)
    metrics["tokens/sampled"], metrics["tokens/trained"] = float(ctx.batcher.sampled), float(sum(learner.trained for learner in ctx.learners.values()))
    decision = decide(metrics, store.history()[0], session.settings.gate)
    metrics["gate/rolled_back"] = float(not decision.keep)
    if not decision.keep:
        sampled_so_far = ctx.batcher.sampled
        restore(session, store, number - 1)
        ctx.batcher.sampled = sampled_so_far
        progress.note(f"round {number} rolled back: {'; '.join(decision.reasons)}")
    commit(session, store, number, metrics)
    if result is not None:
        store.save_probe("last", result)
    progress.round_done(number, metrics)


def seconds(ctx: Context, sampled: float, probed: float, total: float) -> Metrics:
    """Where the time of a round went."""
    learned = ctx.phase_seconds["learn"]
    own = max(total - probed - sampled - learned, 0.0)
    return {"seconds/sample": sampled, "seconds/learn": learned, "seconds/probe": probed, "seconds/own": own, "seconds/total": total}


def flips(store: Store, result: ProbeResult) -> Metrics:
    """Probe answers that changed sides since the first weights."""
    first = store.load_probe("first")
    if first is None or not result.has_gold:
        return {}
    pairs = [(first.correct[name], right) for name, right in result.correct.items() if name in first.correct]
    return {
        "flips/right_to_wrong": float(sum(a > b for a, b in pairs)),
        "flips/wrong_to_right": float(sum(a < b for a, b in pairs)),
    }


async def ask(session: Session, progress: Progress, number: int) -> ProbeResult:
    """The probe with the weights as they are."""
    progress.phase("probing")
    ctx = session.ctx
    sampled = ctx.batcher.sampled
    role = ctx.role(session.recipe.probed)
    result = await probe(ctx.policies[role.policy], role, session.probe_world, session.probe_tasks, samples=session.settings.probe_samples, round_number=number)
    ctx.batcher.sampled = sampled  # the probe's tokens are not training's
    return result


def commit(session: Session, store: Store, number: int, metrics: Metrics) -> None:
    """Everything of a round at once."""
    ctx = session.ctx
    tensors: Tensors = {f"policy.{name}": policy.snapshot() for name, policy in ctx.policies.items()}
    state: dict[str, Any] = {
        "round": number,
        "recipe": ctx.state,
        "pool": ctx.pool.state(),
        "policies": {name: policy.version for name, policy in ctx.policies.items()},
        "learners": {},
        "sampled": ctx.batcher.sampled,
    }
    for name, learner in ctx.learners.items():
        moments, state["learners"][name] = learner.state()
        if moments:
            tensors[f"optimizer.{name}"] = moments
    store.commit(number, metrics=metrics, state=state, events=ctx.pool.take_events(), groups=ctx.groups, tensors=tensors, keep=session.settings.keep_checkpoints)


def restore(session: Session, store: Store, number: int) -> None:
    """Put the session back to a committed round."""
    ctx = session.ctx
    state, events, tensors = store.restore(number)
    ctx.pool = TaskPool(session.recipe.pool(session.world, session.settings.pool_size, session.settings.seed), session.settings.seed)
    ctx.pool.restore(state["pool"], events)
    ctx.state = state["recipe"]
    ctx.batcher.sampled = state["sampled"]
    for name, version in state["policies"].items():
        if name not in ctx.policies:
            ctx.clone("solver", name)
        ctx.policies[name].restore(tensors[f"policy.{name}"], version)
    ctx.learners = {name: learner for name, learner in ctx.learners.items() if name in state["learners"]}
    for name, values in state["learners"].items():
        ctx.learner(name).load_state(tensors.get(f"optimizer.{name}", {}), values)


async def finish(session: Session, store: Store, progress: Progress, stopped: str | None) -> Outcome:
    """Probe once more if the last weights were not probed, judge, save the model, write the report."""
    history = store.history()
    number = len(history) - 1
    last = store.load_probe("last")
    version = session.ctx.policies[session.ctx.role(session.recipe.probed).policy].version
    if last is None or last.round != number or last.version != version:
        last = await ask(session, progress, number)
        store.save_probe("last", last)
    first = store.load_probe("first")
    assert first is not None
    verdict = judge(first, last, history, session.recipe.about.proxy, probe_is_train(session))
    if stopped:
        verdict.reasons.insert(0, stopped)
    model = store.save_model("rejected" if verdict.word in REJECTED else "model", session.ctx.policies["solver"].save)
    store.save_verdict(verdict)
    with explained(store.folder):
        report = write_report(store.folder)
    progress.finished(verdict, {"report": report, "model": model, "run": store.folder})
    return Outcome(store.folder, verdict, model, report)
