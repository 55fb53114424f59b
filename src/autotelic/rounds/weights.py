"""Weights in a round: learning, clones, references, and the check that nothing held out is learned. One part of the context."""

from collections import defaultdict
from collections.abc import Callable

from autotelic.errors import HeldOutError, strict
from autotelic.learning.examples import Trainable, as_examples, written
from autotelic.learning.learner import Learner, Optimizer, Updates
from autotelic.learning.objectives.base import Objective
from autotelic.policies.policy import Policy
from autotelic.rounds.asking import Asking
from autotelic.rounds.held_out import HeldOut
from autotelic.rounds.playing import environment, opening
from autotelic.types import Environment, Example, Metrics, Task

SUMMED = ("learner/updates", "learner/left_out")
"""Metrics of learners that are sums over the calls of a round; all others are means over its updates."""


class Weights(Asking):
    """The policies and their learners."""

    optimizer: Optimizer
    optimizers: dict[str, Optimizer]
    origins: dict[str, str]
    learners: dict[str, Learner]
    held_out: HeldOut
    main: str
    rate: float
    """What all learning rates are multiplied by."""
    _starts: dict[str, Callable[[], Policy]]
    _learned: dict[str, list[Metrics]]

    def learn(self, policy: str, data: Trainable, objective: Objective, updates: Updates | None = None, reference: Policy | None = None) -> Metrics:
        """Update a policy and log what the learner reports: means over all its updates of the round, under the plain names for the main policy and
        behind the policy's name for others. The reference defaults to the policy as the run began.

        Examples about tasks that are held out are left out, and counted in `learner/held_out`.

        Raises:
            TrainingError: see `Learner.learn`.
        """
        examples = self._allowed(as_examples(data))
        if objective.needs_reference and reference is None:
            reference = self.start(policy)
        self.on_phase("learning")
        metrics = self.learner(policy).learn(examples, objective, updates, reference)
        for item in examples:
            self.trained_on[item.rollout] = self.trained_on.get(item.rollout, 0.0) + item.weight
        self._learned[policy].append(metrics)
        prefix = "" if policy == self.main else f"{policy}/"
        self.log(**{prefix + name: value for name, value in over_updates(self._learned[policy]).items()})
        return metrics

    def _allowed(self, examples: list[Example]) -> list[Example]:
        allowed, out = self.held_out.split(taught_by(examples))
        nameless = [item for item in examples if item.task is None]
        if strict() and (out or nameless):
            raise HeldOutError(f"{(out or nameless)[0].rollout} {'is about a task that is held out' if out else 'names no task'}")
        if out:
            self.count("learner/held_out", len(out))
        return allowed

    def taught(self, role: str, task: Task, text: str, name: str | None = None, weight: float = 1.0) -> Example:
        """A text as the completion of a role's prompt, to be learned: a gold solution, a label, a lesson. `name` tells texts about one task apart.

        At a task that opens an environment the text is all moves, one a line, and what they make it show stands between them.
        """
        if (env := environment(self.world, task)) is not None:
            tokens, mask = self._replayed(role, env, task, text)
            return Example(rollout=name or task.id, tokens=tokens, mask=mask, weight=weight, task=task)
        completion = self.completion(role, task, text)
        return written(name or task.id, self.prompt(role, task), completion, weight, task)

    def _replayed(self, role: str, env: Environment, task: Task, text: str) -> tuple[list[int], list[float]]:
        """The tokens of a play of given moves, and 1 beside each that is a move's."""
        shown = opening(env, task)
        tokens = self.prompt(role, task)
        mask = [0.0] * len(tokens)
        for move in text.split("\n"):
            said = self.completion(role, shown, move)
            more = self.turn(role, shown, env.observe(0), said) if env.step(move) and env.to_move is not None else []
            tokens, mask = [*tokens, *said, *more], [*mask, *[1.0] * len(said), *[0.0] * len(more)]
        return tokens, mask

    def completion(self, role: str, task: Task, text: str) -> list[int]:
        """The token ids of a text behind a role's prompt, ended as a plain text or as an answer in a chat ends."""
        speaker = self.role(role)
        return self.policies[speaker.policy].tokenizer.encode_completion(text, chat=not isinstance(speaker.render(task), str))

    def learner(self, policy: str) -> Learner:
        """The one optimizer of a policy, made when first asked for."""
        if policy not in self.learners:
            self.learners[policy] = Learner(self.policies[policy], self.optimizers.get(policy, self.optimizer), self.seed)
        self.learners[policy].scale = self.rate
        return self.learners[policy]

    def start(self, policy: str) -> Policy:
        """A policy as the run began, frozen, whatever has been trained since: the fixed reference. Made when first asked for."""
        return self._starts[policy]()

    def set_start(self, policy: str, start: Callable[[], Policy]) -> None:
        """The loop's business: what makes the policy that `start` returns."""
        self._starts[policy] = start

    def clone(self, policy: str, name: str) -> Policy:
        """A copy under a name of its own, saved with the run: a teacher, an anchor, an opponent, a student. A clone of that name goes, with its optimizer."""
        copy = self.policies[policy].clone(name)
        self.learners.pop(name, None)
        self.policies[name] = copy
        self.origins[name] = self.origins.get(policy, policy)
        return copy

    def drop(self, name: str) -> None:
        """Forget a policy that was cloned, and its optimizer."""
        del self.policies[name], self.origins[name]
        self.learners.pop(name, None)


def taught_by(examples: list[Example]) -> list[Example]:
    """The examples that have something to learn in them; one of a play whose environment failed has not. The sides of a pair share their fate."""
    void = {item.rollout for item in examples if not any(item.mask)}
    pairs = {item.pair for item in examples if item.rollout in void and item.pair is not None}
    return [item for item in examples if item.rollout not in void and item.pair not in pairs] if void else examples


def over_updates(calls: list[Metrics]) -> Metrics:
    """The metrics of several calls of a learner as those of one: sums of what counts, means over the updates of all else."""
    sums: dict[str, float] = defaultdict(float)
    weights: dict[str, float] = defaultdict(float)
    for metrics in calls:
        updates = metrics.get("learner/updates", 1.0)
        for name, value in metrics.items():
            share = 1.0 if name in SUMMED else updates
            sums[name] += value * share
            weights[name] += share
    return {name: value if name in SUMMED else value / max(weights[name], 1.0) for name, value in sums.items()}
