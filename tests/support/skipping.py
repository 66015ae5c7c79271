"""How a test treats a tool that it needs and that is missing."""

from __future__ import annotations

import os

import pytest


def skip_without(available: bool, what: str) -> None:
    """Skip a test that lacks its tool; where CI=true promises the tools, lacking one is a failure."""
    if available:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI must have {what}")
    pytest.skip(f"needs {what}")
