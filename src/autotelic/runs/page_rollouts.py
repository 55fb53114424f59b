"""Rollouts as a report shows them: the best, the worst and some of the last round, short and with nothing hidden. Escaping is the page's."""

from collections.abc import Mapping
from heapq import nlargest, nsmallest
from math import isfinite
from typing import Any

from autotelic import streams
from autotelic.errors import harmless
from autotelic.runs.snapshot import RunFiles

MOST_TEXT = 3000
"""Longer prompts and completions are cut in the report; the whole text is in the rollouts file."""
SAMPLES = 4
"""Rollouts of each kind: best, worst, some."""


def _newest_rollouts(run: RunFiles) -> int | None:
    """The newest committed round that has rollouts, whole ones."""
    files = ((number, run.reader.round(number) / "rollouts.jsonl") for number in reversed(run.reader.numbers) if number <= run.done)
    kept = (number for number, file in files if file.is_file() and file.stat().st_size)
    return next((number for number in kept if not run.reader.fault(number, "rollouts.jsonl".__eq__)), None)


def samples(run: RunFiles) -> list[tuple[str, list[dict[str, Any]]]]:
    """Best, worst and some rollouts of the last committed round that has any; the file is read once and never held whole."""
    number = _newest_rollouts(run)
    if number is None:
        return []
    some: list[dict[str, Any]] = []
    random = streams.generator("report", number)
    best: list[tuple[float, int, dict[str, Any]]] = []
    worst: list[tuple[float, int, dict[str, Any]]] = []
    for i, rollout in enumerate(run.reader.rollouts(number)):
        total = _total(rollout)
        if len(best) < SAMPLES or total > best[-1][0]:
            best = nlargest(SAMPLES, [*best, (total, -i, rollout)], key=lambda row: row[:2])
        if len(worst) < SAMPLES or total < worst[-1][0]:
            worst = nsmallest(SAMPLES, [*worst, (total, i, rollout)], key=lambda row: row[:2])
        place = i if i < SAMPLES else random.randrange(i + 1)
        if place < SAMPLES:
            some[place : place + 1] = [rollout]
    kinds = (("Some", some), ("Highest reward", [row[2] for row in best]), ("Lowest reward", [row[2] for row in worst]))
    return [(f"{kind} of round {number}", [_shown(rollout) for rollout in rollouts]) for kind, rollouts in kinds if rollouts]


def _total(rollout: Mapping[str, Any]) -> float:
    """Sum of the rewards of a rollout: only to choose what to show."""
    rewards = rollout.get("rewards") or {}
    total = sum(float(value) for value in rewards.values() if value is not None)
    return total if isfinite(total) else 0.0


def _shown(rollout: Mapping[str, Any]) -> dict[str, Any]:
    """A rollout as the page shows it: texts visible and short."""
    prompt = rollout.get("prompt")
    if isinstance(prompt, list):
        prompt = "\n".join(f"{message.get('role')}: {message.get('content')}" for message in prompt if isinstance(message, dict))
    advantage = rollout.get("advantage")
    return {
        "id": visible(str(rollout.get("id", ""))),
        "prompt": visible(str(prompt or "")),
        "text": visible(str(rollout.get("text") or "")),
        "answer": None if rollout.get("answer") is None else visible(str(rollout["answer"])),
        "gold": None if rollout.get("gold") is None else visible(str(rollout["gold"])),
        "rewards": [(name, f"{value:.3g}" if isinstance(value, int | float) else "none") for name, value in (rollout.get("rewards") or {}).items()],
        "advantage": f"{advantage:+.3g}" if isinstance(advantage, int | float) else None,
        "training": _training(rollout),
        "turns": [(f"{kind} {role}" if role else str(kind), visible(str(text))) for kind, role, text in rollout.get("turns") or ()],
        "about": ", ".join(f"{name} {rollout[name]}" for name in ("role", "tokens", "stop") if isinstance(rollout.get(name), str | int)),
    }


def _training(rollout: Mapping[str, Any]) -> str:
    """Whether a rollout was trained on, and with which weight where it is not 1."""
    weight = rollout.get("weight")
    if not rollout.get("trained"):
        return "not trained on"
    return "trained on" if weight in (None, 1.0) else f"trained on with weight {weight:.3g}"


def visible(text: str, most: int = MOST_TEXT) -> str:
    """Text cut to `most` characters, with its control characters shown."""
    return harmless(text if len(text) <= most else f"{text[:most]} … ({len(text) - most:,} more characters)")
