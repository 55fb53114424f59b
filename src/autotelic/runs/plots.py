"""Charts as inline SVG: lines with bands, horizontal bars, heat maps, points. Pure functions from numbers to markup.

Colors, fonts and their sizes come from the classes and variables of the page's style sheet (`templates/report.html`), so that one
chart serves light and dark, wide and narrow. Every mark has a `<title>`, which browsers show when the pointer rests on it. No scripts.
Values that are not finite leave gaps. All names are escaped. This is no plotting library: it knows the charts of the report and of the documentation.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, floor, isfinite, log10, nan

from markupsafe import Markup

MOST_POINTS = 400
"""Longer lines are thinned: a chart has no more pixels than this to show them."""
MOST_HOVERS = 80
MOST_COLUMNS = 60


@dataclass(frozen=True, slots=True)
class Series:
    """One line. `low` and `high` make a band around it; `color` names a class of the style sheet."""

    name: str
    xs: Sequence[float]
    ys: Sequence[float]
    low: Sequence[float] | None = None
    high: Sequence[float] | None = None
    color: str = "c1"
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of a row; `low` and `high` make a whisker."""

    name: str
    value: float
    color: str = "c1"
    low: float = nan
    high: float = nan


@dataclass(frozen=True, slots=True)
class Dot:
    """One point of a cloud; a crossed one has a cross in place of the disk, an open one a ring."""

    name: str
    x: float
    y: float
    color: str = "c1"
    crossed: bool = False
    open: bool = False


@dataclass(frozen=True, slots=True)
class Frame:
    """Where data lies inside a chart of `width` x `height`, and the data range it maps."""

    width: float
    height: float
    left: float
    top: float
    right: float
    bottom: float
    xs: tuple[float, float]
    ys: tuple[float, float]

    def x(self, value: float) -> float:
        """The horizontal position of a value."""
        return self.left + (value - self.xs[0]) / (self.xs[1] - self.xs[0]) * (self.width - self.left - self.right)

    def y(self, value: float) -> float:
        """The vertical position of a value."""
        return self.height - self.bottom - (value - self.ys[0]) / (self.ys[1] - self.ys[0]) * (self.height - self.top - self.bottom)


def ticks(low: float, high: float, count: int = 5, *, whole: bool = False) -> list[float]:
    """At most `count` + 1 round numbers, steps of 1, 2 or 5 times a power of ten, that lie within [low, high]."""
    if not high > low:
        return [low]
    rough = (high - low) / count
    power = 10.0 ** floor(log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))
    step = max(step, 1.0) if whole else step
    start, stop = ceil(low / step - 1e-9), floor(high / step + 1e-9)
    return [round(i * step, 12) for i in range(start, stop + 1)]


def label(value: float) -> str:
    """A number as an axis shows it: short, with k and M for thousands and millions, and a power of ten below a thousandth."""
    size = abs(value)
    if size >= 1e4:
        return f"{value / 1e6:.4g}M" if size >= 1e6 else f"{value / 1e3:.4g}k"
    return f"{value:.2g}".replace("e-0", "e-") if 0 < size < 1e-3 else f"{value:.4g}"


def line_chart(
    series: Sequence[Series],
    *,
    name: str,
    x_label: str,
    y_label: str,
    x_range: tuple[float, float] | None = None,
    y_range: tuple[float, float] | None = None,
    size: tuple[int, int] = (480, 270),
    kind: str = "chart",
) -> Markup:
    """Lines with bands over a whole-numbered x axis such as rounds; empty markup when no value is finite."""
    series = [_thinned(one) for one in series]
    points = [(x, y) for one in series for x, y in zip(one.xs, one.ys, strict=True) if isfinite(y)]
    if not points:
        return Markup()
    xs = x_range or (min(x for x, _ in points), max(x for x, _ in points))
    frame = _frame(xs, y_range or _padded([y for _, y in points]), size)
    body = _axes(frame, x_label, y_label)
    for one in series:
        body += _band(one, frame) + _line(one, frame)
    for one in series:
        body += _hovers(one, frame, x_label)
    return _svg(body, size, name, kind)


