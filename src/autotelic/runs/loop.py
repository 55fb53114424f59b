"""The loop: round after round, then the verdict. It calls the store, the probe and the gate. All that it knows of a method is `recipe.round`."""

import asyncio
import gc
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from time import perf_counter, strftime
from typing import Any

from autotelic.errors import TrainingError, harmless, strict
from autotelic.jsonfiles import read_json
from autotelic.measures import alarms
from autotelic.measures.budget import IDLE, UNLIMITED, USED
from autotelic.measures.champion import CHAMPION, standing
from autotelic.measures.champion import told as passed
from autotelic.measures.meter import Meter
from autotelic.measures.metrics import check
from autotelic.measures.monitors import round_metrics
from autotelic.measures.probe import ProbeResult
from autotelic.measures.selection import ROLLED_BACK, SCORE, best, parts, score, told
from autotelic.measures.verdict import Verdict, Word, judge
from autotelic.policies.policy import Policy
from autotelic.rounds.context import Context
from autotelic.runs.card import write_card
from autotelic.runs.config import check_beginnings, config_of, probe_is_train
from autotelic.runs.disk import explained
from autotelic.runs.guarding import check_can_decide, put_back, ruled
from autotelic.runs.keeping import Kept, kept
from autotelic.runs.notebooks import beside_a_loop
from autotelic.runs.opening import Saved, Session, plan, prepare, sampler_of
from autotelic.runs.page import write_report
from autotelic.runs.probing import due, probe
from autotelic.runs.progress import Progress
from autotelic.runs.settings import resolve
from autotelic.runs.speaking import speaking
from autotelic.runs.store import Store, Tensors
from autotelic.runs.trackers import mirrored
from autotelic.tasks.pool import TaskPool
from autotelic.types import Metrics

REJECTED = (Word.WORSE, Word.COLLAPSED, Word.HACKED)
"""Verdicts with which the last weights are not handed over as the improved model."""


@dataclass(slots=True)
class RunOutcome:
    """What a finished run leaves."""

    folder: Path
    verdict: Verdict
    model: Path
    report: Path
    stopped: str | None = None
    """Why the run ended before its last round, when an update could not be applied."""


@beside_a_loop
def start(raw: dict[str, Any], progress: Progress | None = None) -> RunOutcome:
    """A new run from flat settings (see `settings.resolve`), to its verdict. A KeyboardInterrupt carries a note that says how to go on."""
    session = plan(raw, quiet=progress is not None and progress.quiet)
    settings, recipe = session.settings, session.recipe
    folder = Path(settings.out) if settings.out else fresh_folder(f"runs/{recipe.about.name}-seed{settings.seed}-{strftime('%Y%m%d-%H%M%S')}")
    with Store.create(folder, config_of(session)) as store, progress or Progress() as view, noted(store):
        return asyncio.run(run(session, store, view, None))


def fresh_folder(name: str) -> Path:
    """`name`, or with a number behind it where another run has it already; it is made here, so that no other run takes it."""
    for number in count(1):
        path = Path(name if number == 1 else f"{name}-{number}")
        with explained(path), suppress(FileExistsError):
            path.mkdir(parents=True)
            return path
    raise AssertionError


@beside_a_loop
def resume(folder: Path, rounds: int | None = None, progress: Progress | None = None) -> RunOutcome:
    """Go on with a run from its last sound round, to its planned number of rounds or another. A KeyboardInterrupt carries a note as in `start`."""
    with Store.open(folder) as store, progress or Progress() as view, noted(store, rounds):
        done, damage = store.step_back()
        for words in damage:
            print(harmless(words), file=sys.stderr)
        settings, recipe = resolve({**store.config["run"], **store.config["recipe"]["settings"]})
        session = prepare(settings, recipe, rounds, view.quiet)
        check_beginnings(session, store.config)
        return asyncio.run(run(session, store, view, done))


@contextmanager
def noted(store: Store, rounds: int | None = None) -> Iterator[None]:
    """A KeyboardInterrupt inside gets a note: what is kept, and the command that goes on."""
    try:
        yield
    except KeyboardInterrupt as stop:
        last = store.last
        kept = "no round is done yet" if last is None else f"rounds 0 to {last} are kept"
        command = ["autotelic", "resume", str(store.folder), *([] if rounds is None else ["--rounds", str(rounds)])]
        stop.add_note(f"{store.folder}: {kept}; to go on: {shlex.join(command)}")
        raise


