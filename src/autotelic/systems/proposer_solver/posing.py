"""What recipes whose policies pose problems share: from what a proposer wrote to a task, and what became of the proposals. No recipe."""

from collections.abc import Mapping, Sequence
from statistics import fmean

from autotelic.errors import DataError
from autotelic.rounds.context import Context
from autotelic.rounds.held_out import posed_in
from autotelic.rounds.roles import Role
from autotelic.tasks.english import words
from autotelic.tasks.file_world import FileWorld
from autotelic.tasks.language import speaks
from autotelic.tasks.mixing import MixedWorld
from autotelic.types import Group, Prompt, Rollout, Sampling, Task, World
from autotelic.worlds import GeneratedWorld

SKILL = "propose"


def asked_for(world: World, asks: str | None) -> Prompt:
    """What a proposer is shown: the text of a setting, or else how the world's language asks for a problem."""
    return world.skill(SKILL).ask() if asks is None else asks


def proposer(name: str, policy: str, sampling: Sampling, world: World) -> Role:
    """A role that writes a problem; its answer is the problem, None where it is none of the world's."""

    written = world.skill(SKILL).read if speaks(world, SKILL) else str

    def read(text: str) -> str | None:
        problem = written(text)
        return problem if problem is not None and known_task(world, problem) else None

    return Role(name, policy, sampling, read)


def known_task(world: World, text: str) -> Task | None:
    """The task of a problem that somebody wrote. A generated world knows its own prompts and their answers; elsewhere any text is a problem."""
    if not isinstance(world, GeneratedWorld | FileWorld | MixedWorld):
        return Task("", text.strip()) if text.strip() else None
    try:
        return world.task(text)
    except DataError:
        return None


def posed(ctx: Context, rollouts: Sequence[Rollout], role: str = "solver") -> dict[str, Task]:
    """The problems that proposers posed, by the ids of their rollouts. What is none, or does not fit into the context, is left out and counted."""
    found: dict[str, Task] = {}
    for rollout in rollouts:
        known = known_task(ctx.world, rollout.answer) if rollout.answer is not None else None
        task = own(ctx, rollout, known) if known else None
        if task is None or not ctx.fits(role, task):
            ctx.count("proposals/invalid")
        else:
            found[rollout.id] = task
    ctx.log(**{"proposals/valid": len(found) / max(len(rollouts), 1)})
    if not found:
        ctx.count("proposals/none_valid")
    return found


def own(ctx: Context, rollout: Rollout, known: Task) -> Task:
    """The proposal of a rollout. The true answer goes with it where the world knows it, for monitors; recipes that need no answers cannot read it."""
    made = ctx.proposal(rollout, known.prompt)
    return known.changed(id=made.id, tags=made.tags)


def held_out(world: World, task: Task) -> bool:
    """Whether a problem is one that a probe may hold: it may be posed and solved, and nothing is learned from its solutions."""
    return isinstance(world, GeneratedWorld | MixedWorld) and world.held_out(posed_in(task.prompt))


def trainable(ctx: Context, groups: Sequence[Group]) -> list[Group]:
    """The solved problems that no probe may hold; the others are counted."""
    kept = [group for group in groups if not held_out(ctx.world, group.task)]
    ctx.count("proposals/held_out", len(groups) - len(kept))
    return kept


def log_proposals(ctx: Context, tasks: Sequence[Task]) -> None:
    """How long the problems of a round are, in characters, and how many of them differ."""
    if tasks:
        prompts = [words(task.prompt) for task in tasks]
        ctx.log(**{"proposals/length": fmean(map(len, prompts)), "proposals/distinct": len(set(prompts)) / len(prompts)})


def labeled(tasks: Sequence[Task], labels: Mapping[str, str | None]) -> list[Task]:
    """The problems with their self-made labels, by id of the problem, in `hidden["label"]`; those without a label are left out."""
    return [task.changed(hidden={**task.hidden, "label": label}) for task in tasks if (label := labels[task.id]) is not None]


def purity(ctx: Context, tasks: Sequence[Task]) -> None:
    """How often the label of a problem is the true answer, where a world knows it; logged, never trained on."""
    for task in tasks:
        ctx.label(task, task.hidden["label"])
