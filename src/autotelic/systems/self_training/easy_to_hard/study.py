"""Self-improving transformers: own labels, from easy to hard."""

from autotelic.systems.study import Study

STUDY = Study(
    system="easy-to-hard",
    recipes=("easy-to-hard",),
    claim="A model that labels sums one digit longer than it knows, and trains on the labels that pass a filter, learns to add far beyond what it was taught.",
    quantities={
        "probe/accuracy/digits 16": "up",
        "probe/accuracy/digits 12": "up",
        "probe/accuracy/digits 8": "up",
        "probe/accuracy": "up",
        "label/purity": "above",
    },
    arms={
        "places": {"recipe": "easy-to-hard"},
        "places, not tied": {"recipe": "easy-to-hard", "tied": False},
        "length": {"recipe": "easy-to-hard", "filter": "length"},
        "agreement": {"recipe": "easy-to-hard", "filter": "agreement"},
        "places, second base": {"recipe": "easy-to-hard", "model": "addition-4-second"},
        "places, weak base": {"recipe": "easy-to-hard", "model": "addition-4-weak"},
        "places, undertrained base": {"recipe": "easy-to-hard", "model": "addition-4-short", "rounds": 15},
        "agreement, undertrained base": {"recipe": "easy-to-hard", "model": "addition-4-short", "filter": "agreement", "rounds": 15},
    },
    control="length",
    against={
        "places, second base": None,
        "places, weak base": None,
        "places, undertrained base": None,
        "agreement, undertrained base": "places, undertrained base",
    },
    finding="""\
- With the "places" filter the labels stay right and the frontier reaches 16 digits, also from a base that does less than half of all sums of 5 digits.
- By form alone ("length") the frontier moves on while the labels are wrong: about a tenth of them or fewer are right from 7 digits on. Agreement under exchange and shift
  is fooled too, by errors that the model makes in every view of a sum: from 6 digits on a quarter of what it keeps is right, at times up to half, and it gets no further.
- Without a cut tied to taught sizes ("not tied") a little less is right at the end (.94 to .98 of sums of 16 digits, labels .99). In earlier runs one in three ended with a
  tenth of its sums wrong: a carry into the first digit of every sum longer than was taught, which agrees with itself at every cut.
- A base that was trained for too short a time has too little to start from: in 15 rounds "places" keeps mostly right labels and stays at 5 digits; "agreement" moves on with
  labels of which a tenth are right, and loses on 4 digits while a few longer sums come out right, which the verdict, an average over all sizes, calls improved.
- "Places" is told how sums decompose. It asks the model for every part, but what it knows of place value is knowledge that the published filters do not use.""",
    outcome="replicated",
)
