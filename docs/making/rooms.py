"""The rooms of the package as a picture and as a table, made from the contract that import-linter checks. No package is imported for it."""

import ast
import re
import textwrap
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WIDTH, LEFT, GAP, PAD, LINE = 860, 76, 10, 12, 17
"""Width of the picture, its left margin, the gap between boxes, the space inside of one, and the height of a line, in pixels."""
NAMES = 118
"""Width of the column of names in a box that fills its floor."""
LETTER = 6.4
"""Width of a letter of the small text, measured generously."""


@dataclass(frozen=True, slots=True)
class Room:
    """A package or a module directly under `autotelic`."""

    name: str
    line: str
    """The first sentence of its docstring, without its full stop."""


def contract() -> list[str]:
    """The floors as the contract writes them, from the highest to the ground."""
    found = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    layers: list[str] = next(one["layers"] for one in found if one["type"] == "layers")
    return layers


def floors() -> list[list[Room]]:
    """The rooms by floor, from the highest to the ground."""
    return [[room(name) for name in re.findall(r"autotelic\.(\w+)", layer)] for layer in contract()]


def room(name: str) -> Room:
    """A room with what it says of itself."""
    path = ROOT / "src" / "autotelic" / name
    source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    text = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) or ""
    return Room(name, re.split(r"(?<=\w)\.(?:\s|$)", " ".join(text.split()), maxsplit=1)[0])


def table(_: str) -> str:
    """One row a room, from the highest floor to the ground: what it is, and what it may import."""
    rows = ["| floor | room | what it is |", "|---|---|---|"]
    found = floors()
    for number, floor in zip(range(len(found), 0, -1), found, strict=True):
        rows += [f"| {number} | [`{one.name}`]({source(one.name)}) | {one.line}. |" for one in floor]
    return "\n".join(rows) + "\n"


def source(name: str) -> str:
    """Where a room is, seen from docs/."""
    folder = f"src/autotelic/{name}"
    return f"../{folder}/" if (ROOT / folder).is_dir() else f"../{folder}.py"


def picture() -> str:
    """The floors as boxes over one another, rooms in them, as an SVG document for light and dark pages."""
    parts, top = [], float(GAP)
    found = floors()
    for number, floor in zip(range(len(found), 0, -1), found, strict=True):
        text, height = boxes(floor, top)
        parts.append(f'<text class="floor" x="{LEFT - 12}" y="{top + height / 2:.0f}" text-anchor="end" dominant-baseline="middle">{number}</text>')
        parts.append(text)
        top += height + GAP
    return document("\n".join([*parts, arrow(top)]), top)


def boxes(floor: Sequence[Room], top: float) -> tuple[str, float]:
    """The boxes of a floor, beside one another, and their height: a room alone has its name beside its line, several have it above."""
    width = (WIDTH - LEFT - GAP * len(floor)) / len(floor)
    inset = NAMES if len(floor) == 1 else 0
    lines = [wrapped(one.line.replace("`", ""), int((width - 2 * PAD - inset) / LETTER)) for one in floor]
    rows = max(map(len, lines)) + (0 if inset else 1)
    height = rows * LINE + 2 * PAD - 4
    drawn = [box(one, text, LEFT + i * (width + GAP), top, width, height, inset) for i, (one, text) in enumerate(zip(floor, lines, strict=True))]
    return "\n".join(drawn), height


def wrapped(text: str, width: int) -> list[str]:
    """`text` in as few lines of at most `width` letters as it needs, the lines about equally long."""
    lines = textwrap.wrap(text, width)
    while len(closer := textwrap.wrap(text, width - 1)) == len(lines) and len(lines) > 1:
        lines, width = closer, width - 1
    return lines


def box(one: Room, lines: Sequence[str], left: float, top: float, width: float, height: float, inset: int) -> str:
    """A room: a frame, its name, its line. `inset` is the width of the name's column, 0 where the name stands above."""
    base = top + PAD + 11
    text = "".join(
        f'<text x="{left + PAD + inset:.1f}" y="{base + (i if inset else i + 1) * LINE:.1f}">{escape(line)}</text>' for i, line in enumerate(lines)
    )
    frame = f'<rect class="room" x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}" rx="7"/>'
    return f'{frame}<text class="name" x="{left + PAD:.1f}" y="{base:.1f}">{escape(one.name)}</text>{text}'


def arrow(bottom: float) -> str:
    """What says which way imports run."""
    low = bottom - GAP
    shaft = f'<path class="way" d="M24 {GAP + 4}V{low - 10:.0f}m-5 -1l5 9l5 -9z"/>'
    return f'{shaft}<text class="floor" transform="translate(16 {bottom / 2:.0f}) rotate(-90)" text-anchor="middle">imports run downwards only</text>'


def document(body: str, height: float) -> str:
    """An SVG file with its colors and a ground."""
    style = (files("autotelic.runs") / "templates" / "charts.css").read_text(encoding="utf-8").partition("svg text")[0]
    own = (
        "svg { font-family: system-ui, sans-serif; } text { fill: var(--soft); font-size: 12.5px; }\n"
        ".name { fill: var(--ink); font-family: ui-monospace, monospace; font-size: 13.5px; font-weight: 600; } .floor { font-size: 11.5px; }\n"
        ".room { fill: var(--page); stroke: var(--line); } .way { fill: var(--line); stroke: var(--line); stroke-width: 1.5; }\n"
    )
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}" height="{height:.0f}" role="img">'
    title = "<title>The rooms of the package by floor</title>"
    ground = f'<rect width="{WIDTH}" height="{height:.0f}" fill="var(--card)"/>'
    return f"{head}{title}<style>\n{style}{own}</style>{ground}\n{body}</svg>\n"
