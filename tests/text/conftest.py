"""Both twins of the core's functions."""

import pytest

from textcnn import core


@pytest.fixture(params=["core", "plain"], scope="module")
def twin(request):
    """Every law holds with the core, and with its twin in Python."""
    if request.param == "core":
        request.getfixturevalue("core")
        yield
        return
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(core, "library", lambda: None)
        yield
