"""The page in a real browser: what it shows, live, by keyboard, narrow, dark, and that nothing in a rollout runs."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import viewed
from small import small

from autotelic.runs.reading import RunReader

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        yield (opened := driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox", "--disable-gpu"]))
        opened.close()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The address of the page over an empty folder, and the folder."""
    (root := tmp_path / "runs").mkdir()
    command = [sys.executable, "-m", "autotelic", "view", str(root), "--no-open", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "AUTOTELIC_CACHE": str(tmp_path / "cache")}) as process:
        assert process.stdout is not None
        yield process.stdout.readline().split()[4], root
        process.terminate()


def page(browser: Any, url: str, width: int = 1200, **more: Any) -> Any:
    """A page whose errors, and whatever it asks of other addresses, fail the test."""
    found = browser.new_context(viewport={"width": width, "height": 800}, **more).new_page()
    found.set_default_timeout(15_000)
    found.faults = []
    found.on("pageerror", lambda error: found.faults.append(str(error)))
    found.on("console", lambda told: found.faults.append(told.text) if told.type == "error" else None)
    found.on("request", lambda asked: None if asked.url.startswith((url.partition("#")[0], "data:")) else found.faults.append(asked.url))
    found.goto(url)
    return found


def test_curves_gain_points_while_a_run_trains(browser: Any, served: tuple[str, Path]) -> None:
    url, root = served
    shown = page(browser, url)
    shown.get_by_text("No runs here yet").wait_for()
    settings = small("srt", out=str(root / "live"), rounds=20)
    overrides = [f"{key}={value}" for key, value in settings.items() if key not in ("recipe", "rounds", "out")]
    command = [sys.executable, "-m", "autotelic", "run", "srt", "--rounds", "20", "--quiet", "--out", str(root / "live"), *overrides]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        shown.locator(".runs a", has_text="live").wait_for(timeout=90_000)
        seen: set[str] = set()
        while process.poll() is None:
            seen.add(shown.evaluate("document.querySelector('path.line')?.dataset.points ?? '0'"))
            shown.wait_for_timeout(100)
    shown.locator('path.line[data-points="21"]').first.wait_for()
    assert seen - {"0", "21"}, "the curve was seen before its end"
    shown.locator(".word").first.wait_for()
    assert RunReader.of(root / "live").last == 20 and shown.faults == []


def test_nothing_in_a_rollout_runs(browser: Any, served: tuple[str, Path]) -> None:
    url, root = served
    folder = viewed.make(root / "a", rounds=0)
    texts = {
        "text": viewed.HOSTILE,
        "prompt": viewed.HOSTILE,
        "answer": viewed.HOSTILE,
        "gold": viewed.HOSTILE,
        "role": viewed.HOSTILE,
        "task": viewed.HOSTILE,
    }
    turns = [["action", viewed.HOSTILE, viewed.HOSTILE]]
    row = viewed.rollout(1, 0, **texts, id=viewed.HOSTILE, rewards={viewed.HOSTILE: 1.0}, keys={"game": viewed.HOSTILE, "seat": 0})
    viewed.add(
        folder,
        1,
        [row, {**row, "id": "b", "turns": turns, "keys": None, "parent": viewed.HOSTILE}],
        [{"event": "add", "why": viewed.HOSTILE, "task": {"id": viewed.HOSTILE, "prompt": viewed.HOSTILE, "tags": {"parents": [viewed.HOSTILE]}}}],
    )
    viewed.make(root / "<img src=x onerror=alert(1)>")
    for address in ("#view=runs", "#view=run&run=a", "#view=rollouts&run=a"):
        shown = page(browser, f"{url}{address}")
        shown.locator("main .card, main .list").first.wait_for()
        assert shown.locator("main img, main script, dialog script").count() == 0 and "pwned" not in shown.title() and shown.faults == []
    for place in (0, 1):
        shown.locator(".list button").nth(place).click()
        shown.locator("dialog pre", has_text="<script>").first.wait_for()
        assert "\u202e" not in shown.locator("dialog").inner_text() and "\u001b" not in shown.locator("dialog").inner_text()
        shown.keyboard.press("Escape")
    assert "pwned" not in shown.title() and shown.faults == []


def test_rollouts_are_filtered_and_read_by_keyboard(browser: Any, served: tuple[str, Path]) -> None:
    url, root = served
    viewed.make(root / "a", rounds=2, count=8)
    shown = page(browser, f"{url}#view=runs")
    shown.locator(".runs").wait_for()
    shown.keyboard.press("3")
    shown.get_by_text("16 of 16 rollouts").wait_for()
    shown.keyboard.press("/")
    shown.keyboard.type("the sum is 2")
    shown.get_by_text("4 of 16 rollouts").wait_for()
    assert "text=the+sum+is+2" in shown.url, "the address keeps the filter"
    shown.get_by_label("answer").select_option("wrong")
    shown.get_by_text("None is like that.").wait_for()
    shown.get_by_role("button", name="clear").press("Enter")
    shown.get_by_text("16 of 16 rollouts").wait_for()
    shown.locator(".list button").first.focus()
    shown.keyboard.press("Enter")
    shown.locator("dialog code", has_text="r2/solver/t0/0").first.wait_for()
    shown.keyboard.press("j")
    shown.locator("dialog code", has_text="r2/solver/t0/1").first.wait_for()
    shown.keyboard.press("Escape")
    assert not shown.locator("dialog").is_visible() and shown.faults == []


