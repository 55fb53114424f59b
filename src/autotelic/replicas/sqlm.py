"""SQLM: a proposer that is trained, against one that is not and one that is paid at random."""

from autotelic.replicas.base import Replica

RUN = {"recipe": "sqlm", "rounds": 80, "probe_every": 40}

REPLICA = Replica(
    system="sqlm",
    recipes=("sqlm",),
    claim="Paid for asking what divides its answers, and for agreeing with its majority, a policy gets better at held-out problems, without data.",
    quantities={
        "probe/accuracy": "up",
        "proposals/length": "up",
        "proposals/distinct": "shown",
        "label/purity": "shown",
        "probe/accuracy/ops 6": "shown",
        "probe/accuracy/ops 8": "shown",
    },
    arms={
        "sqlm": RUN,
        "half": {**RUN, "pay": "half"},
        "random pay": {**RUN, "pay": "random"},
        "fixed proposer": {**RUN, "proposer": "frozen"},
        "verifier": {**RUN, "judge": "verifier", "pay": "half"},
        "verifier, fixed proposer": {**RUN, "judge": "verifier", "proposer": "frozen"},
    },
    control="fixed proposer",
    against={"verifier": "verifier, fixed proposer", "verifier, fixed proposer": None},
    finding="""\
The policy gets better without data in every arm, from .51 to about .7, and the trained proposer moves its own difficulty, from 2 operations to between 4
and 8. But it ends no higher than with a proposer that is left as it was: what the base is unsure of are single equations, which short problems teach as
well, and on these the majority is right (label/purity .98). Where the proposer leaves behind the lengths that the base can write at all, seven
operations and more, the majority is wrong, purity falls to .2, and the solver learns that too. Pay by 1 - |2p - 1| is no different. With a verifier
in the vote's place, training goes to .76 whoever proposes: again the proposer climbs (to 4 to 6 operations) and earns nothing by it, since neither
proposer leads the solver to seven operations.""",
    outcome="no",
)