async def run(session: Session, store: Store, progress: Progress, done: int | None) -> RunOutcome:
    """All rounds after the committed round `done`, then the verdict, told to the trackers as they come."""
    with speaking(session.ctx, store), mirrored(session.settings.report_to, store.folder, store.config, done) as session.mirror:
        outcome = await all_of(session, store, progress, done)
        session.mirror.close(outcome.verdict)
    return outcome


async def all_of(session: Session, store: Store, progress: Progress, done: int | None) -> RunOutcome:
    """The rounds and the verdict."""
    asyncio.get_running_loop().set_exception_handler(unless_stopped)
    progress.start(store.config, list(store.history().values()), session.rounds)
    if done is None:
        await open_run(session, store, progress)
        done = 0
    else:
        store.note("resumed", f"from round {done}")
        session.ctx.meter.set(restore(session, store, done))
        session.before = store.metrics(done)
    session.baseline, session.first = store.metrics(0), store.probe("first")
    session.scores = {number: scored(metrics, session.recipe.about.proxy) for number, metrics in store.history().items()}
    store.drop_weights(done - session.settings.keep_checkpoints, handed_over(session), session.settings.keep_every)
    session.ctx.on_phase = progress.phase
    with frozen():
        stopped = await all_rounds(session, store, progress, done + 1)
    return await finish(session, store, progress, stopped)


