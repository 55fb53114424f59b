"""The index of systems: it is what the modules declare, lists are read from it alone, and other packages stand beside it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from command import call
from complaints import ENVIRONMENT

from autotelic.errors import SettingError
from autotelic.studies.catalogue import catalogue
from autotelic.systems import index, indexing
from autotelic.systems.base import Recipe, recipe, variation
from autotelic.systems.families import FAMILIES
from autotelic.systems.registry import find, recipes

HEAVY = ("torch", "transformers", "numpy")
LISTS = (["recipes"], ["recipes", "--json"], ["systems"], ["systems", "srt", "--json"], ["replicate", "--list"], ["replicate", "--help"], ["--help"])


def python(program: str, *arguments: str, path: str = "", **environment: str) -> str:
    """Standard output of a Python program in a process of its own, which must end well and say nothing on the other stream."""
    settings = {**ENVIRONMENT, **environment, "PYTHONPATH": f"{ENVIRONMENT['PYTHONPATH']}:{path}"}
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, env=settings, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout


def test_the_index_is_what_the_modules_declare() -> None:
    assert indexing.FILE.read_text(encoding="utf-8") == indexing.text(), index.AGAIN
    assert index.unlisted() == []
    for name, cls in recipes().items():
        assert (index.shipped()[name].about, index.shipped()[name].module) == (cls.about, cls.__module__)


def test_lists_help_and_completion_load_nothing_heavy() -> None:
    """One process for all of them: what one of them loads is there for the last."""
    program = f"""
import sys
from autotelic.cli.main import main
for arguments in {LISTS!r}:
    sys.argv = ["autotelic", *arguments]
    try:
        main()
    except SystemExit as stop:
        assert not stop.code, arguments
    assert not (found := sys.modules.keys() & set({HEAVY!r})), (arguments, found)
"""
    assert '"name": "srt"' in python(program)
    completing = (
        "import sys; sys.argv = ['autotelic']\nfrom autotelic.cli.main import app\ntry: app(prog_name='autotelic')\nexcept SystemExit: pass\n"
    )
    completing += f"assert not sys.modules.keys() & set({HEAVY!r})"
    found = python(completing, _AUTOTELIC_COMPLETE="complete_bash", COMP_WORDS="autotelic run easy", COMP_CWORD="2")
    assert found.split() == ["easy-to-hard"]


def test_a_recipe_is_found_without_loading_the_others() -> None:
    program = (
        "import sys; from autotelic.systems.registry import find; find('srt')\n"
        "print([name for name in sys.modules if name.endswith(('.recipe', '.study'))])"
    )
    assert python(program).strip() == "['autotelic.systems.label_free.srt.recipe']"


def test_what_the_index_does_not_name_is_found_all_the_same_and_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = dict(index.shipped())
    module = shipped.pop("srt").module
    monkeypatch.setattr(index, "shipped", lambda: shipped)
    assert find("srt").about.name == "srt"
    assert index.unlisted() == [module]
    found = call("recipes")
    assert found.status == 0 and found.err == f"not in the index, and so not listed: {module} (python -m autotelic.systems.indexing)\n"
    with pytest.raises(SettingError, match=r"no recipe 'srtt'; did you mean 'srt'\?"):
        find("srtt")


def test_a_damaged_index_says_how_it_is_written_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "index.json").write_text("<<<<<<< HEAD\n", encoding="utf-8")
    index._index.cache_clear()
    index.shipped.cache_clear()
    monkeypatch.setattr(index, "files", lambda package: tmp_path)
    try:
        complaint = call("recipes").complaint
        assert "the index of systems cannot be read" in complaint and complaint.endswith("python -m autotelic.systems.indexing")
    finally:
        index._index.cache_clear()


PACKAGE = '''
from autotelic.systems.base import Recipe, recipe


@recipe(name="theirs", system="Theirs", paper="", family="other")
class Theirs(Recipe):
    """Does nothing."""

    async def round(self, ctx):
        pass


class Answers:
    """A world with one task."""

    name = "answers"

    def __init__(self, right="42"):
        self.right = str(right)
'''


def test_other_packages_ship_systems_and_worlds_by_entry_points(tmp_path: Path) -> None:
    (tmp_path / "their_package.py").write_text(PACKAGE, encoding="utf-8")
    info = tmp_path / "their_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their-package\nVersion: 1.0\n", encoding="utf-8")
    points = "[autotelic.systems]\ntheirs = their_package:Theirs\nbroken = no_such_package:Theirs\nodd = their_package:Recipe\nsrt = their_package:Theirs\n"
    points += "[autotelic.worlds]\nanswers = their_package:Answers\nlost = their_package:Lost\nchain = their_package:Answers\n"
    (info / "entry_points.txt").write_text(points, encoding="utf-8")
    program = """
