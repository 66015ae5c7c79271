"""How small an image may be for an architecture that halves it."""

from __future__ import annotations

from textcnn.errors import ConfigError

TIMES = {1: "once", 2: "twice"}


def require_sides(name: str, shape: tuple[int, int, int], halvings: int) -> None:
    """Refuse images ``(C, H, W)`` of which halving that often leaves nothing.

    Raises:
        ConfigError: H or W is below ``2 ** halvings``.
    """
    _, height, width = shape
    least = 2**halvings
    if min(height, width) < least:
        often = TIMES.get(halvings, f"{halvings} times")
        raise ConfigError(
            f"{name!r} halves images {often} and needs at least {least} x {least} pixels, got {height} x {width}"
        )
