"""Policies that are sampled from by an engine of a test's own."""

from autotelic.engines.base import Engine
from autotelic.engines.batching import Batcher
from autotelic.policies.policy import Policy
from autotelic.rounds.context import Context


def sampled_by(engine: Engine, policy: Policy) -> Policy:
    """The same weights and the same meter behind another engine."""
    again = Policy(policy.name, policy.model, policy.tokenizer, Batcher(engine, policy.meter), policy.version)
    again.lora, again.source = policy.lora, policy.source
    return again


def sample_by(engine: Engine, ctx: Context) -> None:
    """Let the solver of a context be sampled from by an engine."""
    ctx.policies["solver"] = sampled_by(engine, ctx.policies["solver"])
