"""Long measurements in pieces: every finished run is kept in a file until all of them are done."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from textcnn.benchmark.document import write_document
from textcnn.errors import DataError


class FinishedRuns:
    """Runs by their name, in ``OUTPUT.partial`` beside the output; a second start continues behind the last of them.

    Args:
        output: the document to be; none: nothing is kept.
        settings: what decides the runs; a file of others is not continued.

    Raises:
        DataError: the file of finished runs cannot be read, or is of other settings.
    """

    def __init__(self, output: Path | None, settings: Mapping[str, Any]) -> None:
        self._output = output
        self._path = None if output is None else output.with_name(output.name + ".partial")
        self._settings = json.loads(json.dumps(settings))
        self._runs: dict[str, Any] = {}
        if self._path is not None and self._path.exists():
            self._runs = self._read(self._path)

    def run(self, name: str, measure: Callable[..., Any], *arguments: Any) -> Any:
        """The result of the run called ``name``, a JSON value: that of ``measure(*arguments)``, unless it is there."""
        if name not in self._runs:
            self._runs[name] = measure(*arguments)
            if self._path is not None:
                beside = self._path.with_name(self._path.name + ".new")
                write_document({"settings": self._settings, "runs": self._runs}, beside)
                os.replace(beside, self._path)
        return self._runs[name]

    def write(self, document: Mapping[str, Any]) -> None:
        """Write the document that the runs were for, and forget them."""
        if self._output is not None and self._path is not None:
            write_document(document, self._output)
            self._path.unlink(missing_ok=True)

    def _read(self, path: Path) -> dict[str, Any]:
        try:
            saved = json.loads(path.read_text(encoding="utf-8"))
            settings, runs = saved["settings"], dict(saved["runs"])
        except (OSError, ValueError, TypeError, KeyError) as err:
            raise DataError(
                f"expected the finished runs of this benchmark, found {err!r}; remove it", path=path
            ) from err
        if settings != self._settings:
            raise DataError("expected finished runs of these settings, found those of others; remove it", path=path)
        return runs
