"""Content that comes from elsewhere, in tasks, names and what a model says, is shown and never obeyed, and writes nowhere but in the run directory."""

import io
import json
from pathlib import Path

import pytest
from command import call
from rich.console import Console

from autotelic.cli.ask import note, show
from autotelic.errors import harmless
from autotelic.measures.verdict import Verdict, Word
from autotelic.runs.progress import Progress

EVIL = "\x1b]0;pwned\x07\x1b[2J\x9b31m\u202e<script>document.title='pwned'</script>\r"
OBEYED = {"\x1b", "\x07", "\x9b", "\u202e", "\r"}
TINY = ("pool_size=48", "tasks_per_round=4", "group_size=4", "probe_size=6", "probe_samples=2", "rounds=1")


class Screen(io.StringIO):
    """What a terminal gets."""

    def isatty(self) -> bool:
        return True


def obeyed(text: str) -> set[str]:
    return OBEYED & set(text)


def test_control_characters_are_shown() -> None:
    assert harmless("a\x1b[0m\x07\x9b\x7f\u202eb\tc\nd é 数 \N{ZERO WIDTH JOINER}") == "a␛[0m␇\\x9b␡\\u202eb\tc\nd é 数 \N{ZERO WIDTH JOINER}"
    assert not any(harmless(chr(code)) == chr(code) for code in (*range(9), *range(11, 32), *range(127, 160)))


def test_ids_and_slices_of_a_task_file_write_nowhere_and_are_shown(tmp_path: Path) -> None:
    ids = ["../../evil", "/tmp/evil", "C:\\evil", "..", "a\x00b", EVIL, "x" * 100_000]
    rows = [{"prompt": f"{a}+{b}=", "answer": str(a + b), "kind": EVIL if a % 2 else "plain"} for a in range(6) for b in range(6)]
    rows = [{**row, "id": f"{place}{ids[place % len(ids)]}" if place >= len(ids) else ids[place]} for place, row in enumerate(rows)]
    tasks = tmp_path / "in" / "t.jsonl"
    tasks.parent.mkdir()
    tasks.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    done = call("run", "srt", "--model", "chain-medium", "--tasks", tasks, "--slice-column", "kind", *TINY, "--out", tmp_path / "run")
    assert done.status == 0 and not obeyed(done.out + done.err) and "pwned" in done.out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "run"] and [path.name for path in tasks.parent.iterdir()] == ["t.jsonl"]
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "<script" not in page and not obeyed(page) and "pwned" in page


def test_a_name_of_a_file_in_a_complaint(tmp_path: Path) -> None:
    complaint = call("run", "srt", "--tasks", tmp_path / f"t{EVIL.replace('/', '')}.jsonl", "--out", tmp_path / "run").complaint
    assert not obeyed(complaint) and "pwned" in complaint


def test_lines_without_end_are_told_in_short(tmp_path: Path) -> None:
    for text in ("[" * 3_000_000, json.dumps({"prompt": "1+" * 1_500_000, "answer": "1"}), '{"prompt": "' + "9" * 3_000_000):
        (tmp_path / "t.jsonl").write_text(text, encoding="utf-8")
        complaint = call("run", "srt", "--model", "chain-medium", "--tasks", tmp_path / "t.jsonl", "--out", tmp_path / "run").complaint
        assert "t.jsonl" in complaint and len(complaint) < 1000, complaint[:2000]


def test_half_a_character_as_a_prompt_is_one_line() -> None:
    assert "the tokenizer fails on '1\\ud800'" in call("sample", "chain-medium", "1\ud800").complaint


def test_a_terminal_does_not_obey_a_model_and_a_file_gets_what_it_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for stream in (Screen(), io.StringIO()):
        monkeypatch.setattr("sys.stdout", stream)
        show(EVIL)
        assert stream.getvalue() == (harmless(EVIL) if stream.isatty() else EVIL)
    monkeypatch.setattr("sys.stderr", screen := Screen())
    note(EVIL)
    assert not obeyed(screen.getvalue().removesuffix("\n"))


def test_the_panel_and_the_verdict_of_a_run_show_them() -> None:
    screen = Screen()
    progress = Progress(console=Console(file=screen, force_terminal=True, color_system=None, width=100))
    progress.start({"recipe": {"name": "srt"}, "run": {"tasks": EVIL}}, [], 2)
    progress.round_done(0, {"probe/accuracy": 0.5, f"probe/accuracy/{EVIL}": 0.5, "probe/accuracy/plain": 0.5})
    progress.finished(Verdict(Word.UNCHANGED, [EVIL], {}), {"run": Path(EVIL)})
    written = screen.getvalue()
    assert written.count("pwned") >= 3 and not {"\x07", "\x9b", "\u202e"} & set(written) and "\x1b]" not in written and "\x1b[2J\\x9b" not in written
