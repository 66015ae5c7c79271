"""Shared fixtures: where the real data is, and small deterministic texts."""

from __future__ import annotations

import importlib.util
import logging
import os
import shutil
from pathlib import Path

# Tests run tiny tensors, here and in the processes they start: a second thread would only wait for the first.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
import torch
from processes import starts_processes
from skipping import skip_without

from textcnn.core import Core, backend_info, library
from textcnn.core.threads import set_threads
from textcnn.tokenization.ragged import Ragged

DATA_VARIABLE = "TEXTCNN_DATA"
HAS_DATA = DATA_VARIABLE in os.environ


# They take a minute or more: begun last, one worker would be at them while the others have nothing left.
LONG = ("test_the_commands_run", "test_the_tutorial_works_from_it", "test_killed_twice_it_goes_on_to_the_same_bytes")
TESTS = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what `make test-fast` leaves out, and put the long ones first; the order is the same in every worker."""
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        marks = {
            "cluster": item.path.is_relative_to(TESTS / "cluster"),
            "browser": "browser" in fixtures,
            "process": starts_processes(item),
        }
        for mark, applies in marks.items():
            if applies:
                item.add_marker(mark)
    items.sort(key=lambda item: not item.name.startswith(LONG))


@pytest.fixture(scope="module")
def browser():
    """Debian's Chromium, driven by playwright.

    Its event loop runs for as long as the fixture lives, and `asyncio.run` beside it fails: one file's tests, no more.
    """
    program = shutil.which("chromium")
    skip_without(program is not None and importlib.util.find_spec("playwright") is not None, "chromium and playwright")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # Containers run as root, where Chromium has no sandbox of its own.
        started = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of real data sets; tests that need it are skipped where the variable is unset."""
    if not HAS_DATA:
        pytest.skip(f"set {DATA_VARIABLE} to the folder of the real data sets")
    return Path(os.environ[DATA_VARIABLE])


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """A run may have set the threads of this process; the bits of torch's products depend on them."""
    torch.set_num_threads(1)
    set_threads(None)


@pytest.fixture(autouse=True)
def _quiet_logger() -> None:
    """A command, in a test or in a fixture of a whole file, adds a handler to the library's logger; it ends here."""
    logger = logging.getLogger("textcnn")
    logger.handlers.clear()
    logger.setLevel(logging.NOTSET)
    logger.propagate = True


@pytest.fixture(scope="session")
def core() -> Core:
    """The library in C; a test that needs it fails where it was not built."""
    found = library()
    assert found is not None, f"{backend_info().reason}; `make core` builds it"
    return found


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def toy_tokens(random: np.random.Generator) -> Ragged:
    """Texts of 0 to 12 tokens of 30 types, an empty one and a one-token one among them."""
    lengths = [0, 1, *random.integers(2, 13, 10).tolist()]
    return Ragged.from_lists([random.integers(2, 30, n).tolist() for n in lengths])


@pytest.fixture(params=["core", "plain"], scope="module")
def twin(request):
    """Every law holds with the core, and with its twin in Python."""
    if request.param == "core":
        request.getfixturevalue("core")
        yield
        return
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("textcnn.core.library", lambda: None)
        yield