def bar_chart(
    rows: Sequence[tuple[str, Sequence[Bar]]], *, name: str, x_label: str, x_range: tuple[float, float] | None = None, width: int = 480
) -> Markup:
    """Horizontal bars in groups, one group for each row; empty markup when there is none."""
    known = [bar.value for _, bars in rows for bar in bars if isfinite(bar.value)]
    if not known:
        return Markup()
    thick, gap, left = 12.0, 9.0, _label_width([row for row, _ in rows])
    size = (width, round(sum(len(bars) * thick + gap for _, bars in rows) + 50))
    frame = Frame(*size, left, 4, 54, 44, x_range or (0.0, max(known) or 1.0), (0, 1))
    body, top = _x_axis(frame, x_label, ticks(*frame.xs, 4)), frame.top + gap / 2
    for row, bars in rows:
        middle = top + len(bars) * thick / 2
        body += Markup('<text class="tick" x="{}" y="{:.1f}" text-anchor="end" dominant-baseline="middle">{}</text>').format(
            left - 7, middle, _short(row)
        )
        for i, bar in enumerate(bars):
            body += _bar(row, bar, frame, top + i * thick, thick)
        top += len(bars) * thick + gap
    return _svg(body, size, name, "chart")


def cloud(
    dots: Sequence[Dot],
    *,
    name: str,
    x_label: str,
    y_label: str,
    marks: Sequence[tuple[str, float]] = (),
    size: tuple[int, int] = (480, 270),
) -> Markup:
    """Points, and the line on which x and y are equal; `marks` are names of places on the x axis, told at the upper edge. Empty markup when no point is finite."""
    known = [dot for dot in dots if isfinite(dot.x) and isfinite(dot.y)]
    if not known:
        return Markup()
    frame = replace(_frame(_padded([dot.x for dot in known]), _padded([dot.y for dot in known]), size), top=80 if marks else 10)
    body = _axes(frame, x_label, y_label, whole=False) + _equal(frame)
    for (place, x), told in zip(marks, _apart([frame.x(x) for _, x in marks], 24), strict=True):
        body += Markup('<path class="base" d="M{:.1f} {}L{:.1f} {}"/>').format(told, frame.top - 12, frame.x(x), frame.top)
        body += Markup('<text class="tick" transform="translate({:.1f} {}) rotate(-40)">{}</text>').format(told + 4, frame.top - 15, place)
    for dot in known:
        body += marker(dot, frame.x(dot.x), frame.y(dot.y))
    return _svg(body, size, name, "chart")


def marker(dot: Dot, x: float, y: float) -> Markup:
    """A disk, a ring or a cross at a place of the chart, with its title."""
    if dot.crossed:
        shape = Markup('<path class="line {}" d="M{:.1f} {:.1f}l8 8m0 -8l-8 8">').format(dot.color, x - 4, y - 4)
    else:
        shape = Markup('<circle class="{} {}" cx="{:.1f}" cy="{:.1f}" r="{}">').format("line" if dot.open else "dot", dot.color, x, y, 3.5)
    return shape + Markup("<title>{}</title></{}>").format(dot.name, "path" if dot.crossed else "circle")


def heat_map(
    rows: Sequence[str], columns: Sequence[float], values: Sequence[Sequence[float]], *, name: str, x_label: str, width: int = 480
) -> Markup:
    """Shares between 0 and 1 as cells: `values[r][c]` belongs to `rows[r]` and `columns[c]`. Columns beyond 60 are thinned, ends kept."""
    if not rows or not columns:
        return Markup()
    keep = _spaced(len(columns), MOST_COLUMNS)
    tall, left, top = 20.0, _label_width(rows), 4.0
    size = (width, round(top + tall * len(rows) + 46))
    wide = (width - left - 12) / len(keep)
    body = Markup()
    for r, row in enumerate(rows):
        y = top + r * tall
        body += Markup('<text class="tick" x="{}" y="{:.1f}" text-anchor="end" dominant-baseline="middle">{}</text>').format(
            left - 7, y + tall / 2, _short(row)
        )
        for position, c in enumerate(keep):
            body += _cell(f"{row}, {x_label} {label(columns[c])}", values[r][c], (left + position * wide, y, wide, tall))
    body += Markup('<rect class="void" x="{}" y="{}" width="{:.1f}" height="{}"/>').format(left, top, width - left - 12, tall * len(rows) - 1)
    shown = [keep.index(c) for c in (keep[i] for i in _spaced(len(keep), 6))]
    for position in shown:
        body += Markup('<text class="tick" x="{:.1f}" y="{:.1f}" text-anchor="middle">{}</text>').format(
            left + (position + 0.5) * wide, top + tall * len(rows) + 17, label(columns[keep[position]])
        )
    body += _axis_name(left + (width - left - 12) / 2, size[1] - 6, x_label)
    return _svg(body, size, name, "chart")


