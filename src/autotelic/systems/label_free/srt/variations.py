"""What other papers make of the vote of a group of answers."""

from pydantic import Field

from autotelic.answers.votes import VoteRule
from autotelic.learning.advantages import Scale
from autotelic.learning.objectives import PolicyGradient
from autotelic.systems.base import variation
from autotelic.systems.label_free.srt.recipe import SelfRewardedTraining


@variation(name="ttrl", system="TTRL", paper="arXiv:2504.16084")
class LargeElectorate(SelfRewardedTraining):
    """SRT with a large electorate: 64 answers vote, and the first 32 of them are trained on.

    Formula: reward(i) = 1 if answer(i) is the majority answer of all 64, else 0; advantage: (reward - mean) / std over the 32 that are trained on.
    Ends: all agree or none parses, and the group carries no signal. The authors' code fails where none parses.
    Fails: as SRT does, by agreeing on a wrong answer; label/purity falls.
    Differs: the paper trains on the questions that it is evaluated on; here the probe's are others. The authors' script has 8 questions a batch, makes one
    update for each of them, and keeps a KL term to the start as an option, which is off here as it is in their newer scripts.
    """

    tasks_per_round: int = Field(8, ge=1)
    group_size: int = Field(64, ge=2)
    trained: int | None = Field(32, ge=2)
    vote: VoteRule = VoteRule(denominator="all")
    scale: Scale = "std"
    objective: PolicyGradient = PolicyGradient()
