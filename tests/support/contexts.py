"""A context of a tiny policy with three tasks."""

from autotelic.learning.learner import Optimizer
from autotelic.policies.policy import Policy
from autotelic.rounds.context import Context
from autotelic.rounds.roles import Role
from autotelic.tasks.pool import TaskPool
from autotelic.types import Sampling, Task
from autotelic.worlds import open_world

TASKS = [Task("a", "1="), Task("b", "22+3="), Task("c", "x" * 20)]


def context(policy: Policy, seed: int = 0) -> Context:
    roles = {"solver": Role("solver", "solver", Sampling(max_tokens=10), lambda text: text[:1] or None)}
    ctx = Context(
        world=open_world("chain"),
        pool=TaskPool(TASKS, seed),
        policies={"solver": policy},
        roles=roles,
        seed=seed,
        optimizer=Optimizer(),
    )
    start = policy.clone("start")
    ctx.set_start("solver", lambda: start)
    ctx.begin_round(1)
    return ctx
