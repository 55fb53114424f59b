"""Numbers of a round that tell how it went, from the groups it sampled. Not the probe, and not the decision what to do about it."""

from collections import defaultdict
from collections.abc import Sequence
from statistics import fmean, pstdev

from autotelic.rewards.votes import VoteRule, vote
from autotelic.types import Group, Metrics, World


def round_metrics(groups: Sequence[Group], world: World, main: str = "solver") -> Metrics:
    """Everything below, of one round: of the `main` role under these names, of every other role behind its own name."""
    by_role: dict[str, list[Group]] = defaultdict(list)
    for group in groups:
        by_role[group.rollouts[0].keys.get("role", main)].append(group)
    metrics: Metrics = {}
    for role, own in sorted(by_role.items()):
        found = reward_metrics(own) | completion_metrics(own) | (label_metrics(own, world) if role == main else {})
        metrics |= found if role == main else {f"{role}/{name}": value for name, value in found.items()}
    return metrics


def reward_metrics(groups: Sequence[Group]) -> Metrics:
    """What TRL calls these numbers, over all groups that got rewards; the empty dict if none did."""
    rewarded = [group for group in groups if any(rollout.rewards for rollout in group)]
    if not rewarded:
        return {}
    names = sorted({name for group in rewarded for rollout in group for name in rollout.rewards})
    totals = [[sum(rollout.rewards.values()) for rollout in group] for group in rewarded]
    metrics = {
        "reward": fmean(value for values in totals for value in values),
        "reward_std": fmean(pstdev(values) for values in totals),
        "frac_reward_zero_std": fmean(len(set(values)) == 1 for values in totals),
    }
    for name in names:
        metrics[f"rewards/{name}/mean"] = fmean(rollout.rewards[name] for group in rewarded for rollout in group if name in rollout.rewards)
    return metrics


def completion_metrics(groups: Sequence[Group]) -> Metrics:
    """Lengths, truncation, parse failures and variety of everything sampled in a round."""
    rollouts = [rollout for group in groups for rollout in group]
    if not rollouts:
        return {}
    lengths = [sum(len(turn.tokens) for turn in rollout.actions) for rollout in rollouts]
    several = [group for group in groups if len(group) > 1]
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


def label_metrics(groups: Sequence[Group], world: World) -> Metrics:
    """How far each group agrees, and how often what it agrees on is true (where gold answers are known; nothing is trained on this)."""
    votes = [(group, vote(group.answers, VoteRule(denominator="all"))) for group in groups if len(group) > 1]
    if not votes:
        return {}
    metrics = {"label/agreement": fmean(found.share for _, found in votes)}
    judged = [world.verify(group.task, found.label) for group, found in votes if group.task.answer is not None]
    if judged:
        metrics["label/majority_is_gold"] = fmean(judged)
    return metrics
