"""How many groups of a curriculum had something to learn from. What to do with them is decided by the recipe."""

from collections.abc import Sequence

from autotelic.rounds.context import Context
from autotelic.types import Group


def log_mixed(ctx: Context, groups: Sequence[Group], name: str) -> None:
    """Log the share of this round's groups whose rewards of a name are not all equal, and how many such groups there were since the run began."""
    mixed = sum(len({rollout.rewards[name] for rollout in group}) > 1 for group in groups)
    ctx.state["mixed"] = ctx.state.get("mixed", 0) + mixed
    ctx.log(**{"signal/mixed": mixed / max(len(groups), 1), "signal/mixed_so_far": ctx.state["mixed"]})
