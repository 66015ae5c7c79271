"""The tables of a speed benchmark, made from its document alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from textcnn.benchmark.document import Cell, verdict
from textcnn.benchmark.protocol import PHASES
from textcnn.benchmark.summary import interval, number, summarize

_SIGNS = {"wins": "+", "loses": "-", "undecided": "?"}
LEGEND = "Ratio baseline / CNN with its 95 % interval; + the CNN is faster, - it is slower, ? the interval holds 1."


def columns(document: Mapping[str, Any]) -> list[str]:
    """Headings of :func:`rows`."""
    first, *others = [entry["architecture"] for entry in document["contestants"]]
    return ["tokens", "batch", f"{first} ms", *others]


def rows(document: Mapping[str, Any], phase: str) -> list[list[str]]:
    """A row for each length and batch size: the CNN's median time, then the ratio of each baseline."""
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
    """The whole document for readers: conditions, sentence, contestants, ratios, medians, epoch."""
    versions = ", ".join(f"{name} {version}" for name, version in document["versions"].items())
    conditions = (
        f"{document['cpu']}, threads: {document['threads']}, {document['platform']}; {versions}; "
        f"commit {document['commit'] or 'unknown'}; kernels: {document['backend']}; texts: {document['data']['name']}."
    )
    parts = [
        "# Speed of the CNN beside recurrent nets of its size",
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
    """Cells by length and batch size, the CNN's first."""
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
    told = f"An epoch of {epoch['texts']:,} texts, {epoch['tokens']:,} tokens, in batches of {epoch['batch_size']}:"
    return f"{told}\n\n{_table(['architecture', 'seconds', 'tokens/s', 'ratio'], results)}"


def _table(headings: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    lines = [headings, ["---", *("---:" for _ in headings[1:])], *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
