"""Packages that may be absent, imported where they are used: what the error says that names what to install."""

from __future__ import annotations

import importlib
from types import ModuleType

from textcnn.errors import MissingExtraError

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
