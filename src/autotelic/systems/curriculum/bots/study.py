"""BOTS: tasks drawn by posteriors over their success rates."""

from typing import Any

from autotelic.systems.study import Study

SHORT: dict[str, Any] = {
    "recipe": "bots",
    "model": "addition-4-second",
    "tasks": "addition?digits=1-16&same_length=true",
    "tag": "digits",
    "pool_size": 256,
    "rounds": 80,
    "probe_every": 20,
    "probe_size": 3200,
    "probe_samples": 0,
    "sampling": {"max_tokens": 24},
    "optimizer": {"learning_rate": 3e-4},
}
CHAIN: dict[str, Any] = {
    **SHORT, "model": "chain-range", "tasks": "chain?ops=1-8", "tag": "ops", "pool_size": 2048, "rounds": 30, "probe_every": 10, "probe_size": 800,
    "sampling": {"max_tokens": 64},
}  # fmt: skip

STUDY = Study(
    system="bots",
    recipes=("bots",),
    claim="Training on tasks whose posterior success rate is near one half gives more groups with a signal than uniform draws, and faster learning.",
    quantities={"signal/mixed_so_far": "above", "probe/accuracy": "up", "probe/accuracy/digits 14": "up"},
    arms={
        "both": SHORT,
        "explicit only": {**SHORT, "implicit": 0.0},
        "implicit only": {**SHORT, "implicit": 1.0},
        "uniform": {**SHORT, "select": "uniform"},
        "both, chains": CHAIN,
        "uniform, chains": {**CHAIN, "select": "uniform"},
    },
    control="uniform",
    against={"both, chains": "uniform, chains", "uniform, chains": None},
    finding="""\
- In a pool that is mostly solved or hopeless (256 sums of 1 to 16 digits; the base solves up to 4 digits always, 8 less than half of the time,
  13 and more hardly ever) four of five groups under uniform draws teach nothing: 528 of the 2,560 of 80 rounds have right and wrong answers.
  Selection finds 840 with both kinds of evidence, 825 with a task's own outcomes only, 880 with implicit evidence only; all three intervals over
  five seeds exclude zero.
- On sums of 14 digits, .00 at first, the policy is better for it, .48 against .40. On all sums it leads at every probe and ends at .79 against
  .76, but the interval just holds zero (-.002 to +.062): hence "partly". With implicit evidence only (.80) it does not: the number of digits
  says nearly all of a sum's difficulty, while a task's own outcomes, from ten draws on average, are old when it comes again.
- With references of .5 and .95 instead of .6 and .98 implicit evidence alone gains more (.83 against .80), both together nothing; in a pool of
  2,048 sums, where a task comes about once, own outcomes gain next to nothing in 60 rounds (.73 against .72; one seed each).
- In a pool of chains of 1 to 8 operations, the first of this study, there is little to win: nearly three of four groups have a signal however they
  are drawn, and with one answer in ten right by luck even the hardest level keeps one. There selection finds 707 of 960 groups against 696, and
  accuracy ends at .91 in both.
- The pool of sums was chosen because uniform draws waste most of it. Its size, the rounds and the level of 14 digits were settled with seeds 10
  and 11, before seeds 0 to 4 were run; seed 0 had been used on 12 digits, to choose the base.""",
    outcome="partly",
)
