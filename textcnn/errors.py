"""The errors this library raises on purpose; the command line shows each as one line and exits with 2."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

_PACKAGE = str(Path(__file__).parent)


class TextCNNError(Exception):
    """Base of every error a user can cause and mend. Its message says expected, found, where, and what to do."""


class ConfigError(TextCNNError):
    """One or more settings cannot be used; ``problems`` holds a sentence for each, all found in one pass."""

    def __init__(self, problems: Sequence[str] | str) -> None:
        self.problems = [problems] if isinstance(problems, str) else list(problems)
        super().__init__("; ".join(self.problems))


class DataError(TextCNNError):
    """A data file or in-memory table cannot be read as asked; ``path`` and ``line`` say where, when known."""

    def __init__(self, message: str, *, path: str | Path | None = None, line: int | None = None) -> None:
        self.path = path
        self.line = line
        where = "" if path is None else f"{path}: " if line is None else f"{path}:{line}: "
        super().__init__(where + message)


class ArtifactError(TextCNNError):
    """A model folder is incomplete, damaged, or of another version."""


class NoMemoryError(TextCNNError):
    """There is not enough memory for what a setting asks for."""


class MissingExtraError(TextCNNError):
    """An optional package is not installed; the message holds the line that installs it."""


class DataWarning(UserWarning):
    """Something about data that is survivable but surprising; the command line says it as a note or a warning."""


def warn_of_data(message: str) -> None:
    """Warn (:class:`DataWarning`) at the line outside this package from which it was called."""
    frame, level = sys._getframe(), 1
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, DataWarning, stacklevel=level)
