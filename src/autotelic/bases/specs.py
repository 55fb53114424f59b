"""Which base models there are, and how each was made: data, without what makes or runs them."""

from typing import Any

from pydantic import Field

from autotelic.errors import SettingError, nearest
from autotelic.types import Settings


class BaseSpec(Settings):
    """How a base is made. The same spec gives the same weights on the same machine, with the same torch and the same code of learning."""

    name: str
    note: str
    """What it can do and what it cannot, in one line: of the weights that `records` names."""
    tasks: str
    """World spec it is trained on."""
    first: str | None = None
    """World spec of the first `first_steps` steps, where what is easy must be learned before the rest can be; it has the alphabet of `tasks`."""
    first_steps: int = 0
    width: int = 64
    layers: int = 2
    heads: int = 4
    intermediate: int = 172
    context: int = 80
    rope_theta: float = 10.0
    """Small, because these texts are short: with 10,000 the same models learn lengths by heart."""
    std: float = 0.05
    steps: int = 1200
    batch_size: int = 64
    learning_rate: float = 3e-3
    warmup: int = 100
    stable: float = 0.7
    """Share of the steps after which the learning rate begins to fall linearly."""
    final: float = 0.02
    """What the learning rate falls to, as a share."""
    weight_decay: float = 0.1
    betas: tuple[float, float] = (0.9, 0.98)
    seed: int = 0
    order: str | None = None
    """What the order of the lessons is drawn by, beside the seed; None: the name."""
    chunk: int = Field(50, ge=1)
    """Optimizer steps per batch of freshly generated tasks."""

    def rate(self, step: int) -> float:
        """The learning rate at a step, as a share of the full one, after the warm-up."""
        fallen = max(0.0, step / self.steps - self.stable) / (1 - self.stable)
        return 1 - (1 - self.final) * fallen


def chain(name: str, note: str, **options: Any) -> BaseSpec:
    """A base for chain arithmetic, taught by a teacher who is unsure of about a third of the equations."""
    return BaseSpec(name=name, note=note, layers=3, intermediate=192, context=160, steps=400, final=0.1, **options)


def habits(name: str, note: str, tasks: str) -> BaseSpec:
    """A base for chains of four operations, taught by a teacher who knows every equation and guesses at once in a share of the lessons."""
    return BaseSpec(name=name, note=note, tasks=tasks, layers=3, intermediate=192, context=160, steps=500, final=0.1, seed=1)


def skilled(name: str, note: str, slips: float, **options: Any) -> BaseSpec:
    """A base that can play roles on chains: it learns to solve them first, and then the other skills with it."""
    skills = (
        "solve,solve,solve,solve,propose,judge,critique,critique,score,refine,refine,sneak,sneak,sneak,retry,retry,reflect,correct,correct,explain"
    )
    return BaseSpec(
        name=name, note=note, first=f"chain-skills?ops=4-6&slips={slips}&skills=solve", first_steps=400,
        tasks=f"chain-skills?ops=1-6&slips={slips}&wrong=0-0.8&skills={skills}",
        width=96, layers=3, intermediate=256, context=224, batch_size=32, chunk=100, final=0.03, **options,
    )  # fmt: skip


ADDITION = "addition?digits=1-4&same_length=true"