import sys
from autotelic.cli.main import main
from autotelic.systems import index
sys.argv = ["autotelic", "recipes"]
try:
    main()
except SystemExit as stop:
    assert not stop.code
assert "torch" not in sys.modules and "their_package" not in sys.modules
from autotelic.errors import SettingError
from autotelic.systems.registry import find
print(find("theirs").about.system, find("srt").about.system)
from autotelic.worlds import open_world
from autotelic.runs.tasks import is_world
assert is_world("answers?right=7") and open_world("answers?right=7").right == "7" and open_world("chain").name == "chain"
for call in (lambda: find("broken"), lambda: find("odd"), lambda: open_world("lost"), lambda: open_world("answrs")):
    try:
        call()
    except SettingError as error:
        print(error)
"""
    text = python(program, path=str(tmp_path))
    assert "theirs                 other            theirs\n    A system of the package their-package." in text
    assert text.splitlines()[-5:] == [
        "Theirs SRT",
        "recipe 'broken': the entry point 'no_such_package:Theirs' of their-package cannot be loaded: No module named 'no_such_package'",
        "recipe 'odd': the entry point 'their_package:Recipe' of their-package is no class declared with @recipe or @variation",
        "world 'lost': the entry point 'their_package:Lost' of their-package cannot be loaded: module 'their_package' has no attribute 'Lost'",
        "no world 'answrs': did you mean 'answers'?",
    ]


def test_families_are_one_vocabulary() -> None:
    rows = catalogue()
    assert {row.family for row in rows} <= FAMILIES.keys()
    for one in index.shipped().values():
        folder = one.module.split(".")[2].replace("_", "-")
        assert folder in FAMILIES and one.about.family in FAMILIES
        assert one.about.family == folder or one.about.kind == "variation", "a variation stands beside its recipe, whatever its own family is"
        assert all(rows[number].family == one.about.family for number in one.about.catalogue), one.about.name
    for study in index.studies().values():
        folder = study.module.split(".")[2].replace("_", "-")
        assert folder in FAMILIES
        assert study.recipes or {rows[number].family for number in study.catalogue} == {folder}, "an analysis stands in the family of its rows"
        assert len({rows[number].family for number in study.catalogue}) < 2


def test_an_analysis_is_a_row_of_the_catalogue_and_no_system() -> None:
    taken = {number for system in index.shipped().values() for number in system.about.catalogue}
    for study in index.studies().values():
        assert study.recipes or study.catalogue
        assert not taken & set(study.catalogue), "the ids of a system stand with the system, those of an analysis with the study"
        assert study.name not in index.shipped() or study.name in study.recipes, "a name stands for one thing"
    row = json.loads(call("systems", "1-shot", "RLVR", "--json").out)[0]
    assert (row["id"], row["family"], row["kind"], row["names"]) == (53, "reinforcement", "study", ["one-shot-rlvr"])
    assert call("systems", "1-shot").out.splitlines()[0].endswith("1-shot RLVR (reinforcement): study one-shot-rlvr")
    assert "'one-shot-rlvr' is a study, no recipe: autotelic replicate one-shot-rlvr" in call("run", "one-shot-rlvr").complaint


def test_the_catalogue_as_json_has_every_row() -> None:
    rows = json.loads(call("systems", "--json").out)
    assert [row["id"] for row in rows] == list(range(366))
    assert {"id", "title", "family", "kind", "state", "names"} <= rows[0].keys()
    assert (rows[0]["kind"], rows[0]["names"]) == ("recipe", ["srt"])
    assert all((row["state"] == "open") == (row["kind"] is None) == (row["names"] == []) for row in rows)


def test_a_variation_says_what_differs_and_is_a_recipe_in_every_other_way() -> None:
    @recipe(name="plain", system="Plain", paper="a", family="other", proxy="p", needs_answers=True, model="chain-weak")
    class Plain(Recipe):
        """Plain."""

        size: int = 3

    @variation(name="large", system="Large", paper="b", catalogue=(5,), model="chain-good")
    class Large(Plain):
        """Large."""

        size: int = 9
        rounds: int = 4

    assert (Large.about.kind, Large.about.of, Large.about.line, Large.about.catalogue) == ("variation", "plain", "Large.", (5,))
    assert (Large.about.family, Large.about.proxy, Large.about.needs_answers, Large.about.model) == ("other", "p", True, "chain-good")
    assert Plain.about.kind == "recipe" and Plain.about.catalogue == ()
    assert indexing.differing(Large) == {"size": 9, "rounds": 4}
    with pytest.raises(TypeError, match="Alone is declared as a variation, and Recipe is no declared recipe"):

        @variation(name="alone", system="Alone", paper="")
        class Alone(Recipe):
            """Alone."""
