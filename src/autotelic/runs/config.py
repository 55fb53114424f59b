"""What is saved of a run as it begins: its settings, once, and facts, among them digests of what it reads again when it is resumed."""

import os
import platform
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import autotelic
from autotelic.errors import DataError
from autotelic.policies.policy import Policy
from autotelic.runs.opening import Session
from autotelic.runs.reading import FORMAT
from autotelic.runs.sealing import digest_of
from autotelic.types import Task


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
        "engine": session.ctx.policies["solver"].batcher.engine.name,
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
