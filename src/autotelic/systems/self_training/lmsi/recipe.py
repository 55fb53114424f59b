"""Majority-voted rationales as supervised targets: LMSI."""

from pydantic import Field

from autotelic.answers.votes import VoteRule, vote
from autotelic.learning.examples import written
from autotelic.learning.learner import Updates
from autotelic.learning.objectives import NLL
from autotelic.rounds.context import Context
from autotelic.systems.base import Recipe, recipe
from autotelic.types import Example, Group, Prompt, Sampling


@recipe(name="lmsi", system="LMSI", paper="arXiv:2210.11610", family="self-training", catalogue=(295,), proxy="label/agreement")
class LargeModelsSelfImprove(Recipe):
    """Every sampled path that reaches the group's majority answer becomes a supervised target.

    Paths are kept where the majority's share is at least `vote.min_share`; the loss is the mean negative log-likelihood of their tokens.
    `formats` are the prompts a kept path is trained under; '{prompt}' is the prompt it was sampled under.
    Degenerate case: no group reaches the share, and nothing is learned. Fails below even odds: where the majority is wrong more often than right,
    its errors are what is learned. Differs from the paper: one update set a round instead of one large fine-tuning.
    """

    rounds: int = Field(6, ge=0)
    tasks_per_round: int = Field(128, ge=1)
    group_size: int = Field(16, ge=2)
    sampling: Sampling = Sampling(temperature=0.7, max_tokens=96)
    vote: VoteRule = VoteRule(min_share=0.5)
    formats: tuple[str, ...] = ("{prompt}",)
    updates: Updates = Updates(batch_size=128, epochs=1)
    objective: NLL = NLL()

    async def round(self, ctx: Context) -> None:
        groups = await ctx.sample("solver", ctx.pool.draw(self.tasks_per_round), n=self.group_size)
        kept = [example for group in groups for example in self.targets(group, ctx)]
        ctx.log(**{"label/kept": len(kept) / (len(groups) * self.group_size * len(self.formats))})
        ctx.learn("solver", kept, self.objective, self.updates)

    def targets(self, group: Group, ctx: Context) -> list[Example]:
        """The group's paths to its majority answer, under every format."""
        label = vote(group.answers, self.vote).label
        tokenizer, prompt = ctx.policies["solver"].tokenizer, ctx.role("solver").render(group.task)
        prompts = [tokenizer.encode_prompt(reworded(prompt, text)) for text in self.formats]
        paths = [rollout for rollout in group if label is not None and rollout.answer == label]
        return [written(path.id, tokens, path.turns[-1].tokens, task=path.task) for path in paths for tokens in prompts]


def reworded(prompt: Prompt, text: str) -> Prompt:
    """`text` with the prompt in the place of '{prompt}'; of a chat, with the content of its last message, in which it then stands."""
    if isinstance(prompt, str):
        return text.replace("{prompt}", prompt)
    last = prompt[-1]
    return [*prompt[:-1], {**last, "content": text.replace("{prompt}", last["content"])}]
