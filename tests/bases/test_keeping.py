"""A base that is nowhere yet is made into the cache, whole or not at all, and found there again."""

import resource
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from command import call

from autotelic.bases import keeping, places, records, telling
from autotelic.bases.keeping import alone, at_hand, put
from autotelic.bases.making import make
from autotelic.bases.places import GROUP, base_folder, cached, fits, place, shipped, spec_in
from autotelic.bases.records import Record, weights_digest
from autotelic.bases.specs import BASES, BaseSpec
from autotelic.caching import cache_folder
from autotelic.entries import points
from autotelic.errors import AutotelicError

MINI = BaseSpec(
    name="mini", note="hardly trained", tasks="chain?ops=1", width=16, intermediate=32, layers=1, steps=4, chunk=2, batch_size=8, warmup=1
)


@pytest.fixture
def mini(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BaseSpec:
    """A base that is nowhere yet, and an empty cache for it; compiled code stays where it is."""
    monkeypatch.setitem(BASES, "mini", MINI)
    monkeypatch.setattr(places, "cache_folder", lambda: tmp_path / "cache")
    return MINI


def whole(tmp_path: Path) -> Path:
    """A folder with the base, made elsewhere."""
    make(MINI, tmp_path / "elsewhere")
    return tmp_path / "elsewhere"


def left(tmp_path: Path) -> list[str]:
    """What the cache holds beside locks."""
    return sorted(path.name for path in (tmp_path / "cache" / "bases").iterdir() if path.suffix != ".lock")


def test_a_base_is_made_once_and_found_again(mini: BaseSpec, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert place("mini") is None and base_folder("mini") is None
    folder = at_hand("mini")
    assert folder == cached(mini) and place("mini") == (folder, "cache") and spec_in(folder) == mini
    assert left(tmp_path) == [folder.name]
    first = capsys.readouterr().err.splitlines()
    assert first == [f"mini: this base is made now, once, and kept in {folder}", "mini: step 4/4, loss " + first[1][-5:]]
    before = (folder / "model.safetensors").stat().st_mtime_ns
    assert at_hand("mini") == folder and (folder / "model.safetensors").stat().st_mtime_ns == before
    assert weights_digest(folder) == weights_digest(whole(tmp_path)) and capsys.readouterr().err == ""


def test_another_spec_is_made_again_and_another_note_is_not(mini: BaseSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    first = at_hand("mini", quiet=True)
    monkeypatch.setitem(BASES, "mini", mini.model_copy(update={"note": "in other words"}))
    assert at_hand("mini", quiet=True) == first
    monkeypatch.setitem(BASES, "mini", mini.model_copy(update={"steps": 2}))
    second = at_hand("mini", quiet=True)
    assert second and first and second != first and [spec_in(second).steps, spec_in(first).steps] == [2, 4]


def test_what_is_half_there_is_no_base(mini: BaseSpec, tmp_path: Path) -> None:
    folder = cached(mini)
    elsewhere = whole(tmp_path)
    for damage in ("base.json", "config.json", "model.safetensors"):
        shutil.copytree(elsewhere, folder)
        assert fits(folder, mini)
        (folder / damage).write_bytes((folder / damage).read_bytes()[:-9])
        assert fits(folder, mini) is (damage == "config.json")
        (folder / damage).unlink()
        assert not fits(folder, mini) and place("mini") is None
        shutil.rmtree(folder)
    shutil.copytree(elsewhere, folder)
    (folder / "model.safetensors").write_bytes(b"")
    assert at_hand("mini", quiet=True) == folder and weights_digest(folder) == weights_digest(elsewhere)


def test_who_is_second_waits_and_takes_what_the_first_made(mini: BaseSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere, target = whole(tmp_path), cached(mini)
    target.parent.mkdir(parents=True)
    said, waits = [], threading.Event()
    monkeypatch.setattr(keeping, "say", lambda text: (said.append(text), waits.set()))
    second = threading.Thread(target=at_hand, args=("mini",))
    with alone(target.with_name(f"{target.name}.lock")):
        second.start()
        assert waits.wait(60) and second.is_alive()
        put(elsewhere, target, mini)
        before = (target / "model.safetensors").stat()
    second.join(60)
    after = (target / "model.safetensors").stat()
    assert not second.is_alive() and (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    assert said == ["mini: another process makes it; waiting"] and left(tmp_path) == [target.name]


def test_a_base_takes_the_place_of_a_damaged_one_and_of_no_other(mini: BaseSpec, tmp_path: Path) -> None:
    target = cached(mini)
    shutil.copytree(whole(tmp_path), target)
    theirs = (target / "model.safetensors").stat().st_ino
    shutil.copytree(target, tmp_path / "mine")
    put(tmp_path / "mine", target, mini)
    assert (target / "model.safetensors").stat().st_ino == theirs
    (target / "base.json").unlink()
    put(tmp_path / "mine", target, mini)
    assert fits(target, mini) and (target / "model.safetensors").stat().st_ino != theirs


def test_making_that_is_interrupted_leaves_nothing(mini: BaseSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(text: str) -> None:
        if "step" in text:
            raise KeyboardInterrupt

    monkeypatch.setattr(telling, "PAUSE", 0.0)
    monkeypatch.setattr(telling, "say", stop)
    with pytest.raises(KeyboardInterrupt) as stopped:
        at_hand("mini")
    assert stopped.value.__notes__ == ["the base mini was not finished, and nothing of it is kept"] and left(tmp_path) == []
    assert at_hand("mini", quiet=True) == cached(mini)


def test_a_cache_that_cannot_be_written(mini: BaseSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(places, "cache_folder", lambda: tmp_path / "file")
    with pytest.raises(
        AutotelicError, match=r"file/bases: the base mini, which .* cannot be written there: Not a directory; AUTOTELIC_CACHE=FOLDER takes"
    ):
        at_hand("mini", quiet=True)


@pytest.fixture
def little_room() -> Iterator[None]:
    """No file may be longer than 3000 bytes: as when the disk is full, but for the reason that is given."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_no_room_for_a_base(mini: BaseSpec, tmp_path: Path, little_room: None) -> None:
    with pytest.raises(AutotelicError, match=r"the base mini, which is made on first use, cannot be written there: .*too large"):
        at_hand("mini", quiet=True)
    assert left(tmp_path) == []


def test_weights_that_nothing_was_measured_with_are_told(mini: BaseSpec, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    folder = at_hand("mini", quiet=True)
    assert folder is not None and capsys.readouterr().err == ""
    for known, words in ((weights_digest(folder), ""), ("0" * 32, "mini: its weights are not those that the published results were measured with")):
        monkeypatch.setitem(records.records(), "mini", Record(known, 1, 1))
        at_hand("mini")
        assert capsys.readouterr().err.startswith(words) and bool(words) == (", other weights" in call("base").out)


def test_other_packages_hold_bases(mini: BaseSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The data package of bases, and bases that this package does not know."""
    package, info = tmp_path / "site" / "their_bases", tmp_path / "site" / "their_bases-1.0.dist-info"
    info.mkdir(parents=True)
    for name in ("mini", "theirs", "addition-4"):
        shutil.copytree(whole(tmp_path), package / name)
    (package / "__init__.py").write_text("")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their-bases\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{GROUP}]\nmini = their_bases\ntheirs = their_bases\naddition-4 = their_bases\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
    points.cache_clear()
    try:
        assert place("mini") == (package / "mini", "their-bases") and place("theirs") == (package / "theirs", "their-bases")
        assert base_folder("addition-4") == shipped()["addition-4"]
        assert at_hand("mini") == package / "mini" and not cached(mini).exists()
        assert "mini                 their-bases" in call("base").out
        monkeypatch.setitem(BASES, "mini", mini.model_copy(update={"steps": 2}))
        assert place("mini") is None, "one by another spec is passed over"
    finally:
        monkeypatch.undo()
        points.cache_clear()


def test_a_run_makes_its_base_and_tells_unless_quiet(mini: BaseSpec, tmp_path: Path) -> None:
    small = ("--tasks", "chain?ops=1", "--dry-run", "sampling.max_tokens=16", "pool_size=24", "probe_size=4")
    assert call("run", "srt", "--model", "mini", "--quiet", *small).err == ""
    shutil.rmtree(tmp_path / "cache")
    first, second = (call("run", "srt", "--model", "mini", *small) for _ in range(2))
    assert first.err.startswith(f"mini: this base is made now, once, and kept in {cached(mini)}\n") and second.err == ""
    assert first.out == second.out and first.status == second.status == 0
    assert call("base", "mini").out == f"{cached(mini)}\n"


def test_the_folder_of_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AUTOTELIC_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", "/home/me")
    assert cache_folder() == Path("/home/me/.cache/autotelic")
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert cache_folder() == Path("/caches/autotelic")
    monkeypatch.setenv("AUTOTELIC_CACHE", "/mine")
    assert cache_folder() == Path("/mine")
