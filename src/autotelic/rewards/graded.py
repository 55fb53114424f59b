"""Scores between right and wrong, for methods that rank."""


def prefix_share(text: str, gold: str) -> float:
    """The share of `gold` that `text` follows before it first departs from it; 1.0 only for the whole of it, and nothing after."""
    if text == gold:
        return 1.0
    same = next((i for i, (a, b) in enumerate(zip(text, gold, strict=False)) if a != b), min(len(text), len(gold)))
    return min(same, len(gold) - 1) / len(gold) if gold else 0.0


def staged(parsed: bool, right: bool, likeness: float) -> float:
    """VeriReason's reward (arXiv:2505.11849): 0 for what is no answer, 2.1 for a right one, else .1 plus its likeness to the gold solution, 0 to 1."""
    if right:
        return 2.1
    return 0.1 + likeness if parsed else 0.0