def test_a_play_is_played_move_by_move_and_a_tree_is_walked(browser: Any, served: tuple[str, Path]) -> None:
    url, root = served
    folder = viewed.make(root / "a", rounds=0)
    turns = [["action", "solver", "bet"], ["observation", None, "call"], ["action", "solver", "fold"]]
    seats = [
        viewed.rollout(
            1,
            seat,
            id=f"s{seat}",
            task=f"kuhn/0/{seat}",
            turns=turns,
            keys={"game": "kuhn", "seat": seat, "moves": [1 + seat, 3 + seat], "outcome": "won"},
        )
        for seat in (0, 1)
    ]
    forks = [viewed.rollout(1, 0, id="root", task="q"), viewed.rollout(1, 1, id="leaf", task="q", parent="root")]
    viewed.add(folder, 1, [*seats, *forks])
    shown = page(browser, f"{url}#view=rollouts&run=a")
    shown.locator(".list button").first.click()
    moves = shown.locator("dialog .turn.action")
    moves.first.wait_for()
    assert [moves.nth(i).inner_text().split("seat ")[1][0] for i in range(4)] == ["0", "1", "0", "1"]
    shown.get_by_role("button", name="First turn").click()
    assert shown.locator("dialog .turn:visible").count() == 1
    shown.get_by_role("button", name="One turn on").press("Enter")
    assert shown.locator("dialog .turn:visible").count() == 2 and shown.locator("dialog .turn.now").inner_text().startswith("action")
    shown.keyboard.press("Escape")
    shown.locator(".list button").nth(3).click()
    shown.locator(".tree button").first.click()
    shown.locator("dialog code", has_text="root").first.wait_for()
    assert shown.locator(".tree ul button").count() == 1 and shown.faults == []


def test_tokens_have_colors_and_are_told(browser: Any, served: tuple[str, Path]) -> None:
    url, root = served
    folder = viewed.make(root / "a", rounds=0)
    pieces = [{"texts": ["1", "+", "<b>"], "logprobs": [-0.5, -1.0, -2.0], "ratios": [0.25, -0.5, 0.0]}]
    viewed.add(folder, 1, [viewed.rollout(1, 0, advantage=[1.0, -0.5, 0.0], pieces=pieces)])
    shown = page(browser, f"{url}#view=rollouts&run=a")
    shown.locator(".list button").first.click()
    tokens = shown.locator(".tokens span")
    tokens.first.wait_for()
    colors = "spans => spans.map(span => span.style.background)"
    assert tokens.evaluate_all(colors) == ["rgba(var(--up), 0.75)", "rgba(var(--down), 0.375)", "rgba(var(--down), 0)"]
    shown.locator("dialog select").select_option("log-probability ratio")
    assert tokens.evaluate_all(colors)[:2] == ["rgba(var(--up), 0.375)", "rgba(var(--down), 0.75)"]
    tokens.first.focus()
    shown.keyboard.press("ArrowRight")
    assert (
        shown.locator(".readout").inner_text() == '"+" · advantage \u22120.5 · log-probability ratio \u22120.5 · log-probability when sampled \u22121'
    )
    assert shown.faults == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_telephone_in_light_and_dark(browser: Any, served: tuple[str, Path], scheme: str) -> None:
    url, root = served
    viewed.make(root / ("a-run-with-a-name-that-is-long-" * 3), rounds=2)
    viewed.add(root / ("a-run-with-a-name-that-is-long-" * 3), 3, [viewed.rollout(3, 0, text="word" * 500, id="i" * 300)])
    for view in ("runs", "run", "rollouts"):
        shown = page(browser, f"{url}#view={view}", 390, color_scheme=scheme)
        shown.locator("main .card").first.wait_for()
        assert shown.evaluate("document.documentElement.scrollWidth") <= 390
    shown.locator(".list button").first.click()
    shown.locator("dialog dl").wait_for()
    assert shown.evaluate("document.querySelector('dialog').scrollWidth") <= 390 and shown.faults == []
    back, ink = shown.evaluate("[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]")
    assert (back, ink) == {"light": ("rgb(249, 249, 247)", "rgb(11, 11, 11)"), "dark": ("rgb(13, 13, 13)", "rgb(255, 255, 255)")}[scheme]
