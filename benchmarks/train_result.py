"""What a part of a benchmark finds, and the table of all parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Row:
    """A figure with what is asked of it.

    Attributes:
        what: what is measured, with its unit if it has one.
        value: what was found.
        floor: what it must reach; none: nothing is asked.
        aim: what it should reach.
        less: whether smaller is better.
        note: what the value was computed from.
        condition: whether all else that the row asks for holds, such as an accuracy.
    """

    what: str
    value: float
    floor: float | None = None
    aim: float | None = None
    less: bool = False
    note: str = ""
    condition: bool = True

    def reaches(self, bound: float | None) -> bool | None:
        """Whether the value is as good as ``bound``; none: there is no bound."""
        if bound is None:
            return None
        return self.condition and (self.value <= bound if self.less else self.value >= bound)

    def to_dict(self) -> dict[str, Any]:
        """The row as JSON values, with ``floor_met`` and ``aim_met``."""
        return {**asdict(self), "floor_met": self.reaches(self.floor), "aim_met": self.reaches(self.aim)}


@dataclass(frozen=True)
class Part:
    """Rows of a part, and everything measured for them as JSON values."""

    rows: Sequence[Row]
    measured: Mapping[str, Any] = field(default_factory=dict)


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Minimum, median and all of the values, in seconds or whatever their unit is."""
    return {"min": min(values), "median": float(np.median(values)), "all": list(values)}


TITLES = {
    "train": "Training in seconds: floors and aims",
    "classify": "Classifying in seconds: floors and aims",
    "filter": "Filtering corpora and columns: floors and aims",
}


def to_markdown(document: Mapping[str, Any]) -> str:
    """The document for readers: a table of all rows, then where and when each part was measured."""
    lines = [
        f"# {TITLES[document['benchmark']]}",
        "",
        f"Made by `make bench-{document['benchmark']}`. Whole processes, medians of the repetitions; "
        "a ratio is of one run.",
        "",
        "| | what | measured | floor | aim | met | from |",
        "| --- | --- | ---: | ---: | ---: | --- | --- |",
    ]
    for key, part in document["parts"].items():
        lines += [_row(key, row) for row in part["rows"]]
    lines += ["", "| | part | commit | date | repetitions | machine |", "| --- | --- | --- | --- | ---: | --- |"]
    for key, part in document["parts"].items():
        quick = ", quick" if part["quick"] else ""
        commit = str(part["machine"]["commit"])[:12]
        lines.append(
            f"| {key} | {part['title']} | {commit} | {part['date']} | {part['repetitions']}{quick} "
            f"| {_machine(part['machine'])} |"
        )
    return "\n".join(lines) + "\n"


def _row(key: str, row: Mapping[str, Any]) -> str:
    sign = "at most " if row["less"] else ""
    floor, aim = (f"{sign}{row[name]:g}" if row[name] is not None else "" for name in ("floor", "aim"))
    met = {None: "", False: "no", True: "floor"}[row["floor_met"]]
    met = "aim" if row["aim_met"] else met
    return f"| {key} | {row['what']} | {row['value']:.2f} | {floor} | {aim} | {met} | {row['note']} |"


def _machine(machine: Mapping[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items() if name != "textcnn")
    instructions = f", {machine['instruction_set']}" if machine.get("instruction_set") else ""
    return (
        f"{machine['cpu']}{instructions}, {machine['cores']} cores, {machine['other_work']} other threads running; "
        f"{versions}"
    )
