"""Which package the tests of the core are of."""

import os
from pathlib import Path

from textcnn.core import build

# `make core-check` runs these tests on a copy of the package, whose library watches memory.
if checked := os.environ.get("TEXTCNN_CHECKED_PACKAGE"):
    assert Path(build.__file__).is_relative_to(checked), f"expected the package in {checked}, got {build.__file__}"
