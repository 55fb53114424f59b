"""Majority-voted rationales as supervised targets: LMSI."""

from pydantic import Field, field_validator

from autotelic.answers.votes import VoteRule, vote
from autotelic.errors import DataError, SettingError
from autotelic.learning.examples import under
from autotelic.learning.learner import Updates
from autotelic.learning.objectives import NLL
from autotelic.rounds.context import Context
from autotelic.systems.base import Recipe, recipe
from autotelic.types import Example, Group, Prompt, Sampling, Task

PLACE = "{prompt}"


@recipe(name="lmsi", system="LMSI", paper="arXiv:2210.11610", family="self-training", catalogue=(295,), proxy="label/agreement")
class LargeModelsSelfImprove(Recipe):
    """Every sampled path that reaches the group's majority answer becomes a supervised target.

    Formula: kept = the paths to the majority's answer, where its share of all paths is at least `vote.min_share`; loss: mean negative log-likelihood of
    their tokens, under each of the prompts `formats`, in which '{prompt}' stands for the prompt that the path was sampled under.
    Ends: no path of a group can be read, or no answer reaches the share, and the group gives nothing.
    Fails: below even odds; where the majority is wrong more often than right, its errors are what is learned.
    Differs: updates every round instead of one long fine-tuning. The paper has 32 paths, and four formats: few-shot and zero-shot prompts, of which half
    ask for the path and half for the bare answer; here every format is trained on the path, and by default there is only the plain prompt.
    """

    rounds: int = Field(6, ge=0)
    tasks_per_round: int = Field(128, ge=1)
    group_size: int = Field(16, ge=2)
    sampling: Sampling = Sampling(temperature=0.7, max_tokens=96)
    vote: VoteRule = VoteRule(denominator="all")
    formats: tuple[str, ...] = Field((PLACE,), min_length=1)
    updates: Updates = Updates(batch_size=128, epochs=1)
    objective: NLL = NLL()

    @field_validator("formats")
    @classmethod
    def _hold_the_prompt(cls, formats: tuple[str, ...]) -> tuple[str, ...]:
        for text in formats:
            if PLACE not in text:
                raise ValueError(f"the format {text!r} lacks {PLACE!r}, the place of the prompt")
        return formats

    def setup(self, ctx: Context) -> None:
        solver, needed = ctx.policies["solver"], self.sampling.max_tokens
        for text in set(self.formats) - {PLACE}:
            try:
                longest = max(len(self.prompt(ctx, task, text)) for task in ctx.pool.tasks)
            except DataError as error:
                raise SettingError(f"formats: {text!r}: {error}") from error
            if longest + needed > solver.model.context:
                room = f"a prompt of {longest} tokens and sampling.max_tokens={needed} exceed the model's context of {solver.model.context}"
                raise SettingError(f"formats: {text!r}: {room}")

    async def round(self, ctx: Context) -> None:
        groups = await ctx.sample("solver", ctx.pool.draw(self.tasks_per_round), n=self.group_size)
        kept = [example for group in groups for example in self.targets(group, ctx)]
        ctx.log(**{"label/kept": len(kept) / (len(groups) * self.group_size * len(self.formats))})
        ctx.learn("solver", kept, self.objective, self.updates)

    def targets(self, group: Group, ctx: Context) -> list[Example]:
        """The group's paths to its majority answer, under every format."""
        found = vote(group.answers, self.vote)
        for label in found.winners or (None,):
            ctx.label(group.task, label)
        prompts = [self.prompt(ctx, group.task, text) for text in self.formats]
        return [under(path, tokens) for path in group if found.elects(path.answer) for tokens in prompts]

    def prompt(self, ctx: Context, task: Task, text: str) -> list[int]:
        """The token ids of a task's prompt in a format."""
        return ctx.policies["solver"].tokenizer.encode_prompt(reworded(ctx.role("solver").render(task), text))


def reworded(prompt: Prompt, text: str) -> Prompt:
    """`text` with the prompt in the place of '{prompt}'; of a chat, with the content of its last message, in which it then stands."""
    if isinstance(prompt, str):
        return text.replace(PLACE, prompt)
    last = prompt[-1]
    return [*prompt[:-1], {**last, "content": text.replace(PLACE, last["content"])}]
