"""Whether the core is used is decided in one place, and told with the reason."""

import numpy as np
import pytest

import textcnn
from textcnn.core import binding, plain, twin
from textcnn.core.binding import Core, address
from textcnn.errors import ConfigError


@pytest.fixture
def load(core, monkeypatch):
    """Load the library again, with variables; the instruction set is restored."""
    before = core.instruction_set

    def loaded(**variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return binding._loaded.__wrapped__()

    yield loaded
    core.use_instruction_set(before)


def test_what_is_told(core, load, monkeypatch):
    load(TEXTCNN_CORE="", TEXTCNN_THREADS="3")
    core.use_instruction_set(core.instruction_sets[-1])
    best = "the best that this processor and the library have"
    assert textcnn.backend_info() == ("core", core.instruction_sets[-1], 3, "", best, "TEXTCNN_THREADS=3")


def test_why_it_is_that_instruction_set(core, load, monkeypatch):
    best = f"; the best of this processor is {core.instruction_sets[-1]}"
    load(TEXTCNN_CORE="baseline")
    found = textcnn.backend_info()
    assert (found.instruction_set, found.instruction_set_reason) == (
        "baseline",
        f"TEXTCNN_CORE=baseline asks for it{best}",
    )
    monkeypatch.delenv("TEXTCNN_CORE")
    for name in core.instruction_sets[:-1]:
        core.use_instruction_set(name)
        found = textcnn.backend_info()
        assert (found.instruction_set, found.instruction_set_reason) == (
            name,
            f"use_instruction_set asked for it{best}",
        )


def test_it_is_not_used_when_that_is_asked_for(load, monkeypatch):
    why = load(TEXTCNN_CORE="none")
    assert why == "TEXTCNN_CORE=none asks for numpy and torch"
    monkeypatch.setattr(binding, "_loaded", lambda: why)
    monkeypatch.setenv("TEXTCNN_THREADS", "2")
    assert binding.library() is None
    assert textcnn.backend_info() == ("numpy and torch", "", 2, why, "", "TEXTCNN_THREADS=2")


def test_within_plain_numpy_answers_and_what_the_core_has_made_goes_on(core):
    table, data, ends = twin("chunks").ChunkTable(), np.frombuffer(b"a b", np.uint8), np.array([3])
    with plain():
        assert binding.library() is None
        assert textcnn.backend_info().reason == "numpy and torch were asked for"
        assert twin("chunks").__name__ == "textcnn.core.chunks_numpy"
        assert table.number(data, ends)[0].tolist() == [0, 1]
    assert binding.library() is core


def test_every_instruction_set_of_this_processor_can_be_asked_for(core, load):
    for name in core.instruction_sets:
        assert load(TEXTCNN_CORE=name).instruction_set == name
    for name in set(binding.INSTRUCTION_SETS) - set(core.instruction_sets):
        with pytest.raises(ConfigError, match=f"instruction set must be one of .* here, got '{name}'"):
            load(TEXTCNN_CORE=name)


def test_an_unknown_one_is_an_error_that_names_the_variable(load):
    with pytest.raises(ConfigError, match="TEXTCNN_CORE must be none or one of baseline, avx2, avx512, got 'sse'"):
        load(TEXTCNN_CORE="sse")


def test_no_library(load, monkeypatch):
    monkeypatch.setattr(binding, "LIBRARY", "absent.so")
    assert load() == "absent.so was not built when the package was installed"


def test_a_library_of_other_sources_is_refused(load, monkeypatch):
    monkeypatch.setattr(binding, "fingerprint", lambda: "0123456789abcdef")
    assert "was built from other sources than those here; install the package again" in load()


def test_a_library_that_is_none(load, monkeypatch, tmp_path):
    (tmp_path / "a.so").write_bytes(b"no library")
    monkeypatch.setattr(binding, "LIBRARY", str(tmp_path / "a.so"))
    assert str(tmp_path / "a.so") in load()
    with pytest.raises(OSError, match=r"a\.so"):
        Core(tmp_path / "a.so")


def test_addresses_are_of_what_was_expected():
    numbers = np.zeros((3, 4), np.float32)
    assert address(numbers, np.float32, (3, None), "rows") == numbers.ctypes.data
    assert address(None, np.float32, (3,), "rows") is None
    with pytest.raises(TypeError, match="expected rows as contiguous int64, got float32"):
        address(numbers, np.int64, (3, 4), "rows")
    with pytest.raises(TypeError, match="expected rows as contiguous float32"):
        address(numbers[:, ::2], np.float32, (3, 2), "rows")
    for shape in ((3, 5), (3,)):
        with pytest.raises(TypeError, match=r"expected rows of shape .*, got \(3, 4\)"):
            address(numbers, np.float32, shape, "rows")
