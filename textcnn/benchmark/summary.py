"""One sentence on a speed benchmark: where the CNN loses, where nothing can be said, and where it wins."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from textcnn.benchmark.document import Cell, comparisons, verdict
from textcnn.benchmark.protocol import PHASES

_PHASE_NAMES = {"train": "in training steps", "infer": "in inference"}


def summarize(document: Mapping[str, Any]) -> str:
    """The sentence, from the intervals of all cells."""
    cells = document["cells"]
    phases = [phase for phase in PHASES if comparisons(cells, phase=phase)]
    parts = [f"{_PHASE_NAMES[phase]} the CNN is {_phase(comparisons(cells, phase=phase))}" for phase in phases]
    if document.get("epoch"):
        parts.append(_epoch(document["epoch"], document["data"]))
    sentence = "; ".join(parts)
    return f"{sentence[:1].upper()}{sentence[1:]}."


def _phase(cells: Sequence[Cell]) -> str:
    """Counts, extremes, and for all but the wins the places; the wins are everywhere else."""
    wins, losses, open_ = ([c for c in cells if verdict(c) == name] for name in ("wins", "loses", "undecided"))
    parts = []
    if losses:
        least = min(losses, key=lambda cell: cell["ratio"])
        parts.append(f"slower in {_share(losses, cells)} ({_places(losses, cells)}; down to {_extreme(least)})")
    if open_:
        parts.append(f"neither faster nor slower in {_share(open_, cells)} ({_places(open_, cells)})")
    if wins:
        most = max(wins, key=lambda cell: cell["ratio"])
        median = number(statistics.median(cell["ratio"] for cell in wins))
        share = _share(wins, cells) if len(wins) == len(cells) else f"the other {len(wins)}"
        parts.append(f"faster in {share} (in the median {median} times, up to {_extreme(most)})")
    return _enumerate(parts)


def _share(found: Sequence[Cell], cells: Sequence[Cell]) -> str:
    if len(found) < len(cells):
        return f"{len(found)} of {len(cells)} cells"
    return f"all {len(cells)} cells" if len(cells) > 1 else "the one cell"


def _extreme(cell: Cell) -> str:
    return (
        f"{number(cell['ratio'])} times, {cell['architecture']} at {cell['length']} tokens with batch "
        f"{cell['batch_size']}"
    )


def _places(found: Sequence[Cell], cells: Sequence[Cell]) -> str:
    """Baselines and where, e.g. ``lstm and bilstm at 10-50 tokens with batch 16 and 64, rnn at ...``."""
    if len(found) == len(cells):
        return "everywhere"
    names = list(dict.fromkeys(cell["architecture"] for cell in cells))
    grouped: dict[str, list[str]] = {}
    for name in names:
        mine = [cell for cell in found if cell["architecture"] == name]
        if mine:
            grouped.setdefault(_lengths_and_sizes(mine, cells), []).append(name)
    return ", ".join(f"{_enumerate(names)} at {where}" for where, names in grouped.items())


def _lengths_and_sizes(found: Iterable[Cell], cells: Iterable[Cell]) -> str:
    lengths = sorted({cell["length"] for cell in cells})
    by_size: dict[int, set[int]] = {}
    for cell in found:
        by_size.setdefault(cell["batch_size"], set()).add(cell["length"])
    by_lengths: dict[str, list[int]] = {}
    for size in sorted(by_size):
        by_lengths.setdefault(_runs(by_size[size], lengths), []).append(size)
    return " and ".join(f"{runs} tokens with batch {_enumerate(sizes)}" for runs, sizes in by_lengths.items())


def _runs(chosen: set[int], lengths: Sequence[int]) -> str:
    """Chosen lengths, neighbours in the list of all lengths joined: ``10-100 and 500``."""
    runs: list[list[int]] = []
    for before, length in zip([0, *lengths], lengths, strict=False):
        if length not in chosen:
            continue
        if before in chosen:
            runs[-1].append(length)
        else:
            runs.append([length])
    return _enumerate([str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs])


def _enumerate(items: Sequence[Any]) -> str:
    *first, last = map(str, items)
    return f"{', '.join(first)} and {last}" if first else last


def _epoch(epoch: Mapping[str, Any], data: Mapping[str, Any]) -> str:
    reference, *others = epoch["results"]
    ratios = [f"{entry['architecture']} {number(entry['ratio'])} times that ({interval(entry)})" for entry in others]
    seconds = f"the CNN {number(reference['seconds'])} s, {_enumerate(ratios)}"
    return f"an epoch of {epoch['texts']:,} of the {data['texts']:,} texts of {data['name']} takes {seconds}"


def interval(cell: Cell) -> str:
    """The ends of the ratio's interval."""
    return f"{number(cell['ratio_low'])}-{number(cell['ratio_high'])}"


def number(value: float) -> str:
    """About three digits: 0.51, 1.23, 45.6, 1,789."""
    return f"{value:,.0f}" if value >= 99.95 else f"{value:.{2 if value < 9.995 else 1}f}"
