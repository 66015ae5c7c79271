"""The document of a soak as tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def to_markdown(document: Mapping[str, Any]) -> str:
    """Requests by kind and outcome, what befell the server, and its memory."""
    machine, said = document["machine"], document["said"]
    kinds = document["requests"]
    outcomes = sorted({outcome for counts in kinds.values() for outcome in counts})
    lines = [
        "# The server among faults",
        "",
        f"Made by `{document['command']}` at {machine['commit']}, on {machine['cores']} cores ({machine['cpu']}); "
        f"{document['seconds']:g} s, {document['workers']} workers, {document['clients']} clients that ask one request "
        f"after the other, and {document['slow_clients']} that send a byte now and then; texts of {document['data']}.",
        "",
        f"{document['total']:,} requests, {document['wrong_answers']} wrong answers. Every answer is compared, number "
        "by number, with what the models themselves say to the same texts. "
        f"{document['kills']} times a worker was killed with SIGKILL, {sum(document['changes'].values())} times the "
        "model's folder was changed and SIGHUP sent: "
        + ", ".join(f"{what} {count}" for what, count in document["changes"].items())
        + ". The server said: "
        + ", ".join(f"{what!r} {count}" for what, count in said.items())
        + f". Workers alive at the end: {document['workers_alive_at_the_end']} of {document['workers']}.",
        "",
        "A request is broken off when the worker that has it is killed; the client asks again.",
        "",
        "| request | " + " | ".join(outcomes) + " |",
        "| --- | " + " | ".join(["---:"] * len(outcomes)) + " |",
    ]
    for kind, counts in kinds.items():
        lines.append(f"| {kind} | " + " | ".join(f"{counts.get(one, 0):,}" for one in outcomes) + " |")
    followed, others = document["memory"]["followed"], document["memory"]["others"]
    lines += [
        "",
        "Memory in MB of the processes that were there throughout; slopes, in MB a minute, are of the last two thirds. "
        f"{others['count']} other workers came and went; none had more than {others['largest_rss_mb']:.0f} MB (RSS).",
        "",
        "| process | RSS: first | last | largest | slope | private: first | last | largest | slope |",
        "| --- | " + " | ".join(["---:"] * 8) + " |",
    ]
    lines += [_row(process) for process in followed]
    lines += [
        "",
        "What a worker remembers of words and texts grows until its models are read again; with more requests between "
        "two reloads it grows further. What is left after a reload is the lowest of each minute, in MB of private "
        "memory:",
        "",
        *(f"- {process['process']}: {', '.join(f'{low:.0f}' for low in lows(process))}" for process in followed),
    ]
    return "\n".join(lines) + "\n"


def lows(process: Mapping[str, Any]) -> list[float]:
    """The least private memory of a process in each minute of a soak, in MB."""
    found: dict[int, float] = {}
    for at, size in zip(process["at"], process["anonymous_mb"], strict=True):
        minute = int(at // 60)
        found[minute] = min(size, found.get(minute, size))
    return [found[minute] for minute in sorted(found)]


def _row(process: Mapping[str, Any]) -> str:
    cells = [process["process"]]
    for name in ("rss", "anonymous"):
        sizes = process[f"{name}_mb"]
        cells += [f"{size:.0f}" for size in (sizes[0], sizes[-1], max(sizes))] + [f"{process[f'{name}_slope']:+.2f}"]
    return f"| {' | '.join(cells)} |"
