"""The core answers alike on every machine: that of this one, and of another processor, which qemu plays."""

import importlib.util
import shutil
import subprocess
from pathlib import Path

import pytest
from skipping import skip_without

from textcnn.core import build
from tools import wheels

AARCH64 = "manylinux_2_17_aarch64"


def test_the_library_that_runs_here(core, tmp_path):
    skip_without(shutil.which("cc") is not None, "a C compiler")
    program, library = tmp_path / "answers", Path(build.__file__).with_name(build.LIBRARY)
    flags = ["-std=c99", "-O1", "-iquote", build.SOURCES, f"-Wl,-rpath,{library.parent}"]
    subprocess.run([*map(str, ["cc", *flags, wheels.TESTS / "answers.c", library, "-o", program])], check=True)
    assert subprocess.check_output([program], text=True) == wheels.ANSWERS.read_text(encoding="utf-8")


def test_the_binding_calls_what_is_there(core):
    needed = wheels.needed_symbols()
    assert len(needed) > 40
    assert [name for name in needed if not hasattr(core.c, name)] == []


@pytest.fixture(scope="module")
def aarch64(tmp_path_factory):
    """The library for another processor; little is optimized, to save time."""
    skip_without(importlib.util.find_spec("ziglang") is not None, "ziglang")
    target = tmp_path_factory.mktemp("aarch64") / build.PLATFORMS[AARCH64].library
    build.build(target, tag=AARCH64, more=("-Werror", "-O1"))
    return target


def test_a_library_for_another_processor_has_all_functions(aarch64):
    skip_without(importlib.util.find_spec("lief") is not None, "lief")
    assert wheels.check_library(aarch64, AARCH64) >= len(wheels.needed_symbols())
    with pytest.raises(
        ValueError, match=r"^musllinux_1_2_aarch64: the library needs libc\.so\.6, libpthread\.so\.0, which"
    ):
        wheels.check_library(aarch64, "musllinux_1_2_aarch64")


def test_a_function_that_is_missing_is_named(aarch64, monkeypatch):
    skip_without(importlib.util.find_spec("lief") is not None, "lief")
    monkeypatch.setattr(wheels, "needed_symbols", lambda: {"tc_exp", "tc_no_such"})
    with pytest.raises(ValueError, match=f"^{AARCH64}: the library lacks tc_no_such$"):
        wheels.check_library(aarch64, AARCH64)


def test_it_answers_alike(aarch64, tmp_path):
    skip_without(wheels.has_loader(AARCH64), "qemu-user and libc6-arm64-cross")
    assert wheels.answers(aarch64, AARCH64, tmp_path) == wheels.ANSWERS.read_text(encoding="utf-8")
