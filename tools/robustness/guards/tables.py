"""The lists of this folder as Markdown: the table of docs/guarantees.md, and that of what the script has found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tools.robustness.guards.guards import GUARDS
from tools.robustness.guards.pains import PAINS, Pain

OUTCOMES = {"fails": "fails", "hangs": "never ends", "passes": "**passes**", "broken": "**does not run**"}


def guarantees_table() -> str:
    """A line for each pain: what happens here, what guards it, and which test fails without the guard."""
    lines = ["| | elsewhere | here | guard | test |", "| --- | --- | --- | --- | --- |"]
    for pain in PAINS:
        guards = [guard for guard in GUARDS if guard.pain == pain.number]
        places = list(dict.fromkeys(f"`{guard.file}`: `{guard.function}`" for guard in guards))
        tests = list(dict.fromkeys(f"`{guard.test}`" for guard in guards))
        missing = f" **Not yet:** {pain.not_yet}." if pain.not_yet else ""
        cells = [
            str(pain.number),
            f"{pain.pain} ({_links(pain)})",
            f"{pain.promise[0].upper()}{pain.promise[1:]}.{missing}",
            "<br>".join(places),
            "<br>".join(tests),
        ]
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(lines) + "\n"


def _links(pain: Pain) -> str:
    return ", ".join(map(_link, pain.sources))


def _link(source: str) -> str:
    if ":" in source:
        name, path = source.split(":")
        return f"[{name.split('/')[1]}, {path}](https://github.com/{name}/blob/main/{path})"
    name, number = source.split("#")
    return f"[{name.split('/')[1]}#{number}](https://github.com/{name}/issues/{number})"


def to_markdown(document: Mapping[str, Any]) -> str:
    """What happened to each test when its guard was taken away."""
    found = document["results"]
    caught = sum(result["outcome"] in ("fails", "hangs") for result in found)
    lines = [
        f"{caught} of {len(found)} tests notice that their guard is gone; made by `{document['command']}`.",
        "",
        "| pain | guard | test | without the guard it |",
        "| --- | --- | --- | --- |",
    ]
    lines += [
        f"| {result['pain']} | `{result['file']}`: `{result['function']}` | `{result['test']}` | "
        f"{OUTCOMES[result['outcome']]} |"
        for result in found
    ]
    return "\n".join(lines) + "\n"
