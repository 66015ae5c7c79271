"""What a folder of answers knows of itself: which settings made it, and which units are finished.

``_textcnn/run.json`` holds the settings; a second start with others is an error. ``_textcnn/done/NAME.json`` is written
when the file of answers ``NAME`` is whole and has its name. A unit without one is done again, to the same bytes.
"""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from textcnn.cluster.filesystem import OWN, UNFINISHED, Place
from textcnn.cluster.units import Unit
from textcnn.errors import ConfigError, DataError

_RUN = f"{OWN}/run.json"
_DONE = f"{OWN}/done"
_TRIES = f"{UNFINISHED}/tries"


@dataclass(frozen=True)
class Done:
    """What has become of a unit.

    Attributes:
        output: the name of its file of answers.
        unit: as a dictionary.
        counts: rows, tokens, unknown tokens, empty and cut rows.
        notices: what surprised the reader, counted.
        problem: why there is no file of answers; none: there is.
    """

    output: str
    unit: dict[str, Any]
    counts: Mapping[str, int]
    notices: Mapping[str, int]
    problem: str | None = None


def claim(place: Place, settings: Mapping[str, Any]) -> None:
    """Make the folder one of these settings, or find that it is.

    Raises:
        ConfigError: it holds something else, or answers by other settings; the message names what differs.
    """
    names = {entry.name for entry in place.entries(OWN)}
    if _RUN not in names:
        if others := place.entries():
            raise ConfigError(
                f"--output must be a new or empty folder, or one that this command has begun; {place.uri!r} holds "
                f"{others[0].name!r}" + (f" and {len(others) - 1:,} more" if len(others) > 1 else "")
            )
        place.write_text(_RUN, json.dumps(settings, indent=1) + "\n")
        return
    before = _read(place, _RUN)
    changed = [
        f"{name} was {before.get(name)!r} and is {settings.get(name)!r}"
        for name in {**before, **settings}
        if before.get(name) != settings.get(name)
    ]
    if changed:
        raise ConfigError(
            f"--output {place.uri!r} holds answers made otherwise: {'; '.join(changed)}; take another folder, or "
            f"delete that one"
        )


def finished(place: Place, units: Sequence[Unit], ending: str) -> dict[str, Done]:
    """The units that are done already, by the names of their files of answers.

    Raises:
        ConfigError: a file has changed since its answers were written.
    """
    there = {entry.name for entry in place.entries()}
    found = {}
    for unit in units:
        output = unit.output(ending)
        if output not in there or f"{_DONE}/{output}.json" not in there:
            continue
        done = found[output] = read_done(place, output)
        if done.unit != as_json(unit):
            raise ConfigError(
                f"{unit.file!r} has changed since its answers {place.shown(output)!r} were written; take another "
                "--output, or delete that folder"
            )
    return found


def read_done(place: Place, output: str) -> Done:
    """What was said of a unit that is done.

    Raises:
        DataError: it cannot be read.
    """
    return Done(**_read(place, f"{_DONE}/{output}.json"))


def is_done(place: Place, output: str) -> bool:
    """Whether a unit is finished: both its answers and what is said of them are there."""
    return place.has(output) and place.has(f"{_DONE}/{output}.json")


def begin(place: Place, output: str) -> int:
    """Say that a worker takes up a unit; how many have before it in this run and did not finish.

    Raises:
        DataError: it cannot be written.
    """
    before = len(place.entries(f"{_TRIES}/{output}"))
    place.write_text(f"{_TRIES}/{output}/{uuid.uuid4().hex}", "")
    return before


def write_done(place: Place, done: Done) -> None:
    """Say that a unit is finished.

    Raises:
        DataError: it cannot be written.
    """
    place.write_text(f"{_DONE}/{done.output}.json", json.dumps(asdict(done)) + "\n")


def as_json(unit: Unit) -> dict[str, Any]:
    """A unit as it is written."""
    return dict(json.loads(json.dumps(asdict(unit))))


def total(done: Sequence[Done]) -> tuple[Counter[str], Counter[str]]:
    """Counts and notices of several units."""
    counts: Counter[str] = Counter()
    notices: Counter[str] = Counter()
    for one in done:
        counts.update(one.counts)
        notices.update(one.notices)
    return counts, notices


def _read(place: Place, name: str) -> dict[str, Any]:
    try:
        return dict(json.loads(place.read_text(name)))
    except (ValueError, TypeError) as err:
        raise DataError(f"expected a JSON object, found: {err}; delete the folder", path=place.shown(name)) from err
