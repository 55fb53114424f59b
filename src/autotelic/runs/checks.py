"""What cannot work, seen before anything is sampled: tasks, worlds, engines and models that do not fit a system."""

from collections.abc import Mapping
from functools import partial

from autotelic.engines.registry import check_capabilities
from autotelic.errors import DataError, SettingError
from autotelic.policies.policy import Policy
from autotelic.rounds.asking import encode_prompt, put
from autotelic.rounds.roles import Role
from autotelic.runs.framing import check_chat, frame_of
from autotelic.runs.models import load_policy
from autotelic.runs.settings import RunSettings
from autotelic.systems.base import Recipe, System
from autotelic.tasks.columns import task_name
from autotelic.tasks.language import speaks
from autotelic.tasks.validate import Misfit
from autotelic.types import Sampling, Task, World
from autotelic.worlds import WORLDS


def check_skills(system: System, world: World) -> None:
    """Raises SettingError where the world's language lacks a skill that the system needs."""
    needed, called = system.needed_skills, "way" if system.about.kind == "way" else "recipe"
    if lacking := [name for name in needed if not speaks(world, name)]:
        speaking = [name for name, made in WORLDS.items() if set(needed) <= set(getattr(made, "language", {}))]
        raise SettingError(
            f"{called} {system.about.name!r} needs the skill {lacking[0]!r}, which the world {world.name!r} lacks; it runs on "
            f"{', '.join(speaking)}, on worlds in English such as word-problems, on task files and on the data sets of reasoning-gym"
        )


def check_engine(system: System, roles: Mapping[str, Role], settings: RunSettings) -> None:
    """Raises SettingError where the engine that the settings name lacks what the system needs."""
    needed = system.engine_needs
    if any(role.sampling.stop for role in roles.values()):
        needed |= {"stops"}
    if system.policies():
        needed |= {"weights"}
    check_capabilities(settings.engine, needed, f"{system.about.kind} {system.about.name!r}")


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
        if reason := misfit(policy, role, world, task, world.gold(task)):
            raise DataError(f"{task_name(task)}, {reason}")


def misfit(policy: Policy, role: Role | None, world: World, task: Task, gold: str) -> str | None:
    """Why a gold completion cannot be a target of the policy behind the prompt of a role, if there is one; None where it can."""
    try:
        completion = policy.tokenizer.encode_completion(gold)
    except DataError as error:
        return f"answer: {error}"
    prompt = encode_prompt(policy, role, put(world, task)) if role else []
    if role is None or len(prompt) + len(completion) <= policy.model.context:
        return None
    return f"its prompt of {len(prompt)} tokens and its gold completion of {len(completion)} exceed the model's context of {policy.model.context}"


def fit_check(source: str, settings: RunSettings, world: World) -> Misfit:
    """Why a gold completion cannot be a target of the model at `source` behind its task's prompt: for `autotelic validate`."""
    policy, frame = load_policy("model", source, settings), frame_of(settings, world)
    check_chat(policy, frame)
    return partial(misfit, policy, Role("solver", "model", Sampling(), str, frame), world)
