"""A run that is killed and resumed is, bit for bit, the run that was not, for every recipe."""

import os
import signal
from collections import Counter
from pathlib import Path

import pytest
import torch
from committed import contents
from small import on_their_own, small

from autotelic.errors import AutotelicError
from autotelic.runs import loop
from autotelic.runs.progress import Progress
from autotelic.runs.reading import RunReader
from autotelic.runs.sealing import read_manifest
from autotelic.runs.store import Store

ROUNDS, KILLED_IN = 4, 3
CONFIG = {"autotelic": "0", "format": 2, "recipe": {"name": "srt", "settings": {}}, "run": {}}


def run_and_die(raw: dict, folder: Path) -> None:
    """Run in a child process that kills itself with SIGKILL halfway through writing round KILLED_IN."""
    child = os.fork()
    if child == 0:
        write = Store.commit

        def commit(self: Store, number: int, **values: object) -> None:
            if number == KILLED_IN:
                half = self.rounds / f"{number:05d}.tmp"
                half.mkdir()
                (half / "policy.solver.safetensors").write_bytes(b"half")
                os.kill(os.getpid(), signal.SIGKILL)
            write(self, number, **values)  # type: ignore[arg-type]

        Store.commit = commit  # type: ignore[method-assign]
        try:
            loop.start({**raw, "out": str(folder)}, Progress(quiet=True))
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


@pytest.mark.parametrize("name", on_their_own())
def test_killed_and_resumed_is_bitwise_the_whole_run(name: str, tmp_path: Path) -> None:
    raw = small(name, rounds=ROUNDS, gate={"mode": "off"})
    loop.start({**raw, "out": str(tmp_path / "whole")}, Progress(quiet=True))
    run_and_die(raw, tmp_path / "killed")
    assert RunReader(tmp_path / "killed").last == KILLED_IN - 1
    loop.resume(tmp_path / "killed", progress=Progress(quiet=True))
    for number in range(KILLED_IN, ROUNDS + 1):
        whole, resumed = contents(tmp_path / "whole", number), contents(tmp_path / "killed", number)
        assert whole.keys() == resumed.keys()
        assert [file for file in whole if whole[file] != resumed[file]] == []
    for part in ("probe/first.json", "probe/last.json"):
        assert (tmp_path / "whole" / part).read_bytes() == (tmp_path / "killed" / part).read_bytes()


PLAYED = ("gold", "raft", "rest", "scpo", "bots", "sec", "exit", "srt", "random-reward", "entropy-only", "format-only", "supervised")
"""Recipes that attempt tasks, and so plays too."""


@pytest.mark.parametrize("name", PLAYED)
def test_so_it_is_where_tasks_are_played_in_turns(name: str, tmp_path: Path) -> None:
    tag = {"tag": "hops"} if name in ("bots", "sec") else {}
    raw = small(name, model="lookup", tasks="lookup", rounds=ROUNDS, gate={"mode": "off"}, **tag)
    loop.start({**raw, "out": str(tmp_path / "whole")}, Progress(quiet=True))
    run_and_die(raw, tmp_path / "killed")
    loop.resume(tmp_path / "killed", progress=Progress(quiet=True))
    for number in range(KILLED_IN, ROUNDS + 1):
        assert contents(tmp_path / "whole", number) == contents(tmp_path / "killed", number)
    played = RunReader(tmp_path / "whole").metrics(ROUNDS)
    assert played["probe/moves"] > 0.0 and (name == "supervised" or played["games/plays"] > 0.0)


