"""1-shot RLVR: reinforcement on one task alone, another for each seed, beside rewards that know nothing of it."""

from typing import Any

from autotelic.systems.study import Study

RUN: dict[str, Any] = {"optimizer": {"learning_rate": 3e-4}, "rounds": 30, "probe_every": 2}
HABITS: dict[str, Any] = {"model": "habits", "tasks": "habits", **RUN}
ONE: dict[str, Any] = {"pool_size": 1, "tasks_per_round": 1, "group_size": 128}
LONG: dict[str, Any] = {"rounds": 120, "probe_every": 8}

STUDY = Study(
    system="one-shot-rlvr",
    paper="arXiv:2504.20571",
    catalogue=(53,),
    claim="Reinforcement on one task raises held-out accuracy about as far as on a pool of them, and goes on raising it after the one task is solved.",
    quantities={"probe/accuracy": "up", "probe/pass@1": "up", "probe/pass@8": "shown", "probe/tokens": "shown", "rewards/correct/mean": "shown"},
    arms={
        "one task": {"recipe": "gold", **HABITS, **ONE},
        "one task, KL term": {"recipe": "gold", **HABITS, **ONE, "objective": {"kl": 0.05}},
        "one task, 120 rounds": {"recipe": "gold", **HABITS, **ONE, **LONG},
        "one task, 1e-4, 120 rounds": {"recipe": "gold", **HABITS, **ONE, **LONG, "optimizer": {"learning_rate": 1e-4}},
        "all tasks": {"recipe": "gold", **HABITS, "tasks_per_round": 8, "group_size": 16},
        "format only": {"recipe": "format-only", **HABITS, **ONE},
        "entropy alone": {"recipe": "random-reward", "share": 0.0, "objective": {"entropy": 0.01}, **HABITS, **ONE},
        "random reward": {"recipe": "random-reward", **HABITS, **ONE},
        "one task, chain-medium": {"recipe": "gold", **RUN, **ONE},
        "one task, chain-weak": {"recipe": "gold", "model": "chain-weak", **RUN, **ONE},
    },
    control="random reward",
    against={"one task, chain-medium": None, "one task, chain-weak": None},
    finding="""\
Every seed has a task of its own, such as `2*4-1-1-6=`. All arms on `habits` learn from 128 samples a round.
- One task lifts held-out accuracy from .14 to .81, .97 and .68, by the task. A pool of tasks does it faster and for all seeds: at least .97 in
  round 6, and .99, .94 and 1.00 at the end. So one task buys most of what a pool does, and not all. A random reward on one task ends at .16 and
  makes samples worse (pass@1 .47 to .29).
- It elicits and does not teach. The base knows every equation and guesses at once in most of its answers; the one task shows that writing the
  steps pays. Where equations are what is lacking (`chain-medium`, `chain-weak`), the trained task is solved as well, from .23 and .06 to .98, and
  held-out accuracy stays (.40 to .36, .29 to .31).
- After the task is solved (.97 of 128 samples, round 7 to 10) accuracy goes on rising for a few rounds at 3e-4: .85 to .93, .97 to .99, .66 to
  .68. Then it falls again, to .83, .75 and .54 in round 120. At 1e-4 the task is solved in round 21 to 26, and accuracy rises from there, .82 to
  .89, .83 to .95 and .66 to .72 in round 120. So the rise after the solution that the paper describes is there at the smaller rate, and is small.
- What goes wrong at 3e-4 can be read in the answers to 300 held-out tasks (seed 0, round 30). The base guesses in 280 of its greedy answers; now
  2 are guesses, but 45 copy a sign wrongly and 9 an operand, which the base never did in its greedy answers: the text of the one task gets in,
  with nothing but rare slips left to learn from. A KL term of .05 mends this (.93 in the place of .81), and not what the third task leaves: after
  it a third of the greedy answers are guesses still, with the term more.
- Sampled answers guess more often than greedy ones (seed 0: 229 of 1,200, from 723), so that pass@1 rises less than greedy accuracy, by .17, .26
  and .09, and three seeds do not settle it.
- A reward for the form alone has nothing to pay for here, since guesses can be read as well: .30, .20 and .15. Entropy alone reaches .27 to .29
  within four rounds and then destroys the model (.08), as the paper found.
- Not done: to rank tasks by how their training accuracy varies, which takes a run on all of them; more than one task; weight decay.""",
    outcome="partly",
)
