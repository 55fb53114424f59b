"""Hooks of mkdocs: pages of the repository that stand outside of docs/ become pages of the site, and links to them follow.

The README is the front page. A link to a file of source leads to a page that shows the file. A link to a folder becomes plain text.
"""

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]
PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md", "SECURITY.md": "security.md"}
"""Pages at the top of the repository, and their names in the site."""
FENCE = re.compile(r"(?ms)^(```.*?^```$)")
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")
MARK = re.compile(r"(?m)^<!-- .*? -->$")
LANGUAGES = {".py": "python", ".toml": "toml", ".json": "json", ".jsonl": "json", ".csv": "text"}


def on_config(config: Any) -> Any:
    """Put the pages of a folder where the navigation names the folder."""
    config.nav = [unfolded(one) for one in config.nav]
    return config


def unfolded(item: Any) -> Any:
    """An entry of the navigation with folders replaced by their pages."""
    if isinstance(item, dict):
        return {title: unfolded(inner) for title, inner in item.items()}
    if isinstance(item, list):
        return [unfolded(one) for one in item]
    if not item.endswith("/"):
        return item
    return [{path.stem.capitalize(): f"{item}{path.name}"} for path in sorted((ROOT / "docs" / item).glob("*.md"))]


def on_files(files: Files, config: Any) -> Files:
    """Add the pages at the top of the repository, and a page for every file of source that a page links to."""
    texts = {name: (ROOT / name).read_text(encoding="utf-8") for name in PAGES}
    texts |= {f"docs/{one.src_uri}": one.content_string for one in files.documentation_pages()}
    for name, title in PAGES.items():
        files.append(File.generated(config, title, content=texts[name]))
    for path in sorted({target for name, text in texts.items() for target in sources(name, text)}):
        text = (ROOT / path).read_text(encoding="utf-8").rstrip()
        page = f"---\nsearch:\n  exclude: true\n---\n\n# {path}\n\n````{LANGUAGES.get(Path(path).suffix, 'text')}\n{text}\n````\n"
        files.append(File.generated(config, place(path) or "", content=page))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """The text of a page with its links as the site has them, and without the marks of `docs/fill.py`."""
    here = page.file.src_uri
    if here.startswith("source/"):
        return markdown
    origin = next((name for name, title in PAGES.items() if title == here), f"docs/{here}")
    parts = FENCE.split(MARK.sub("", markdown))
    return "".join(part if part.startswith("```") else LINK.sub(lambda found: link(found, origin, here), part) for part in parts)


def sources(name: str, text: str) -> set[str]:
    """The files of source that a page of the repository links to."""
    targets = [resolved(name, found[3]) for part in FENCE.split(text) if not part.startswith("```") for found in LINK.finditer(part)]
    return {target for target in targets if target and (place(target) or "").startswith("source/")}


def resolved(name: str, target: str) -> str | None:
    """The path in the repository that a link on the page `name` leads to; None for another host or a place on the page itself."""
    path = target.partition("#")[0]
    return None if not path or re.match(r"[a-z]+:", target) else posixpath.normpath(posixpath.join(posixpath.dirname(name), path))


def place(path: str) -> str | None:
    """Where a path of the repository is in the site; None for a folder."""
    if (ROOT / path).is_dir():
        return None
    return PAGES.get(path) or (path.removeprefix("docs/") if path.startswith("docs/") else f"source/{path}.md")


def link(found: re.Match[str], origin: str, here: str) -> str:
    """A link as the site has it."""
    target = resolved(origin, found[3])
    if target is None:
        return found[0]
    there = place(target)
    if there is None:
        return found[2]
    anchor = found[3].partition("#")[1:]
    return f"{found[1]}[{found[2]}]({posixpath.relpath(there, posixpath.dirname(here) or '.')}{''.join(anchor)})"
