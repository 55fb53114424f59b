"""A challenger that is paid what the solver loses: Language Self-Play."""

from pydantic import Field

from autotelic.learning.advantages import Scale
from autotelic.learning.objectives import PolicyGradient
from autotelic.systems.base import variation
from autotelic.systems.proposer_solver.sqlm.recipe import Judge, Pay, SelfQuestioning


@variation(name="lsp", system="Language Self-Play", paper="arXiv:2509.07414", catalogue=(43,), needs_answers=True)
class LanguageSelfPlay(SelfQuestioning):
    """A zero-sum game with oneself: the challenger is paid what the solver of its questions loses.

    Formula: V(q) = mean reward of the answers to q; advantage of an answer: its reward minus V(q); of a question: mean of V over the questions of the round
    minus V(q). Neither is divided by a deviation; KL to the start for both.
    Ends: questions that are all solved, or all not, give the solver nothing; questions of equal V give the challenger nothing.
    Fails: what nobody can answer is worth most, so that questions grow malformed or as long as they may be; watch proposals/valid and proposals/length.
    Differs: the reward is the world's verifier, where the paper asks a reward model. Of its score of quality there is left whether a text is a question:
    what is none is paid -1 (`invalid`), as a question is that everybody answers; with `invalid` None it is left out. Sizes and coefficients are
    not in the paper.
    """

    judge: Judge = "verifier"
    pay: Pay = "minimax"
    invalid: float | None = Field(-1.0, ge=-10.0, le=1.0)
    scale: Scale = "none"
    objective: PolicyGradient = PolicyGradient(staleness=1, kl=0.01)
