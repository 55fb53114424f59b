"""Labels for problems one size larger than it can do, made by the model itself: easy to hard."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from autotelic.learning.examples import written
from autotelic.learning.learner import Optimizer, Updates
from autotelic.learning.objectives import NLL
from autotelic.measures.metrics import Metric
from autotelic.rounds.context import Context
from autotelic.rounds.roles import Role
from autotelic.streams import key
from autotelic.systems.base import Recipe, recipe
from autotelic.types import Example, Rollout, Sampling, Task, World
from autotelic.worlds import addition
from autotelic.worlds.base import expect


def labeled(rollout: Rollout, born: int) -> Task:
    """A sum with the model's own answer in the place of the true one."""
    task = rollout.task
    return Task(task.id, task.prompt, rollout.answer, tags={**task.tags, "born": born})


@recipe(
    name="easy-to-hard", system="Self-improving transformers", paper="arXiv:2502.01612", family="self-training", catalogue=(145,),
    proxy="label/kept", seeds="sums of the lengths that the base was taught", model="addition-4", tasks="addition",
)  # fmt: skip
class EasyToHard(Recipe):
    """A model that adds n digits labels sums of n + 1 digits, keeps the labels that agree with its other answers, and trains on them.

    Formula: a label is the greedy answer. Kept under `filter`: "length" if it has the form of a sum of its size; "agreement" if the answers under
    exchanged operands and at another shift are the same too; "places" if moreover, at two cuts, the answers to the low digits and to the high digits (with
    the carry of the low answer written into them) are the label's own; one cut leaves no more digits below than the base was taught, which ties every label
    to taught sums. This filter knows place value; none sees a truth. The frontier moves when at least `advance` of the labels are kept. Loss: mean negative
    log-likelihood of the newest labels, of older ones, and of the sums of up to `known` digits that the base was taught: the only sums that are given.
    Ends: nothing is kept, and the round trains on what was there before.
    Fails: when the base does not carry over one digit further; nothing is kept ("places"), or errors agree and accumulate ("length", "agreement": watch
    label/purity).
    Differs: a window with shifts instead of no positions; agreement of one model with itself instead of a vote of five.
    """

    metrics: ClassVar[tuple[Metric, ...]] = (Metric("frontier", "digits", "of the longest sums that are mastered"),)

    run_defaults: ClassVar[Mapping[str, Any]] = {"probe_size": 832, "probe_samples": 4, "probe_every": 2, "pool_size": 1024}

    rounds: int = Field(40, ge=0)
    known: int = Field(4, ge=1)
    """Digits that the base was taught."""
    target: int = Field(16, ge=2)
    """Digits at which the run is done."""
    filter: Literal["none", "length", "agreement", "places"] = "places"
    cuts: int = Field(2, ge=1)
    tied: bool = True
    """Whether every other cut leaves no more digits below than the base was taught. Without, an error that the model makes at every size it was not
    taught agrees with itself at every cut."""
    labels: int = Field(256, ge=1)
    """Sums labeled at a time."""
    wanted: int = Field(128, ge=1)
    """Labels to keep before training; more sums are drawn until then."""
    tries: int = Field(6, ge=1)
    """Draws a round."""
    advance: float = Field(0.75, ge=0.0, le=1.0)
    newest: float = Field(0.4, ge=0.0, le=1.0)
    """Share of labels at the frontier among what is trained on, once there are enough of them."""
    older: float = Field(0.4, ge=0.0, le=1.0)
    """Share of labels below the frontier; the rest is what the base was taught."""
    steps: int = Field(25, ge=1)
    batch_size: int = Field(64, ge=1)
    sampling: Sampling = Sampling(temperature=0.0, max_tokens=24)
    optimizer: Optimizer = Optimizer(learning_rate=5e-4, betas=(0.9, 0.98), weight_decay=0.01)
    objective: NLL = NLL()

    @model_validator(mode="after")
    def _shares(self) -> Self:
        if self.newest + self.older > 1 + 1e-9:
            raise ValueError(f"newest = {self.newest:g} and older = {self.older:g} are shares of what is trained on, and more than 1 together")
        if self.target <= self.known:
            raise ValueError(f"target = {self.target} digits must be more than the known = {self.known}")
        return self

    def roles(self, world: World) -> dict[str, Role]:
        return super().roles(expect(world, addition.Addition, "easy-to-hard labels sums by their digits"))

    def pool(self, world: World, size: int, seed: int) -> list[Task]:
        tasks = world.tasks(size, seed=seed, digits=(1, self.known), same_length=True)
        return [task.changed(tags={**task.tags, "seed": True}) for task in tasks]

    def probe(self, world: World, size: int, seed: int) -> list[Task]:
        lengths = range(self.known, self.target + 1)
        return [task for n in lengths for task in world.tasks(max(size // len(lengths), 1), seed=seed, split="probe", digits=n, same_length=True)]

    def finished(self, ctx: Context) -> bool:
        return bool(ctx.state.get("frontier", self.known) >= self.target)

    async def round(self, ctx: Context) -> None:
        digits = ctx.state.setdefault("frontier", self.known) + 1
        drawn, kept = 0, list[Rollout]()
        while drawn < self.tries * self.labels and len(kept) < self.wanted:
            tasks = ctx.world.tasks(self.labels, seed=key(ctx.seed, ctx.round, drawn), digits=digits, same_length=True)
            groups = await ctx.sample("solver", tasks, n=1, note=drawn == 0)
            kept += await self.agreeing(ctx, [group.rollouts[0] for group in groups])
            drawn += self.labels
        new = {rollout.task.id: labeled(rollout, ctx.round) for rollout in kept}
        ctx.pool.add([task for name, task in new.items() if name not in ctx.pool], why=f"own label, {self.filter}")
        ctx.learn("solver", self.examples(ctx, digits), self.objective, Updates(batch_size=self.batch_size, steps=self.steps))
        if len(kept) >= self.advance * drawn:
            ctx.state["frontier"] = digits
        for rollout in kept:
            ctx.label(rollout.task, rollout.answer)
        ctx.log(frontier=ctx.state["frontier"], **{"label/kept": len(kept) / drawn})

    async def agreeing(self, ctx: Context, labeled: list[Rollout]) -> list[Rollout]:
        """The labels that pass the filter. Every stage asks only about what passed the one before."""
        kept = [r for r in labeled if r.answer is not None and (self.filter == "none" or addition.well_formed(r.task, r.text))]
        for view in (addition.swapped, addition.shifted) if self.filter in ("agreement", "places") else ():
            found = await self.answers(ctx, (view(r.task, self.shift(ctx, r.task, view.__name__)) for r in kept))
            kept = [rollout for rollout, answer in zip(kept, found, strict=True) if answer == rollout.answer]
        for cut in range(self.cuts if self.filter == "places" else 0):
            kept = await self.fitting(ctx, kept, cut)
        return kept

    async def fitting(self, ctx: Context, labeled: list[Rollout], cut: int) -> list[Rollout]:
        """The labels whose low and high digits, at one cut each, are what the model answers to the two shorter sums."""
        cuts = [(r, self.place(ctx, r.task, cut)) for r in labeled]
        lows = await self.answers(ctx, (addition.lower(r.task, k, self.shift(ctx, r.task, f"low{cut}")) for r, k in cuts))
        known = [(r, k, int(low)) for (r, k), low in zip(cuts, lows, strict=True) if low is not None]
        fits = [(r, k, low // 10**k) for r, k, low in known if low % 10**k == int(r.answer or 0) % 10**k]
        tops = [addition.upper(r.task, k, carry, self.shift(ctx, r.task, f"high{cut}")) for r, k, carry in fits]
        highs = iter(await self.answers(ctx, (top for top in tops if top is not None)))
        return [r for (r, k, _), top in zip(fits, tops, strict=True) if top is None or next(highs) == str(int(r.answer or 0) // 10**k)]

    async def answers(self, ctx: Context, tasks: Iterable[Task]) -> list[str | None]:
        """The model's greedy answers; None where the form is not that of the task."""
        groups = await ctx.sample("solver", list(tasks), n=1, note=False)
        return [group.answers[0] if addition.well_formed(group.task, group.rollouts[0].text) else None for group in groups]

    def place(self, ctx: Context, task: Task, cut: int) -> int:
        """How many digits to leave below: any number for odd cuts, at most as many as the base was taught for even ones (see `tied`)."""
        most = addition.of(task).digits - 1
        return ctx.random("cut", task.id, cut).randint(1, min(most, self.known) if self.tied and cut % 2 == 0 else most)

    def shift(self, ctx: Context, task: Task, view: str) -> int:
        """A shift at which the task, and so every part of it, fits its window."""
        return ctx.random("shift", task.id, view).randint(0, addition.room(task))

    def examples(self, ctx: Context, digits: int) -> list[Example]:
        """What one round trains on, in proportion, every sum with operands exchanged or not and at a random shift."""
        own = [task for task in ctx.pool.tasks if "born" in task.tags]
        newest, older = [t for t in own if t.tags["digits"] == digits], [t for t in own if t.tags["digits"] < digits]
        parts = [newest, older, [task for task in ctx.pool.tasks if "born" not in task.tags]]
        new, old = self.newest * min(1.0, len(newest) / 32), self.older * bool(older)
        random, tokenizer = ctx.random("examples"), ctx.policies["solver"].tokenizer
        examples = []
        for place in range(self.steps * self.batch_size):
            task = random.choice(random.choices(parts, weights=[new, old, 1 - new - old])[0])
            shift = self.shift(ctx, task, f"train{place}")
            view = (addition.swapped if random.random() < 0.5 else addition.shifted)(task, shift)
            completion = tokenizer.encode_completion(addition.field(int(task.answer or 0), shift, task.tags["digits"]))
            examples.append(written(f"{task.id}/{place}", ctx.prompt("solver", view), completion, task=view))
        return examples
