"""A context whose policy says what a test wants at every turn; tokens, log-probabilities, learner and rewards are real."""

from collections.abc import Sequence
from typing import Any

from engines import sampled_by
from scripted import Noting

from autotelic.engines.base import Completion, Request, Vocabulary
from autotelic.engines.torch_engine import TorchEngine
from autotelic.learning.learner import Optimizer
from autotelic.networks.model import LanguageModel
from autotelic.policies.policy import Policy
from autotelic.policies.tokenizer import Tokenizer
from autotelic.systems.base import Recipe, Way
from autotelic.systems.study import Trial
from autotelic.tasks.pool import TaskPool
from autotelic.types import Task, World


class Replying:
    """The torch engine, forced to go on from each text with the replies given for it, in order; one that ends in a stop string is not ended."""

    name = "replying"

    def __init__(self, tokenizer: Tokenizer, replies: dict[str, list[str]]) -> None:
        self.tokenizer, self.replies = tokenizer, {text: iter(said) for text, said in replies.items()}

    def generate(self, model: LanguageModel, requests: Sequence[Request], vocabulary: Vocabulary) -> list[list[Completion]]:
        return [[self._reply(model, request, stream, vocabulary) for stream in request.streams] for request in requests]

    def _reply(self, model: LanguageModel, request: Request, stream: int, vocabulary: Vocabulary) -> Completion:
        said = next(self.replies[self.tokenizer.decode(request.prompt)])
        end = () if said.endswith(request.sampling.stop or ("no stop",)) else (self.tokenizer.end_id,)
        return TorchEngine().generate(
            model, [Request(request.prompt, (stream,), request.sampling, (*self.tokenizer.encode(said), *end))], vocabulary
        )[0][0]


def context(system: Recipe | Way | Trial, policy: Policy, world: World, tasks: list[Task], replies: dict[str, list[str]]) -> Noting:
    """A context at the start of its first round, whose `learned` lists what was trained on."""
    policy = sampled_by(Replying(policy.tokenizer, replies), policy)
    options: dict[str, Any] = {"seed": 0, "optimizer": Optimizer(learning_rate=1e-3)}
    ctx = Noting(world=world, pool=TaskPool(tasks, 0), policies={"solver": policy}, roles=system.roles(world), **options)
    ctx.learned = []
    start = policy.clone("start")
    ctx.set_start("solver", lambda: start)
    ctx.begin_round(1)
    return ctx