def unless_stopped(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """The event loop's word on exceptions that nobody asked for, but for a signal's, of which the command tells."""
    if not isinstance(context.get("exception"), KeyboardInterrupt):
        loop.default_exception_handler(context)


@contextmanager
def frozen() -> Iterator[None]:
    """Inside, the garbage collector passes over everything that is there already: libraries, weights, the pool. It goes through all of that again
    and again where a round makes many small objects, which takes as long as the round."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


async def all_rounds(session: Session, store: Store, progress: Progress, first: int) -> str | None:
    """The rounds from `first` on; why they ended before the last, where an update could not be applied."""
    for number in range(first, session.rounds + 1):
        if session.recipe.finished(session.ctx) or waited_enough(session) or budget_is_used(session, session.before) or alarms.STOP in session.before:
            break
        progress.round_started(number, session.rounds)
        try:
            await one_round(session, store, progress, number)
        except TrainingError as error:
            restore(session, store, number - 1)
            return f"stopped in round {number}: {error}"
        if number == IDLE and session.rounds == UNLIMITED and not session.before.get(USED):
            return f"stopped after round {number}: nothing is used of the budget of {session.settings.budget}, which would never end the run; say rounds too"
    return None


async def open_run(session: Session, store: Store, progress: Progress) -> None:
    """Round 0: the probe of the weights as they came, and their checkpoint."""
    progress.round_started(0, session.rounds)
    began = perf_counter()
    session.ctx.begin_round(0)
    result, measured = await ask(session, progress, 0)
    check_can_decide(result, session.settings.gate)
    took = perf_counter() - began
    commit(session, store, 0, {**result.metrics(), **score(result, session.settings.select), **measured, "seconds/total": took}, result)
    store.save_probe("first", result)
    progress.note(f"probe: {len(session.probe_tasks)} tasks, {measured['tokens/probe']:,.0f} tokens sampled in {took:.1f} s")
    tell(session, store, progress, 0)


async def one_round(session: Session, store: Store, progress: Progress, number: int) -> None:
    """The recipe's round, the probe, the gate, the commit."""
    ctx, began = session.ctx, perf_counter()
    ctx.begin_round(number)
    ctx.rate = session.before.get(alarms.RATE, 1.0)
    before = ctx.meter.copy()
    await play_round(session)
    spent = ctx.meter.copy()
    further = kept(ctx, session.world, session.recipe.main, session.settings.keep_tokens)
    metrics = {**round_metrics(ctx.groups, session.world, session.recipe.main, ctx.labels), **ctx.metrics, **ctx.audited(session.world)}
    result = None
    probing = perf_counter()
    metrics |= ctx.meter.metrics()
    if budget := session.settings.budget:
        metrics[USED] = budget.used(metrics, session.before.get(USED, 0.0) + probing - began)
    if probe_is_due(session, number, metrics):
        result, measured = await ask(session, progress, number)
        metrics |= result.metrics() | score(result, session.settings.select) | flips(session.first, result) | measured
    metrics |= seconds(spent.sampling - before.sampling, spent.learning - before.learning, perf_counter() - probing, perf_counter() - began)
    decision, own = await ruled(session.guard, ctx, store, session.scores, metrics, session.baseline, session.first, result)
    back = not decision.keep and session.settings.gate.mode == "gate"
    metrics |= own | {ROLLED_BACK: float(back)}
    if back:
        draws = ctx.pool.draws
        restore(session, store, number - 1)
        ctx.pool.draws = draws  # the tasks of the next round are others, or it would be the same again
    if back and own:
        put_back(ctx, store, int(own[CHAMPION]))
        session.saved = {}  # other weights than those of the round before
    if decision.reasons:
        event = "rolled back" if back else "promoted" if decision.keep else "warned"
        progress.note(f"round {number} {event}: {'; '.join(decision.reasons)}")
        store.note(event, f"round {number}: {'; '.join(decision.reasons)}")
    metrics |= alarmed(session, store, progress, number, metrics)
    commit(session, store, number, metrics, result, further)
    if result is not None:
        store.save_probe("last", result)
    tell(session, store, progress, number)


def alarmed(session: Session, store: Store, progress: Progress, number: int, metrics: Metrics) -> Metrics:
    """The numbers of the monitors after a round with these metrics, and what follows from the alarms that they raise, which are told."""
    settings, before = session.settings.alarms, [session.scores[one] for one in sorted(session.scores)]
    seen = alarms.Seen([*before, metrics], session.recipe.about.proxy)
    own = alarms.values(seen)
    found = alarms.raised([*before, metrics | own], settings)
    for alarm in found:
        progress.note(f"round {number} alarm: {alarm}")
        store.note("alarm", f"round {number}: {alarm}")
    return own | alarms.effects(found, session.before, settings.factor)


def tell(session: Session, store: Store, progress: Progress, number: int) -> None:
    """Tell of a committed round."""
    metrics = store.metrics(number)
    progress.round_done(number, metrics)
    session.mirror.log(number, metrics)


async def play_round(session: Session) -> None:
    """The recipe's round, behind the seal where it declares that it needs no answers."""
    recipe, ctx = session.recipe, session.ctx
    if recipe.sees_gold:
        await recipe.round(ctx)
        return
    with ctx.sealing(recipe.about.environment, bool(recipe.about.seeds)):
        await recipe.round(ctx)


def probe_is_due(session: Session, number: int, now: Metrics) -> bool:
    """Whether the probe is asked after a round whose tokens are counted in `now`: the last always, others at points of the budget, or see `probing.due`."""
    settings, before = session.settings, session.before
    if number == session.rounds or budget_is_used(session, now):
        return True
    if settings.budget and settings.probe_every is None:
        return settings.budget.point(now) > settings.budget.point(before)
    parameters = session.ctx.policies[session.ctx.role(session.recipe.main).policy].parameters
    return due(settings.probe_every, parameters, number, before, now, session.baseline)


def budget_is_used(session: Session, metrics: Metrics) -> bool:
    """Whether a run with these metrics has nothing left of its budget."""
    return session.settings.budget is not None and session.settings.budget.is_used(metrics)


def seconds(sampled: float, learned: float, probed: float, total: float) -> Metrics:
    """Where the time of a round went."""
    own = max(total - probed - sampled - learned, 0.0)
    return {"seconds/sample": sampled, "seconds/learn": learned, "seconds/probe": probed, "seconds/own": own, "seconds/total": total}


def flips(first: ProbeResult | None, result: ProbeResult) -> Metrics:
    """Probe answers that changed sides since the first weights."""
    if first is None or not result.has_gold:
        return {}
    pairs = [(first.correct[name], right) for name, right in result.correct.items() if name in first.correct]
    return {
        "flips/right_to_wrong": float(sum(a > b for a, b in pairs)),
        "flips/wrong_to_right": float(sum(a < b for a, b in pairs)),
    }


async def ask(session: Session, progress: Progress, number: int) -> tuple[ProbeResult, Metrics]:
    """The probe with the weights as they are, and the recipe's own yardsticks."""
    progress.phase("probing")
    ctx = session.ctx
    settings = session.settings
    with ctx.aside(), ctx.sampling_as(session.recipe.main, settings.probe_sampling.over) as role:
        before = ctx.meter.sampled
        result = await session.recipe.ask(ctx, session.probe_tasks)
        measured = await session.recipe.measure(ctx, session.probe_tasks)
        if result is None:
            policy = ctx.policies[role.policy]
            result = await probe(policy, role, session.probe_world, session.probe_tasks, samples=settings.probe_samples, round_number=number)
        cost = float(ctx.meter.sampled - before)
    return result, {**measured, "tokens/probe": cost}


def commit(session: Session, store: Store, number: int, metrics: Metrics, result: ProbeResult | None, further: Kept | None = None) -> None:
    """Everything of a round at once; `further` is what is kept of its rollouts beside what they hold. Weights that have not moved since the round before are not written again.

    Raises:
        MetricError: where `strict()`, a number is not documented or outside of its range.
    """
    ctx = session.ctx
    session.scores[number] = scored(metrics, session.recipe.about.proxy)
    if strict():
        check(metrics, session.recipe.metrics)
    held = weights_of(ctx)
    same = [name for name, saved in held.items() if session.saved.get(name) == saved]
    tensors: Tensors = {f"policy.{name}": policy.snapshot() for name, policy in ctx.policies.items() if f"policy.{name}" not in same}
    state: dict[str, Any] = {
        "round": number,
        "recipe": ctx.state,
        "pool": ctx.pool.state(),
        "policies": {name: policy.version for name, policy in ctx.policies.items()},
        "origins": ctx.origins,
        "learners": {},
        "meter": ctx.meter.state(),
    }
    for name, learner in ctx.learners.items():
        moments, state["learners"][name] = learner.state()
        if moments and f"optimizer.{name}" not in same:
            tensors[f"optimizer.{name}"] = moments
    store.commit(
        number,
        metrics=metrics,
        state=state,
        events=ctx.pool.take_events(),
        groups=ctx.groups,
        trained_on=ctx.trained_on,
        kept=further,
        tensors=tensors,
        keep=session.settings.keep_checkpoints,
        every=session.settings.keep_every,
        same=same,
        probe=result,
        spare=handed_over(session),
    )
    session.saved, session.before = held, metrics


def weights_of(ctx: Context) -> dict[str, Saved]:
    """What there is to save, by the name of its file: policies, and optimizers that have moments."""
    policies = {f"policy.{name}": Saved(policy, policy.version) for name, policy in ctx.policies.items()}
    return policies | {f"optimizer.{name}": Saved(learner, learner.steps) for name, learner in ctx.learners.items() if learner.optimizer.state}


def restore(session: Session, store: Store, number: int) -> Meter:
    """Put the session back to a committed round; returns what had been spent then, which a rollback does not undo."""
    ctx = session.ctx
    state, events, tensors = store.restore(number)
    tasks = session.recipe.pool(session.world, session.settings.pool_size, session.settings.seed)
    ctx.pool = TaskPool(tasks, session.settings.seed, sampler_of(session.recipe, session.world))
    ctx.pool.restore(state["pool"], events)
    ctx.state = state["recipe"]
    for name in ctx.policies.keys() - state["policies"].keys():
        ctx.drop(name)
    for name, version in state["policies"].items():
        if name not in ctx.policies:
            ctx.clone(state["origins"][name], name)
        ctx.policies[name].restore(tensors[f"policy.{name}"], version)
    ctx.learners = {name: learner for name, learner in ctx.learners.items() if name in state["learners"]}
    for name, values in state["learners"].items():
        ctx.learner(name).load_state(tensors.get(f"optimizer.{name}", {}), values)
    session.saved = weights_of(ctx)
    return Meter(**state["meter"])


def scored(metrics: Metrics, proxy: str | None) -> Metrics:
    """What the choice of weights and the alarms of later rounds rest on."""
    return {name: metrics[name] for name in (SCORE, ROLLED_BACK, CHAMPION) if name in metrics} | alarms.looked_at(metrics, proxy)


def handed_over(session: Session) -> int | None:
    """The round whose weights the run would hand over now: the champion's, or those that the probe chose; None: the last."""
    if session.settings.gate.decides:
        return standing(session.scores).round
    chosen = best(session.scores)
    return None if chosen is None else chosen.round


def waited_enough(session: Session) -> bool:
    """Whether the run has had as many probes without a higher score as it is to wait for."""
    patience, chosen = session.settings.select.patience, best(session.scores)
    return patience is not None and chosen is not None and chosen.waited >= patience


async def finish(session: Session, store: Store, progress: Progress, stopped: str | None) -> RunOutcome:
    """Choose the weights, probe once more if they were not probed, judge, save the model, write the report."""
    number = store.last
    assert number is not None
    chosen, kept = best(session.scores), handed_over(session)
    kept = number if kept is None else kept
    if kept != number:
        restore(session, store, kept)
    last = await last_probe(session, store, progress, kept)
    store.save_probe("last", last)
    verdict = judged(session, store, last, kept)
    if chosen is not None and waited_enough(session) and number < session.rounds:
        verdict.reasons.insert(0, f"Ended after round {number}: {chosen.waited} probes without a higher score.")
    if number < session.rounds and budget_is_used(session, store.metrics(number)):
        verdict.reasons.insert(0, f"Ended after round {number}: the budget of {session.settings.budget} is used.")
    if alarms.STOP in store.metrics(number):
        verdict.reasons.insert(0, f"Ended after round {number}: an alarm that ends the run was raised ({ended_by(session)}).")
    if stopped:
        verdict.reasons.insert(0, stopped)
        store.note("stopped", stopped)
    main = session.ctx.role(session.recipe.main).policy
    model = store.save_model(
        "rejected" if verdict.word in REJECTED else "model", partial(save_with_card, session.ctx.policies[main], store, verdict, kept)
    )
    for name in session.ctx.learners.keys() - {main}:
        store.save_other(name, session.ctx.policies[name].save)
    store.save_verdict(verdict)
    report = write_report(store.folder)
    progress.finished(verdict, {"report": report, "model": model, "run": store.folder})
    return RunOutcome(store.folder, verdict, model, report, stopped)


def ended_by(session: Session) -> str:
    """The alarms that ended a run, by name."""
    found = alarms.raised([session.scores[one] for one in sorted(session.scores)], session.settings.alarms)
    return ", ".join(one.monitor.name for one in found if one.alarm.act == "stop")


def save_with_card(policy: Policy, store: Store, verdict: Verdict, rounds: int, folder: Path) -> None:
    """A model folder with its card."""
    policy.save(folder)
    write_card(folder, store.config, verdict, rounds, policy.source)


def judged(session: Session, store: Store, last: ProbeResult, kept: int) -> Verdict:
    """The verdict on the weights of round `kept`; where tasks of the probe chose them, by the others."""
    assert session.first is not None
    first, select, gate, chosen = session.first, session.settings.select, session.settings.gate, best(session.scores)
    history = [metrics for number, metrics in store.history().items() if number <= kept]
    if chosen is None and not gate.decides:
        return judge(first, last, history, session.recipe.about.proxy, probe_is_train(session))
    share = gate.share if gate.decides else select.share
    choosing, (first, last) = parts(last, share)[0], (parts(one, share)[1] for one in (first, last))
    verdict = judge(first, last, history, session.recipe.about.proxy, probe_is_train(session))
    numbers = {"round": kept, "of": store.last, "tasks": len(choosing.outcomes)}
    if chosen is None:
        verdict.reasons.insert(0, passed(kept, store.last or 0, gate, len(choosing.outcomes), len(last.outcomes)))
        verdict.numbers["champion"] = {**numbers, "by": gate.by}
    else:
        verdict.reasons.insert(0, told(chosen, store.last or 0, select, len(choosing.outcomes), len(last.outcomes)))
        verdict.numbers["chosen"] = {**numbers, "by": select.by, "score": chosen.score}
    return verdict


async def last_probe(session: Session, store: Store, progress: Progress, number: int) -> ProbeResult:
    """What the probe saw of the weights as they are after round `number`: in that round, or by asking once more."""
    path = store.round(number) / "probe.json"
    found = ProbeResult.from_json(read_json(path)) if path.exists() else None
    version = session.ctx.policies[session.ctx.role(session.recipe.main).policy].version
    return found if found is not None and found.version == version else (await ask(session, progress, number))[0]
