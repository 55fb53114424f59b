"""SPIRAL on tic-tac-toe, against a perfect and a random opponent."""

from typing import Any

from autotelic.systems.study import Study

PLAIN: dict[str, Any] = {
    "recipe": "spiral", "tasks": "games?play=tictactoe", "rounds": 600, "tasks_per_round": 256, "probe_every": 50, "probe_size": 160, "epochs": 1,
    "final_rate": 0.0, "optimizer": {"learning_rate": 1e-3},
}  # fmt: skip

STUDY = Study(
    system="spiral-tictactoe",
    recipes=("spiral",),
    claim="Self-play with a baseline by role makes a policy that is harder to beat.",
    quantities={
        "probe/accuracy/tictactoe perfect first": "up",
        "probe/accuracy/tictactoe perfect second": "up",
        "probe/accuracy/tictactoe random first": "up",
        "probe/accuracy/tictactoe random second": "up",
    },
    arms={
        "spiral": PLAIN,
        "no baseline": {**PLAIN, "baseline": "none"},
        "KL to a moving reference": {**PLAIN, "drop_zero": False, "refresh": 60, "objective": {"kl": 0.3}},
    },
    control="no baseline",
    finding="""\
Plain self-play learns little and loses it again. As who moves first one seed draws .36 against perfect play at round 200 and .25 at the end, the others
none at the end; without the baseline one seed goes from .00 to .69 at the end, and the others end at .00. The baseline by
role cannot be told apart from none. With a KL of 0.3 to a copy that is renewed every 60 rounds, which is not in the paper, and draws that are
trained on too, the share of draws rises in all three seeds, to .79, .72 and .99 at the end, and in the last it is .95 or more from round 500 on;
against a random opponent it scores .78 first and .46 second, where the others score .65 and .31 to .38. It is no guarantee: 0.5 with a rate of
2e-3 rose to .44 and ended at .01, 0.3 with a rate of 5e-4 and 100 rounds between refreshes rose to .39 and ended at .05, and 0.1 narrowed play to
a few games within 90 rounds and ended at .24 (one seed each, with the baseline by what is shown). Who moves second learns next to nothing in 160
s: .16 draws. In self-play the first player soon plays few openings, while the perfect one begins anywhere; three updates a round, 0.4 and 50
rounds between refreshes kept plays more varied and gave .21 second, .35 first, and .83 and .64 against random in 400 rounds (one seed). In earlier
versions of this file a draw against perfect play counted one half, both seats were one number, and runs had 40 rounds, which show nothing.""",
    outcome="no",
)
