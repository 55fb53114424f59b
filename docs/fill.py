"""Fills the marked places of README.md and docs/*.md from the sources they repeat: `python docs/fill.py`, or `--check` to only compare.

A place is what stands between `<!-- KIND: NAME -->` and `<!-- end -->`. Kinds: `file` (a file, verbatim), `output` (a file of terminal
output), `recipes` (the table of `autotelic recipes`), `figures` (a Markdown file under docs/figures; left as it is where there is none).
"""

import re
import sys
from pathlib import Path

from autotelic.recipes.registry import recipes

ROOT = Path(__file__).resolve().parent.parent
PLACE = re.compile(r"(?s)(<!-- (file|output|recipes|figures): (\S+) -->\n).*?(<!-- end -->)")


def pages() -> list[Path]:
    """The README and the pages of the docs."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def filled(text: str) -> str:
    """`text` with every place filled anew."""
    return PLACE.sub(lambda found: found[1] + (content(found[2], found[3]) or found[0][len(found[1]) : -len(found[4])]) + found[4], text)


def content(kind: str, name: str) -> str | None:
    """What belongs into a place; None to leave it alone."""
    if kind == "recipes":
        return recipe_table()
    if kind == "figures":
        path = ROOT / "docs" / "figures" / f"{name}.md"
        return path.read_text(encoding="utf-8").strip() + "\n" if path.exists() else None
    language = {".py": "python", ".toml": "toml"}.get(Path(name).suffix, "text")
    return f"```{language}\n{(ROOT / name).read_text(encoding='utf-8').strip()}\n```\n"


def recipe_table() -> str:
    """One row per shipped recipe."""
    rows = ["| recipe | system | family | reads answers | what it does |", "|---|---|---|---|---|"]
    for name, cls in recipes().items():
        about = cls.about
        paper = f" ([{about.paper}](https://arxiv.org/abs/{about.paper.removeprefix('arXiv:')}))" if about.paper.startswith("arXiv:") else ""
        rows.append(f"| `{name}` | {about.system}{paper} | {about.family} | {'yes' if about.needs_answers else 'no'} | {about.line} |")
    return "\n".join(rows) + "\n"


def main() -> int:
    """Fill all pages, or compare; 1 when a page is not as it would be filled."""
    stale = [page for page in pages() if filled(page.read_text(encoding="utf-8")) != page.read_text(encoding="utf-8")]
    for page in stale:
        if "--check" in sys.argv:
            print(f"{page.relative_to(ROOT)} is not up to date: python docs/fill.py")
        else:
            page.write_text(filled(page.read_text(encoding="utf-8")), encoding="utf-8")
            print(f"filled {page.relative_to(ROOT)}")
    return int(bool(stale) and "--check" in sys.argv)


if __name__ == "__main__":
    sys.exit(main())
