"""The errors that this library raises on purpose, and what to install where a package is absent."""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

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


# Modules of packages that this one depends on and that most commands do without, and what pip calls the package.
DEPENDENCIES = {
    "torch": "torch",
    "datasets": "datasets",
    "fsspec": "datasets",
    "sklearn": "scikit-learn",
    "scipy": "scikit-learn",
}


def absent_dependency(err: ModuleNotFoundError) -> str | None:
    """The message about a dependency that a lean environment has left out; none if another module is missing."""
    package = DEPENDENCIES.get(err.name or "")
    return package and f"this needs the package {package!r}, which is not installed; run: pip install {package}"


def import_extra(module: str, *, extra: str, feature: str) -> ModuleType:
    """Import ``module``, which the feature called ``feature`` needs and the extra called ``extra`` installs.

    Raises:
        MissingExtraError: the package is absent; the message holds the pip line that installs it.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as err:
        if not f"{module}.".startswith(f"{err.name}."):
            raise  # the package is there, but one of its own imports is broken
        raise MissingExtraError(
            f"{feature} needs the package {err.name!r}, which is not installed; run: pip install 'textcnn[{extra}]'"
        ) from err
