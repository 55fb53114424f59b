"""Makes pictures of reports and excerpts of what the terminal shows, from runs: `python docs/images/make.py [NAME ...]`, one of `RUNS`, or `view`.

Needs Chromium and Pillow, and the run `real` the model that `make smollm` fetches. Writes two files a run beside this one; `python docs/fill.py` then
puts the excerpts into the README. `view` is a picture of `autotelic view` over four runs.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

HERE = Path(__file__).resolve().parent
RUNS: dict[str, tuple[str, str, list[str]]] = {
    "first": ("run.txt", "report.png", []),
    "real": ("real.txt", "real.png", ["--config", "examples/real_model.toml"]),
}
"""The excerpt and the picture of a run, and the arguments of `autotelic run`."""
VIEWED = ("gold-0", "srt-0", "intuitor-0", "random-reward-0")
LEAD, TAIL = 6, 2
"""Round lines of the output that are kept at its beginning and before the verdict."""
WIDTH, HEIGHT, FRAME = 1200, 1560, 200
"""Size of the picture in pixels; headless Chromium leaves part of the window's height to a frame it does not draw, which is cut off."""


def shorten(output: str, folder: str, name: str) -> str:
    """The output without the middle rounds, with a run directory that means something to others."""
    lines = output.replace(folder, f"runs/{name}").splitlines()
    rounds = [place for place, line in enumerate(lines) if line.startswith("round ")]
    dropped = set(rounds[LEAD:-TAIL])
    kept = [line if place not in dropped else "..." for place, line in enumerate(lines) if place not in dropped or place == min(dropped)]
    return "\n".join(kept) + "\n"


def make(name: str, browser: str) -> None:
    """One run, one picture of the top of its report, one excerpt."""
    excerpt, image, arguments = RUNS[name]
    command = [sys.executable, "-m", "autotelic", "run", *arguments]
    with tempfile.TemporaryDirectory() as scratch:
        run = Path(scratch) / "run"
        done = subprocess.run([*command, "--out", str(run)], stdout=subprocess.PIPE, text=True, check=True)
        print(done.stdout)
        shown = " ".join(["$ autotelic run", *arguments]) + "\n" + shorten(done.stdout, str(run), name)
        (HERE / excerpt).write_text(shown, encoding="utf-8")
        picture = Path(scratch) / "report.png"
        shot = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            f"--window-size={WIDTH},{HEIGHT + FRAME}",
            f"--screenshot={picture}",
        ]
        page = (run / "report.html").as_uri()
        subprocess.run([browser, *shot, f"--user-data-dir={scratch}/profile", page], check=True, timeout=120, stderr=subprocess.DEVNULL)
        Image.open(picture).convert("RGB").crop((0, 0, WIDTH, HEIGHT)).quantize(128).save(HERE / image, optimize=True)


def make_view(browser: str) -> None:
    """A picture of the page over runs with gold answers, with votes and with random rewards."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as scratch:
        for name in VIEWED:
            recipe, seed = name.rsplit("-", 1)
            subprocess.run(
                [sys.executable, "-m", "autotelic", "run", recipe, "--seed", seed, "--rounds", "20", "--quiet", "--out", f"{scratch}/runs/{name}"],
                check=True,
            )
        command = [sys.executable, "-m", "autotelic", "view", "runs", "--no-open", "--port", "0"]
        with subprocess.Popen(command, cwd=scratch, stdout=subprocess.PIPE, text=True) as process, sync_playwright() as driver:
            assert process.stdout is not None
            page = driver.chromium.launch(executable_path=browser, args=["--no-sandbox"]).new_page(viewport={"width": WIDTH, "height": 860})
            page.goto(process.stdout.readline().split()[4])
            page.locator("path.line").first.wait_for()
            page.evaluate("document.getElementById('root').textContent = 'runs'")
            page.screenshot(path=f"{scratch}/view.png")
            process.terminate()
        Image.open(f"{scratch}/view.png").convert("RGB").quantize(128).save(HERE / "view.png", optimize=True)


def main() -> None:
    """The runs that are named, or all."""
    names = sys.argv[1:] or [*RUNS, "view"]
    if unknown := [name for name in names if name not in (*RUNS, "view")]:
        sys.exit(f"no run {unknown[0]!r}; there are {', '.join(RUNS)}, view")
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        sys.exit("no chromium found")
    for name in names:
        make_view(browser) if name == "view" else make(name, browser)


if __name__ == "__main__":
    main()
