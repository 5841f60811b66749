"""Plots as inline SVG.

Their colours are variables of the page's CSS, so that light and dark are its choice; their
text stays text; each says in words what it shows. The same numbers make the same bytes.
"""

import io
import textwrap
from collections.abc import Callable, Sequence
from xml.etree import ElementTree

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import Bbox

# Matplotlib needs numbers; they stand for the variables `--ink`, `--muted`, ... of the page.
_COLOURS = {
    "ink": "#000001",
    "muted": "#000002",
    "grid": "#000003",
    "first": "#000004",
    "second": "#000005",
}
_SERIES = ("first", "second")
# Points, which are the pixels of a phone's column.
_WIDTH, _HEIGHT = 340, 190
_LONGEST_NAME = 14
# Of a scatter that has no names.
_MOST_POINTS = 2000
# Of a heat map: the side of a cell, and how many shades there are.
_CELL = 14
_SHADES = 25
# A metric's axis is no narrower: the difference of a few examples is not to look like a cliff.
_LEAST_SPAN = 0.04
_SIDES = (
    (1, 0, "left"),
    (-1, 0, "right"),
    (0, 1, "center"),
    (0, -1, "center"),
    (0.7, 0.7, "left"),
    (0.7, -0.7, "left"),
    (-0.7, 0.7, "right"),
    (-0.7, -0.7, "right"),
)
# Of a name beside its point: the nearest one that is free is taken.
_PLACES = [(x * far, y * far, side) for far in range(10, 100, 10) for x, y, side in _SIDES]
_RC = {
    "svg.hashsalt": "tinybert-tf",
    "svg.fonttype": "none",
    "text.parse_math": False,
    # It comes with Matplotlib: text is as wide everywhere.
    "font.family": "DejaVu Sans",
    "font.size": 11,
    "text.color": _COLOURS["ink"],
    "axes.labelcolor": _COLOURS["ink"],
    "axes.edgecolor": _COLOURS["muted"],
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.formatter.useoffset": False,
    "xtick.color": _COLOURS["muted"],
    "ytick.color": _COLOURS["muted"],
    "xtick.labelcolor": _COLOURS["ink"],
    "ytick.labelcolor": _COLOURS["ink"],
    "grid.color": _COLOURS["grid"],
    "legend.frameon": False,
    "legend.handlelength": 1.2,
}


def bars(key: str, title: str, series: dict[str, dict[str, float]]) -> ElementTree.Element:
    """Draws horizontal bars, the shortest of the first series on top.

    Args:
        key: str. Unlike that of any other plot of the page.
        title: str. What the values are and their unit.
        series: dict. The values of one or two series, by their name and that of the row.

    Returns:
        The `svg` element.
    """
    first = next(iter(series.values()))
    names = sorted(first, key=first.get)
    thickness = 0.7 / len(series)

    def paint(axes: Axes) -> None:
        for i, (label, values) in enumerate(series.items()):
            rows = [row for row, name in enumerate(names) if name in values]
            container = axes.barh(
                [row + (i - (len(series) - 1) / 2) * thickness for row in rows],
                [values[names[row]] for row in rows],
                0.9 * thickness,
                color=_COLOURS[_SERIES[i]],
                label=label,
            )
            axes.bar_label(container, fmt="{:.1f}", padding=3)
        _label_rows(axes, names)
        axes.xaxis.set_visible(False)
        axes.spines["bottom"].set_visible(False)
        if len(series) > 1:
            _add_legend(axes)

    said = "; ".join(f"{label}: {_in_words(series[label], '.1f')}" for label in series)
    height = 30 + len(names) * len(series) * 20
    return _draw(key, f"{title}. {said}.", height, paint)


def dots(
    key: str, title: str, values: dict[str, float], reference: tuple[str, float] | None
) -> ElementTree.Element:
    """Draws a dot a row on the axis of a metric, the highest on top.

    Args:
        key: str. See `bars`.
        title: str. The metric.
        values: dict. By the name of the row.
        reference: tuple or `None`. Name and value of a line.

    Returns:
        The `svg` element.
    """
    names = sorted(values, key=values.get, reverse=True)

    def paint(axes: Axes) -> None:
        for row, name in enumerate(names):
            axes.plot(values[name], row, "o", color=_COLOURS["first"], clip_on=False)
            end = {"transform": axes.get_yaxis_transform(), "va": "center"}
            axes.text(1.03, row, f"{values[name]:.4f}", **end)
        if reference:
            axes.axvline(reference[1], **_reference_style(reference))
            _add_legend(axes)
        _label_rows(axes, names)
        axes.grid(axis="x")
        _widen(axes.get_xlim, axes.set_xlim)
        axes.xaxis.set_major_locator(MaxNLocator(4))

    words = _in_words(values | dict([reference] if reference else []), ".4f")
    return _draw(key, f"{title}. {words}.", 60 + len(names) * 30, paint)


