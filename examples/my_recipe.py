"""A recipe of one's own: a soft majority vote with a floor. Run it with `autotelic run examples/my_recipe.py`."""

from pydantic import Field

from autotelic import Context, Optimizer, PolicyGradient, Recipe, center, frequencies, recipe


@recipe(name="soft-vote", system="soft vote", paper="", family="label-free", proxy="rewards/share/mean")
class SoftVote(Recipe):
    """A completion is worth the share of its group that gives the same answer.

    Groups whose leading answer has less than `floor` of the votes are left out. Fails by agreeing on a wrong answer, as every vote does.
    """

    rounds: int = Field(5, ge=0)
    tasks_per_round: int = Field(32, ge=1)
    group_size: int = Field(16, ge=2)
    floor: float = Field(0.25, ge=0.0, le=1.0)
    optimizer: Optimizer = Optimizer(learning_rate=5e-5)
    objective: PolicyGradient = PolicyGradient(clip_low=0.2, clip_high=0.28)

    async def round(self, ctx: Context) -> None:
        groups = await ctx.sample("solver", ctx.pool.draw(self.tasks_per_round), n=self.group_size)
        kept = []
        for group in groups:
            shares = frequencies(group.answers)
            group.reward(share=shares)
            if max(shares) >= self.floor:
                kept.append(group)
        ctx.log(**{"label/kept": len(kept) / len(groups)})
        ctx.learn("solver", center(kept), self.objective)
