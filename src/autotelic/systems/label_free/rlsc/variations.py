"""Training on one's own samples, unfiltered: OSFT."""

from pydantic import Field

from autotelic.learning.learner import Updates
from autotelic.learning.objectives import NLL
from autotelic.systems.base import variation
from autotelic.systems.label_free.rlsc.recipe import SelfConfidence
from autotelic.types import Sampling


@variation(name="osft", system="OSFT", paper="arXiv:2510.18814", catalogue=(291,), family="self-training")
class OnlineSelfTuning(SelfConfidence):
    """One cold sample a task, and plain likelihood on it at temperature 1: no reward, no filter, no reference.

    Formula: loss = - mean over tokens of log p(y | x) at temperature 1, of samples at temperature .6. At equal temperatures its gradient is 0 on average; a
    colder sampler moves the policy towards its own sharpened form.
    Ends: nothing ends it; a policy that writes one text has no gradient.
    Fails: it sharpens what is there, right or wrong; pass@k falls. With `objective.temperature` at that of sampling there is nothing to hold the
    noise, and accuracy falls.
    Differs: two updates a round as in the authors' code, at the learning rate of small models, theirs being 1e-7 after ten steps of warm-up.
    """

    tasks_per_round: int = Field(128, ge=1)
    group_size: int = Field(1, ge=1)
    alpha: float = Field(0.0, ge=0.0)
    power: float = Field(0.0, ge=0.0)
    sampling: Sampling = Sampling(temperature=0.6, max_tokens=96)
    updates: Updates = Updates(batch_size=64)
    objective: NLL = NLL()