def scatter(
    key: str,
    title: str,
    unit: str,
    points: dict[str, tuple[float, float]],
    reference: tuple[str, float] | None,
) -> ElementTree.Element:
    """Draws named points, the metric against something that is better small.

    Args:
        key: str. See `bars`.
        title: str. What is drawn against what.
        unit: str. Of x.
        points: dict. x and y by name.
        reference: tuple or `None`. Name and y of a line.

    Returns:
        The `svg` element.
    """

    def paint(axes: Axes) -> None:
        axes.plot(*zip(*points.values(), strict=True), "o", color=_COLOURS["first"])
        if reference:
            axes.axhline(reference[1], **_reference_style(reference))
            _add_legend(axes)
        axes.set_xlabel(unit)
        axes.set_xlim(0, 1.08 * max(x for x, _ in points.values()))
        _widen(axes.get_ylim, axes.set_ylim)
        axes.grid()
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.yaxis.set_major_locator(MaxNLocator(5))
        _name_points(axes, points, [reference[1]] if reference else [])

    said = ", ".join(f"{name} {y:.4f} at {x:.1f} {unit}" for name, (x, y) in points.items())
    return _draw(key, f"{title}. {said}.", 240, paint)


def curve(
    key: str,
    title: str,
    points: Sequence[tuple[int, float]],
    reference: tuple[str, float] | None = None,
    marked: int | None = None,
) -> ElementTree.Element:
    """Draws a value over the steps of a stage.

    Args:
        key: str. See `bars`.
        title: str. What the values are.
        points: sequence of step and value.
        reference: tuple or `None`. Name and value of a line.
        marked: int or `None`. A step to mark.

    Returns:
        The `svg` element.
    """
    steps, values = zip(*points, strict=True)
    marks = [(step, value) for step, value in points if step == marked]

    def paint(axes: Axes) -> None:
        marker = "o" if len(points) <= 20 else ""
        axes.plot(steps, values, color=_COLOURS["first"], marker=marker, markersize=4)
        for step, value in marks:
            label = f"step {step}: {value:.4f}"
            axes.plot(step, value, "D", color=_COLOURS["second"], markersize=8, label=label)
        if reference:
            axes.axhline(reference[1], **_reference_style(reference))
        if marks or reference:
            _add_legend(axes)
        axes.set_xlabel("step")
        axes.grid(axis="y")
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(5))

    said = f"{values[0]:.4g} at step {steps[0]}, {values[-1]:.4g} at step {steps[-1]}"
    return _draw(key, f"{title}. {said}.", _HEIGHT, paint)


def agreement(
    key: str, title: str, labels: Sequence[float], scores: Sequence[float]
) -> ElementTree.Element:
    """Draws predicted scores against the true ones, and the line on which they agree.

    Args:
        key: str. See `bars`.
        title: str. What the scores are.
        labels: sequence of float. The true scores.
        scores: sequence of float. As many; of more than 2,000 an even sample is drawn.

    Returns:
        The `svg` element.
    """
    drawn = np.unique(np.linspace(0, len(labels) - 1, _MOST_POINTS).round().astype(int))
    x, y = np.asarray(labels)[drawn], np.asarray(scores)[drawn]

    def paint(axes: Axes) -> None:
        axes.plot(x, y, ".", color=_COLOURS["first"], alpha=0.5)
        ends = (min(x.min(), y.min()), max(x.max(), y.max()))
        axes.plot(ends, ends, "--", color=_COLOURS["muted"], label="as the true score")
        axes.set_xlabel("true score")
        axes.grid()
        _add_legend(axes)

    said = f"{len(drawn)} examples; mean error {np.abs(y - x).mean():.3f}"
    return _draw(key, f"{title}. {said}.", 300, paint)


def heat_map(title: str, names: Sequence[str], values: np.ndarray) -> ElementTree.Element:
    """Draws a square of probabilities, a path for each shade; the page may stretch it.

    Args:
        title: str. What the values are.
        names: sequence of str. Of rows and columns.
        values: float array [names, names]. From 0 to 1; opacity is their square root.

    Returns:
        The `svg` element.
    """
    short = [
        name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…"
        for name in names
    ]
    # The widths of letters and of Chinese characters at 11 pixels, about.
    margin = 8 + max(sum(6.5 if c.isascii() else 11 for c in name) for name in short)
    size = margin + _CELL * len(names)
    strongest = values.argmax(axis=-1)
    said = ", ".join(
        f"{name} to {names[column]} {row[column]:.2f}"
        for name, column, row in zip(names, strongest, values, strict=True)
    )
    box = {"role": "img", "viewBox": f"0 0 {size:g} {size:g}"}
    # No smaller: its text is to be read, and its box scrolls.
    svg = ElementTree.Element("svg", box | {"style": f"min-width: {size:g}px"})
    ElementTree.SubElement(svg, "title").text = f"{title}. Most attention: {said}."
    shades = np.rint(np.sqrt(values) * _SHADES).astype(int)
    for shade in range(1, _SHADES + 1):
        cells = "".join(
            f"M{margin + _CELL * column:g} {margin + _CELL * row:g}h{_CELL}v{_CELL}h-{_CELL}z"
            for row, column in np.argwhere(shades == shade).tolist()
        )
        if cells:
            style = f"fill: var(--first); fill-opacity: {shade / _SHADES:g}"
            ElementTree.SubElement(svg, "path", d=cells, style=style)
    for i, name in enumerate(short):
        _add_cell_name(svg, name, margin - 4, margin + _CELL * (i + 0.75), 0)
        _add_cell_name(svg, name, margin + _CELL * (i + 0.75), margin - 4, -90)
    frame = {"width": f"{size - margin:g}", "height": f"{size - margin:g}"}
    frame |= {
        "x": f"{margin:g}",
        "y": f"{margin:g}",
        "style": "fill: none; stroke: var(--grid)",
    }
    ElementTree.SubElement(svg, "rect", frame)
    return svg


