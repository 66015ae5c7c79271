"""Renders a speed benchmark as tables, and as a sentence that says where the CNN loses, is undecided and wins."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from textcnn.benchmark.document import Cell, comparisons, verdict
from textcnn.benchmark.protocol import PHASES

_PHASE_NAMES = {"train": "in training steps", "infer": "in inference"}


def summarize(document: Mapping[str, Any]) -> str:
    """Summarize the intervals of all cells in one sentence."""
    cells = document["cells"]
    phases = [phase for phase in PHASES if comparisons(cells, phase=phase)]
    parts = [f"{_PHASE_NAMES[phase]} the CNN is {_phase(comparisons(cells, phase=phase))}" for phase in phases]
    if document.get("epoch"):
        parts.append(_epoch(document["epoch"], document["data"]))
    sentence = "; ".join(parts)
    return f"{sentence[:1].upper()}{sentence[1:]}."


def _phase(cells: Sequence[Cell]) -> str:
    """Describe losses and undecided cells with their places, and wins, which are everywhere else."""
    wins, losses, open_ = ([c for c in cells if verdict(c) == name] for name in ("wins", "loses", "undecided"))
    parts = []
    if losses:
        least = min(losses, key=lambda cell: cell["ratio"])
        parts.append(f"slower in {_share(losses, cells)} ({_shown_places(losses, cells)}; down to {_extreme(least)})")
    if open_:
        parts.append(f"neither faster nor slower in {_share(open_, cells)} ({_shown_places(open_, cells)})")
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


def _shown_places(found: Sequence[Cell], cells: Sequence[Cell]) -> str:
    """Return baselines with their cells, e.g. ``lstm and bilstm at 10-50 tokens with batch 16 and 64, rnn at ...``."""
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
    """Return the chosen lengths with consecutive ones joined: ``10-100 and 500``."""
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
    """Format the ends of the ratio's interval."""
    return f"{number(cell['ratio_low'])}-{number(cell['ratio_high'])}"


def number(value: float) -> str:
    """Format a number with about three digits: 0.51, 1.23, 45.6, 1,789."""
    return f"{value:,.0f}" if value >= 99.95 else f"{value:.{2 if value < 9.995 else 1}f}"


_SIGNS = {"wins": "+", "loses": "-", "undecided": "?"}
LEGEND = "Ratio baseline / CNN with its 95 % interval; + the CNN is faster, - it is slower, ? the interval holds 1."


def columns(document: Mapping[str, Any]) -> list[str]:
    """Return the headings of :func:`rows`."""
    first, *others = [entry["architecture"] for entry in document["contestants"]]
    return ["tokens", "batch", f"{first} ms", *others]


def rows(document: Mapping[str, Any], phase: str) -> list[list[str]]:
    """Return a row for each length and batch size: the CNN's median time, then the ratio of each baseline."""
    return [
        [
            str(length),
            str(size),
            number(first["median_ms"]),
            *(f"{number(cell['ratio'])} {_SIGNS[verdict(cell)]} {interval(cell)}" for cell in others),
        ]
        for (length, size), (first, *others) in _places(document["cells"], phase).items()
    ]


def to_markdown(document: Mapping[str, Any]) -> str:
    """Return the whole document as Markdown: conditions, summary, contestants, ratios, medians, epoch."""
    versions = ", ".join(f"{name} {version}" for name, version in document["versions"].items())
    conditions = (
        f"{document['cpu']}, threads: {document['threads']}, {document['platform']}; {versions}; "
        f"commit {document['commit'] or 'unknown'}; kernels: {document['backend']}; texts: {document['data']['name']}."
    )
    parts = [
        "# Speed of the CNN compared with recurrent networks of its size",
        conditions,
        f"Command: `{document['command']}`." if document["command"] else "",
        summarize(document),
        _table(["architecture", "settings", "encoder parameters", "of the CNN's", "parameters"], _sizes(document)),
        LEGEND,
        *(f"{PHASES[phase]}:\n\n{_table(columns(document), rows(document, phase))}" for phase in PHASES),
        *(f"{PHASES[phase]}, median ms (tokens/s):\n\n{_times(document, phase)}" for phase in PHASES),
        _epoch_table(document["epoch"]),
        "Protocol:",
        "\n".join(f"- {name}: {rule}" for name, rule in document["protocol"]["rules"].items()),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _places(cells: Iterable[Cell], phase: str) -> dict[tuple[int, int], list[Cell]]:
    """Group the cells of a phase by length and batch size, with the CNN's cell first."""
    found: dict[tuple[int, int], list[Cell]] = {}
    for cell in sorted(cells, key=lambda cell: (cell["length"], cell["batch_size"])):
        if cell["phase"] == phase:
            found.setdefault((cell["length"], cell["batch_size"]), []).append(cell)
    return found


def _sizes(document: Mapping[str, Any]) -> list[list[str]]:
    return [
        [
            entry["architecture"],
            ", ".join(f"{name}={value}" for name, value in entry["settings"].items()),
            f"{entry['encoder_parameters']:,}",
            f"{entry['ratio']:.3f}",
            f"{entry['parameters']:,}",
        ]
        for entry in document["contestants"]
    ]


def _times(document: Mapping[str, Any], phase: str) -> str:
    names = [entry["architecture"] for entry in document["contestants"]]
    body = [
        [
            str(length),
            str(size),
            *(f"{number(cell['median_ms'])} ({cell['tokens_per_second']:,.0f})" for cell in cells),
            str(cells[0]["batches"]),
        ]
        for (length, size), cells in _places(document["cells"], phase).items()
    ]
    return _table(["tokens", "batch", *names, "batches"], body)


def _epoch_table(epoch: Mapping[str, Any] | None) -> str:
    if epoch is None:
        return ""
    results = [
        [
            entry["architecture"],
            number(entry["seconds"]),
            f"{entry['tokens_per_second']:,.0f}",
            "" if entry["ratio"] is None else f"{number(entry['ratio'])} {interval(entry)}",
        ]
        for entry in epoch["results"]
    ]
    title = f"An epoch of {epoch['texts']:,} texts, {epoch['tokens']:,} tokens, in batches of {epoch['batch_size']}:"
    return f"{title}\n\n{_table(['architecture', 'seconds', 'tokens/s', 'ratio'], results)}"


def _table(headings: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    lines = [headings, ["---", *("---:" for _ in headings[1:])], *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
