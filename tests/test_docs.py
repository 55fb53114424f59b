"""The README and docs: their Python runs, their copies and tables are those of the sources, and they name every setting and metric."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from autotelic.cli.main import app
from autotelic.learning.learner import Optimizer
from autotelic.runs import loop
from autotelic.runs.progress import Progress
from autotelic.runs.settings import RunSettings
from autotelic.sandbox import why_not
from autotelic.systems.registry import recipes
from autotelic.types import Sampling
from autotelic.worlds import WORLDS

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")] + sorted((ROOT / "docs").rglob("*.md"))
SITE = ("index.md", "contributing.md", "changelog.md", "security.md")
"""Pages of the site that stand at the top of the repository."""
BLOCK = re.compile(r"(?sm)^```(\w+)\n(.*?)^```$")


def blocks(page: Path, language: str) -> list[str]:
    return [text for kind, text in BLOCK.findall(page.read_text(encoding="utf-8")) if kind == language]


def prose(page: Path) -> str:
    """A page without its code blocks."""
    return BLOCK.sub("", page.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def fill() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_fill", ROOT / "docs" / "fill.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=lambda page: page.name)
def test_python_blocks_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the order of the page, in one namespace, with the examples beside them."""
    if page.name == "sandbox.md" and (reason := why_not()):
        pytest.skip(reason)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    known = dict(WORLDS)
    namespace: dict[str, object] = {"__name__": f"docs_{page.stem}"}
    try:
        for number, block in enumerate(blocks(page, "python")):
            exec(compile(block, f"{page.name} block {number}", "exec"), namespace)  # noqa: S102 - the project's own documentation
    finally:
        for name in set(WORLDS) - set(known):
            del WORLDS[name]


def test_places_and_figures_are_those_of_their_sources(fill: ModuleType) -> None:
    wanted = fill.wanted()
    for path, text in wanted.items():
        assert path.is_file() and path.read_text(encoding="utf-8") == text, f"{path.name}: python docs/fill.py"
    assert set(fill.present()) <= set(wanted)


def test_every_row_of_the_catalogue_and_every_system_stands_on_the_page_of_its_family() -> None:
    pages = {page.stem: page.read_text(encoding="utf-8") for page in (ROOT / "docs" / "systems").glob("*.md")}
    rows = [line for text in pages.values() for line in re.findall(r"(?m)^\| \d+ \|.*$", text)]
    assert len(rows) == 366
    for name, cls in recipes().items():
        about, page = cls.about, pages[cls.about.family]
        assert f"\n## {name}\n" in page and about.system in page and f"/{cls.__module__.replace('.', '/')}.py)" in page
        assert all(f"**{head}:**" in page.partition(f"\n## {name}\n")[2].partition("\n## ")[0] for head in ("Formula", "Ends", "Fails", "Differs"))
        for number in about.catalogue:
            row = next(line for line in rows if line.startswith(f"| {number} |"))
            assert f"[`{name}`](" in row and "| open |" not in row


def test_every_study_with_results_stands_in_the_docs(fill: ModuleType) -> None:
    table = (ROOT / "docs" / "studies.md").read_text(encoding="utf-8")
    sections = "".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs" / "studies").glob("*.md"))
    assert fill.systems.results()
    for name in fill.systems.results():
        assert f"| [`{name}`](" in table and f"\n## {name}\n" in sections


def test_text_of_a_docstring_is_text_on_a_page(fill: ModuleType) -> None:
    assert fill.systems.prose("a * b < c_i | `x_*|` _d_") == r"a \* b &lt; c_i \| `x_*|` \_d\_"
    assert fill.systems.heads("Line.\n\nFormula: a\nb: c.\nEnds: d.\nFails: e.\nDiffers: f.") == [
        ("Formula", "a\nb: c.\n"), ("Ends", "d.\n"), ("Fails", "e.\n"), ("Differs", "f.")
    ]  # fmt: skip


