"""Optional packages: imported where they are used, with an error that names the extra to install."""

from __future__ import annotations

import importlib
from types import ModuleType

from textcnn.errors import MissingExtraError


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
