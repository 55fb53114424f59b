"""Makes and fills what repeats the sources: `python docs/fill.py`, or `--check` to only compare.

Made whole are docs/figures, docs/systems and docs/studies. In README.md and docs/*.md it fills places: what stands between `<!-- KIND: NAME -->` and
`<!-- end -->`. Kinds: `file` (a file, verbatim), `output` (a file of terminal output), `variations` (the table of variations), `studies` (the table of
studies with results), `study` (one of them, a line an arm), `quantities` (one of them, with what each quantity came to), `states` and `counts` (how much of the catalogue is here), `families` (the families; NAME is where their pages are, seen from this one),
`comparison` (a comparison at an equal budget), `benchmark` (the table of a benchmark that is a study), `speed` (the tables of a speed benchmark), `metrics` (the numbers that runs log: of one of the tables of
`measures.metrics`, or of all recipes), `rooms` (the packages by the floors of the import contract), `surface` (the names of
`autotelic.__all__`), `capabilities` (what not every engine can), `bases` (the base models), `ways` (`all`: the ways of answering;
`measured`: what they are worth; `real`: with a real model), `label-free` (the tables of `benchmarks.when_label_free`, whose figure is made too), `monitors` (the monitors of `measures.alarms`).
"""

import importlib
import json
import re
import sys
from math import inf
from pathlib import Path
from typing import Any

from autotelic.engines.registry import CAPABILITIES
from autotelic.measures.alarms import MONITORS, Alarms
from autotelic.measures.metrics import TABLES, Metric
from autotelic.studies.comparing import read_all
from autotelic.studies.pairs import headline, pairs
from autotelic.studies.pairs import table as arms_table
from autotelic.studies.registry import declared, results_of
from autotelic.studies.results import read, table
from autotelic.systems.index import shipped
from autotelic.systems.registry import recipes, ways

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "docs"))

from making import bases, rooms, surface, systems  # noqa: E402 - beside this file, which is no package

FIGURES = ROOT / "docs" / "figures"
MADE = ("figures", "systems", "studies")
"""Folders of docs/ that hold only what is made here."""
KINDS = "file|output|comparison|variations|study|studies|quantities|benchmark|speed|states|families|counts|metrics|rooms|surface|capabilities|bases|ways|label-free|monitors"
PLACE = re.compile(rf"(?s)(<!-- ({KINDS}): (\S+) -->\n).*?(<!-- end -->)")


