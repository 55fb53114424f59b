"""CoMAS: agents that reward one another, against agents of which only one part learns, and one agent alone."""

from autotelic.systems.study import Study

RUN = {"recipe": "comas", "rounds": 16, "probe_every": 8, "optimizer": {"learning_rate": 2e-4}}

STUDY = Study(
    system="comas",
    recipes=("comas",),
    claim="Agents that learn from how they score one another beat untrained agents, and more agents gain more.",
    quantities={"probe/agents/accuracy": "up", "probe/vote/accuracy": "up", "probe/accuracy": "shown"},
    arms={
        "comas": RUN,
        "one agent": {**RUN, "agents": 1},
        "only solving learns": {**RUN, "learns": ["solve"]},
        "random reward": {"recipe": "random-reward", "model": "chain-skills", "rounds": 16, "probe_every": 8, "optimizer": {"learning_rate": 2e-4}},
    },
    control="random reward",
    finding="""\
Not seen as a whole, and the arms say why. Where solver, critic and scorer all learn, critics learn to find fault, as half of every score is theirs, the solver's reward sinks, and accuracy
stays (.55). Where only the solving learns, the talk of the untrained critics and scorers is a good enough reward: .54 to .79 for the agents and .81 for their vote. One agent that plays all parts
gains a little (.66, wide). The critics of this base were taught on text made by a program that knows the truth, which is what such a reward rests on.""",
    outcome="no",
)
