"""What recipes on given preferences share: examples of what tasks carry, the checks before a run, and how the policy ranks held-out preferences."""

from collections.abc import Sequence
from itertools import product
from statistics import fmean

from autotelic.errors import DataError
from autotelic.learning.examples import prompt_length
from autotelic.measures.metrics import Metric
from autotelic.rounds.context import Context
from autotelic.tasks.columns import task_name
from autotelic.tasks.preferences import labeled_of, pair_of
from autotelic.types import Example, Metrics, Task

PAIRS = (
    Metric(
        "probe/pairs/accuracy", "share", "held-out pairs whose chosen side has gained more log-probability since the first weights; ties count half"
    ),
    Metric("probe/pairs/likelier", "share", "held-out pairs whose chosen side is the more likely one; ties count half"),
)
LABELS = (
    Metric(
        "probe/labels/accuracy",
        "share",
        "chance that a held-out good completion has gained more log-probability since the first weights than a bad one; ties count half",
    ),
)


def sides(ctx: Context, task: Task) -> tuple[Example, Example]:
    """The chosen and the rejected completion of a task that has both."""
    pair = pair_of(task)
    assert pair is not None, "`ready` has seen that all tasks have both"
    return target(ctx, task, pair[0], "/chosen"), target(ctx, task, pair[1], "/rejected")


def judged(ctx: Context, task: Task) -> tuple[list[Example], list[Example]]:
    """The good and the bad completions of a task: of a pair one of each, of a labeled completion itself."""
    if pair_of(task) is not None:
        chosen, rejected = sides(ctx, task)
        return [chosen], [rejected]
    labeled = labeled_of(task)
    assert labeled is not None, "`ready` has seen that all tasks have one"
    found = [target(ctx, task, labeled[0])]
    return (found, []) if labeled[1] else ([], found)


def target(ctx: Context, task: Task, text: str, ending: str = "") -> Example:
    """A completion that a task carries, to be learned or scored.

    Raises:
        DataError: it has characters that the vocabulary lacks, or exceeds the context.
    """
    try:
        found = ctx.taught("solver", task, text, task.id + ending)
    except DataError as error:
        raise DataError(f"{task_name(task)}: {error}") from error
    if len(found.tokens) > (context := ctx.policies["solver"].model.context):
        of = f"its prompt of {prompt_length(found)} tokens and a completion of {len(found.tokens) - prompt_length(found)}"
        raise DataError(f"{task_name(task)}: {of} exceed the model's context of {context}")
    return found


def ready(ctx: Context, tasks: Sequence[Task], unpaired: bool) -> None:
    """Tasks that carry what is trained on, all of which fits.

    Raises:
        DataError: one has no preference, or it cannot be written behind its prompt; of unpaired ones, all are good or all are bad.
    """
    good = bad = 0
    for task in tasks:
        if pair_of(task) is None and not (unpaired and labeled_of(task) is not None):
            needed = "'chosen' and 'rejected'" + (", or 'completion' and 'label'" if unpaired else "")
            raise DataError(f"{task_name(task)}: has no preference to train on: a record needs {needed}; of worlds chain?pairs=true has them")
        found = judged(ctx, task)
        good, bad = good + len(found[0]), bad + len(found[1])
    if not (good and bad):
        raise DataError(f"all {good + bad} completions are {'good' if good else 'bad'}: there is nothing to tell apart")


def ranking(ctx: Context, tasks: Sequence[Task]) -> Metrics:
    """How the policy ranks the preferences of held-out tasks, as `PAIRS` and `LABELS` say; of tasks without any nothing."""
    pairs = [sides(ctx, task) for task in tasks if pair_of(task) is not None]
    singles = [judged(ctx, task) for task in tasks if pair_of(task) is None and labeled_of(task) is not None]
    good, bad = [item for one, _ in singles for item in one], [item for _, one in singles for item in one]
    numbers: Metrics = {}
    if pairs:
        now, gained = logprobs(ctx, [item for pair in pairs for item in pair])
        numbers["probe/pairs/accuracy"] = fmean(map(ahead, gained[::2], gained[1::2]))
        numbers["probe/pairs/likelier"] = fmean(map(ahead, now[::2], now[1::2]))
    if good and bad:
        _, gained = logprobs(ctx, [*good, *bad])
        numbers["probe/labels/accuracy"] = fmean(ahead(a, b) for a, b in product(gained[: len(good)], gained[len(good) :]))
    return numbers


def logprobs(ctx: Context, items: Sequence[Example]) -> tuple[list[float], list[float]]:
    """The log-probability of the completion of each example in nats, and how much more that is than under the first weights."""
    texts, starts = [item.tokens for item in items], [prompt_length(item) for item in items]
    now = [float(scores.logprobs.sum()) for scores in ctx.policies["solver"].scores(texts, starts)]
    first = [float(scores.logprobs.sum()) for scores in ctx.start("solver").scores(texts, starts)]
    return now, [a - b for a, b in zip(now, first, strict=True)]


def ahead(a: float, b: float) -> float:
    """1 where a is larger, a half where both are equal, else 0."""
    return float(a > b) + float(a == b) / 2
