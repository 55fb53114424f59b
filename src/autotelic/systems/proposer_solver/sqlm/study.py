"""SQLM: a proposer that is trained, against one that is not, one that is paid at random, and fixed curricula."""

from autotelic.systems.study import Study

RUN = {"recipe": "sqlm", "rounds": 80, "probe_every": 40}
SHORT = {"model": "chain-short", "probe_every": 50, "probe_size": 320, "probe_samples": 4, "optimizer": {"learning_rate": 2e-4}}
"""From a base that is sure of up to four operations; rounds are set so that the runs take equally long."""
VERIFIED = {"recipe": "sqlm", **SHORT, "rounds": 100, "judge": "verifier", "pay": "half", "invalid": 0.0, "group_size": 16, "proposer_every": 2}
LABELED = {"recipe": "gold", **SHORT, "probe": "chain?ops=1-8"}

STUDY = Study(
    system="sqlm",
    recipes=("sqlm",),
    claim="Paid for asking what divides its answers, and for agreeing with its majority, a policy gets better at held-out problems, without data.",
    quantities={
        "probe/accuracy": "up",
        "proposals/length": "up",
        "proposals/distinct": "shown",
        "label/purity": "shown",
        **{f"probe/accuracy/ops {ops}": "shown" for ops in (2, 4, 5, 6, 7, 8)},
    },
    arms={
        "sqlm": RUN,
        "half": {**RUN, "pay": "half"},
        "random pay": {**RUN, "pay": "random"},
        "fixed proposer": {**RUN, "proposer": "frozen"},
        "verifier": VERIFIED,
        "verifier, fixed proposer": {**VERIFIED, "proposer": "frozen"},
        "gold, short chains": {**LABELED, "tasks": "chain?ops=1-4", "rounds": 250},
        "gold, all lengths": {**LABELED, "tasks": "chain?ops=1-8", "rounds": 100},
    },
    control="fixed proposer",
    against={
        "verifier": "gold, short chains",
        "verifier, fixed proposer": "gold, short chains",
        "gold, short chains": None,
        "gold, all lengths": "gold, short chains",
    },
    finding="""\
By its own majority: the policy gets better without data in every arm, from .51 to about .7, and the trained proposer moves its own difficulty, from
2 operations to between 4 and 8. But it ends no higher than with a proposer that is left as it was: what the base is unsure of are single equations,
which short problems teach as well, and on these the majority is right (label/purity .98). Where the proposer leaves behind the lengths that the
base can write at all, seven operations and more, the majority is wrong, purity falls to .2, and the solver learns that too. Pay by 1 - |2p - 1| is
no different.

By a verifier, from a base that is never wrong up to four operations and right by luck beyond (`chain-short`), the proposer paid by 1 - |2p - 1|
finds the frontier: its questions grow from 5 operations to 7, and in 36 s accuracy at 5, 6 and 7 operations goes from .19, .14 and .11 to .90, .90
and .54, where the labels of 1 to 4 operations, for as long (38 s), lead to .22, .18 and .13, since a base that is right on all of them learns
nothing from them. At 7 it is .54, .10 and .97 by seed, so the interval there holds 0. The easy ones pay: four operations end at .77 (.54 to .89),
which the questions have left behind, against 1.00. Eight operations stay at the level of guessing. The same proposer left as it was gives .77, .28
and .13, and labels of all lengths from 1 to 8, for as long, .93, .81 and .16: the proposer does as well as a curriculum that was told the lengths,
and at 7 better in two seeds of three.

What it takes is a frontier. With `chain-skills` there is none, and a verifier leads to .76 whoever proposes (three seeds, not in the file): that
base has learned 1 to 6 operations alike and doubts single equations, which short problems teach as well as long ones, and it cannot write the steps
of seven. Two settings differ from the other arms as well, both chosen on one seed before these arms were declared. `invalid=0`: where texts that
are no question are left out instead, nothing holds the proposer to questions; in a base like `chain-short` that poses at most three operations and
slips, with `proposer_every=1`, the share of questions fell from .97 to .06 on the way and accuracy from .45 to .38 (one seed). `proposer_every=2`:
an update of the proposer is as long a step as one of the solver. The base and the two settings were not tried apart. `chain-short` poses a question
in one text of sixteen at first, and in nearly all of them at last (one seed), so that the first rounds have two questions or three, and the
operations at the start are the mean of these.

It hangs on the base. `chain-short` is one of two draws that differ in the order of their lessons alone (the `order` of its spec), and was tried
first. The other is as good up to four operations and no further from guessing at five and more; there the proposer moves from 2 operations to 6 or
7 as well, and the solver ends at .28, .21 and .19 at 5, 6 and 7 operations (by seed .18, .12 and .55 at five), while labels of all lengths do no
better (.32, .14 and .15; three seeds, not in the file). A proposer moves the tasks to the frontier; what the base has too little of for labels to
raise, it does not raise either.""",
    outcome="no",
)