def test_a_mix_of_files_goes_on_where_it_was(tmp_path: Path) -> None:
    """Its sampler carries over what each source is owed."""
    for name, say in (("a.jsonl", "{}+1="), ("b.jsonl", "{}-1=")):
        (tmp_path / name).write_text("".join(f'{{"prompt": "{say.format(i)}", "answer": "{i % 9}"}}\n' for i in range(9)), encoding="utf-8")
    raw = small("gold", tasks=f"{tmp_path / 'a.jsonl'}*2 + {tmp_path / 'b.jsonl'}", rounds=ROUNDS, tasks_per_round=5, gate={"mode": "off"})
    loop.start({**raw, "out": str(tmp_path / "whole")}, Progress(quiet=True))
    run_and_die(raw, tmp_path / "killed")
    loop.resume(tmp_path / "killed", progress=Progress(quiet=True))
    for number in range(KILLED_IN, ROUNDS + 1):
        assert contents(tmp_path / "whole", number) == contents(tmp_path / "killed", number)
    read = RunReader(tmp_path / "whole")
    drawn = Counter(row["task"].partition("/")[0] for number in range(1, ROUNDS + 1) for row in read.rollouts(number))
    assert drawn["a.jsonl"] == 2 * drawn["b.jsonl"] - 4  # 13 and 7 of 20 tasks, four rollouts of each
    assert {"probe/accuracy/a.jsonl", "probe/accuracy/b.jsonl"} <= read.metrics(0).keys()
    card = (tmp_path / "whole" / "model" / "README.md").read_text(encoding="utf-8")
    assert "a.jsonl\\*2 + b.jsonl" in card and str(tmp_path) not in card


def test_a_longer_run_is_a_shorter_one_resumed(tmp_path: Path) -> None:
    raw = small("srt")
    loop.start({**raw, "rounds": 3, "out": str(tmp_path / "long")}, Progress(quiet=True))
    loop.start({**raw, "rounds": 1, "out": str(tmp_path / "short")}, Progress(quiet=True))
    outcome = loop.resume(tmp_path / "short", rounds=3, progress=Progress(quiet=True))
    assert contents(tmp_path / "long", 3) == contents(tmp_path / "short", 3)
    assert len((tmp_path / "short" / "metrics.jsonl").read_text().splitlines()) == 4
    assert outcome.report.exists()


def test_only_the_newest_rounds_keep_their_weights(tmp_path: Path) -> None:
    def with_weights() -> list[str]:
        return sorted({path.parent.name for path in (tmp_path / "rounds").glob("*/*.safetensors")})

    store = Store.create(tmp_path, CONFIG)
    kept = []
    for number, keep in enumerate((3, 3, 3, 3, 1, 2)):
        store.commit(number, metrics={}, state={}, events=[], groups=[], tensors={"policy.solver": {"w": torch.ones(1)}}, keep=keep)
        kept.append([int(name) for name in with_weights()])
    assert kept == [[0], [0, 1], [0, 1, 2], [1, 2, 3], [4], [4, 5]]
    assert [store.fault(number) for number in range(6)] == [None] * 6  # what was dropped is no damage
    assert read_manifest(store.round(3)).dropped == ("policy.solver.safetensors",) and read_manifest(store.round(5)).dropped == ()


def test_every_third_round_may_keep_its_weights(tmp_path: Path) -> None:
    store = Store.create(tmp_path, CONFIG)
    for number in range(8):
        store.commit(number, metrics={}, state={}, events=[], groups=[], tensors={"policy.solver": {"w": torch.ones(1)}}, keep=1, every=3)
    assert sorted(int(path.parent.name) for path in (tmp_path / "rounds").glob("*/*.safetensors")) == [0, 3, 6, 7]
    assert [store.fault(number) for number in range(8)] == [None] * 8


def test_weights_that_a_kill_left_go_when_the_run_is_resumed(tmp_path: Path) -> None:
    """The kill falls after the last round is committed and before the weights of an older one are dropped."""
    raw = small("srt", rounds=ROUNDS, gate={"mode": "off"})
    loop.start({**raw, "out": str(tmp_path / "whole")}, Progress(quiet=True))

    def dies(store: Store, number: int, spare: int | None, every: int | None) -> None:
        if number == ROUNDS - raw.get("keep_checkpoints", 2):
            os.kill(os.getpid(), signal.SIGKILL)

    if not (child := os.fork()):
        Store.drop_weights = dies  # type: ignore[method-assign]
        try:
            loop.start({**raw, "out": str(tmp_path / "killed")}, Progress(quiet=True))
        finally:
            os._exit(1)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1]) and RunReader(tmp_path / "killed").last == ROUNDS
    assert contents(tmp_path / "whole", ROUNDS - 2).keys() < contents(tmp_path / "killed", ROUNDS - 2).keys()
    loop.resume(tmp_path / "killed", progress=Progress(quiet=True))
    for number in range(ROUNDS + 1):
        assert contents(tmp_path / "whole", number).keys() == contents(tmp_path / "killed", number).keys()


