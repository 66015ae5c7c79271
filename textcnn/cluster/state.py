"""Stores the state of a batch job in its output folder: the settings, and which units are finished.

``_textcnn/run.json`` has the settings; a second start with other ones is an error. ``_textcnn/done/NAME.json`` is
written after the file of answers ``NAME`` is complete. A unit without that file is repeated, and gives the same bytes.
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
from textcnn.config_types import mismatches
from textcnn.errors import ConfigError, DataError

_RUN = f"{OWN}/run.json"
_DONE = f"{OWN}/done"
_TRIES = f"{UNFINISHED}/tries"


@dataclass(frozen=True)
class Done:
    """The result of a unit.

    Attributes:
        output: the name of its file of answers.
        unit: the unit as a dictionary.
        counts: the numbers of rows, tokens, unknown tokens, empty and cut rows.
        notices: the reader's notices, counted.
        problem: the reason why there is no file of answers; none: the unit succeeded.
    """

    output: str
    unit: dict[str, Any]
    counts: Mapping[str, int]
    notices: Mapping[str, int]
    problem: str | None = None


def claim(place: Place, settings: Mapping[str, Any], option: str = "--output") -> None:
    """Claim the folder for a run with these settings, or check that it belongs to one.

    Args:
        place: the folder.
        settings: what determines its files, as JSON values.
        option: the option that names the folder, for messages.

    Raises:
        ConfigError: the folder has other files, or answers by other settings; the message names the differences.
    """
    names = {entry.name for entry in place.entries(OWN)}
    if _RUN not in names:
        if others := place.entries():
            raise ConfigError(
                f"{option} must be a new or empty folder, or one that this command has begun; {place.uri!r} holds "
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
            f"{option} {place.uri!r} holds answers made otherwise: {'; '.join(changed)}; take another folder, or "
            f"delete that one"
        )


def finished(place: Place, units: Sequence[Unit], ending: str) -> dict[str, Done]:
    """Return the results of the units that are already finished, by the names of their files of answers.

    Raises:
        ConfigError: an input file has changed since its answers were written.
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
    """Read the stored result of a finished unit.

    Raises:
        DataError: the result cannot be read.
    """
    saved = _read(place, name := f"{_DONE}/{output}.json")
    if found := mismatches(Done, saved):
        raise DataError(f"expected the result of a unit, found: {'; '.join(found)}; delete it", path=place.shown(name))
    return Done(**saved)


def is_done(place: Place, output: str) -> bool:
    """Whether a unit is finished: both its answers and its stored result exist."""
    return place.has(output) and place.has(f"{_DONE}/{output}.json")


def begin(place: Place, output: str) -> int:
    """Record that a worker begins a unit, and return how many attempts of this run have begun it before.

    Raises:
        DataError: the record cannot be written.
    """
    before = len(place.entries(f"{_TRIES}/{output}"))
    place.write_text(f"{_TRIES}/{output}/{uuid.uuid4().hex}", "")
    return before


def write_done(place: Place, done: Done) -> None:
    """Store the result of a finished unit.

    Raises:
        DataError: the result cannot be written.
    """
    place.write_text(f"{_DONE}/{done.output}.json", json.dumps(asdict(done)) + "\n")


def as_json(unit: Unit) -> dict[str, Any]:
    """Return a unit as JSON values."""
    return dict(json.loads(json.dumps(asdict(unit))))


def total(done: Sequence[Done]) -> tuple[Counter[str], Counter[str]]:
    """Return the summed counts and notices of several units."""
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
