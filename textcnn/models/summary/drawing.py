"""SVG drawing of a unit's receptive field: a cone from the unit down to the input, layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from xml.sax.saxutils import escape

from textcnn.errors import ConfigError
from textcnn.nn.pooling import ReceptiveField

ROW, MARGIN, LABELS, SIDE, SQUARE = 56, 24, 250, 620, 220  # pixels: height of a row, edges, names, cone, input image
MOST_MARKS = 400  # of a row; more would be a grey bar
SEEN, UNSEEN, UNIT, CONE = "#0072B2", "#c8c8c8", "#D55E00", "#dbe9f4"


class Drawn(Protocol):
    """Interface of the layers that can be drawn."""

    @property
    def name(self) -> str:
        """Name as in the state dict."""

    @property
    def kind(self) -> str:
        """Class name of the layer."""

    @property
    def field(self) -> ReceptiveField | None:
        """Receptive field of a value; none: the whole input."""

    @property
    def source(self) -> str | None:
        """Name of the layer whose receptive field this one extends."""


def path_to(layers: Sequence[Drawn], unit: str | None = None) -> list[Drawn]:
    """Return the layers from the input to the one called ``unit``; none: to the last with the largest field.

    Layers that see what the one before them sees, such as norms, are left out.

    Raises:
        ConfigError: no such layer, or it sees one place only, or everything at once.
    """
    windowed = [layer for layer in layers if layer.field is not None and layer.field.size > 1]
    names = ", ".join(layer.name for layer in windowed) or "none"
    if unit is None:
        if not windowed:
            raise ConfigError("there is nothing to draw: no layer has a window over a part of the input")
        widest = max(layer.field.size for layer in windowed if layer.field)
        top = [layer for layer in windowed if layer.field and layer.field.size == widest][-1]
    else:
        found = [layer for layer in windowed if layer.name == unit]
        if not found:
            raise ConfigError(f"expected a layer that sees a part of the input ({names}), got {unit!r}")
        top = found[-1]
    by_name = {layer.name: layer for layer in layers}
    path = [top]
    while (source := path[-1].source) is not None:
        path.append(by_name[source])
    below = [ReceptiveField(), *(layer.field for layer in reversed(path))]
    return [layer for layer, field in zip(reversed(path), below, strict=False) if layer.field != field]


def draw(path: Sequence[Drawn], *, title: str, unit: str, image: tuple[int, int] | None = None) -> str:
    """Return the drawing as an SVG document.

    Args:
        path: result of :func:`path_to`: at least one layer, the highest last.
        title: caption of the drawing.
        unit: name of the input positions, ``tokens`` or ``pixels``.
        image: height and width of the input, to draw the fields as squares on it too; none: a text.
    """
    fields = [ReceptiveField(), *(layer.field for layer in path if layer.field)]
    names = [f"input, {unit}", *(f"{layer.name} ({layer.kind})" for layer in path)]
    size = fields[-1].size
    step = min(SIDE / (size + 4), 24.0)
    middle = MARGIN + LABELS + SIDE / 2
    height = 2 * MARGIN + ROW * len(fields) + 24
    rows = [height - MARGIN - 24 - ROW * number for number in range(len(fields))]
    reach = [(size - field.size) / 2 * step for field in fields]  # from the unit's middle to that of the outermost one
    cone = [(middle - r - step / 2, y) for r, y in zip(reach, rows, strict=True)]
    cone += [(2 * middle - x, y) for x, y in reversed(cone)]
    parts = [
        f'<polygon points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in cone)}" fill="{CONE}"/>',
        f'<text x="{MARGIN}" y="{MARGIN}" font-weight="bold">{escape(title)}</text>',
    ]
    for number, (name, field, y) in enumerate(zip(names, fields, rows, strict=True)):
        parts.append(f'<text x="{MARGIN}" y="{y:.1f}">{escape(name)}</text>')
        told = f"sees {field.size:,}, stride {field.stride:,}" if number else f"the unit sees {size:,}"
        parts.append(f'<text x="{MARGIN}" y="{y + 15:.1f}" fill="#666">{told}</text>')
        parts += _marks(middle, y, field.stride * step, reach[number], step, top=number == len(fields) - 1)
    width = MARGIN * 2 + LABELS + SIDE
    if image is not None:
        parts += _squares(width, fields[1:], image)
        width += SQUARE + MARGIN
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{max(height, SQUARE + 4 * MARGIN)}" '
        f'font-family="sans-serif" font-size="12">\n<rect width="100%" height="100%" fill="white"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _marks(middle: float, y: float, gap: float, reach: float, step: float, *, top: bool) -> list[str]:
    """Draw the units of one row: those in the cone, and their neighbours up to the edges of the drawing."""
    side = max(min(step * 0.8, 12.0), 1.5)
    inside = round(2 * reach / gap) + 1
    num_outside = int((SIDE / 2 - reach) // gap)
    if inside + 2 * num_outside > MOST_MARKS:
        num_outside = 0
    marks = []
    for number in range(-num_outside, inside + num_outside):
        x = middle - reach + number * gap
        seen = 0 <= number < inside
        colour = UNIT if top and seen else SEEN if seen else UNSEEN
        marks.append(
            f'<rect x="{x - side / 2:.1f}" y="{y - side / 2:.1f}" width="{side:.1f}" height="{side:.1f}" '
            f'fill="{colour}" class="{"seen" if seen else "unseen"}"/>'
        )
    return marks


def _squares(left: float, fields: Sequence[ReceptiveField], image: tuple[int, int]) -> list[str]:
    """Draw the input as a frame, with the receptive field of a unit of each layer; outside is padding."""
    height, width = image
    scale = SQUARE / max(height, width, fields[-1].size)
    x, y = left + SQUARE / 2, MARGIN * 2 + SQUARE / 2
    caption = f"what a unit of each layer sees of {height} x {width}"
    shapes = [f'<text x="{left}" y="{MARGIN}">{caption}</text>']
    sizes = [(height, width, "#000"), *((field.size, field.size, SEEN) for field in fields[:-1])]
    for high, wide, colour in [*sizes, (fields[-1].size, fields[-1].size, UNIT)]:
        h, w = high * scale, wide * scale
        shapes.append(
            f'<rect x="{x - w / 2:.1f}" y="{y - h / 2:.1f}" width="{w:.1f}" height="{h:.1f}" fill="none" '
            f'stroke="{colour}"/>'
        )
    return shapes
