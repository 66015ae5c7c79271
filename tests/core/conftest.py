"""The core, which every test of it needs: where it was not built they fail."""

import pytest

from textcnn.core import Core, backend_info, library


@pytest.fixture(scope="session")
def core() -> Core:
    found = library()
    assert found is not None, f"{backend_info().reason}; `make core` builds it"
    return found
