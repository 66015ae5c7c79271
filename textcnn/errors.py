"""The exceptions and the warning that this library raises on purpose, and the import of optional packages."""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

_PACKAGE = str(Path(__file__).parent)


class TextCNNError(Exception):
    """Base class of all errors caused by user input; messages say what was expected, found, where, and what to do."""


class ConfigError(TextCNNError):
    """One or more settings cannot be used; ``problems`` lists a sentence for each, all found in one pass."""

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
    """An optional package is not installed; the message contains the command that installs it."""


class DataWarning(UserWarning):
    """The data are unusual but usable; the command line prints this as a note or a warning."""


def warn_of_data(message: str) -> None:
    """Issue a :class:`DataWarning` whose location is the caller's line outside this package."""
    frame, level = sys._getframe(), 1
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, DataWarning, stacklevel=level)


# By imported module: the pip name of a required package that most commands never import, so that a lean environment
# may lack it.
DEPENDENCIES = {
    "torch": "torch",
    "datasets": "datasets",
    "fsspec": "datasets",
    "sklearn": "scikit-learn",
    "scipy": "scikit-learn",
}


def absent_dependency(err: ModuleNotFoundError) -> str | None:
    """Return the message about a missing dependency; none if ``err`` is about any other module."""
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
