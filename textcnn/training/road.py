"""Which road trains a network: the compiled core, or torch; the one place that decides."""

from __future__ import annotations

from typing import NamedTuple

from textcnn.config import Config
from textcnn.core import backend_info, library
from textcnn.core.training_inputs import MOST_WIDTHS
from textcnn.models.kim_settings import KimSettings

CORE, TORCH = "core", "torch"
POOLINGS = ("max", "max+mean")  # of kim, by the core


class Road(NamedTuple):
    """A road, and why it is not the core's, or with which instruction set it is."""

    name: str
    reason: str


BY_TORCH = Road(TORCH, "")


def choose_road(config: Config, *, num_processes: int = 1) -> Road:
    """The road that trains a text model of this config.

    The core takes what it can, on any machine: a GPU, which only torch would use, has to be asked for.
    """
    reason = _refusal(config, num_processes)
    if reason:
        return Road(TORCH, reason)
    return Road(CORE, backend_info().instruction_set)


def _refusal(config: Config, num_processes: int) -> str:
    """Why the core cannot train it, or nothing."""
    if config.model.architecture != "kim":
        return f"architecture {config.model.architecture!r} is trained by torch"
    settings = KimSettings.of(config.model)
    if settings.pooling not in POOLINGS:
        return f"pooling {settings.pooling!r} is trained by torch"
    if len(settings.widths) > MOST_WIDTHS:
        return f"the core has at most {MOST_WIDTHS} widths of windows, the network has {len(settings.widths)}"
    if config.training.device == "cuda":
        return "device 'cuda' was asked for"
    if config.training.amp is not None:
        return f"half precision ({config.training.amp}) was asked for"
    if num_processes > 1:
        return f"{num_processes} processes train together"
    return "" if library() is not None else backend_info().reason
