"""Stop to think at tokens that are uncertain: SRGen."""

from collections.abc import Mapping, Sequence
from typing import Self

from pydantic import Field

from autotelic.episodes.spikes import Spikes, think
from autotelic.rounds.context import Context
from autotelic.systems import checks
from autotelic.systems.base import Way, way
from autotelic.types import Rollout, Task


@way(name="srgen", system="SRGen", paper="arXiv:2510.02919", family="search", catalogue=(226,), model="chain-medium", tasks="chain")
class ThinkAtSpikes(Way):
    """Where the next token is unusually uncertain, a vector fitted to the text so far is added to the hidden states before the token is drawn.

    Formula: a token is thought about where its entropy exceeds max(floor, mean + K max(std, least_std)) of the last N; then AdamW minimizes, over a vector
    d from 0 on, (1 - calm) x cross-entropy of the text so far + calm x entropy of the next token, with d added to every last hidden state
    (`episodes.spikes`). d is dropped after the token. Ordinary samples are drawn otherwise, at the temperature of `sampling`.
    Ends: without a spike a completion is a plain sample. srgen/edits counts the tokens that were thought about.
    Fails: where the uncertainty is about something of which the text so far says nothing. Then random tokens (`spikes.where=random`, the ablation) do as well,
    and plain samples too.
    Differs: N, K and thresholds are scaled to short completions; published are 25, 4, a least deviation of .5, a floor of 1.8 (3 before N tokens) and a
    learning rate of .01. The published code ends generation at a spike and begins again from text that is encoded anew, so that tokens may change and a token at a
    spike is never drawn without the vector; here generation goes on with the same tokens. Its first optimization, on the prompt alone, is not used there and
    is left out here.
    """

    spikes: Spikes = Spikes()
    at_once: int = Field(256, ge=1)
    """Tasks that are decoded in one batch; it changes nothing but speed and memory."""

    @property
    def ablations(self) -> Mapping[str, Self]:
        if self.spikes.where == "random":
            return {}
        return {"at random tokens": self.model_copy(update={"spikes": self.spikes.model_copy(update={"where": "random"})})}

    def setup(self, ctx: Context) -> None:
        checks.answerable(ctx, "solver", ctx.pool.tasks, "sampling.max_tokens")

    async def answer(self, ctx: Context, tasks: Sequence[Task]) -> list[Rollout]:
        return [rollout for start in range(0, len(tasks), self.at_once) for rollout in self.thought(ctx, tasks[start : start + self.at_once])]

    def thought(self, ctx: Context, tasks: Sequence[Task]) -> list[Rollout]:
        """One completion of each task."""
        role = ctx.role("solver")
        rollouts = [ctx.begin("solver", task) for task in tasks]
        streams = [ctx.stream("solver", rollout) for rollout in rollouts]
        completions, edits = think(ctx.policies[role.policy], [rollout.tokens for rollout in rollouts], streams, role.sampling, self.spikes)
        ctx.count("srgen/edits", edits)
        for rollout, completion in zip(rollouts, completions, strict=True):
            ctx.say("solver", rollout, completion)
        return rollouts
