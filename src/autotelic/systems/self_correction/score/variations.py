"""Two attempts with one reward for progress: CoCoS."""

from pydantic import Field

from autotelic.learning.objectives import PolicyGradient
from autotelic.systems.base import variation
from autotelic.systems.self_correction.score.recipe import Credit, SelfCorrection


@variation(name="cocos", system="CoCoS", paper="arXiv:2505.23060", catalogue=(139,))
class AccumulatedProgress(SelfCorrection):
    """Only second attempts are trained, on how right they are minus half of how right the first was.

    Formula: R = c2 - .5 c1, with c1 and c2 whether the attempts are right; advantage of the second attempt: R minus the mean of the others in the group. Here
    as `alpha` = 1, which is 2 R, beside twice the paper's KL coefficient of .01.
    Ends: groups whose attempts are all right or all wrong have no signal but the KL.
    Fails: by first attempts that are not tried to be right, as nothing is learned of them; turns/first stays while turns/second rises.
    Differs: in the paper all second attempts of a group share one first attempt, so that c1 cancels and R is plain c2; here each has its own. The share of
    tests that a program passes is whether the answer is right, and the supervised stage that comes first is left out.
    """

    stage_one: int = Field(0, ge=0)
    alpha: float = Field(1.0, ge=0.0)
    credit: Credit = "none"
    objective: PolicyGradient = PolicyGradient(kl=0.02)
