"""SPICE: a challenger asks about documents that the reasoner does not see."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import exp
from statistics import fmean, pvariance
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator

from autotelic.episodes.roles import Role
from autotelic.errors import DataError, SettingError
from autotelic.learning.advantages import center
from autotelic.learning.learner import Optimizer
from autotelic.learning.objectives import PolicyGradient
from autotelic.recipes.base import Recipe, recipe
from autotelic.recipes.context import Context
from autotelic.tasks.corpus import passages, read_corpus
from autotelic.tasks.worlds import GeneratedWorld
from autotelic.tasks.worlds.facts import Facts
from autotelic.types import Group, Rollout, Sampling, Task, World


def frontier(outcomes: Sequence[float]) -> float:
    """exp(-(Var - .25)^2 / (2 x .01)) of the 0/1 outcomes of the reasoner's tries, Var = p (1 - p): 1 where half are right, .0439 where all agree."""
    return exp(-((pvariance(outcomes) - 0.25) ** 2) / (2 * 0.01))


@recipe(
    name="spice", system="SPICE", paper="arXiv:2510.24684", family="proposer-solver", catalogue=(147,),
    proxy="rewards/correct/mean", model="facts", tasks="facts",
)  # fmt: skip
class Spice(Recipe):
    """A challenger reads a document and writes a question with its answer; a reasoner, the same policy, answers without the document.

    Challenger: `frontier` of the reasoner's `tries` at its question, `penalty` for one that does not parse or cannot be put. Reasoner: 1 for the
    challenger's answer, else 0. Advantages: reward minus the mean of the role's own group, the questions to one document or the answers to one
    question. Degenerate cases: no valid question in a round, and only challengers are there to learn, from nothing if all are invalid; an answer
    that everyone or no one gives.
    Fails by false answers, which make a known fact look half known: with `checked` off the challenger is paid for them (watch questions/true).
    Without documents (`grounded` off) it can only ask what the policy believes, and the reasoner learns to believe it more.
    Differs from the paper, whose text was not at hand (the formula is that of independent reimplementations): answers are checked against the
    document; all valid questions are trained on; answers are compared in the world's canonical form, and there are no multiple-choice questions.
    Questions of the probe's split are asked and not trained on.
    """

    run_defaults: ClassVar[Mapping[str, Any]] = {"probe_size": 130, "probe_samples": 4}

    rounds: int = Field(100, ge=0)
    tasks_per_round: int = Field(16, ge=1)
    """Documents."""
    group_size: int = Field(4, ge=1)
    """Questions to a document."""
    tries: int = Field(16, ge=1)
    """Answers to a question; 8 in the paper."""
    corpus: str | None = None
    """A file or folder of texts; None: the documents of the world."""
    passage: int = Field(2000, ge=1)
    """Longer documents are cut into passages of so many characters."""
    asks: str = "{document}="
    """What the challenger is shown."""
    form: str = r"(?P<question>[^=]+=)(?P<answer>.+)"
    """What it must write: a regular expression with the groups `question` and `answer`."""
    reward: Literal["variance", "uniform"] = "variance"
    """Uniform: 1 for every valid question, as a control."""
    grounded: bool = True
    checked: bool = True
    """Whether a question is valid only if the document has its answer: computed from it in the world of facts, found in it elsewhere."""
    penalty: float = -0.1
    sampling: Sampling = Sampling(max_tokens=16)
    optimizer: Optimizer = Optimizer(learning_rate=4e-4)
    objective: PolicyGradient = PolicyGradient(aggregation="constant", constant=16, entropy=0.01)

    @field_validator("form")
    @classmethod
    def _groups(cls, form: str) -> str:
        try:
            groups = re.compile(form).groupindex
        except re.error as error:
            raise ValueError(f"form is not a regular expression: {error}") from error
        if not {"question", "answer"} <= set(groups):
            raise ValueError("form needs the groups (?P<question>...) and (?P<answer>...)")
        return form

    def roles(self, world: World) -> dict[str, Role]:
        def shown(task: Task) -> str:
            return self.asks.replace("{document}", task.hidden["document"] if self.grounded else "")

        return super().roles(world) | {
            "challenger": Role("challenger", "solver", self.sampling, lambda text: text if self.read(world, text) else None, shown)
        }

    def read(self, world: World, text: str) -> tuple[str, str] | None:
        """The question in a challenger's text and its answer in canonical form."""
        found = re.fullmatch(self.form, text.strip(), re.DOTALL)
        answer = world.parse(found["answer"]) if found else None
        return (found["question"].strip(), answer) if found and answer is not None else None

    def pool(self, world: World, size: int, seed: int) -> list[Task]:
        """The corpus, in passages.

        Raises:
            SettingError: no corpus is given and the world has none.
            DataError: it is empty or cannot be read.
        """
        if self.corpus is not None:
            texts = read_corpus(self.corpus)
        elif isinstance(world, Facts):
            texts = {text.partition(":")[0]: text for text in world.documents()}
        else:
            raise SettingError(f"the world {world.name!r} has no documents; set corpus=PATH")
        pieces = [(name, place, text) for name, whole in texts.items() for place, text in enumerate(passages(whole, self.passage))]
        return [Task(f"{name}/{place}", "", hidden={"document": text}, tags={"source": name, "passage": place}) for name, place, text in pieces]

    async def round(self, ctx: Context) -> None:
        documents = [fitted for task in ctx.pool.draw(self.tasks_per_round) if (fitted := self.fitted(ctx, task))]
        challengers = await ctx.sample("challenger", documents, n=self.group_size)
        asked = {rollout.id: task for group in challengers for rollout in group if (task := self.asked(ctx, rollout))}
        answers = {group.task.id: group for group in await ctx.sample("solver", list(asked.values()), n=self.tries)}
        for group in answers.values():
            group.reward(correct=[answer == group.task.hidden["answer"] for answer in group.answers])
        for group in challengers:
            group.reward(frontier=[self.worth(answers[asked[r.id].id] if r.id in asked else None) for r in group])
        learned = [group for group in answers.values() if not held_out(ctx.world, group.task)]
        ctx.learn("solver", [*center(challengers), *center(learned)], self.objective)
        self.report(ctx, challengers, list(answers.values()))

    def worth(self, answers: Group | None) -> float:
        """A challenger's reward for a question with these answers; None: it is invalid."""
        if answers is None:
            return self.penalty
        return frontier([rollout.rewards["correct"] for rollout in answers]) if self.reward == "variance" else 1.0

    def fitted(self, ctx: Context, task: Task) -> Task | None:
        """The document, its end cut off if the context cannot hold it; None if that does not help."""
        if ctx.fits("challenger", task):
            return task
        text = task.hidden["document"]
        while text := text[: len(text) * 3 // 4]:
            shorter = replace(task, hidden={"document": text})
            if ctx.fits("challenger", shorter):
                ctx.count("corpus/truncated")
                return shorter
        ctx.count("corpus/unreadable")
        return None

    def asked(self, ctx: Context, rollout: Rollout) -> Task | None:
        """The question that a challenger wrote, if it is one and can be put to the reasoner."""
        found = self.read(ctx.world, rollout.answer) if rollout.answer is not None else None
        task = ctx.proposal(rollout, found[0], hidden={"answer": found[1]}, document=rollout.task.id) if found else None
        if task is None or not ctx.fits("solver", task):
            ctx.count("questions/invalid")
            return None
        if self.grounded and self.checked and not supported(ctx.world, rollout.task.hidden["document"], task):
            ctx.count("questions/unsupported")
            return None
        return task

    def report(self, ctx: Context, challengers: Sequence[Group], answers: Sequence[Group]) -> None:
        """How many questions are valid, how often they are answered as the challenger wants, and where it can be known how often that is true."""
        ctx.log(**{"questions/valid": len(answers) / max(sum(map(len, challengers)), 1)})
        if answers:
            ctx.log(**{"questions/rate": fmean(r.rewards["correct"] for group in answers for r in group)})
            ctx.log(**{"questions/distinct": len({str(group.task.prompt) for group in answers}) / len(answers)})
            if isinstance(ctx.world, GeneratedWorld):
                ctx.log(**{"questions/true": fmean(true(ctx.world, group.task) for group in answers)})


def held_out(world: World, task: Task) -> bool:
    """Whether a question is one that a probe may hold."""
    return isinstance(world, GeneratedWorld) and world.held_out(str(task.prompt))


def supported(world: World, document: str, task: Task) -> bool:
    """Whether a document has the answer that a question of it claims."""
    answer = task.hidden["answer"]
    return world.stated(document, str(task.prompt)) == answer if isinstance(world, Facts) else answer.lower() in document.lower()


def true(world: World, task: Task) -> float:
    """Whether the answer of a question is right; 0 for one that the world does not know."""
    try:
        return world.verify(task, task.hidden["answer"])
    except DataError:
        return 0.0
