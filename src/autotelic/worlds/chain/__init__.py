"""Chained arithmetic: `arithmetic` is its text, `language` how roles are asked about it, `world` the tasks. Its teacher of roles is `worlds.chain_skills`."""

from autotelic.worlds.chain.arithmetic import PROMPT, apply, operations, written_out
from autotelic.worlds.chain.world import Chain, ChainKnobs

__all__ = ["PROMPT", "Chain", "ChainKnobs", "apply", "operations", "written_out"]