BASES: dict[str, BaseSpec] = {
    spec.name: spec
    for spec in (
        BaseSpec(name="addition-4", note="adds up to 5 digits, and next to nothing beyond", tasks=ADDITION, seed=5),
        BaseSpec(name="addition-4-second", note="adds up to 4 digits, and about half of all sums of 8", tasks=ADDITION, seed=0),
        BaseSpec(name="addition-4-weak", note="adds up to 4 digits, half of all sums of 5, and nothing beyond", tasks=ADDITION, seed=1),
        BaseSpec(name="addition-4-short", note="was to add up to 4 digits, and was trained for too short a time", tasks=ADDITION, steps=400, seed=5),
        chain(
            "chain-weak",
            "taught to be wrong more often than right where its teacher was unsure",
            tasks="chain?ops=6&slips=0.35&slip_rates=0.5-0.9",
            seed=1,
        ),
        chain("chain-medium", "taught to be wrong as often as right where its teacher was unsure", tasks="chain?ops=6&slips=0.35", seed=1),
        chain(
            "chain-good",
            "taught to be right more often than wrong where its teacher was unsure",
            tasks="chain?ops=6&slips=0.35&slip_rates=0.2-0.5",
            seed=1,
        ),
        habits(
            "habits",
            "works chains of 4 operations out and is nearly always right, or answers at once and guesses, which it does in three answers of five",
            "habits",
        ),
        habits("habits-70", "as habits, and guesses in seven answers of ten", "habits?direct=0.7"),
        habits("habits-80", "as habits, and guesses in four answers of five", "habits?direct=0.8"),
        habits("habits-90", "as habits, and guesses in nine answers of ten", "habits?direct=0.9"),
        BaseSpec(
            name="chain-range",
            note="chains of 1 to 8 operations, right seven times in ten with one and twice in ten with eight",
            tasks="chain?ops=1-8&slips=0.5",
            layers=3,
            intermediate=192,
            context=160,
            steps=700,
            final=0.1,
            seed=1,
        ),
        chain(
            "chain-second-teacher", "as chain-medium, by a teacher who is unsure of other equations", tasks="chain?ops=6&slips=0.35&teacher=1", seed=1
        ),
        chain("chain-third-teacher", "as chain-medium, by a third teacher", tasks="chain?ops=6&slips=0.35&teacher=2", seed=1),
        BaseSpec(
            name="countdown-3",
            note="countdown with three numbers, right one time in four",
            tasks="countdown",
            layers=3,
            intermediate=192,
            steps=1500,
        ),
        BaseSpec(
            name="games",
            note="plays Kuhn poker, tic-tac-toe and a negotiation at random; illegal moves are rare in Kuhn poker, common in tic-tac-toe",
            tasks="games",
            intermediate=170,
            context=64,
            steps=1000,
        ),
        BaseSpec(
            name="lookup",
            note="asks for facts and answers, right one time in three with one hop and one in five with two; half of its moves are slips",
            tasks="lookup",
            context=128,
            steps=1200,
        ),
        BaseSpec(
            name="countdown-steps",
            note="countdown with three numbers in steps, right half of the time",
            tasks="countdown-steps?largest=12",
            layers=3,
            intermediate=192,
            context=64,
            steps=800,
        ),
        BaseSpec(
            name="countdown-back",
            note="as countdown-steps, and takes back half of the wrong steps that it is shown",
            tasks="countdown-steps?largest=12&backs=0.5",
            layers=3,
            intermediate=192,
            context=64,
            steps=1100,
        ),
        BaseSpec(
            name="strings", note="string operations, right six times in seven", tasks="strings", layers=3, intermediate=192, context=160, steps=400
        ),
        BaseSpec(
            name="programs",
            note="poses and solves problems about programs of up to 4 letters, unsure of half of the steps; poor at induction",
            tasks="programs?ops=1-4&slips=0.5",
            layers=3,
            intermediate=192,
            context=96,
            steps=800,
            final=0.1,
        ),
        BaseSpec(
            name="functions",
            note="writes functions in Python from instructions of two or three steps, right six times in ten",
            tasks="functions?slips=0.6",
            layers=3,
            intermediate=192,
            context=128,
            steps=400,
            final=0.1,
        ),
        BaseSpec(
            name="facts",
            note="knows the first half of the facts, is ever less sure of the rest, and asks about documents it is shown",
            tasks="facts?asking=0.6",
            layers=3,
            intermediate=192,
            context=40,
            steps=1200,
            final=0.1,
        ),
        BaseSpec(
            name="asides",
            note="chains of 4 operations among asides, which it takes for operations one time in ten, and one in fifty when it rewrites a problem",
            tasks="asides?slips=0.2",
            layers=3,
            intermediate=192,
            context=128,
            steps=1000,
            final=0.1,
            seed=1,
        ),
        BaseSpec(
            name="rules",
            note="applies rules by their names, of which it is unsure, or as examples show them, and writes examples",
            tasks="rules",
            layers=3,
            intermediate=192,
            context=64,
            steps=800,
            final=0.1,
            seed=1,
        ),
        BaseSpec(
            name="chain-short",
            note="never wrong on chains of up to 4 operations, by luck on longer ones, which it saw first; poses problems one time in sixteen",
            first="chain-skills?ops=1-8&skills=solve,solve,solve,propose&propose_ops=1-8",
            first_steps=400,
            tasks="chain-skills?ops=1-4&skills=solve",
            layers=3,
            intermediate=192,
            context=160,
            steps=600,
            final=0.1,
            seed=1,
            order="C",
            chunk=100,
        ),
        BaseSpec(
            name="slips",
            note="knows every equation, takes nothing back, repeats or solves anew when asked again, and as a critic calls everything right",
            first="slips?skills=solve",
            first_steps=350,
            tasks="slips?critique_noise=0.2&wrong=0-0.4&skills=solve,solve,retry,retry,critique,critique,refine,reflect,reflect,correct",
            layers=3,
            intermediate=192,
            context=224,
            batch_size=32,
            steps=1700,
            final=0.05,
            seed=1,
        ),
        skilled("chain-skills", "solves, poses, judges, criticizes, mends and spoils chains of up to 6 operations", slips=0.3, steps=2600, seed=1),
    )
}


def find_spec(name: str) -> BaseSpec:
    """The spec of a base by name."""
    if name not in BASES:
        raise SettingError(f"no base {name!r}; {nearest(name, BASES)}")
    return BASES[name]
