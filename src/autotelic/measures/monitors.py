"""Numbers of a round that tell how it went, from the groups it sampled. Not the probe, and not the decision what to do about it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from math import sqrt
from statistics import fmean

from autotelic.answers.votes import VoteRule, vote
from autotelic.types import Group, Metrics, Rollout, Task, World

Label = tuple[Task, str | None]
"""A task and the label that a recipe made for it itself; None where the task got none."""


def round_metrics(groups: Sequence[Group], world: World, main: str = "solver", labels: Sequence[Label] = ()) -> Metrics:
    """Everything below, of one round: of the `main` role under these names, of every other role behind its own name. `labels` are those the
    recipe used."""
    metrics = used_label_metrics(labels, world)
    for role, own in sorted(by_role(groups, main).items()):
        found = reward_metrics(own) | completion_metrics(own) | (label_metrics(own, world) | balance_metrics(own, world) if role == main else {})
        metrics |= found if role == main else {f"{role}/{name}": value for name, value in found.items()}
    return metrics


def by_role(groups: Sequence[Group], main: str = "solver") -> dict[str, list[Group]]:
    """The groups of each role. A group that several roles made, as a play of a game is, is split into one for each; no role is the main one."""
    found: dict[str, list[Group]] = defaultdict(list)
    for group in groups:
        parts: dict[str, list[Rollout]] = defaultdict(list)
        for rollout in group:
            parts[rollout.keys.get("role", main)].append(rollout)
        for role, rollouts in parts.items():
            found[role].append(Group(group.task, rollouts))
    return found


def reward_metrics(groups: Sequence[Group]) -> Metrics:
    """What TRL calls these numbers, over all rollouts that got rewards, in groups of these alone; the empty dict if none did."""
    found = ([rollout for rollout in group if rollout.rewards] for group in groups)
    rewarded = [rollouts for rollouts in found if rollouts]
    if not rewarded:
        return {}
    names = sorted({name for group in rewarded for rollout in group for name in rollout.rewards})
    totals = [[sum(rollout.rewards.values()) for rollout in group if rollout.rewards or not rollout.abstained] for group in rewarded]
    metrics = {
        "reward": fmean(value for values in totals for value in values),
        "reward_std": fmean(map(_spread, totals)),
        "frac_reward_zero_std": fmean(len(set(values)) == 1 for values in totals),
    }
    for name in names:
        metrics[f"rewards/{name}/mean"] = fmean(rollout.rewards[name] for group in rewarded for rollout in group if name in rollout.rewards)
    return metrics


def _spread(values: Sequence[float]) -> float:
    """The standard deviation. That of `statistics` is exact, and takes ten times as long."""
    mean = fmean(values)
    return sqrt(fmean((value - mean) ** 2 for value in values))


def completion_metrics(groups: Sequence[Group]) -> Metrics:
    """Lengths, truncation, parse failures and variety of everything sampled in a round."""
    rollouts = [rollout for group in groups for rollout in group]
    if not rollouts:
        return {}
    lengths = [sum(len(turn.tokens) for turn in rollout.actions) for rollout in rollouts]
    several = answering(groups)
    metrics = {
        "completions/mean_length": fmean(lengths),
        "completions/max_length": float(max(lengths)),
        "completions/clipped_ratio": fmean(rollout.truncated for rollout in rollouts),
        "answers/unparsed": fmean(rollout.answer is None for rollout in rollouts),
        "num_tokens": float(sum(lengths)),
    }
    if several:
        metrics["answers/distinct"] = fmean(len(set(group.answers)) / len(group) for group in several)
    return metrics


def answering(groups: Sequence[Group]) -> list[Group]:
    """Groups of several answers to one task. Plays of a game are none: players are shown different things, so that moves cannot agree or vote."""
    return [group for group in groups if len(group) > 1 and not any("game" in rollout.keys for rollout in group)]


def label_metrics(groups: Sequence[Group], world: World) -> Metrics:
    """How far each group agrees, and how often what it agrees on is true (where gold answers are known; nothing is trained on this).

    Of the plain majority of all answers, whatever rule the recipe votes by; of the labels it used see `used_label_metrics`.
    """
    rule = VoteRule(denominator="all")
    votes = [(group, vote(group.answers, rule)) for group in answering(groups)]
    if not votes:
        return {}
    metrics = {"label/agreement": fmean(found.share for _, found in votes)}
    judged = [world.verify(group.task, found.label) for group, found in votes if group.task.answer is not None]
    if judged:
        metrics["label/majority_is_gold"] = fmean(judged)
    return metrics


def balance_metrics(groups: Sequence[Group], world: World) -> Metrics:
    """Exploration and exploitation (B-STaR, arXiv:2412.17256) where gold answers are known: how many different right solutions a group has, and how much
    more often what its rewards prefer is right than the rest. Nothing is trained on this."""
    judged = [(group, rights(group, world)) for group in answering(groups) if group.task.answer is not None]
    if not judged:
        return {}
    metrics = {"explore/right": fmean(len({r.text for r, right in zip(group, told, strict=True) if right}) / len(group) for group, told in judged)}
    gains = [gain for group, told in judged if (gain := preferred(group, told)) is not None]
    return metrics | ({"exploit/gain": fmean(gains)} if gains else {})


def rights(group: Group, world: World) -> list[bool]:
    """Whether each rollout of a group is right; equal answers are judged once."""
    known = {answer: world.verify(group.task, answer) > 0.5 for answer in set(group.answers)}
    return [known[answer] for answer in group.answers]


def preferred(group: Group, told: Sequence[bool]) -> float | None:
    """The share of right ones among the best rewarded of a group, minus that among all; None where rewards do not differ."""
    totals = [sum(rollout.rewards.values()) for rollout in group]
    best = [right for total, right in zip(totals, told, strict=True) if total == max(totals)]
    return fmean(best) - fmean(told) if len(set(totals)) > 1 else None


def used_label_metrics(labels: Sequence[Label], world: World) -> Metrics:
    """How many tasks got a label from the recipe, and how many of these labels are right; the empty dict where it made none."""
    if not labels:
        return {}
    return {"label/coverage": fmean(label is not None for _, label in labels)} | purity(world, [made for made in labels if made[1] is not None])


def purity(world: World, labels: Iterable[Label]) -> Metrics:
    """The share of self-made labels that are right, of tasks whose answer is known; nothing where none is. Nothing is trained on this."""
    judged = [world.verify(task, label) for task, label in labels if task.answer is not None]
    return {"label/purity": fmean(judged)} if judged else {}


def verification(groups: Sequence[Group], scores: Mapping[str, float]) -> Metrics:
    """Of the scored rollouts, taking a score above 1/2 for "right": the share told rightly, of all, of the right and of the wrong ones (reward
    "correct"), and the harmonic mean of the last two, 0 where one is 0 or missing."""
    told: dict[bool, list[bool]] = {True: [], False: []}
    for rollout in (rollout for group in groups for rollout in group if rollout.id in scores):
        right = rollout.rewards["correct"] > 0.5
        told[right].append((scores[rollout.id] > 0.5) == right)
    both = [*told[True], *told[False]]
    right_share, wrong_share = (fmean(told[right]) if told[right] else 0.0 for right in (True, False))
    balanced = right_share + wrong_share
    return {
        "accuracy": fmean(both) if both else 0.0,
        "recall_right": right_share,
        "recall_wrong": wrong_share,
        "f1": 2 * right_share * wrong_share / balanced if balanced else 0.0,
    }
