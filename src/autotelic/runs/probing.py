"""Asking a policy the held-out tasks: greedy, and sampled for pass@k and the majority vote. Training never sees these tasks."""

from collections.abc import Sequence

from autotelic.answers.votes import VoteRule, vote
from autotelic.engines.base import Completion, Request
from autotelic.measures.meter import TRAINED
from autotelic.measures.probe import Outcome, ProbeResult
from autotelic.policies.policy import Policy
from autotelic.rounds.asking import prompt_tokens
from autotelic.rounds.disturbed import sampled
from autotelic.rounds.roles import Role
from autotelic.streams import key
from autotelic.tasks.columns import PART
from autotelic.types import Metrics, Sampling, StopReason, Task, World

SLICE_TAGS = ("slice", "digits", "ops", "length", "difficulty")
"""The first of these tags that a generated world gave a task names its slice."""


def slice_of(task: Task) -> str:
    """The part of the probe a task belongs to; of a task file, only what its slice column says."""
    if PART in task.tags:
        return str(task.tags[PART])
    found = next((tag for tag in SLICE_TAGS if tag in task.tags), None)
    return f"{found} {task.tags[found]}" if found else ""


async def probe(policy: Policy, role: Role, world: World, tasks: Sequence[Task], *, samples: int, round_number: int) -> ProbeResult:
    """One `Outcome` per task: greedy, and sampled as the role samples, at temperature 1 where it is greedy itself. The streams do not depend on the
    round: first and last weights draw with the same luck."""
    greedy = Sampling(temperature=0.0, max_tokens=role.sampling.max_tokens, stop=role.sampling.stop)
    free = role.sampling.model_copy(update={"temperature": role.sampling.scale})
    prompts = [tuple(prompt_tokens(policy, role, task, greedy)) for task in tasks]
    requests = [Request(prompt, (key("probe", task.id),), greedy) for task, prompt in zip(tasks, prompts, strict=True)]
    if samples:
        requests += [
            Request(prompt, tuple(key("probe", task.id, i) for i in range(samples)), free) for task, prompt in zip(tasks, prompts, strict=True)
        ]
    found = await sampled(policy, requests, role.disturb)
    completions = [group[0] for group in found[: len(tasks)]]
    scores = policy.scores([[*p, *c.tokens] for p, c in zip(prompts, completions, strict=True)], [len(p) for p in prompts])
    outcomes = []
    for place, (task, completion, score) in enumerate(zip(tasks, completions, scores, strict=True)):
        answer = answer_of(completion, policy, role)
        outcome = Outcome(task.id, slice_of(task), answer, None, tokens=float(len(completion.tokens)), truncated=completion.stop is StopReason.LENGTH)
        outcome.entropy = float(score.entropy.mean())
        if samples:
            outcome.samples = [answer_of(c, policy, role) for c in found[len(tasks) + place]]
        if task.answer is not None:
            outcome.correct, outcome.gold = world.verify(task, answer), task.answer
            outcome.sample_correct = [world.verify(task, sample) for sample in outcome.samples]
            if samples:
                outcome.majority_correct = world.verify(task, vote(outcome.samples, VoteRule()).label)
        outcomes.append(outcome)
    return ProbeResult(policy.version, round_number, outcomes, sampling=free if samples else None)


SMALL = 10_000_000
"""Models with fewer parameters are probed in every round where nothing else is said: it takes seconds, and the gate looks at the probe."""
SHARE = 0.2
"""Larger ones as often as this share of all tokens processed allows, where one that is trained on counts `TRAINED` times."""


def due(every: int | None, parameters: int, number: int, before: Metrics, now: Metrics, first: Metrics) -> bool:
    """Whether the probe is asked after round `number`, which is not the last: every `every` rounds, or by the constants above.

    `before` and `now` count the tokens of the run up to the round before and up to this one, `first` those of the probe before training. Nothing is
    timed, and nothing depends on when the probe was asked last, so that a run that was resumed, or made longer, asks after the same rounds.
    """
    if every is not None:
        return number % every == 0
    if parameters < SMALL:
        return True
    apart = max(first.get("tokens/probe", 0.0), 1.0) * (1 - SHARE) / SHARE
    return spent(now) // apart > spent(before) // apart


def spent(metrics: Metrics) -> float:
    """Tokens sampled and trained on since the run began, in sampled ones."""
    return metrics.get("tokens/sampled", 0.0) + TRAINED * metrics.get("tokens/trained", 0.0)


def answer_of(completion: Completion, policy: Policy, role: Role) -> str | None:
    """The parsed answer; None for a completion that was cut off."""
    return None if completion.stop is StopReason.LENGTH else role.parse(policy.tokenizer.decode(completion.tokens))
