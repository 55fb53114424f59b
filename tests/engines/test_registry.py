"""Engines by name: shipped ones, those of other packages, what a system needs of them, and what is refused before anything is sampled."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from command import call, refused

from autotelic.engines.native import available
from autotelic.engines.registry import CAPABILITIES, ENGINES, EngineOptions, known_engines, open_engine
from autotelic.entries import points
from autotelic.errors import SettingError
from autotelic.networks.model import LanguageModel
from autotelic.runs.settings import RunSettings
from autotelic.systems.base import System
from autotelic.systems.registry import recipes, ways

ROOT = Path(__file__).resolve().parents[2]
POINTS = """[autotelic.engines]
eight-bits = eight_bits:MAKER
broken = no_such_package:MAKER
odd = eight_bits:EightBits
stopless = stopless:MAKER
torch = eight_bits:MAKER
"""
STOPLESS = """
from autotelic.engines.registry import EngineMaker
from autotelic.engines.torch_engine import TorchEngine

MAKER = EngineMaker(lambda options: TorchEngine(), frozenset({"weights"}), lambda model: "it is too small" if model.vocab_size < 25 else None)
"""
EVAL = ("eval", "chain-skills", "--tasks", "chain-skills", "--limit", 4, "--samples", 2)


@pytest.fixture
def foreign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package that ships engines: the one of the examples, and some that do not work."""
    (tmp_path / "stopless.py").write_text(STOPLESS, encoding="utf-8")
    (info := tmp_path / "their_package-1.0.dist-info").mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their-package\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(POINTS, encoding="utf-8")
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    monkeypatch.syspath_prepend(str(tmp_path))
    points.cache_clear()
    yield
    points.cache_clear()


@pytest.mark.usefixtures("foreign")
def test_an_engine_of_another_package_answers_and_does_not_train_where_it_cannot_follow(tmp_path: Path) -> None:
    assert known_engines() == ["native", "torch", "vllm", "broken", "eight-bits", "odd", "stopless"]
    plain, rounded = (json.loads(call(*EVAL, "--engine", name, "--json").out)["measures"] for name in ("torch", "eight-bits"))
    assert plain.keys() == rounded.keys()
    way = call(*EVAL, "--way", "backtracking", "--engine", "eight-bits")
    assert way.status == 0 and "backtracking: " in way.out
    said = refused(tmp_path / "run", "srt", "--engine", "eight-bits")
    needed = "sample from any weights that it is handed, as they are at that moment"
    assert said == f"error: engine=eight-bits: cannot {needed}, which recipe 'srt' needs; native, torch and vllm can"


@pytest.mark.usefixtures("foreign")
@pytest.mark.parametrize(
    ("engine", "arguments", "message"),
    [
        ("nativ", EVAL, "engine = 'nativ': did you mean 'native'?"),
        ("eigth-bits", EVAL, "engine = 'eigth-bits': did you mean 'eight-bits'?"),
        (
            "broken",
            EVAL,
            "engine 'broken': the entry point 'no_such_package:MAKER' of their-package cannot be loaded: No module named 'no_such_package'",
        ),
        ("odd", EVAL, "engine 'odd': the entry point 'eight_bits:EightBits' of their-package is no EngineMaker"),
        (
            "stopless",
            (*EVAL, "--way", "backtracking"),
            "engine=stopless: cannot end a completion at the strings of Sampling.stop, which way 'backtracking' needs; native, torch and vllm can",
        ),
        ("stopless", ("eval", "chain-medium", "--tasks", "chain", "--limit", 2), "engine=stopless: it is too small"),
    ],
)
def test_engines_that_cannot_are_refused_in_one_line(engine: str, arguments: tuple[object, ...], message: str) -> None:
    assert call(*arguments, "--engine", engine).complaint == f"error: {message}"


@pytest.mark.usefixtures("foreign")
def test_a_role_that_stops_at_strings_needs_an_engine_that_does(tmp_path: Path) -> None:
    said = refused(tmp_path / "run", "srt", "--engine", "stopless", 'sampling.stop=[";"]')
    assert said.startswith("error: engine=stopless: cannot end a completion at the strings of Sampling.stop, which recipe 'srt' needs")


def test_auto_is_native_where_it_can_be_had(tiny: Callable[..., LanguageModel]) -> None:
    model = tiny()
    assert open_engine("auto", model, EngineOptions()).name == ("torch" if available() else "native")
    assert open_engine("torch", model, EngineOptions("bf16")).precision == "bf16"  # type: ignore[attr-defined]
    assert all(maker.capabilities == CAPABILITIES.keys() for maker in ENGINES.values())


def test_a_model_that_only_torch_can_run_is_told_of(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tiny: Callable[..., LanguageModel]
) -> None:
    monkeypatch.setattr("autotelic.engines.native.available", lambda: "no compiler")
    assert open_engine("auto", tiny(), EngineOptions()).name == "torch"
    assert capsys.readouterr().err == "sampling with the torch engine: no compiler\n"
    with pytest.raises(SettingError, match=r"^engine=native: no compiler$"):
        open_engine("native", tiny(), EngineOptions())


def test_names_are_checked_with_the_settings() -> None:
    assert RunSettings(engine="torch").engine == "torch"
    with pytest.raises(SettingError, match=r"engine = 'cuda': known: auto, native, torch"):
        RunSettings(engine="cuda")


@pytest.mark.parametrize("system", [*recipes().values(), *ways().values()], ids=lambda cls: cls.about.name)
def test_what_stops_at_strings_says_so(system: type[System]) -> None:
    """Read off the sources: a module that passes `stop=`, or asks an episode that does."""
    sources = [ROOT / "src" / f"{cls.__module__.replace('.', '/')}.py" for cls in system.__mro__ if cls.__module__.startswith("autotelic.systems.")]
    used = r"\bstop=|episodes\.(tree|backtracking) import|(self_backtracking|rest_mcts)\.way import"
    assert ("stops" in system.engine_needs) == any(re.search(used, source.read_text(encoding="utf-8")) for source in sources)
