"""Pages of the systems that are here: one a family under docs/systems, its studies under docs/studies, and tables that lead to them."""

import importlib
import inspect
import json
import re
from collections import Counter
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from statistics import fmean

from autotelic.studies.catalogue import STATES, Entry, catalogue
from autotelic.studies.figures import figure
from autotelic.studies.registry import declared, results_of
from autotelic.studies.results import Row, read, table, tally, words
from autotelic.systems.families import FAMILIES
from autotelic.systems.index import System, shipped, studies
from autotelic.systems.study import Study

DOCS = Path(__file__).resolve().parents[1]
OUTCOMES = {"replicated": "replicated", "partly": "partly replicated", "no": "not replicated"}
HEAD = re.compile(r"(?m)^(Formula|Ends|Fails|Differs): ")
MARKUP = re.compile(r"[*|\[\]\\<]|(?<!\w)_|_(?!\w)")
CODE = re.compile(r"(`[^`]*`)")
MADE = "Made by `python docs/fill.py`."


def pages() -> dict[Path, str]:
    """Every page of a family, by its path."""
    mine = {DOCS / "systems" / f"{family}.md": family_page(family) for family in FAMILIES if entries(family) or systems(family)}
    return mine | {DOCS / "studies" / f"{family}.md": studies_page(family) for family in FAMILIES if shown(family)}


def entries(family: str) -> list[Entry]:
    """The rows of the catalogue in a family."""
    return [one for one in catalogue() if one.family == family]


def systems(family: str) -> list[System]:
    """What is here of a family, by name."""
    return sorted((one for one in shipped().values() if one.about.family == family), key=lambda one: one.about.name)


@cache
def results() -> dict[str, list[Row]]:
    """The committed rows of every study that has some."""
    paths = {name: results_of(name) for name in declared()}
    return {name: read(path, declared()[name]) for name, path in paths.items() if path.exists()}


def shown(family: str) -> list[Study]:
    """The studies of a family that have results."""
    return [study for name, study in declared().items() if name in results() and family_of(study) == family]


def family_of(study: Study) -> str:
    """The family of the first of its systems; of an analysis, that of its row in the catalogue."""
    return catalogue()[study.catalogue[0]].family if study.catalogue else shipped()[study.recipes[0]].about.family


def analyses(family: str) -> list[Study]:
    """The studies of a family that are rows of the catalogue themselves."""
    return [study for study in declared().values() if study.catalogue and family_of(study) == family]


def published(study: Study) -> str:
    """What was published of which a study tests the claim: its first system, or the row of the catalogue that an analysis is."""
    if study.catalogue:
        return ", ".join(catalogue()[number].system for number in study.catalogue) + paper(study.paper)
    about = shipped()[study.recipes[0]].about
    return f"{about.system}{paper(about.paper)}"


def titled(family: str) -> str:
    """A family as a heading."""
    return family[0].upper() + family[1:]


def paper(name: str) -> str:
    """A link to a paper on arXiv, in brackets."""
    return f" ([{name}](https://arxiv.org/abs/{name.removeprefix('arXiv:')}))" if name.startswith("arXiv:") else ""


def source(name: str) -> str:
    """The file that declares a system or a study, seen from the top of the repository."""
    module = shipped()[name].module if name in shipped() else studies()[name].module
    return f"src/{module.replace('.', '/')}.py"


def prose(text: str) -> str:
    """Text of a docstring as Markdown: what would be markup outside of code is escaped."""
    parts = CODE.split(" ".join(text.split()))
    return "".join(part if part.startswith("`") else MARKUP.sub(lambda found: "&lt;" if found[0] == "<" else "\\" + found[0], part) for part in parts)


def rows(head: str, lines: Iterable[Iterable[str]]) -> list[str]:
    """A table in Markdown; `head` has the names of its columns, with bars between."""
    columns = head.split("|")
    return ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns), *("| " + " | ".join(cells) + " |" for cells in lines)]


def family_page(family: str) -> str:
    """Everything about a family: what is here, each system with its formula, and its rows of the catalogue."""
    here = systems(family)
    lines = [f"# {titled(family)}", "", f"{FAMILIES[family]}. {MADE}", ""]
    told = [*map(summary, here), *map(analysis_summary, analyses(family))]
    if told:
        lines += [*rows("name|kind|system|what it does|studies", told), ""]
    for one in here:
        lines += system_section(one)
    if entries(family):
        lines += ["## Catalogue", "", *rows("id|system|paper|state|kind|name", map(entry_row, entries(family))), ""]
    return "\n".join(lines)


