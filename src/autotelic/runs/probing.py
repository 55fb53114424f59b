"""Asking a policy the held-out tasks: greedy, and sampled for pass@k and the majority vote. Training never sees these tasks."""

from collections.abc import Sequence

from autotelic.answers.votes import VoteRule, vote
from autotelic.engines.base import Completion, Request
from autotelic.learning.learner import Optimizer
from autotelic.measures.meter import TRAINED
from autotelic.measures.probe import Outcome, ProbeResult, mean
from autotelic.policies.policy import Policy
from autotelic.rounds.asking import prompt_tokens
from autotelic.rounds.context import Context
from autotelic.rounds.disturbed import sampled
from autotelic.rounds.playing import Ending, environment
from autotelic.rounds.roles import Role
from autotelic.streams import key
from autotelic.tasks.columns import PART
from autotelic.tasks.pool import TaskPool
from autotelic.types import Group, Metrics, Sampling, StopReason, Task, TurnKind, World

SLICE_TAGS = ("slice", "digits", "ops", "hops", "length", "difficulty")
"""The first of these tags that a generated world gave a task names its slice."""


def slice_of(task: Task) -> str:
    """The part of the probe a task belongs to; of a task file, only what its slice column says."""
    if PART in task.tags:
        return str(task.tags[PART])
    found = next((tag for tag in SLICE_TAGS if tag in task.tags), None)
    return f"{found} {task.tags[found]}" if found else ""


async def probe(policy: Policy, role: Role, world: World, tasks: Sequence[Task], *, samples: int, round_number: int) -> ProbeResult:
    """One `Outcome` per task: greedy, and sampled as the role samples, at temperature 1 where it is greedy itself. The streams do not depend on the
    round: first and last weights draw with the same luck. A task that opens an environment is played."""
    plays = [task for task in tasks if environment(world, task) is not None]
    played = iter(await probe_plays(policy, role, world, plays, samples)) if plays else iter(())
    ids = {task.id for task in plays}
    said = iter(await probe_answers(policy, role, world, [task for task in tasks if task.id not in ids], samples))
    outcomes = [next(played if task.id in ids else said) for task in tasks]
    return ProbeResult(policy.version, round_number, outcomes, sampling=free(role) if samples else None)


def free(role: Role) -> Sampling:
    """How a role's samples are drawn: as in training, and never greedily."""
    return role.sampling.model_copy(update={"temperature": role.sampling.scale})


async def probe_plays(policy: Policy, role: Role, world: World, tasks: Sequence[Task], samples: int) -> list[Outcome]:
    """The outcomes of tasks that are played: one play with greedy moves, and some with sampled ones."""
    ctx = Context(
        world=world, pool=TaskPool([], 0), policies={role.policy: policy}, roles={role.name: role}, seed=0, optimizer=Optimizer(), main=role.policy
    )
    ctx.begin_round(0)
    greedy = await ctx.sample(role.name, tasks, 1, temperature=0.0, top_p=1.0, top_k=0)
    sampled = await ctx.sample(role.name, tasks, samples, temperature=role.sampling.scale) if samples else [Group(task, []) for task in tasks]
    firsts = [group.rollouts[0] for group in greedy]
    scores = policy.scores([rollout.tokens for rollout in firsts if rollout.actions], [len(r.turns[0].tokens) for r in firsts if r.actions])
    entropies = iter(score.entropy for score in scores)
    outcomes = []
    for task, rollout, group in zip(tasks, firsts, sampled, strict=True):
        acted = [turn.kind is TurnKind.ACTION for turn in rollout.turns[1:] for _ in turn.tokens]
        tokens = float(sum(acted))
        outcome = Outcome(task.id, slice_of(task), rollout.answer, None, tokens=tokens, truncated=rollout.keys["ending"] == Ending.NO_ROOM)
        outcome.moves, outcome.ending = len(rollout.actions), rollout.keys["ending"]
        if rollout.actions:
            outcome.entropy = mean(float(value) for value, own in zip(next(entropies), acted, strict=True) if own)
        outcomes.append(judged(outcome, world, task, group.answers))
    return outcomes


async def probe_answers(policy: Policy, role: Role, world: World, tasks: Sequence[Task], samples: int) -> list[Outcome]:
    """The outcomes of tasks that are answered at once."""
    greedy = Sampling(temperature=0.0, max_tokens=role.sampling.max_tokens, stop=role.sampling.stop)
    prompts = [tuple(prompt_tokens(policy, role, task, greedy)) for task in tasks]
    requests = [Request(prompt, (key("probe", task.id),), greedy) for task, prompt in zip(tasks, prompts, strict=True)]
    if samples:
        requests += [
            Request(prompt, tuple(key("probe", task.id, i) for i in range(samples)), free(role)) for task, prompt in zip(tasks, prompts, strict=True)
        ]
    found = await sampled(policy, requests, role.disturb)
    completions = [group[0] for group in found[: len(tasks)]]
    scores = policy.scores([[*p, *c.tokens] for p, c in zip(prompts, completions, strict=True)], [len(p) for p in prompts])
    outcomes = []
    for place, (task, completion, score) in enumerate(zip(tasks, completions, scores, strict=True)):
        answer = answer_of(completion, policy, role)
        outcome = Outcome(task.id, slice_of(task), answer, None, tokens=float(len(completion.tokens)), truncated=completion.stop is StopReason.LENGTH)
        outcome.entropy = float(score.entropy.mean())
        outcomes.append(judged(outcome, world, task, [answer_of(c, policy, role) for c in found[len(tasks) + place]] if samples else []))
    return outcomes


def judged(outcome: Outcome, world: World, task: Task, samples: list[str | None]) -> Outcome:
    """An outcome with these sampled answers, and what is right of all where that is known."""
    outcome.samples = samples
    if task.answer is not None:
        outcome.correct, outcome.gold = world.verify(task, outcome.answer), task.answer
        outcome.sample_correct = [world.verify(task, sample) for sample in samples]
        if samples:
            outcome.majority_correct = world.verify(task, vote(samples, VoteRule()).label)
    return outcome


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
