"""What is kept of a round's rollouts beside what they hold: whether each is right, and of each token its text, its log-probability, and how that moved."""

from collections.abc import Sequence
from typing import Any

from autotelic.policies.policy import Policy
from autotelic.rounds.context import Context
from autotelic.types import Rollout, Turn, TurnKind, World

Kept = dict[str, dict[str, Any]]
"""Further fields of a rollout's row, by its id."""


def kept(ctx: Context, world: World, main: str, tokens: bool) -> Kept:
    """The further fields of all rollouts of the round that was played: `right`, and with `tokens` `pieces`. It leaves no trace in the round."""
    rollouts = [rollout for group in ctx.groups for rollout in group]
    found: Kept = {rollout.id: {"right": right} for rollout, right in zip(rollouts, rights(ctx, world, main, rollouts), strict=True)}
    if tokens:
        with ctx.aside():
            for name, own in pieces(ctx, rollouts).items():
                found[name]["pieces"] = own
    return found


def rights(ctx: Context, world: World, main: str, rollouts: Sequence[Rollout]) -> list[bool | None]:
    """Whether each rollout is right; None where nobody knows, or where its role is asked for something else than answers."""
    answering = {name for name, role in ctx.roles.items() if name == main or role.parse == ctx.roles[main].parse}
    known: dict[tuple[str, str | None], bool] = {}

    def right(rollout: Rollout) -> bool | None:
        if rollout.task.answer is None or rollout.keys.get("role", main) not in answering:
            return None
        key = (rollout.task.id, rollout.answer)
        if key not in known:
            known[key] = world.verify(rollout.task, rollout.answer) > 0.5
        return known[key]

    return [right(rollout) for rollout in rollouts]


def pieces(ctx: Context, rollouts: Sequence[Rollout]) -> dict[str, list[dict[str, Any]]]:
    """The tokens of each action of each rollout, by its id: their texts, their log-probabilities when they were sampled, and what these have gained since,
    under the weights as they are."""
    found: dict[str, list[dict[str, Any]]] = {rollout.id: [] for rollout in rollouts}
    asked: dict[tuple[str, float], list[tuple[Rollout, int, dict[str, Any]]]] = {}
    for rollout in rollouts:
        for place, turn in enumerate(rollout.turns):
            if turn.kind is TurnKind.ACTION:
                piece = {"texts": texts(ctx, turn), "logprobs": turn.logprobs}
                found[rollout.id].append(piece)
                if turn.logprobs and turn.policy in ctx.policies:
                    asked.setdefault((turn.policy, turn.temperature), []).append((rollout, place, piece))
    for (name, temperature), those in asked.items():
        gain(ctx.policies[name], temperature, those)
    return found


def texts(ctx: Context, turn: Turn) -> list[str]:
    """The text of each token of an action, special tokens included. Where a letter takes several tokens, each of them is shown as a part of one."""
    policy = ctx.policies.get(turn.policy or "")
    return [policy.tokenizer.shown([token]) for token in turn.tokens] if policy else [turn.text]


def gain(policy: Policy, temperature: float, those: Sequence[tuple[Rollout, int, dict[str, Any]]]) -> None:
    """Put beside the log-probabilities of some actions how much larger they are under the weights as they are: the logarithms of the ratios."""
    before = [[token for turn in rollout.turns[:place] for token in turn.tokens] for rollout, place, _ in those]
    sequences = [[*start, *rollout.turns[place].tokens] for start, (rollout, place, _) in zip(before, those, strict=True)]
    scored = policy.scores(sequences, [len(start) for start in before], temperature)
    for one, (_, _, piece) in zip(scored, those, strict=True):
        piece["ratios"] = [float(now - then) for now, then in zip(one.logprobs.tolist(), piece["logprobs"], strict=True)]
