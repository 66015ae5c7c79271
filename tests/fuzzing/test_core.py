"""Entry points of the core under libFuzzer for a moment; the long run is `make fuzz-core`."""

import json
import shutil
from pathlib import Path

import pytest
from skipping import skip_without

from tools import fuzz_core

ROOT = Path(__file__).parents[2]
PLANTED = """
#include "fuzz.h"
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    begin(bytes, size);
    int8_t *numbers = room(4, 1);
    numbers[below(5)] = 1;
    end();
    return 0;
}
"""


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    skip_without(shutil.which("clang") is not None, "clang")
    monkeypatch.setattr(fuzz_core, "PLACE", tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", fuzz_core.TARGETS)
def test_an_entry_point_takes_any_numbers(name):
    found = fuzz_core.fuzz(name, 10_000)
    assert (found["executions"], found["findings"]) == (10_000, [])
    assert found["edges"] > (150 if name == "format" else 300)


@pytest.mark.slow
def test_a_byte_behind_the_memory_is_found_and_told(tmp_path, monkeypatch, capsys):
    (tmp_path / "fuzz_planted.c").write_text(PLANTED, encoding="utf-8")
    monkeypatch.setattr(fuzz_core, "FLAGS", (*fuzz_core.FLAGS, f"-I{fuzz_core.TESTS}"))
    monkeypatch.setattr(fuzz_core, "TESTS", tmp_path)
    monkeypatch.setattr(fuzz_core, "TARGETS", {"planted": fuzz_core.Target(())})
    assert fuzz_core.main(["--executions", "10000", "--output", str(tmp_path / "found.json")]) == 1
    (row,) = json.loads((tmp_path / "found.json").read_text())["results"]
    assert "AddressSanitizer: heap-buffer-overflow" in row["findings"][0]
    assert "| AddressSanitizer: heap-buffer-overflow" in capsys.readouterr().out


def test_the_long_run_is_the_one_that_the_page_tells_of():
    document = json.loads((ROOT / "docs" / "benchmarks" / "fuzz-core.json").read_text())
    assert {row["target"] for row in document["results"]} == set(fuzz_core.TARGETS)
    page = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    total = sum(row["executions"] for row in document["results"])
    assert f"{total:,} executions" in page
    assert [row["findings"] for row in document["results"]] == [[]] * len(fuzz_core.TARGETS)
