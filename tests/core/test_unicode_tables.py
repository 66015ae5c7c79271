"""The tables of the core are what the generator writes, and are small."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest
import tokenizers

ROOT = Path(__file__).parents[2]
SIZES = {"uint8_t": 1, "uint16_t": 2, "uint32_t": 4, "int32_t": 4}


def generator():
    spec = importlib.util.spec_from_file_location("unicode_tables", ROOT / "tools" / "unicode_tables.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_they_are_what_the_package_does_now():
    module = generator()
    assert module.written(module.read_unicode()) == module.TARGET.read_text(encoding="utf-8"), (
        f"`python tools/unicode_tables.py` writes other tables with tokenizers {tokenizers.__version__}"
    )


def test_they_are_small():
    found = re.findall(r"static const (\w+) \w+\[(\d+)\]", generator().TARGET.read_text(encoding="utf-8"))
    assert sum(SIZES[kind] * int(count) for kind, count in found) < 120_000
