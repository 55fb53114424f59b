"""`autotelic run` as a stranger has it: three seeds one after the other, each with all cores. About 5 minutes; the table is in the README.

python -m benchmarks.first_run
"""

from pathlib import Path

from autotelic.studies.results import table
from autotelic.studies.running import run_arms
from autotelic.systems.study import Study

RESULTS = Path(__file__).parent / "results" / "first_run.json"
RUN = Study(
    system="first-run",
    recipes=("easy-to-hard",),
    claim="A model that was taught sums of up to 4 digits teaches itself to add longer ones.",
    quantities={f"probe/accuracy/digits {digits}": "up" for digits in (4, 6, 8, 10, 12, 16)},
    arms={"autotelic run": {"recipe": "easy-to-hard"}},
    control="autotelic run",
)


if __name__ == "__main__":
    RESULTS.unlink(missing_ok=True)  # rows that are there would not be timed again
    print(table(RUN, run_arms(RUN, [], seeds=3, workers=1, out=RESULTS, threads=None)))
