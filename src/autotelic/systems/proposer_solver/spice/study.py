"""SPICE: questions about documents, beside questions about nothing."""

from autotelic.systems.study import Study

_RUN = {"recipe": "spice", "rounds": 80, "probe_every": 40}

STUDY = Study(
    system="spice",
    recipes=("spice",),
    claim="Questions grounded in documents go on teaching where ungrounded self-play is limited.",
    quantities={"probe/accuracy": "up", "probe/pass@1": "up", "questions/true": "above", "questions/rate": "shown"},
    arms={
        "spice": _RUN,
        "ungrounded": {**_RUN, "grounded": False},
        "answers unchecked": {**_RUN, "checked": False},
    },
    control="ungrounded",
    finding="""\
Grounded questions raise the accuracy on facts of the corpus (.52 to .67, samples .29 to .61); without the document the challenger asks about things it does not know, its answers are true in
a third of the cases and then in a sixth, and training on them costs accuracy (.52 to .40), which the verdict calls hacked in two seeds of three. Where answers are not checked against the document, the challenger comes to
write false ones, which make a known fact look half known: .67 are true at last, against 1.00. The check is not in the paper as far as its text was at hand.""",
    outcome="replicated",
)
