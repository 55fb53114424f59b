"""Measuring a role that plays games: against fixed opponents, by plays, and exactly, from its probability of every legal move.

The probe of recipes that play (`Recipe.ask`, `Recipe.measure`). Nothing here trains, and training never meets these opponents.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from statistics import fmean
from typing import TYPE_CHECKING

from autotelic.measures.probe import Outcome, ProbeResult
from autotelic.rounds.playing import Ending, Rules, Seat, self_play
from autotelic.types import Group, Metrics, Rollout, Task
from autotelic.worlds.games import MOST, OPPONENTS, Games, kuhn, negotiation
from autotelic.worlds.games.base import Decision, Game

if TYPE_CHECKING:
    from autotelic.rounds.context import Context

Choice = Mapping[str, float]
"""A probability for every legal move, summing to 1."""


def choices(ctx: "Context", role: str, decisions: Sequence[Decision]) -> tuple[list[Choice], float]:
    """What a role does at each of some decisions, exactly: the probability of each legal move, given that a legal one is made; and the mean
    probability of making none. A move's probability is that of its characters and the end token after them, at temperature 1."""
    policy = ctx.policies[ctx.role(role).policy]
    tokenizer = policy.tokenizer
    sequences, starts = [], []
    for turns, legal in decisions:
        prompt = tokenizer.encode_prompt(turns[0])
        for text in turns[1:]:
            prompt += [tokenizer.end_id, *tokenizer.encode(text)]
        sequences += [[*prompt, *tokenizer.encode(move), tokenizer.end_id] for move in legal]
        starts += [len(prompt)] * len(legal)
    chances = iter([float(scores.logprobs.sum().exp()) for scores in policy.scores(sequences, starts)])
    found: list[Mapping[str, float]] = []
    illegal = []
    for _, legal in decisions:
        own = [next(chances) for _ in legal]
        found.append({move: chance / sum(own) for move, chance in zip(legal, own, strict=True)})
        illegal.append(1 - sum(own))
    return found, fmean(illegal)


def kuhn_strategy(ctx: "Context", role: str) -> tuple[dict[str, float], float]:
    """The strategy that a role plays in Kuhn poker, and its mean probability of an illegal move over the 12 information sets."""
    found, illegal = choices(
        ctx, role, [_at(kuhn.Kuhn(), next(deal for deal in kuhn.DEALS if deal[len(s[1:]) % 2] == s[0]), s[1:]) for s in kuhn.SETS]
    )
    return {name: choice["b"] for name, choice in zip(kuhn.SETS, found, strict=True)}, illegal


def negotiator(ctx: "Context", role: str) -> tuple[negotiation.Strategy, float]:
    """What a role does in the negotiation where the fixed opponent can bring it, and its mean probability of an illegal move there."""
    turns = [(values, moves) for moves in negotiation.MET for values in negotiation.VALUES]
    # The other's values are private, so any will do.
    found, illegal = choices(ctx, role, [_at(negotiation.Negotiation(), (values, values), moves) for values, moves in turns])
    return dict(zip(turns, found, strict=True)), illegal


def _at(game: Game, deal: object, moves: Sequence[str]) -> Decision:  # type: ignore[type-arg]
    game.deal, game.moves = deal, list(moves)
    return game.decision()


def exact(ctx: "Context", role: str, world: Games) -> Metrics:
    """The yardsticks that need no play, of the games that have them: NashConv and value of Kuhn poker in chips, gains in the negotiation."""
    metrics: Metrics = {}
    if "kuhn" in world.names:
        strategy, metrics["probe/illegal/kuhn"] = kuhn_strategy(ctx, role)
        metrics |= {"probe/nashconv": kuhn.nashconv(strategy), "probe/value_first": kuhn.value(strategy, strategy)}
    if "negotiation" in world.names:
        plan, metrics["probe/illegal/negotiation"] = negotiator(ctx, role)
        metrics["probe/gain"] = fmean(negotiation.expected_gain(plan, seat) for seat in range(2))
    return metrics


async def probe_games(ctx: "Context", role: str, world: Games, tasks: Sequence[Task], first: str | None = None) -> ProbeResult:
    """Plays of a role against every fixed opponent of each task's game, its seats taking turns; one `Outcome` each.

    What is right about an outcome is the reward, from 0 for a loss or an illegal move to 1 for the most that can be won: a draw, from who plays
    tic-tac-toe perfectly. Slices are game, opponent, and whether the role moves first or second. In Kuhn poker the opponent is the best response to
    the role as it is; in a game without fixed opponents it is the role `first`.
    """
    best: dict[str, Seat] = {}
    if "kuhn" in world.names:
        replies = [kuhn.best_response(kuhn_strategy(ctx, role)[0], seat)[1] for seat in range(2)]
        best = {"best response": partial(kuhn.play_as, replies[0] | replies[1])}
    others: Mapping[str, Seat] = {"first weights": first} if first else {}
    opponents: dict[str, Mapping[str, Seat]] = {name: best if name == "kuhn" else OPPONENTS.get(name, others) for name in world.names}
    plays = [
        replace(task, id=f"{task.id} {name}", tags={**task.tags, "deal": task.id, "seat": place % 2, "against": name})
        for place, task in enumerate(tasks)
        for name in opponents[task.tags["game"]]
    ]

    async def episode(ctx: "Context", task: Task, index: int) -> list[Rollout]:
        env = world.open(task)
        seats: list[Seat] = [opponents[task.tags["game"]][task.tags["against"]]] * env.players
        seats[task.tags["seat"]] = role
        return await self_play(ctx, task, index, env, seats, Rules(illegal=-1.0, others=1.0))

    groups = await ctx.play(episode, plays)
    policy = ctx.policies[ctx.role(role).policy]
    return ProbeResult(policy.version, ctx.round, [_outcome(group, role) for group in groups], plays=True, sampling=ctx.role(role).sampling)


def _outcome(group: Group, role: str) -> Outcome:
    """How a play went for a role; a play that failed, or in which it never came to move, counts as lost."""
    game, against = group.task.tags["game"], group.task.tags["against"]
    part = f"{game} {against} {'second' if group.task.tags['seat'] else 'first'}"
    own = next((rollout for rollout in group if rollout.keys["role"] == role), None)
    deal = group.task.tags["deal"]
    if own is None:
        return Outcome(group.task.id, part, None, 0.0, shared=deal)
    bad = own.keys["ending"] != Ending.FINISHED and own.keys["offender"] in (None, own.keys["seat"])
    text = None if bad else " ".join(turn.text for turn in own.turns[1:])
    score = 0.0 if bad else (sum(own.rewards.values()) + 1) / (MOST.get((game, against), 1.0) + 1)
    tokens = float(sum(len(turn.tokens) for turn in own.actions))
    return Outcome(group.task.id, part, text, score, tokens=tokens, truncated=own.truncated, shared=deal)
