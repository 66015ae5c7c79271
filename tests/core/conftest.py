"""The core, which every test of it needs: where it was not built they fail."""

import os
from pathlib import Path

import pytest

from textcnn.core import Core, backend_info, build, library

# `make core-check` runs these tests on a copy of the package, whose library watches memory.
if checked := os.environ.get("TEXTCNN_CHECKED_PACKAGE"):
    assert Path(build.__file__).is_relative_to(checked), f"expected the package in {checked}, got {build.__file__}"


@pytest.fixture(scope="session")
def core() -> Core:
    found = library()
    assert found is not None, f"{backend_info().reason}; `make core` builds it"
    return found