def test_the_readme_is_short_shows_a_recipe_verbatim_and_names_all() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(readme.splitlines()) <= 250
    assert (ROOT / "src/autotelic/systems/label_free/srt/recipe.py").read_text(encoding="utf-8") in readme
    assert all(f" `{name}`" in readme for name in recipes())
    assert (ROOT / "docs" / "images" / "report.png").is_file()


def test_a_place_is_filled_and_other_comments_are_left_alone(fill: ModuleType) -> None:
    text = "<!-- elsewhere: nowhere -->\nas it was\n<!-- end -->\n"
    assert fill.filled(text) == text
    assert 'recipe = "srt"' in fill.filled("<!-- file: examples/settings.toml -->\n<!-- end -->\n")


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as code hosts and the site make them."""
    titles = re.findall(r"(?m)^#+ (.+)$", prose(page))
    texts = [re.sub(r"\]\([^)]*\)", "", title).lower() for title in titles]
    return {re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", text).strip()) for text in texts}


def broken(page: Path) -> list[str]:
    """The relative links of a page that lead to no file, or to no heading of one."""
    found = []
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        path, _, anchor = target.partition("#")
        there = page.parent / path if path else page
        if not target.startswith("https://") and (not there.exists() or (anchor and anchor not in anchors(there))):
            found.append(target)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_anchors_lead_somewhere(page: Path) -> None:
    assert not broken(page)


def test_links_that_lead_nowhere_are_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# One `thing`, or two\n[a](#one-thing-or-two) [b](#three) [c](other.md) [d](page.md#two) [e](https://example.org) [f](page.md)\n"
    )
    assert broken(page) == ["#three", "other.md", "page.md#two"]


def test_every_page_stands_in_the_navigation_of_the_site() -> None:
    nav = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:")[2]
    folders = re.findall(r"(?m)(\S+/)$", nav)
    named = [*re.findall(r"([\w-]+\.md)", nav), *(f"{folder}{page.name}" for folder in folders for page in (ROOT / "docs" / folder).glob("*.md"))]
    assert sorted(named) == sorted({str(page.relative_to(ROOT / "docs")) for page in PAGES if page.is_relative_to(ROOT / "docs")} | set(SITE))


def test_every_setting_is_documented() -> None:
    named = set(re.findall(r"`([\w.]+)`", prose(ROOT / "docs" / "settings.md")))
    assert set(RunSettings.model_fields) <= named
    assert {f"optimizer.{name}" for name in Optimizer.model_fields} | {f"sampling.{name}" for name in Sampling.model_fields} <= named


def test_every_world_is_documented() -> None:
    page = prose(ROOT / "docs" / "models-and-tasks.md")
    for name, world in WORLDS.items():
        row = next(line for line in page.splitlines() if line.startswith(f"| `{name}` "))
        assert all(f"`{knob}`" in row for knob in world().settings.model_fields)


def test_every_command_in_the_docs_exists() -> None:
    commands = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    for page in PAGES:
        for block in blocks(page, "sh"):
            for found in re.findall(r"(?m)^(?:\S*/)?autotelic (\w+)", block):
                assert found in commands, f"{page.name}: autotelic {found}"


@pytest.mark.parametrize("example", ["my_recipe.py", "settings.toml", "questions.jsonl"])
def test_examples_run(example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from autotelic.runs.settings import read_file

    folder = ROOT / "examples"
    quick = {"rounds": 1, "tasks_per_round": 4, "group_size": 4, "probe_size": 8, "probe_samples": 2, "out": str(tmp_path / "run")}
    raw = {
        "my_recipe.py": {"recipe": str(folder / "my_recipe.py")},
        "settings.toml": read_file(folder / "settings.toml"),
        "questions.jsonl": {
            "recipe": "srt", "tasks": str(folder / "questions.jsonl"), "probe": str(folder / "questions_with_answers.jsonl"), "verifier": "number"
        },
    }[example]  # fmt: skip
    outcome = loop.start({**raw, **quick}, Progress(quiet=True))
    assert outcome.report.is_file()
    assert outcome.verdict.numbers["tasks"] == 8