def summary(one: System) -> list[str]:
    """A system as a row of its family's table."""
    about = one.about
    return [f"[`{about.name}`](#{about.name})", about.kind, f"{about.system}{paper(about.paper)}", prose(about.line), outcomes(about.name)]


def analysis_summary(study: Study) -> list[str]:
    """An analysis as a row of its family's table."""
    outcome = f"[{OUTCOMES.get(study.outcome or '', 'not judged')}]({section_of(study)})" if study.system in results() else ""
    return [f"[`{study.system}`]({place_of(study)})", "study", published(study), study.claim, outcome]


def outcomes(name: str) -> str:
    """Links to the studies of a system, each with its outcome."""
    mine = [study for study in declared().values() if name in study.recipes and study.system in results()]
    return ", ".join(f"[{OUTCOMES.get(study.outcome or '', 'not judged')}]({section_of(study)})" for study in mine)


def section_of(study: Study) -> str:
    """Where a study is told of, seen from docs/systems."""
    return f"../studies/{family_of(study)}.md#{study.system}"


def entry_row(one: Entry) -> list[str]:
    """A row of the catalogue."""
    names = ", ".join(f"[`{name}`]({place(name)})" for name in one.names)
    return [str(one.id), one.system, one.title, one.state, one.kind or "", names]


def place(name: str) -> str:
    """Where a system or a study is told of, seen from docs/systems."""
    return f"{shipped()[name].about.family}.md#{name}" if name in shipped() else place_of(declared()[name])


def place_of(study: Study) -> str:
    """Where a study is told of, or else declared, seen from docs/systems."""
    return section_of(study) if study.system in results() else f"../../{source_of(study)}"


def system_section(one: System) -> list[str]:
    """What is said of a system: its line, its declaration, the heads of its docstring."""
    about = one.about
    kind = f"A variation of [`{about.of}`]({place(about.of)})" if about.of else f"A {about.kind}"
    ids = f"; row {', '.join(map(str, about.catalogue))} of the catalogue" if about.catalogue else ""
    gold = "Reads gold answers." if about.needs_answers else "Reads no gold answers."
    lines = [
        f"## {about.name}", "",
        f"**{about.system}**{paper(about.paper)}. {prose(about.line)}", "",
        f"{kind} ([source](../../{source(about.name)})){ids}. By default on the world `{about.tasks}`, from the base `{about.model}`. {gold}", "",
    ]  # fmt: skip
    if one.settings:
        lines += ["Settings that differ: " + " ".join(f"`{key}={json.dumps(value)}`" for key, value in one.settings.items()), ""]
    for head, text in heads(docstring(one)):
        lines += [f"- **{head}:** {prose(text)}"]
    return [*lines, ""]


def docstring(one: System) -> str:
    """The docstring of the class that declares a system."""
    declared = (value for value in vars(importlib.import_module(one.module)).values() if isinstance(value, type) and "about" in vars(value))
    return next(inspect.cleandoc(cls.__doc__ or "") for cls in declared if cls.about.name == one.about.name)


def heads(text: str) -> list[tuple[str, str]]:
    """The heads of a docstring with what each says."""
    _, *parts = HEAD.split(text)
    return list(zip(parts[::2], parts[1::2], strict=True))


def studies_page(family: str) -> str:
    """The studies of a family."""
    lines = [
        f"# Studies: {family}",
        "",
        f"[How to read a table](../studies.md). What the systems are: [{titled(family)}](../systems/{family}.md). {MADE}",
        "",
    ]
    return "\n".join([*lines, *(line for study in shown(family) for line in study_section(study))])


def study_section(study: Study) -> list[str]:
    """Outcome, claim, figure, table and finding of a study."""
    return [
        f"## {study.system}", "",
        f"{published(study)}: **{OUTCOMES.get(study.outcome or '', 'not judged')}**. `autotelic replicate {study.system}`, [source](../../{source_of(study)}).", "",
        f"Claim: {study.claim}", "",
        *[f"- {sentence}" for sentence in words(study, results()[study.system])], "",
        f"![{next(iter(study.quantities))} by arm over rounds](../figures/{study.system}.svg)", "",
        table(study, results()[study.system]), "",
        study.finding, "",
    ]  # fmt: skip


ENDS = ("accuracy", "pass@1", "majority@4", "agreement")
"""What a short table of a study shows, as parts of the probe."""


