"""Fills the marked places of README.md and docs/*.md from the sources they repeat and draws docs/figures: `python docs/fill.py`, or `--check` to only compare.

A place is what stands between `<!-- KIND: NAME -->` and `<!-- end -->`. Kinds: `file` (a file, verbatim), `output` (a file of terminal
output), `recipes` (the table of recipes), `variations` (the table of their variations), `replicas` (a section for every study with results: claim, figure,
table, finding), `benchmark` (the table of a benchmark that is a replica), `speed` (the
tables of a speed benchmark), `systems` (the catalogue by family, and its counts), `metrics` (the numbers that runs log: of one of the tables of
`measures.metrics`, or of all recipes), `rooms` (the packages by the floors of the import contract).
"""

import importlib
import json
import re
import sys
from collections import Counter
from math import inf
from pathlib import Path

from autotelic.measures.metrics import TABLES, Metric
from autotelic.studies.catalogue import STATES, Entry, catalogue
from autotelic.studies.figures import figure
from autotelic.studies.registry import replicas, results_of
from autotelic.studies.results import Row, read, table, words
from autotelic.systems.families import FAMILIES
from autotelic.systems.index import shipped, studies
from autotelic.systems.registry import recipes
from autotelic.systems.study import Study

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "docs"))

from making import rooms  # noqa: E402 - beside this file, which is no package

FIGURES = ROOT / "docs" / "figures"
OUTCOMES = {"replicated": "replicated", "partly": "partly replicated", "no": "not replicated"}
PLACE = re.compile(r"(?s)(<!-- (file|output|recipes|variations|replicas|benchmark|speed|systems|metrics|rooms): (\S+) -->\n).*?(<!-- end -->)")