def test_weights_that_did_not_move_are_linked_and_not_written(tmp_path: Path) -> None:
    """Whether a file system has links shows in the number of names of a file; the manifest has the digest of the first writing either way."""
    store = Store.create(tmp_path, CONFIG)
    one, two = {"w": torch.ones(3)}, {"w": torch.zeros(3)}
    empty: dict = {"metrics": {}, "state": {}, "events": [], "groups": [], "keep": 2}
    store.commit(0, **empty, tensors={"policy.solver": one, "policy.peer": two})
    for number in (1, 2, 3):
        store.commit(number, **empty, tensors={"policy.solver": one}, same=["policy.peer"])
    assert [(store.round(number) / "policy.peer.safetensors").stat().st_nlink for number in (2, 3)] == [2, 2]
    assert [(store.round(number) / "policy.solver.safetensors").stat().st_nlink for number in (2, 3)] == [1, 1]
    assert [store.fault(number) for number in range(4)] == [None] * 4
    assert not (store.round(1) / "policy.peer.safetensors").exists()
    tensors = store.restore(3)[2]
    assert tensors.keys() == {"policy.solver", "policy.peer"} and torch.equal(tensors["policy.peer"]["w"], two["w"])


def test_only_what_moved_is_written(tmp_path: Path) -> None:
    """SPIRAL with `refresh` keeps a reference, which stays as it is until then. In a round that the gate takes back nothing moves."""
    raw = small("spiral", rounds=2, tasks="games?play=kuhn", refresh=9, objective={"kl": 0.01})
    loop.start({**raw, "out": str(tmp_path / "run"), "gate": {"mode": "off"}}, Progress(quiet=True))
    rounds = tmp_path / "run" / "rounds"
    links = {path.name: path.stat().st_nlink for path in (rounds / "00002").glob("policy.*")}
    assert links.pop("policy.solver.safetensors") == 1 and links, links
    raw = small("supervised", rounds=1, optimizer={"learning_rate": 0.3}, probe_size=40)
    loop.start({**raw, "out": str(tmp_path / "back")}, Progress(quiet=True))
    assert (tmp_path / "back" / "rounds" / "00001" / "policy.solver.safetensors").stat().st_nlink == 2


def test_a_round_does_not_go_through_what_was_there_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The garbage collector passes over libraries and weights while rounds run, and only then."""
    import gc

    from autotelic.systems.label_free.srt.recipe import SelfRewardedTraining

    seen = []
    monkeypatch.setattr(SelfRewardedTraining, "finished", lambda recipe, ctx: seen.append(gc.get_freeze_count()) or False)
    loop.start({**small("srt"), "rounds": 1, "out": str(tmp_path / "run")}, Progress(quiet=True))
    assert seen[0] > 10_000 and gc.get_freeze_count() == 0


def test_a_full_disk_stops_the_run_and_keeps_every_committed_round(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import autotelic.runs.store as store_module

    written = store_module.save_file

    def save_file(tensors: dict, path: Path, **options: object) -> None:
        if "00002" in str(path):
            raise OSError(28, "No space left on device")
        written(tensors, path, **options)

    monkeypatch.setattr(store_module, "save_file", save_file)
    with pytest.raises(AutotelicError, match=r"no space left on the disk.*resume"):
        loop.start(small("srt", rounds=3, out=str(tmp_path / "run")), Progress(quiet=True))
    assert sorted(path.name for path in (tmp_path / "run" / "rounds").iterdir()) == ["00000", "00001"]
    monkeypatch.undo()
    loop.resume(tmp_path / "run", progress=Progress(quiet=True))
    assert RunReader(tmp_path / "run").last == 3


def test_seeds_differ_and_repeat(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        loop.start(small("srt", rounds=1, out=str(tmp_path / name)) | {"seed": seed}, Progress(quiet=True))
    a, b, c = (contents(tmp_path / name, 1) for name in "abc")
    assert a == b
    assert a["policy.solver.safetensors"] != c["policy.solver.safetensors"]