def pages() -> list[Path]:
    """The README and the pages of the docs."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def filled(text: str) -> str:
    """`text` with every place filled anew."""
    return PLACE.sub(lambda found: found[1] + content(found[2], found[3]) + found[4], text)


def content(kind: str, name: str) -> str:
    """What belongs into a place."""
    makers = {
        "variations": variation_table,
        "monitors": monitor_table,
        "study": systems.study_part,
        "studies": systems.studies_table,
        "quantities": quantity_table,
        "benchmark": benchmark_table,
        "comparison": comparison_table,
        "speed": speed_tables,
        "states": systems.states_table,
        "families": systems.families_table,
        "counts": systems.counts,
        "metrics": metric_table,
        "rooms": rooms.table,
        "surface": surface.table,
        "bases": bases.table,
        "capabilities": capability_table,
        "ways": way_table,
        "label-free": lambda name: label_free().tables(name),
    }
    if kind in makers:
        return makers[kind](name)
    language = {".py": "python", ".toml": "toml"}.get(Path(name).suffix, "text")
    return f"```{language}\n{(ROOT / name).read_text(encoding='utf-8').strip()}\n```\n"


def variation_table(_: str) -> str:
    """One row per variation, by the recipe it varies."""
    rows = ["| variation | of | system | what it does | settings that differ |", "|---|---|---|---|---|"]
    mine = sorted((one for one in shipped().values() if one.about.kind == "variation"), key=lambda one: (str(one.about.of), one.about.name))
    for one in mine:
        about, settings = one.about, " ".join(f"`{key}={json.dumps(value)}`" for key, value in one.settings.items())
        rows.append(
            f"| [`{about.name}`](../{systems.source(about.name)}) | `{about.of}` | {about.system}{systems.paper(about.paper)} | {about.line} | {settings} |"
        )
    return "\n".join(rows) + "\n"


def comparison_table(name: str) -> str:
    """What a committed comparison came to: its table, and in a sentence which methods stand out."""
    contest, rows = read_all(ROOT / "benchmarks" / "comparisons" / name)
    return f"{arms_table(contest, rows)}\n\n{headline(contest, pairs(contest, rows))}"


def quantity_table(name: str) -> str:
    """What the quantities of a study came to, by arm."""
    study = declared()[name]
    return table(study, read(results_of(name), study)) + "\n"


def benchmark_table(module: str) -> str:
    """The table of a module of benchmarks that declares `RUN` and `RESULTS`."""
    sys.path.insert(0, str(ROOT))
    found = importlib.import_module(f"benchmarks.{module}")
    return table(found.RUN, read(found.RESULTS, found.RUN)) + "\n"


def speed_tables(name: str) -> str:
    """The tables of a speed benchmark."""
    sys.path.insert(0, str(ROOT))
    found: str = importlib.import_module("benchmarks.markdown").tables(name)
    return found


def label_free() -> Any:
    """The benchmark that says when label-free methods rise."""
    sys.path.insert(0, str(ROOT))
    return importlib.import_module("benchmarks.when_label_free")


def way_table(name: str) -> str:
    """The ways that are here, or what `benchmarks.ways` measured of them: on the shipped bases, or with a real model."""
    if name != "all":
        sys.path.insert(0, str(ROOT))
        found: str = getattr(importlib.import_module("benchmarks.ways"), {"measured": "table", "real": "real_table"}[name])()
        return found
    rows = ["| way | system | what it does | skills | by default on |", "|---|---|---|---|---|"]
    for cls in ways().values():
        about, skills = cls.about, " ".join(f"`{skill}`" for skill in cls.skills)
        system, base = f"{about.system}{systems.paper(about.paper)}", f"`{about.model}`, `{about.tasks}`"
        rows.append(f"| [`{about.name}`](systems/{about.family}.md#{about.name}) | {system} | {about.line} | {skills} | {base} |")
    return "\n".join(rows) + "\n"


def capability_table(_: str) -> str:
    """What not every engine can, and which systems need it."""
    needing = {one: [f"`{name}`" for name, cls in (*recipes().items(), *ways().items()) if one in cls.engine_needs] for one in CAPABILITIES}
    every = len(recipes())
    who = {one: ", ".join(names) if len(names) < every else "every recipe, and ways that have further policies" for one, names in needing.items()}
    return (
        "\n".join(["| capability | to | needed by |", "|---|---|---|", *(f"| `{one}` | {CAPABILITIES[one]} | {who[one]} |" for one in CAPABILITIES)])
        + "\n"
    )


def metric_table(name: str) -> str:
    """A table of `measures.metrics`, or what the recipes declare themselves (`recipes`)."""
    if name != "recipes":
        return "\n".join(["| metric | unit | range | meaning |", "|---|---|---|---|", *(metric_row(metric) for metric in TABLES[name])]) + "\n"
    rows = [f"| `{recipe}` {metric_row(metric)}" for recipe, cls in recipes().items() for metric in vars(cls).get("metrics", ())]
    return "\n".join(["| recipe | metric | unit | range | meaning |", "|---|---|---|---|---|", *rows]) + "\n"


def monitor_table(name: str) -> str:
    """The monitors: their numbers, limits, what they mean and what helps."""
    settings, rows = Alarms(), []
    for one in MONITORS:
        _, unit, span, meaning = metric_row(one.documented).strip("| ").split(" | ")
        limit = f"{one.beyond} {getattr(settings, one.name).limit:g}"
        rows.append(f"| `{one.name}` | `{one.metric}` | {unit}, {span} | {limit} | {meaning} | {one.do} |")
    return "\n".join(["| monitor | number | unit and range | alarm | what it means | what to do |", "|---|---|---|---|---|---|", *rows]) + "\n"


def metric_row(metric: Metric) -> str:
    """A metric as a row; the owners before its name are in capitals."""
    owner = {"run": "", "role": "[ROLE/]", "policy": "[POLICY/]"}[metric.of]
    low, high = metric.range
    span = "any" if low == -inf and high == inf else f"from {low:g}" if high == inf else f"up to {high:g}" if low == -inf else f"{low:g} to {high:g}"
    return f"| `{owner}{metric.name}` | {metric.unit} | {span} | {metric.meaning} |"


def wanted() -> dict[Path, str]:
    """Every file that is made or filled here, as it should be."""
    own = {FIGURES / "rooms.svg": rooms.picture(), FIGURES / "when-label-free.svg": label_free().picture()}
    made = systems.figures() | own | systems.pages()
    return made | {page: filled(page.read_text(encoding="utf-8")) for page in pages()}


def present() -> list[Path]:
    """Every file in the folders that hold only what is made here."""
    return [path for folder in MADE for path in (ROOT / "docs" / folder).glob("*")]


def main() -> int:
    """Fill and draw everything, or compare; 1 when something is not as it would be made."""
    files = wanted()
    stale = [path for path, text in files.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    stale += [path for path in present() if path not in files]
    for path in stale:
        if "--check" in sys.argv:
            print(f"{path.relative_to(ROOT)} is not up to date: python docs/fill.py")
        elif path in files:
            path.parent.mkdir(exist_ok=True)
            path.write_text(files[path], encoding="utf-8")
            print(f"wrote {path.relative_to(ROOT)}")
        else:
            path.unlink()
            print(f"removed {path.relative_to(ROOT)}")
    return int(bool(stale) and "--check" in sys.argv)


if __name__ == "__main__":
    sys.exit(main())