def study_part(name: str) -> str:
    """A study with one line an arm, where its own page has one for every quantity, and its figure; seen from docs/."""
    study, found = declared()[name], results()[name]
    arms = [(arm, [row for row in found if row.arm == arm]) for arm in study.arms]
    head = "arm|first to last|seeds from to|pass@1|majority@4|agreement|verdicts|minutes"
    return "\n".join(rows(head, (arm_row(arm, mine) for arm, mine in arms if any(row.last for row in mine)))) + "\n"


def arm_row(arm: str, mine: list[Row]) -> list[str]:
    """The means over seeds of an arm's first and last probe; the range of its last greedy accuracy."""
    made = [row for row in mine if row.last]
    first = fmean(row.first[f"probe/{ENDS[0]}"] for row in made)
    last = [fmean(row.last[f"probe/{name}"] for row in made) for name in ENDS]
    greedy = [row.last[f"probe/{ENDS[0]}"] for row in made]
    spread = f"{min(greedy):.2f} to {max(greedy):.2f}" if len(made) > 1 else "one seed"
    minutes = f"{fmean(row.seconds for row in made) / 60:.1f}"
    return [arm, f"{first:.2f} to {last[0]:.2f}", spread, *(f"{value:.2f}" for value in last[1:]), tally([row.verdict for row in made]), minutes]


def source_of(study: Study) -> str:
    """The file that declares a study, seen from the top of the repository."""
    return f"src/{studies()[study.system].module.replace('.', '/')}.py"


def studies_table(_: str) -> str:
    """Every study with results and what came out, seen from docs/."""
    found = [study for family in FAMILIES for study in shown(family)]
    line = ([f"[`{one.system}`]({section_of(one)[3:]})", family_of(one), OUTCOMES.get(one.outcome or "", "not judged"), one.claim] for one in found)
    return "\n".join(rows("study|family|outcome|claim", line)) + "\n"


def states_table(_: str) -> str:
    """How many systems of the catalogue are in which state."""
    counts = Counter(one.state for one in catalogue())
    found = [[state, str(counts[state]), meaning] for state, meaning in STATES.items()]
    return "\n".join(rows("state|systems|meaning", [*found, ["all", str(len(catalogue())), ""]])) + "\n"


def families_table(folder: str) -> str:
    """Every family with its counts; `folder` is where their pages are, seen from the page. From the README only those of which something is here."""
    mine = [family for family in FAMILIES if names(family) or (folder == "systems/" and entries(family))]
    return "\n".join(rows("family|what it stands for|in the catalogue|here|names", (family_row(family, folder) for family in mine))) + "\n"


def family_row(family: str, folder: str) -> list[str]:
    """A family with the number of its rows in the catalogue, of those that are here, and the names of its systems and analyses."""
    here = sum(one.state != "open" for one in entries(family))
    return [f"[{family}]({folder}{family}.md)", FAMILIES[family], str(len(entries(family))), str(here), " ".join(names(family))]


def names(family: str) -> list[str]:
    """The names of what is here of a family, as code."""
    return [f"`{name}`" for name in sorted([*(one.about.name for one in systems(family)), *(study.system for study in analyses(family))])]


def counts(_: str) -> str:
    """What is here, in numbers."""
    kinds = Counter(one.about.kind for one in shipped().values())
    states = Counter(one.state for one in catalogue())
    here = len(catalogue()) - states["open"]
    said = ", ".join(f"{kinds[kind]} {plural(kind, kinds[kind])}" for kind in ("variation", "way") if kinds[kind])
    own = sum(bool(declared()[name].catalogue) for name in results())
    told = f", {own} of them {plural('analysis', own)}" if own else ""
    return (
        f"{here} of the {len(catalogue())} published systems of the catalogue run here. There are {kinds['recipe']} recipes, controls among them, {said},\n"
        f"and {len(results())} studies with results{told}: "
        f"the claim of the paper is seen for {states['replicated']} systems, partly for {states['partly']}, and not for {states['not seen']}.\n"
    )


def plural(word: str, count: int) -> str:
    """A noun as it is counted."""
    return word if count == 1 else "analyses" if word == "analysis" else word + "s"


def figures() -> dict[Path, str]:
    """The figure of every study with results, by its path."""
    drawn = {DOCS / "figures" / f"{name}.svg": figure(declared()[name], found) for name, found in results().items()}
    return {path: svg for path, svg in drawn.items() if svg}
