"""SPICE: a challenger asks about documents that the reasoner does not see."""

from collections.abc import Mapping, Sequence
from functools import partial
from math import exp
from statistics import fmean, pvariance
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from autotelic.errors import SettingError
from autotelic.learning.advantages import center
from autotelic.learning.learner import Optimizer
from autotelic.learning.objectives import PolicyGradient
from autotelic.measures.metrics import Metric
from autotelic.rounds.context import Context
from autotelic.rounds.roles import Role
from autotelic.systems import checks
from autotelic.systems.base import Recipe, recipe
from autotelic.systems.proposer_solver.posing import held_out
from autotelic.tasks.corpus import document_tasks, read_corpus, shortened
from autotelic.types import Group, Metrics, Rollout, Sampling, Task, World
from autotelic.worlds.facts import Facts
from autotelic.worlds.questions import QuestionForm, read_question, supported, true


def frontier(outcomes: Sequence[float]) -> float:
    """exp(-(Var - .25)^2 / (2 x .01)) of the 0/1 outcomes of the reasoner's tries, Var = p (1 - p): 1 where half are right, .0439 where all agree."""
    return exp(-((pvariance(outcomes) - 0.25) ** 2) / (2 * 0.01))


@recipe(
    name="spice", system="SPICE", paper="arXiv:2510.24684", family="proposer-solver", catalogue=(147,),
    proxy="rewards/correct/mean", model="facts", tasks="facts",
)  # fmt: skip
class Spice(Recipe):
    """A challenger reads a document and writes a question with its answer; a reasoner, the same policy, answers without the document.

    Formula: challenger exp(-(p (1 - p) - .25)^2 / (2 x .01)), p the share of the reasoner's `tries` that give the challenger's answer, and `penalty`
    for a question that does not parse or cannot be put. Reasoner 1 for the challenger's answer, else 0. Advantages: reward minus the mean of the role's
    own group, the questions to one document or the answers to one question. One update on both roles.
    Ends: p = 1/2 is worth 1, p = 0 and p = 1 are worth .0439. Without a valid question in a round only challengers are there to learn, and where all
    were invalid from nothing. An answer that everyone gives, or no one, carries no signal for the reasoner.
    Fails: by false answers, which make a known fact look half known; with `checked` off the challenger is paid for them (watch questions/true).
    Without documents (`grounded` off) it can only ask what the policy believes, and the reasoner learns to believe it more.
    Differs: from a paper whose text was not at hand as a whole (the formula is that of independent reimplementations). Answers are checked against
    the document; all valid questions are trained on; answers are compared in the world's canonical form, and there are no multiple-choice
    questions. Questions of the probe's split are asked and not trained on.
    """

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("questions/valid", "share", "questions that are valid"),
        Metric("questions/distinct", "share", "different ones among the valid"),
        Metric("questions/rate", "share", "answers to valid questions that are as the challenger wants them"),
        Metric("questions/true", "share", "valid questions whose wanted answer is true, where that can be known"),
        Metric("questions/invalid", "questions", "that cannot be read"),
        Metric("questions/unsupported", "questions", "whose answer is not in the document"),
        Metric("corpus/truncated", "documents", "cut to the room of the context"),
        Metric("corpus/unreadable", "documents", "that hold characters the model does not know"),
    )

    run_defaults: ClassVar[Mapping[str, Any]] = {"probe_size": 130, "probe_samples": 4}

    rounds: int = Field(100, ge=0)
    tasks_per_round: int = Field(16, ge=1)
    """Documents."""
    group_size: int = Field(4, ge=1)
    """Questions to a document, which are compared with one another; of a single one the challenger learns nothing."""
    tries: int = Field(16, ge=2)
    """Answers to a question; 8 in the paper."""
    corpus: str | None = None
    """A file or folder of texts; None: the documents of the world."""
    passage: int = Field(2000, ge=1)
    """Longer documents are cut into passages of so many characters."""
    asks: str = "{document}="
    """What the challenger is shown, with {document} where the document goes."""
    form: QuestionForm = r"(?P<question>[^=]+=)(?P<answer>.+)"
    """What it must write: a regular expression with the groups `question` and `answer`."""
    reward: Literal["variance", "uniform"] = "variance"
    """Uniform: 1 for every valid question, as a control."""
    grounded: bool = True
    checked: bool = True
    """Whether a question is valid only if the document has its answer: computed from it in the world of facts, found in it elsewhere."""
    penalty: float = Field(-0.1, ge=-10.0, le=1.0)
    """What a challenger gets for what is no valid question."""
    sampling: Sampling = Sampling(max_tokens=16)
    optimizer: Optimizer = Optimizer(learning_rate=4e-4)
    objective: PolicyGradient = PolicyGradient(aggregation="constant", constant=16, entropy=0.01)

    @model_validator(mode="after")
    def _shows(self) -> "Spice":
        if self.grounded and "{document}" not in self.asks:
            raise ValueError(f"asks must say where the document goes, by {{document}}, got {self.asks!r}; grounded=false asks without documents")
        return self

    def setup(self, ctx: Context) -> None:
        if around := self.asks.replace("{document}", ""):
            checks.written(ctx.policies["solver"], asks=around)
        if not any(shortened(task, partial(ctx.fits, "challenger")) for task in ctx.pool.tasks):
            raise SettingError(f"corpus: the model can read none of its {len(ctx.pool)} documents, not even their beginnings")

    def roles(self, world: World) -> dict[str, Role]:
        def read(text: str) -> str | None:
            return text if read_question(world, self.form, text) else None

        def shown(task: Task) -> str:
            return self.asks.replace("{document}", task.hidden["document"] if self.grounded else "")

        return super().roles(world) | {"challenger": Role("challenger", "solver", self.sampling, read, shown)}

    def pool(self, world: World, size: int, seed: int) -> list[Task]:
        """The corpus, in passages.

        Raises:
            SettingError: no corpus is given and the world has none.
            DataError: it is empty or cannot be read.
        """
        if self.corpus is not None:
            return document_tasks(read_corpus(self.corpus), self.passage)
        if not isinstance(world, Facts):
            raise SettingError(f"the world {world.name!r} has no documents; set corpus=PATH")
        return document_tasks(dict(zip(world.names(), world.documents(), strict=True)), self.passage)

    async def round(self, ctx: Context) -> None:
        challengers = await ctx.sample("challenger", self.documents(ctx), n=self.group_size)
        asked = {rollout.id: task for group in challengers for rollout in group if (task := self.asked(ctx, rollout))}
        answers = {group.task.id: group for group in await ctx.sample("solver", list(asked.values()), n=self.tries)}
        for group in answers.values():
            group.reward(correct=[answer == group.task.hidden["answer"] for answer in group.answers])
        for group in challengers:
            group.reward(frontier=[self.worth(answers[asked[r.id].id] if r.id in asked else None) for r in group])
        learned = [group for group in answers.values() if not held_out(ctx.world, group.task)]
        ctx.learn("solver", [*center(challengers), *center(learned)], self.objective)
        ctx.log(**{"questions/valid": len(answers) / max(sum(map(len, challengers)), 1)})
        self.log_proposals(ctx, list(answers.values()))

    def documents(self, ctx: Context) -> list[Task]:
        """Documents to ask about, their ends cut off where the context cannot hold them."""
        found = []
        for task in ctx.pool.draw(self.tasks_per_round):
            if (fitted := shortened(task, partial(ctx.fits, "challenger"))) is not task:
                ctx.count("corpus/truncated" if fitted else "corpus/unreadable")
            found += [fitted] if fitted else []
        return found

    def asked(self, ctx: Context, rollout: Rollout) -> Task | None:
        """The question that a challenger wrote, if it is one and can be put to the reasoner."""
        found = read_question(ctx.world, self.form, rollout.answer) if rollout.answer is not None else None
        task = ctx.proposal(rollout, found[0], hidden={"answer": found[1]}, document=rollout.task.id) if found else None
        if task is None or not ctx.fits("solver", task):
            ctx.count("questions/invalid")
            return None
        if self.grounded and self.checked and not supported(ctx.world, task, rollout.task.hidden["document"]):
            ctx.count("questions/unsupported")
            return None
        return task

    def worth(self, answers: Group | None) -> float:
        """A challenger's reward for a question with these answers; None: it is invalid."""
        if answers is None:
            return self.penalty
        return frontier([rollout.rewards["correct"] for rollout in answers]) if self.reward == "variance" else 1.0

    def log_proposals(self, ctx: Context, answers: Sequence[Group]) -> None:
        """How often valid questions are answered as the challenger wants, how many differ, and where it can be known how often they are true."""
        if answers:
            ctx.log(**{"questions/rate": fmean(r.rewards["correct"] for group in answers for r in group)})
            ctx.log(**{"questions/distinct": len({str(group.task.prompt) for group in answers}) / len(answers)})
            ctx.audit(lambda truth: share_true(truth.world, answers))


def share_true(world: World, answers: Sequence[Group]) -> Metrics:
    """How often the stated answer to a question is true, where it can be known."""
    known = [found for group in answers if (found := true(world, group.task)) is not None]
    return {"questions/true": fmean(known)} if known else {}
