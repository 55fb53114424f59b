"""Given answers against one's own, with likelihood in between: SPRec."""

from collections.abc import Sequence

from autotelic.learning.objectives import NLL
from autotelic.policies.policy import Policy
from autotelic.rounds.context import Context
from autotelic.systems.base import variation
from autotelic.systems.preference.spin.recipe import SelfPlayFineTuning
from autotelic.types import Sampling, Task


@variation(name="sprec", system="SPRec", paper="arXiv:2412.09243", catalogue=(263,), family="self-play")
class LikelihoodThenPairs(SelfPlayFineTuning):
    """What the policy says most is pushed down: likelihood on the given answers, then the given against its own likeliest answers.

    Formula: own = greedy answers at the start of the round; first - mean log p(gold), then the logistic pair loss of SPIN on (gold, own), with the policy
    after the first step as the reference.
    Ends: own = gold, a pair without gradient, is left out; the likelihood step stays.
    Fails: after many rounds what was said too often is said too seldom; probe/distinct shows how many different answers there are.
    Differs: no items to recommend, whose shares the paper measures; all weights are trained instead of an adapter. Both steps have the learning rate of the
    run, as in the paper.
    """

    keep_previous: bool = False
    sampling: Sampling = Sampling(temperature=0.0, max_tokens=96)

    def opponent(self, ctx: Context, tasks: Sequence[Task]) -> Policy:
        given = [ctx.taught("solver", task, ctx.world.gold(task)) for task in tasks]
        ctx.learn("solver", given, NLL(), self.updates)
        return super().opponent(ctx, tasks)
