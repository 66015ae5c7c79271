"""The versions of the libraries that answers depend on, which config.json tells."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version

LIBRARIES = ("textcnn", "torch", "tokenizers", "numpy", "safetensors")


def library_versions() -> dict[str, str]:
    """Return the versions of the installed libraries, without importing them."""
    return {name: found for name in LIBRARIES if (found := _version(name))}


@cache
def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
