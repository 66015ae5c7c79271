"""Plots a speed benchmark from its document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from textcnn.benchmark.document import comparisons
from textcnn.benchmark.protocol import PHASES
from textcnn.errors import ConfigError, import_extra

# The colour-blind safe palette of Okabe & Ito; batch sizes differ by marker and line style.
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9")
_STYLES = (("o", "-"), ("s", "--"), ("^", ":"), ("D", "-."), ("v", (0, (1, 3))), ("P", (0, (6, 3))))
_TICKS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 7, 10, 15, 20, 30, 50, 100)
_EXTENSIONS = (".png", ".svg", ".pdf")
_WIDTH, _HEIGHT, _DPI = 12.0, 5.4, 150  # inches, inches, pixels an inch


def check_plot(path: Path, feature: str = "benchmark --plot") -> None:
    """Check, before minutes of measuring, that the plot can be drawn.

    Raises:
        ConfigError: the extension is not that of a supported format.
        MissingExtraError: matplotlib is not installed.
    """
    if path.suffix.lower() not in _EXTENSIONS:
        raise ConfigError(f"a plot must be a file that ends in {', '.join(_EXTENSIONS)}, got {path.name!r}")
    import_extra("matplotlib.figure", extra="plot", feature=feature)


def draw(document: Mapping[str, Any]) -> Any:
    """Return a figure of ratios against text length: one panel per phase, one line per baseline and batch."""
    figure_module = import_extra("matplotlib.figure", extra="plot", feature="benchmark --plot")
    figure = figure_module.Figure(figsize=(_WIDTH, _HEIGHT), dpi=_DPI, layout="constrained")
    phases = [phase for phase in PHASES if comparisons(document["cells"], phase=phase)]
    panels = figure.subplots(1, len(phases), sharey=True, squeeze=False)[0]
    for panel, phase in zip(panels, phases, strict=True):
        _draw_phase(panel, phase, document)
    panels[0].set_ylabel("time of the RNN / time of the CNN")
    _legend(figure, document)
    where = f"{document['cpu']}, threads: {document['threads']}"
    figure.suptitle(f"Text CNN and RNNs of its size ({where}; bars: 95 % intervals)", fontsize=10)
    return figure


def save_plot(document: Mapping[str, Any], path: Path) -> None:
    """Plot the document into a file whose extension (.png, .svg, .pdf) selects the format."""
    draw(document).savefig(path)


def _draw_phase(panel: Any, phase: str, document: Mapping[str, Any]) -> None:
    lines = [(name, size) for name in _names(document) for size in document["protocol"]["batch_sizes"]]
    for position, (name, size) in enumerate(lines):
        cells = sorted(
            comparisons(document["cells"], phase=phase, architecture=name, batch_size=size), key=lambda c: c["length"]
        )
        shift = 1 + 0.015 * (position - (len(lines) - 1) / 2)  # so that error bars do not overlap
        ratios = [cell["ratio"] for cell in cells]
        marker, dashes = _style(document, size)
        panel.errorbar(
            [cell["length"] * shift for cell in cells],
            ratios,
            yerr=[[c["ratio"] - c["ratio_low"] for c in cells], [c["ratio_high"] - c["ratio"] for c in cells]],
            color=_colour(document, name),
            marker=marker,
            linestyle=dashes,
            linewidth=1.3,
            markersize=5,
            capsize=2,
            elinewidth=0.9,
        )
    _dress(panel, phase, document)


def _dress(panel: Any, phase: str, document: Mapping[str, Any]) -> None:
    """Set up the axes, and draw the line at 1 with the meaning of its two sides."""
    lengths = sorted(document["protocol"]["lengths"])
    ends = [c[end] for c in comparisons(document["cells"]) for end in ("ratio_low", "ratio_high")]
    low, high = min(0.8, *ends) / 1.15, max(1.25, *ends) * 1.15
    ticks = [t for t in _TICKS if low <= t <= high]
    panel.set_xscale("log")
    panel.set_yscale("log")
    panel.set_ylim(low, high)
    span = max(lengths[-1] / lengths[0], 2)
    panel.set_xlim(lengths[0] / span**0.05, lengths[-1] * span**0.28)  # leaves room for the labels at the right
    panel.set_xticks(lengths, [str(length) for length in lengths])
    panel.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    panel.minorticks_off()
    panel.grid(axis="y", color="0.9", linewidth=0.6)
    panel.axhline(1, color="black", linewidth=1.2)
    for side, where, words in ((1.03, "bottom", "↑ CNN faster"), (1 / 1.03, "top", "↓ RNN faster")):
        panel.text(0.99, side, words, transform=panel.get_yaxis_transform(), ha="right", va=where, fontsize=9)
    panel.set_title(PHASES[phase])
    panel.set_xlabel("tokens per text")


def _legend(figure: Any, document: Mapping[str, Any]) -> None:
    line = import_extra("matplotlib.lines", extra="plot", feature="benchmark --plot").Line2D
    handles = [line([], [], color=_colour(document, name), linewidth=2.5, label=name) for name in _names(document)]
    for size in document["protocol"]["batch_sizes"]:
        marker, dashes = _style(document, size)
        handles.append(line([], [], color="0.3", marker=marker, linestyle=dashes, label=f"batch {size}"))
    figure.legend(handles=handles, loc="outside right center", frameon=False)


def _names(document: Mapping[str, Any]) -> Sequence[str]:
    names: Sequence[str] = document["protocol"]["architectures"]
    return names


def _colour(document: Mapping[str, Any], name: str) -> str:
    return _COLOURS[_names(document).index(name) % len(_COLOURS)]


def _style(document: Mapping[str, Any], size: int) -> tuple[str, Any]:
    return _STYLES[document["protocol"]["batch_sizes"].index(size) % len(_STYLES)]
