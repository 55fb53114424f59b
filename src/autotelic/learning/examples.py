"""Makes training sequences (`Example`) from rollouts: filters, pairs and masks. Formulas are in `objectives`."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Literal

from autotelic.types import Example, Group, Rollout, StopReason, Task, Turn, TurnKind

Trainable = Sequence[Group] | Sequence[Rollout] | Sequence[Example]


def as_examples(data: Trainable) -> list[Example]:
    """Groups, rollouts or examples to examples; rollouts that are not to be trained on are left out."""
    examples: list[Example] = []
    for item in data:
        if isinstance(item, Example):
            examples.append(item)
        else:
            rollouts = item.rollouts if isinstance(item, Group) else [item]
            examples += [example(rollout) for rollout in rollouts if rollout.trained]
    return examples


def example(
    rollout: Rollout, weight: float = 1.0, *, actions: Sequence[int] | None = None, kl: Mapping[int, float] | None = None, part: str = ""
) -> Example:
    """A rollout as it was sampled: its actions are targets, with their behavior log-probabilities and advantage.

    A rollout that is not to be trained on has no targets. `actions` are the places of the actions that are targets (0 is the first action), all by default; the tokens of the others are only context.
    `kl` multiplies the objective's KL coefficient on the tokens of an action, by place.
    """
    mask: list[float] = []
    acts: list[float] = []
    old: list[float] = []
    multiples: list[float] = []
    place = -1
    for turn in rollout.turns:
        acted = turn.kind is TurnKind.ACTION
        place += acted
        wanted = acted and rollout.trained and (actions is None or place in actions)
        mask += sampled_only(turn, float(wanted))
        acts += [float(acted)] * len(turn.tokens)
        old += turn.logprobs if acted and turn.logprobs is not None else [0.0] * len(turn.tokens)
        multiples += [(kl or {}).get(place, 1.0) if acted else 0.0] * len(turn.tokens)
    turns = rollout.actions
    targets = turns if actions is None else [turn for place, turn in enumerate(turns) if place in actions]
    return Example(
        rollout=rollout.id,
        tokens=rollout.tokens,
        mask=mask,
        weight=weight,
        advantage=spread_advantage(rollout, acts),
        old_logprobs=old if all(turn.logprobs is not None for turn in turns) else None,
        temperature=one_temperature(rollout.id, targets),
        version=min((turn.version for turn in turns if turn.version is not None), default=None),
        kl=None if kl is None else multiples,
        part=part,
        truncated=any(turn.stop is StopReason.LENGTH for turn in targets),
        task=rollout.task,
    )


def sampled_only(turn: Turn, value: float) -> list[float]:
    """A value beside each token of an action, 0 beside those that the world put there."""
    return [0.0 if place in turn.given else value for place in range(len(turn.tokens))]


def one_temperature(rollout: str, turns: Sequence[Turn]) -> float:
    """The temperature that all these actions were sampled at.

    Raises:
        ValueError: they differ, so that no one example can hold them all as targets.
    """
    found = sorted({turn.temperature for turn in turns})
    if len(found) > 1:
        raise ValueError(f"rollout {rollout}: its actions were sampled at temperatures {found}; make an example for each with `actions`")
    return found[0] if found else 1.0


def under(rollout: Rollout, prompt: Sequence[int], weight: float = 1.0) -> Example:
    """A rollout's last utterance behind another prompt: sampled in one context, trained in another. Off-policy, so without behavior log-probabilities."""
    item = written(rollout.id, prompt, [token for turn in rollout.utterance for token in turn.tokens], weight, rollout.task)
    return replace(item, mask=[0.0] * len(prompt) + [value for turn in rollout.utterance for value in sampled_only(turn, 1.0)])


def prompt_length(item: Example) -> int:
    """Tokens before the first target."""
    return next((place for place, m in enumerate(item.mask) if m), len(item.mask))


