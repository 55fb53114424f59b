"""ReST-MCTS*: trees guided by a learned value, against unguided trees and against accepted samples."""

from autotelic.systems.study import Study

RUN = {"recipe": "rest-mcts", "rounds": 10, "probe_every": 5, "search": {"gate": 1.0}}

STUDY = Study(
    system="rest-mcts",
    recipes=("rest-mcts",),
    claim="A policy trained on solutions that a value-guided tree search finds gets better over the rounds, and the guided search beats best-of-n at equal tokens.",
    quantities={"probe/accuracy": "up", "probe/tree/accuracy": "up", "probe/tree/best_of_n": "shown", "probe/pass@8": "shown"},
    arms={
        "rest-mcts": RUN,
        "not guided": {**RUN, "guided": False},
        "accepted samples": {"recipe": "raft", "model": "chain-weak", "rounds": 10, "probe_every": 5, "tasks_per_round": 64, "group_size": 8},
    },
    control="not guided",
    finding="""\
Solutions found by trees raise the accuracy of the policy (.29 to .52), and the value model's guidance adds nothing: unguided trees do as well (.56) and accepted samples at about the same
number of tokens too (.62). In the search itself guidance is worse than spreading out (.48 against .63 on held-out tasks, beyond noise): the value model has seen a few
hundred steps, is sure too early, and on a chain, where one wrong digit is carried to the end, the start of a solution says little. Best-of-n judged by the same model gives .45.""",
    outcome="no",
)
