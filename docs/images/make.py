"""Makes the picture of a report and the terminal excerpt of the README from a run: `python docs/images/make.py [ARGUMENTS OF autotelic run]`.

Needs Chromium and Pillow. Writes report.png and run.txt beside this file; `python docs/fill.py` then puts run.txt into the README.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

HERE = Path(__file__).resolve().parent
LEAD, TAIL = 6, 2
"""Round lines of the output that are kept at its beginning and before the verdict."""
WIDTH, HEIGHT, FRAME = 1200, 1560, 200
"""Size of the picture in pixels; headless Chromium leaves part of the window's height to a frame it does not draw, which is cut off."""


def shorten(output: str, folder: str) -> str:
    """The output without the middle rounds, with a run directory that means something to others."""
    lines = output.replace(folder, "runs/first").splitlines()
    rounds = [place for place, line in enumerate(lines) if line.startswith("round ")]
    dropped = set(rounds[LEAD:-TAIL])
    kept = [line if place not in dropped else "..." for place, line in enumerate(lines) if place not in dropped or place == min(dropped)]
    return "\n".join(kept) + "\n"


def main() -> None:
    """One run, one picture of the top of its report, one excerpt."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        sys.exit("no chromium found")
    arguments = sys.argv[1:]
    command = [sys.executable, "-m", "autotelic", "run", *arguments]
    with tempfile.TemporaryDirectory() as scratch:
        run = Path(scratch) / "run"
        done = subprocess.run([*command, "--out", str(run)], stdout=subprocess.PIPE, text=True, check=True)
        print(done.stdout)
        shown = " ".join(["$ autotelic run", *arguments]) + "\n" + shorten(done.stdout, str(run))
        (HERE / "run.txt").write_text(shown, encoding="utf-8")
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
        Image.open(picture).convert("RGB").crop((0, 0, WIDTH, HEIGHT)).quantize(128).save(HERE / "report.png", optimize=True)


if __name__ == "__main__":
    main()
