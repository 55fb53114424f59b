"""What a recipe's round may use: the pool, the roles, the learners, streams and a place for state. It hides engines and files, nothing else."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from autotelic.engines.base import Completion, Request
from autotelic.engines.batching import Batcher
from autotelic.episodes.roles import Role
from autotelic.errors import DataError, SettingError, nearest
from autotelic.learning.examples import Trainable
from autotelic.learning.learner import Learner, Optimizer, Updates
from autotelic.learning.objectives.base import Objective
from autotelic.policies.policy import Policy
from autotelic.streams import generator, key
from autotelic.tasks.pool import TaskPool
from autotelic.types import Group, Metrics, Rollout, Sampling, StopReason, Task, Turn, TurnKind, World


class Context:
    """One per run; `round` counts up from 1. Everything in `state`, the pool, the policies and the learners survives a restart."""

    def __init__(
        self, *, world: World, pool: TaskPool, policies: dict[str, Policy], roles: dict[str, Role], batcher: Batcher, seed: int, optimizer: Optimizer
    ) -> None:
        self.world, self.pool, self.policies, self.roles, self.batcher, self.seed = world, pool, policies, roles, batcher, seed
        self.round = 0
        self.state: dict[str, Any] = {}
        """Plain JSON values of the recipe that must survive a restart: baselines, frontiers, schedules."""
        self.optimizer = optimizer
        self.learners: dict[str, Learner] = {}
        self.groups: list[Group] = []
        """Every group sampled in this round, for the monitors and the store."""
        self.metrics: Metrics = {}
        self.phase_seconds: dict[str, float] = defaultdict(float)
        self.on_phase: Callable[[str], None] = lambda name: None
        """Told what the round does now; the loop points it at the progress display."""
        self._drawn: Counter[tuple[str, str]] = Counter()
        self._starts: dict[str, Policy] = {}

    # ---- asking

    async def sample(self, role: str, tasks: Sequence[Task], n: int, note: bool = True, **settings: Any) -> list[Group]:
        """`n` rollouts of every task under a role, in one batch; `settings` override the role's sampling for this call only.

        With `note` off the rollouts are kept out of the round's monitors and store: for checks by the thousand.

        Sample `i` of a task has a random stream of its own, so what else is sampled never changes it.
        """
        speaker = self.role(role)
        sampling = Sampling(**{**speaker.sampling.model_dump(), **settings})
        policy = self.policies[speaker.policy]
        prompts = [prompt_tokens(policy, speaker, task, sampling) for task in tasks]
        requests, firsts = [], []
        for task, prompt in zip(tasks, prompts, strict=True):
            firsts.append(first := self._drawn[role, task.id])
            self._drawn[role, task.id] += n
            requests.append(Request(tuple(prompt), tuple(key(self.seed, self.round, role, task.id, first + i) for i in range(n)), sampling))
        version = policy.version
        self.on_phase("sampling")
        completions = await policy.sample(requests)
        groups = []
        for task, request, found, first in zip(tasks, requests, completions, firsts, strict=True):
            groups.append(Group(task, [self._rollout(speaker, task, request, c, first + i, version) for i, c in enumerate(found)]))
        if note:
            self.groups += groups
        return groups

    def role(self, name: str) -> Role:
        """A role by name."""
        if name not in self.roles:
            raise SettingError(f"no role {name!r}; {nearest(name, self.roles)}")
        return self.roles[name]

    def _rollout(self, role: Role, task: Task, request: Request, completion: Completion, index: int, version: int) -> Rollout:
        policy = self.policies[role.policy]
        text = policy.tokenizer.decode(completion.tokens)
        turns = [
            Turn(TurnKind.PROMPT, list(request.prompt), role=role.name),
            Turn(TurnKind.ACTION, completion.tokens, completion.logprobs, role.name, policy.name, version, request.sampling.scale, completion.stop),
        ]
        # A completion that ran into the limit has no answer, whatever its fragment looks like.
        answer = None if completion.stop is StopReason.LENGTH else role.parse(text)
        return Rollout(f"r{self.round}/{role.name}/{task.id}/{index}", task, turns, text, answer, keys={"role": role.name, "task": task.id})

    # ---- learning

    def learn(self, policy: str, data: Trainable, objective: Objective, updates: Updates | None = None, reference: Policy | None = None) -> Metrics:
        """Update a policy and log what the learner reports. The reference defaults to the policy as the run began.

        Raises:
            TrainingError: see `Learner.learn`.
        """
        if objective.needs_reference and reference is None:
            reference = self.start(policy)
        learner = self.learner(policy)
        self.on_phase("learning")
        before = learner.seconds
        metrics = learner.learn(data, objective, updates, reference)
        self.phase_seconds["learn"] += learner.seconds - before
        self.log(**metrics)
        return metrics

    def learner(self, policy: str) -> Learner:
        """The one optimizer of a policy, made when first asked for."""
        if policy not in self.learners:
            self.learners[policy] = Learner(self.policies[policy], self.optimizer, self.seed)
        return self.learners[policy]

    def start(self, policy: str) -> Policy:
        """A frozen copy of a policy as the run began, whatever has been trained since: the fixed reference."""
        return self._starts[policy]

    def set_start(self, policy: str, frozen: Policy) -> None:
        """The loop's business: what `start` returns."""
        self._starts[policy] = frozen

    def clone(self, policy: str, name: str) -> Policy:
        """A frozen copy under a name of its own, saved with the run: a teacher, an anchor, an opponent."""
        self.policies[name] = self.policies[policy].clone(name)
        return self.policies[name]

    # ---- noting

    def log(self, **metrics: float) -> None:
        """Note metrics of this round; a name noted twice keeps the later value."""
        self.metrics.update({name: float(value) for name, value in metrics.items()})

    def random(self, *parts: object) -> Random:
        """A generator keyed by seed, round and `parts`."""
        return generator(self.seed, self.round, *parts)

    def begin_round(self, number: int) -> None:
        """The loop's business: forget what belonged to the round before."""
        self.round = number
        self.groups, self.metrics = [], {}
        self.phase_seconds = defaultdict(float)
        self._drawn.clear()


def prompt_tokens(policy: Policy, role: Role, task: Task, sampling: Sampling) -> list[int]:
    """A task's prompt as token ids.

    Raises:
        DataError: the vocabulary lacks its characters, or it leaves no room in the context for `sampling.max_tokens` more.
    """
    try:
        tokens = policy.tokenizer.encode_prompt(role.render(task))
    except DataError as error:
        raise DataError(f"task {task.id}: {error}") from error
    if len(tokens) + sampling.max_tokens > (context := policy.model.context):
        needed = f"its prompt of {len(tokens)} tokens and sampling.max_tokens={sampling.max_tokens}"
        raise DataError(f"task {task.id}: {needed} exceed the model's context of {context}")
    return tokens
