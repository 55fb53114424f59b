"""Figures as SVG files that stand by themselves: of a study, its first quantity by arm over rounds, mean and range of the seeds; of many runs, a point each."""

from collections.abc import Callable, Sequence
from functools import partial
from importlib.resources import files
from statistics import fmean

from markupsafe import Markup

from autotelic.runs.plots import Dot, Series, cloud, line_chart, marker
from autotelic.studies.results import Row
from autotelic.systems.study import Study

COLORS = 7
CHART, CLOUD, LEGEND = (480, 270), (560, 420), 240
"""Sizes of charts, and how much wider the legend makes the figure, in pixels."""


def figure(study: Study, rows: Sequence[Row]) -> str:
    """An SVG document; empty where no run has the quantity."""
    quantity = next(iter(study.quantities))
    found = [curve(study, rows, arm, quantity) for arm in study.arms]
    shown = [one for one in found if one is not None]
    name = f"{study.system}: {quantity} by arm"
    x_label = "step" if study.trial else "round"
    chart = line_chart(shown, name=name, x_label=x_label, y_label=quantity.removeprefix("probe/"), size=CHART)
    return standalone(chart, [(partial(stroke, one), one.name) for one in shown], CHART) if chart else ""


def scatter(dots: Sequence[Dot], kinds: Sequence[Dot], *, name: str, x_label: str, y_label: str, marks: Sequence[tuple[str, float]] = ()) -> str:
    """An SVG document of points, with a legend of their `kinds`; empty where there are none."""
    chart = cloud(dots, name=name, x_label=x_label, y_label=y_label, marks=marks, size=CLOUD)
    return standalone(chart, [(partial(spot, one), one.name) for one in kinds], CLOUD) if chart else ""


def curve(study: Study, rows: Sequence[Row], arm: str, quantity: str) -> Series | None:
    """Mean, least and greatest value over seeds in the rounds that all have; a run that ended keeps its last value."""
    runs = [dict(row.history[quantity]) for row in rows if row.arm == arm and quantity in row.history]
    rounds = [r for r in sorted({r for run in runs for r in run}) if all(r in run or r > max(run) for run in runs)]
    if not rounds:
        return None
    values = [[run.get(r, run[max(run)]) for run in runs] for r in rounds]
    low, mean, high = ([by(v) for v in values] for by in (min, fmean, max))
    if arm == study.control:
        return Series(arm, rounds, mean, low, high, color="c0")
    again, color = divmod([name for name in study.arms if name != study.control].index(arm), COLORS)
    return Series(arm, rounds, mean, low, high, color=f"c{1 + color}", dashed=again > 0)


def stroke(one: Series, x: float, y: float) -> Markup:
    """A piece of a line, for the legend."""
    return Markup('<path class="line {}{}" d="M{} {}h20"/>').format(one.color, " dashed" if one.dashed else "", x, y)


def spot(one: Dot, x: float, y: float) -> Markup:
    """A point, for the legend."""
    return marker(one, x + 10, y)


def standalone(chart: Markup, kinds: Sequence[tuple[Callable[[float, float], Markup], str]], size: tuple[int, int]) -> str:
    """A chart of a size with its style sheet, a ground, and a legend on the right: what draws each sign, and its name."""
    style = (files("autotelic.runs") / "templates" / "charts.css").read_text(encoding="utf-8")
    width, height = size[0] + LEGEND, size[1]
    body = str(chart).partition(">")[2].removesuffix("</svg>")
    legend = Markup()
    for i, (sign, name) in enumerate(kinds):
        y = 22 + 20 * i
        legend += sign(size[0] + 4, y) + Markup('<text x="{}" y="{}" dominant-baseline="middle">{}</text>').format(size[0] + 30, y, name)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">'
    ground = f'<rect width="{width}" height="{height}" fill="var(--card)"/>'
    return f"{head}<style>\n{style}svg {{ font-family: system-ui, sans-serif; }}\n</style>{ground}{body}{legend}</svg>\n"