def _add_cell_name(svg: ElementTree.Element, name: str, x: float, y: float, turn: int) -> None:
    placed = {"transform": f"translate({x:g} {y:g}) rotate({turn})"}
    # Away from the map: to the left of a row, above a column.
    placed["style"] = (
        f"fill: var(--ink); font-size: 11px; text-anchor: {'start' if turn else 'end'}"
    )
    ElementTree.SubElement(svg, "text", placed).text = name


# === Parts of plots ===


def _label_rows(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), [_wrap(name) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)


def _wrap(name: str) -> str:
    """Returns two lines at most; the whole name is in what the plot says."""
    return textwrap.fill(name, _LONGEST_NAME, max_lines=2, placeholder="…")


def _add_legend(axes: Axes) -> None:
    axes.figure.legend(loc="outside upper left", ncols=2, borderpad=0)


def _reference_style(reference: tuple[str, float]) -> dict:
    name, value = reference
    return {"color": _COLOURS["muted"], "linestyle": "--", "label": f"{name} {value:.4f}"}


def _widen(get_limits: Callable, set_limits: Callable) -> None:
    low, high = get_limits()
    missing = max(_LEAST_SPAN - (high - low), 0.0)
    set_limits(low - missing / 2, high + missing / 2)


def _in_words(values: dict[str, float], form: str) -> str:
    return ", ".join(f"{name} {value:{form}}" for name, value in values.items())


def _name_points(axes: Axes, points: dict, lines: Sequence[float]) -> None:
    """Puts each name beside its point, where it covers no point, name or line (at a y)."""
    figure = axes.figure
    figure.draw_without_rendering()
    # Names are placed in the layout as it is now.
    figure.set_layout_engine("none")
    frame, to_pixels = axes.bbox, axes.transData.transform
    taken = [Bbox([[x, y], [x, y]]).padded(5) for x, y in map(to_pixels, points.values())]
    for _, y in to_pixels([(0.0, line) for line in lines]) if lines else ():
        taken.append(Bbox([[frame.x0, y], [frame.x1, y]]).padded(1))
    for name, point in sorted(points.items(), key=lambda item: item[1]):
        beside = {"textcoords": "offset points"}
        label = axes.annotate(_wrap(name), point, (0, 0), va="center", **beside)
        for x, y, side in _PLACES:
            label.set_position((x, y))
            label.set_horizontalalignment(side)
            box = label.get_window_extent()
            is_inside = frame.containsx(box.x0) and frame.containsx(box.x1)
            if is_inside and not box.count_overlaps(taken):
                break
        taken.append(box)
        if max(abs(x), abs(y)) > _PLACES[0][0]:
            line = {"arrowstyle": "-", "color": _COLOURS["muted"], "linewidth": 0.7}
            axes.annotate("", point, (x, y), **beside, arrowprops=line)


# === SVG ===


def _draw(
    key: str, description: str, height: float, paint: Callable[[Axes], None]
) -> ElementTree.Element:
    file = io.BytesIO()
    with matplotlib.rc_context():
        # Whatever a matplotlibrc says.
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_RC)
        figure = Figure((_WIDTH / 72, height / 72), dpi=72, layout="constrained")
        FigureCanvasSVG(figure)
        paint(figure.add_subplot())
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    return _to_inline(ElementTree.fromstring(file.getvalue()), key, description)


def _to_inline(svg: ElementTree.Element, key: str, description: str) -> ElementTree.Element:
    """Makes a file's root an element of a page: no names of its own, size or style sheet."""
    for parent in list(svg.iter()):
        for child in list(parent):
            if child.tag.endswith(("}metadata", "}style")):
                parent.remove(child)
    for element in svg.iter():
        element.tag = _local(element.tag)
        element.attrib = {
            _local(name): _translate(_local(name), value, key)
            for name, value in element.items()
        }
    svg.attrib = {"role": "img", "viewBox": svg.get("viewBox")}
    title = ElementTree.Element("title")
    title.text = description
    svg.insert(0, title)
    return svg


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _translate(name: str, value: str, key: str) -> str:
    if name == "id":
        return f"{key}-{value}"
    if name == "href":
        return f"#{key}-{value.removeprefix('#')}"
    for variable, number in _COLOURS.items():
        value = value.replace(number, f"var(--{variable})")
    return value.replace("url(#", f"url(#{key}-")