def spread_advantage(rollout: Rollout, mask: Sequence[float]) -> list[float] | None:
    """(T,) the advantage beside each token: one number for all action tokens, or one for each of them in order.

    Raises:
        ValueError: a list that has not one entry per action token.
    """
    if rollout.advantage is None:
        return None
    if isinstance(rollout.advantage, float | int):
        return [float(rollout.advantage) * bool(m) for m in mask]
    if len(rollout.advantage) != sum(map(bool, mask)):
        raise ValueError(f"rollout {rollout.id}: {len(rollout.advantage)} advantages for {sum(map(bool, mask))} action tokens")
    values = iter(rollout.advantage)
    return [next(values) if m else 0.0 for m in mask]


def merged(examples: Sequence[Example], by: Literal["token", "sequence"] = "token") -> list[Example]:
    """Examples of equal tokens, mask, temperature and end as one, with their mean advantage and a weight that leaves the gradient what it was.

    For policies that say few different things, as in small games. Exact for an objective that is linear in the advantage, as the policy gradient is
    in the one update that follows sampling, and that divides by the number of target tokens, or of sequences, as `by` says. Metrics of the learner are
    then means over different examples, not over all.
    """
    found: dict[tuple[object, ...], list[Example]] = defaultdict(list)
    for item in examples:
        found[item.version, item.temperature, item.part, item.truncated, tuple(item.mask), tuple(item.tokens)].append(item)

    def size(item: Example) -> float:
        return float(sum(map(bool, item.mask))) if by == "token" else 1.0

    share = sum(size(same[0]) for same in found.values()) / max(sum(size(item) for item in examples), 1.0)
    rows = []
    for same in found.values():
        weight = sum(item.weight for item in same)
        columns = zip(*([a * item.weight for a in item.advantage or [0.0] * len(item.tokens)] for item in same), strict=True)
        rows.append(replace(same[0], weight=weight * share, advantage=[math.fsum(column) / weight for column in columns]))
    return rows


def written(name: str, prompt: Sequence[int], completion: Sequence[int], weight: float = 1.0, task: Task | None = None) -> Example:
    """Text that was not sampled as it stands (a gold answer, a self-made label under another prompt) as an off-policy example about a task."""
    mask = [0.0] * len(prompt) + [1.0] * len(completion)
    return Example(rollout=name, tokens=[*prompt, *completion], mask=mask, weight=weight, task=task)


def pair(chosen: Example, rejected: Example, weight: float = 1.0, confidence: float | None = None) -> list[Example]:
    """The two sides of one preference, joined by name; both carry the pair's weight.

    `confidence`, from 0 to 1, is how sure it is that the chosen side is the better one: `DPO` then takes that share of the loss, and the rest of the loss
    of the other order, in one pair. None is 1.
    """
    name = f"{chosen.rollout}>{rejected.rollout}"
    sides = [replace(chosen, pair=name, side="chosen", weight=weight), replace(rejected, pair=name, side="rejected", weight=weight)]
    return sides if confidence is None else [replace(item, extra={**item.extra, "confidence": confidence}) for item in sides]


def sided(good: Sequence[Example], bad: Sequence[Example]) -> list[Example]:
    """Good and bad examples without pairs, for `KTO`."""
    return [replace(item, pair=None, side="chosen") for item in good] + [replace(item, pair=None, side="rejected") for item in bad]


def units(examples: Sequence[Example]) -> list[list[Example]]:
    """Examples that must share a micro-batch: the two sides of a pair together, chosen first; all others alone.

    Raises:
        ValueError: a pair without exactly one chosen and one rejected side.
    """
    found: dict[str, list[Example]] = {}
    for place, item in enumerate(examples):
        found.setdefault(f"pair {item.pair}" if item.pair is not None else f"alone {place}", []).append(item)
    for name, members in found.items():
        members.sort(key=lambda member: member.side or "")
        if name.startswith("pair ") and [member.side for member in members] != ["chosen", "rejected"]:
            raise ValueError(f"{name} has sides {[member.side for member in members]}, not one chosen and one rejected")
    return list(found.values())


def token_count(examples: Iterable[Example]) -> int:
    """Tokens, prompts included."""
    return sum(len(item.tokens) for item in examples)