def pages() -> list[Path]:
    """The README and the pages of the docs."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def filled(text: str) -> str:
    """`text` with every place filled anew."""
    return PLACE.sub(lambda found: found[1] + content(found[2], found[3]) + found[4], text)


def content(kind: str, name: str) -> str:
    """What belongs into a place."""
    makers = {
        "recipes": recipe_table,
        "variations": variation_table,
        "replicas": replica_sections,
        "benchmark": benchmark_table,
        "speed": speed_tables,
        "systems": systems_tables,
        "metrics": metric_table,
        "rooms": rooms.table,
    }
    if kind in makers:
        return makers[kind](name)
    language = {".py": "python", ".toml": "toml"}.get(Path(name).suffix, "text")
    return f"```{language}\n{(ROOT / name).read_text(encoding='utf-8').strip()}\n```\n"


def recipe_table(_: str) -> str:
    """One row per shipped recipe, variations left out."""
    rows = ["| recipe | system | family | reads answers | what it does |", "|---|---|---|---|---|"]
    for name, one in shipped().items():
        about = one.about
        if about.kind == "recipe":
            rows.append(
                f"| `{name}` | {about.system}{paper(about.paper)} | {about.family} | {'yes' if about.needs_answers else 'no'} | {about.line} |"
            )
    return "\n".join(rows) + "\n"


def variation_table(_: str) -> str:
    """One row per variation, by the recipe it varies."""
    rows = ["| variation | of | system | what it does | settings that differ |", "|---|---|---|---|---|"]
    mine = sorted((one for one in shipped().values() if one.about.kind == "variation"), key=lambda one: (str(one.about.of), one.about.name))
    for one in mine:
        about, settings = one.about, " ".join(f"`{key}={json.dumps(value)}`" for key, value in one.settings.items())
        rows.append(f"| [`{about.name}`]({source(about.name)}) | `{about.of}` | {about.system}{paper(about.paper)} | {about.line} | {settings} |")
    return "\n".join(rows) + "\n"


def paper(name: str) -> str:
    """A link to a paper on arXiv, in brackets."""
    return f" ([{name}](https://arxiv.org/abs/{name.removeprefix('arXiv:')}))" if name.startswith("arXiv:") else ""


def results() -> dict[str, list[Row]]:
    """The committed rows of every replica that has some."""
    paths = {name: results_of(name) for name in replicas()}
    return {name: read(path, replicas()[name]) for name, path in paths.items() if path.exists()}


def replica_sections(_: str) -> str:
    """All replicas with results, by the family of their recipes."""
    found = results()
    families = sorted({family_of(replicas()[name]) for name in found})
    parts = []
    for family in families:
        mine = [section(replicas()[name], rows) for name, rows in found.items() if family_of(replicas()[name]) == family]
        parts += [f"## {family[0].upper()}{family[1:]}\n", *mine]
    return "\n".join(parts)


def family_of(replica: Study) -> str:
    """The family of the first of its recipes."""
    return shipped()[replica.recipes[0]].about.family


def section(replica: Study, rows: list[Row]) -> str:
    """Claim, figure, table and finding of a replica."""
    about = shipped()[replica.recipes[0]].about
    return "\n".join(
        [
            f"### {about.system}{paper(about.paper)}: {OUTCOMES.get(replica.outcome, 'not judged')}", "",
            f"`autotelic replicate {replica.system}`", "",
            f"Claim: {replica.claim}", "",
            *[f"- {sentence}" for sentence in words(replica, rows)], "",
            f"![{next(iter(replica.quantities))} by arm over rounds](figures/{replica.system}.svg)", "",
            table(replica, rows), "",
            replica.finding, "",
        ]
    )  # fmt: skip


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


def systems_tables(_: str) -> str:
    """Counts, then a table for every family."""
    counts = Counter(one.state for one in catalogue())
    lines = ["| state | systems | meaning |", "|---|---|---|", *(f"| {state} | {counts[state]} | {meaning} |" for state, meaning in STATES.items())]
    lines += [f"| all | {len(catalogue())} | |"]
    for family, meaning in FAMILIES.items():
        mine = [one for one in catalogue() if one.family == family]
        here = sum(one.state != "open" for one in mine)
        lines += ["", f"## {family[0].upper()}{family[1:]}", "", f"{meaning}. {len(mine)} systems, {here} of them here.", ""] if mine else []
        lines += ["| id | system | paper | state | kind | name |", "|---|---|---|---|---|---|", *map(system_row, mine)] if mine else []
    return "\n".join(lines) + "\n"


def system_row(one: Entry) -> str:
    """A system as a row."""
    links = ", ".join(f"[`{name}`]({source(name)})" for name in one.names)
    return "| " + " | ".join([str(one.id), one.system, one.title, one.state, one.kind or "", links]) + " |"


def source(name: str) -> str:
    """The file that declares a system or a study, seen from docs/."""
    module = shipped()[name].module if name in shipped() else studies()[name].module
    return f"../src/{module.replace('.', '/')}.py"


def metric_table(name: str) -> str:
    """A table of `measures.metrics`, or what the recipes declare themselves (`recipes`)."""
    if name != "recipes":
        return "\n".join(["| metric | unit | range | meaning |", "|---|---|---|---|", *(metric_row(metric) for metric in TABLES[name])]) + "\n"
    rows = [f"| `{recipe}` {metric_row(metric)}" for recipe, cls in recipes().items() for metric in vars(cls).get("metrics", ())]
    return "\n".join(["| recipe | metric | unit | range | meaning |", "|---|---|---|---|---|", *rows]) + "\n"


def metric_row(metric: Metric) -> str:
    """A metric as a row; the owners before its name are in capitals."""
    owner = {"run": "", "role": "[ROLE/]", "policy": "[POLICY/]"}[metric.of]
    low, high = metric.range
    span = "any" if low == -inf and high == inf else f"from {low:g}" if high == inf else f"up to {high:g}" if low == -inf else f"{low:g} to {high:g}"
    return f"| `{owner}{metric.name}` | {metric.unit} | {span} | {metric.meaning} |"


def figures() -> dict[Path, str]:
    """What docs/figures holds."""
    drawn = {FIGURES / f"{name}.svg": figure(replicas()[name], rows) for name, rows in results().items()}
    return {path: svg for path, svg in drawn.items() if svg} | {FIGURES / "rooms.svg": rooms.picture()}


def wanted() -> dict[Path, str]:
    """Every file that is made or filled here, as it should be."""
    return figures() | {page: filled(page.read_text(encoding="utf-8")) for page in pages()}


def main() -> int:
    """Fill and draw everything, or compare; 1 when something is not as it would be made."""
    files = wanted()
    stale = [path for path, text in files.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    stale += [path for path in FIGURES.glob("*") if path not in files]
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