def _svg(body: Markup, size: tuple[int, int], name: str, kind: str) -> Markup:
    return Markup('<svg class="{}" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(kind, *size, name, body)


def _frame(xs: tuple[float, float], ys: tuple[float, float], size: tuple[int, int]) -> Frame:
    small = size[0] < 400
    return Frame(*size, 50 if small else 58, 10, 12, 24 if small else 44, xs if xs[1] > xs[0] else (xs[0], xs[0] + 1), ys)


def _padded(values: Sequence[float]) -> tuple[float, float]:
    """A range around the values that holds 0, so that small changes do not look large."""
    low, high = min(*values, 0.0), max(*values, 0.0)
    margin = 0.08 * ((high - low) or 1.0)
    return low - margin if low < 0 else 0.0, high + margin if high > 0 or low == 0 else 0.0


def _axes(frame: Frame, x_label: str, y_label: str, *, whole: bool = True) -> Markup:
    """Grid, ticks and names of both axes; `whole`: the x axis counts."""
    body = Markup()
    for tick in ticks(*frame.ys, 3 if frame.height < 200 else 5):
        y = frame.y(tick)
        body += Markup('<line class="grid" x1="{:.1f}" x2="{:.1f}" y1="{:.1f}" y2="{:.1f}"/>').format(frame.left, frame.width - frame.right, y, y)
        body += Markup('<text class="tick" x="{:.1f}" y="{:.1f}" text-anchor="end" dominant-baseline="middle">{}</text>').format(
            frame.left - 6, y, label(tick)
        )
    if y_label:
        middle = frame.top + (frame.height - frame.top - frame.bottom) / 2
        body += Markup('<text class="axis" transform="translate(13 {:.1f}) rotate(-90)" text-anchor="middle">{}</text>').format(middle, y_label)
    at = [tick for tick in ticks(*frame.xs, 6 if frame.width >= 400 else 4, whole=whole) if frame.xs[0] <= tick <= frame.xs[1]]
    return body + _x_axis(frame, x_label if frame.height >= 200 else "", at, grid=not whole)


def _x_axis(frame: Frame, name: str, at: Sequence[float], *, grid: bool = True) -> Markup:
    body, bottom = Markup(), frame.height - frame.bottom
    for tick in at:
        x, top = frame.x(tick), frame.top if grid else bottom
        text = label(tick)
        middle = min(x, frame.width - 3.8 * len(text))  # so that the last is not cut off
        body += Markup('<line class="grid" x1="{:.1f}" x2="{:.1f}" y1="{:.1f}" y2="{:.1f}"/>').format(x, x, top, bottom + 4)
        body += Markup('<text class="tick" x="{:.1f}" y="{:.1f}" text-anchor="middle">{}</text>').format(middle, bottom + 17, text)
    body += Markup('<line class="base" x1="{:.1f}" x2="{:.1f}" y1="{:.1f}" y2="{:.1f}"/>').format(
        frame.left, frame.width - frame.right, bottom, bottom
    )
    return body + (_axis_name(frame.left + (frame.width - frame.left - frame.right) / 2, frame.height - 6, name) if name else Markup())


def _axis_name(x: float, y: float, name: str) -> Markup:
    return Markup('<text class="axis" x="{:.1f}" y="{:.1f}" text-anchor="middle">{}</text>').format(x, y, name)


def _line(one: Series, frame: Frame) -> Markup:
    """The line as one path; a value that is not finite lifts the pen."""
    path, pen = [], "M"
    for x, y in zip(one.xs, one.ys, strict=True):
        if isfinite(y):
            path.append(f"{pen}{frame.x(x):.1f} {_clipped(frame, y):.1f}")
        pen = "L" if isfinite(y) else "M"
    dash = " dashed" if one.dashed else ""
    return Markup('<path class="line {}{}" d="{}"><title>{}</title></path>').format(one.color, dash, "".join(path), one.name)


def _band(one: Series, frame: Frame) -> Markup:
    if one.low is None or one.high is None:
        return Markup()
    known = [(x, lo, hi) for x, lo, hi in zip(one.xs, one.low, one.high, strict=True) if isfinite(lo) and isfinite(hi)]
    if len(known) < 2:
        return Markup()
    upper = [f"{frame.x(x):.1f} {_clipped(frame, hi):.1f}" for x, _, hi in known]
    lower = [f"{frame.x(x):.1f} {_clipped(frame, lo):.1f}" for x, lo, _ in reversed(known)]
    return Markup('<path class="band {}" d="M{}Z"/>').format(one.color, "L".join(upper + lower))


def _hovers(one: Series, frame: Frame, x_label: str) -> Markup:
    """Dots with the value as title, of at most 80 points; visible where the line has few points."""
    if one.dashed:
        return Markup()
    known = [(x, y) for x, y in zip(one.xs, one.ys, strict=True) if isfinite(y)]
    kind = "dot" if len(known) <= 25 else "hover"
    radius = 3 if frame.width >= 400 else 2.2
    body = Markup()
    for i in _spaced(len(known), MOST_HOVERS):
        x, y = known[i]
        text = f"{one.name}: {y:.4g} ({x_label} {label(x)})"
        body += Markup('<circle class="{} {}" cx="{:.1f}" cy="{:.1f}" r="{}"><title>{}</title></circle>').format(
            kind, one.color, frame.x(x), _clipped(frame, y), radius if kind == "dot" else 6, text
        )
    return body


def _apart(places: Sequence[float], least: float) -> list[float]:
    """Places moved to the right until each is `least` from its neighbor."""
    moved, edge = [0.0] * len(places), float("-inf")
    for i in sorted(range(len(places)), key=lambda i: places[i]):
        edge = moved[i] = max(places[i], edge + least)
    return moved


def _equal(frame: Frame) -> Markup:
    """The part of the line x = y that lies inside."""
    low, high = max(frame.xs[0], frame.ys[0]), min(frame.xs[1], frame.ys[1])
    return Markup('<path class="line dashed c0" d="M{:.1f} {:.1f}L{:.1f} {:.1f}"/>').format(frame.x(low), frame.y(low), frame.x(high), frame.y(high))


def _bar(row: str, bar: Bar, frame: Frame, top: float, thick: float) -> Markup:
    """One bar with whisker, value and title."""
    if not isfinite(bar.value):
        return Markup()
    start, end, middle = frame.x(max(frame.xs[0], 0.0)), frame.x(bar.value), top + (thick - 1) / 2
    whisker = Markup()
    if isfinite(bar.low) and isfinite(bar.high):
        whisker = Markup('<line class="whisker" x1="{:.1f}" x2="{:.1f}" y1="{:.1f}" y2="{:.1f}"/>').format(
            frame.x(bar.low), frame.x(bar.high), middle, middle
        )
    interval = f" (95% interval {bar.low:.3f} to {bar.high:.3f})" if isfinite(bar.low) else ""
    return Markup(
        '<g><title>{}</title><rect class="bar {}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>{}'
        '<text class="value" x="{:.1f}" y="{:.1f}" dominant-baseline="central">{}</text></g>'
    ).format(
        f"{row}, {bar.name}: {bar.value:.4g}{interval}",
        bar.color,
        start,
        top,
        max(end - start, 1.0),
        thick - 1,
        whisker,
        frame.width - frame.right + 8,
        middle,
        _decimals(bar.value),
    )


def _cell(where: str, value: float, box: tuple[float, float, float, float]) -> Markup:
    x, y, wide, tall = box
    if not isfinite(value):
        where, value = f"{where}: not known", 0.0
    else:
        where = f"{where}: {value:.3f}"
    return Markup('<rect class="cell" x="{:.2f}" y="{:.1f}" width="{:.2f}" height="{}" fill-opacity="{:.3f}"><title>{}: {}</title></rect>').format(
        x, y, wide, tall - 1, min(max(value, 0.0), 1.0), where, f"{value:.3f}"
    )


def _thinned(one: Series) -> Series:
    """The series with at most `MOST_POINTS` points, ends kept."""
    keep = _spaced(len(one.xs), MOST_POINTS)
    low, high = (None if side is None else [side[i] for i in keep] for side in (one.low, one.high))
    return replace(one, xs=[one.xs[i] for i in keep], ys=[one.ys[i] for i in keep], low=low, high=high)


def _spaced(length: int, most: int) -> list[int]:
    """At most `most` indices of a sequence, evenly spaced, ends kept."""
    if length <= most:
        return list(range(length))
    return sorted({round(i * (length - 1) / (most - 1)) for i in range(most)})


def _clipped(frame: Frame, value: float) -> float:
    return frame.y(min(max(value, frame.ys[0]), frame.ys[1]))


def _label_width(names: Sequence[str]) -> float:
    return 26.0 + 7.6 * max((len(_short(name)) for name in names), default=0)


def _short(name: str, most: int = 18) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"


def _decimals(value: float) -> str:
    return f"{value:.2f}" if abs(value) < 10 else label(round(value, 1))
