"""The core is compiled when the package is installed; where it cannot be, the package works without, and says so.

All is built from an unpacked sdist, and by a compiler that optimizes nothing, to save time.
"""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

import pytest
from page_reader import ROOT

from textcnn.core import build
from textcnn.core.binding import INSTRUCTION_SETS, BackendInfo

PARTS = ("pyproject.toml", "MANIFEST.in", "README.md", "LICENSE", "build_backend", "textcnn", "cli", "data")
SKIPPED = shutil.ignore_patterns("__pycache__", "*.egg-info", "build")
NEEDS_COMPILER = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
HOOK = """
import json, sys
sys.path.insert(0, "build_backend")
import textcnn_build
gives = getattr(textcnn_build, sys.argv[1])(*sys.argv[2:])
print("\\n" + json.dumps(gives if gives is None or isinstance(gives, list) else str(gives)))
"""


def hook(place, name, *words, **variables):
    """What a hook of the build backend gives, and the lines in which it speaks of the core."""
    env = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "CC", build.VARIABLE)}
    done = subprocess.run(
        [sys.executable, "-c", HOOK, name, *map(str, words)],
        **{"cwd": place, "env": env | variables, "capture_output": True, "text": True, "check": True, "timeout": 300},
    )
    return json.loads(done.stdout.splitlines()[-1]), [line for line in done.stderr.splitlines() if "core in C" in line]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """An unpacked sdist of this checkout."""
    place = tmp_path_factory.mktemp("sdist")
    for part in PARTS:
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        copy(ROOT / part, place / part, **({"ignore": SKIPPED} if (ROOT / part).is_dir() else {}))
    (place / "textcnn" / "core" / build.LIBRARY).write_bytes(b"of the checkout")
    name, _ = hook(place, "build_sdist", place / "dist")
    with tarfile.open(place / "dist" / name) as archive:
        archive.extractall(place / "unpacked", filter="data")
    return place / "unpacked" / name.removesuffix(".tar.gz")


@pytest.fixture(scope="module")
def quick_compiler(tmp_path_factory):
    script = tmp_path_factory.mktemp("compiler") / "quick-cc"
    script.write_text('#!/bin/sh\nexec cc "$@" -O0\n')
    script.chmod(0o755)
    return str(script)


@pytest.fixture
def no_compiler(tmp_path):
    """Variables of an environment without a compiler: none on the path, and a package ziglang that does not work."""
    return {"PATH": str(tmp_path), **ziglang_in_place(tmp_path, "raise SystemExit(1)\n")}


def ziglang_in_place(place, code):
    """Variables with which ``python -m ziglang`` runs this code, whether the package is installed or not."""
    package = place / "stub" / "ziglang"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(code, encoding="utf-8")
    return {"PYTHONPATH": str(package.parent)}


STAND_IN = """
import subprocess, sys
words = [word for word in sys.argv[2:] if not word.startswith(("-m", "-target", "x86_64-windows"))]
sys.exit(subprocess.run(["cc", *words, "-O0"]).returncode)
"""


def has_library(wheel):
    return f"textcnn/core/{build.LIBRARY}" in zipfile.ZipFile(wheel).namelist()


def test_an_sdist_has_all_that_the_build_needs(source):
    named = {path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file()}
    sources = {f"textcnn/core/src/{path.name}" for path in build.SOURCES.glob("*.[ch]")}
    assert named >= {*sources, "build_backend/textcnn_build.py", "textcnn/core/build.py"}
    assert f"textcnn/core/{build.LIBRARY}" not in named  # that of the machine where it was made


@NEEDS_COMPILER
def test_a_wheel_has_the_library_and_its_platform(source, quick_compiler, tmp_path):
    name, said = hook(source, "build_wheel", tmp_path, CC=quick_compiler)
    assert name.startswith("textcnn-")
    assert "-py3-none-" in name
    assert "-any." not in name
    assert said == []
    assert has_library(tmp_path / name)
    found = BackendInfo(*ask_installed(tmp_path / name))
    assert (found.backend, found.threads, found.reason) == ("core", 1, "")
    assert found.instruction_set in INSTRUCTION_SETS


INSTALLED = """
import json, os, sys
sys.path.insert(0, "site")
import textcnn.core  # the interpreter itself may be out of reach afterwards; the library is loaded when it is asked for
if os.getuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
print(json.dumps(textcnn.core.backend_info()))
"""


def ask_installed(wheel):
    """What ``backend_info`` says of a wheel in a folder that may only be read, to somebody without a home."""
    with tempfile.TemporaryDirectory() as place:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(Path(place, "site"))
        for path in [Path(place), *Path(place).rglob("*")]:
            path.chmod(0o555 if path.is_dir() else 0o444)
        env = {"TEXTCNN_THREADS": "1"}
        words = [sys.executable, "-I", "-c", INSTALLED]
        done = subprocess.run(words, cwd=place, env=env, capture_output=True, text=True, check=True)
        for path in [Path(place), *Path(place).rglob("*")]:
            path.chmod(0o755)
    return json.loads(done.stdout)


def test_without_the_core_a_wheel_is_for_every_platform(source, tmp_path):
    (source / "build").mkdir(exist_ok=True)
    for stale in ("lib", "lib.linux-x86_64"):  # of an earlier build with a compiler
        (source / "build" / stale / "textcnn" / "core").mkdir(parents=True, exist_ok=True)
        (source / "build" / stale / "textcnn" / "core" / build.LIBRARY).write_bytes(b"stale")
    name, said = hook(source, "build_wheel", tmp_path, TEXTCNN_CORE="none")
    assert name.endswith("-py3-none-any.whl")
    assert not has_library(tmp_path / name)
    assert said == [
        "textcnn is built without its core in C, numpy and torch answer in its place: TEXTCNN_CORE=none asks for that"
    ]


@NEEDS_COMPILER
def test_an_editable_install_has_the_library_in_the_source_tree(source, quick_compiler, tmp_path):
    target = source / "textcnn" / "core" / build.LIBRARY
    _, said = hook(source, "build_editable", tmp_path, CC=quick_compiler)
    assert said == []
    assert target.stat().st_size > 10_000
    _, said = hook(source, "build_editable", tmp_path, TEXTCNN_CORE="none")
    assert len(said) == 1
    assert not target.exists()


def test_no_compiler_is_one_line(source, no_compiler):
    found, said = hook(source, "_library", **no_compiler)
    assert found is None
    assert [line.partition("in its place: ")[2] for line in said] == [
        "found no C compiler: neither cc, gcc nor clang, nor the package ziglang"
    ]


@pytest.mark.parametrize(
    ("words", "reason"),
    [("false", "exit status 1"), ("/no/such/cc", "/no/such/cc cannot be run: No such file or directory")],
)
def test_a_compiler_that_fails_is_one_line(source, words, reason):
    _, said = hook(source, "_library", CC=words)
    assert [line.partition("in its place: ")[2] for line in said] == [reason]


@NEEDS_COMPILER
def test_what_the_compiler_says_is_told(source, tmp_path):
    damaged = shutil.copytree(source, tmp_path / "damaged")
    (damaged / "textcnn/core/src/pool.h").write_text("#error no pool today\n")
    _, said = hook(damaged, "_library", CC="cc -fsyntax-only")
    assert len(said) == 1
    assert "error: #error no pool today" in said[0]


@pytest.mark.skipif(sys.platform != "linux", reason="the rule is another elsewhere")
def test_zig_is_asked_for_only_where_it_is_needed(source, no_compiler):
    for name in ("get_requires_for_build_wheel", "get_requires_for_build_editable"):
        assert hook(source, name, **no_compiler)[0] == ["ziglang>=0.13"]
    for reason in ({"TEXTCNN_CORE": "none"}, {"PIP_NO_INDEX": "1"}, {"CC": "some-cc"}):
        assert hook(source, "_compiler_package", **no_compiler, **reason)[0] == []


@NEEDS_COMPILER
def test_a_wheel_of_another_platform_has_its_tag_and_its_library_alone(source, tmp_path):
    quick = ziglang_in_place(tmp_path, STAND_IN)  # it compiles for this machine; `make wheels` has the real one
    stale = source / "build" / "lib" / "textcnn" / "core" / build.LIBRARY
    stale.parent.mkdir(parents=True, exist_ok=True)
    stale.write_bytes(b"of an earlier build")
    name, said = hook(source, "build_wheel", tmp_path, TEXTCNN_PLATFORM="win_amd64", **quick)
    assert name.endswith("-py3-none-win_amd64.whl")
    assert said == []
    names = zipfile.ZipFile(tmp_path / name).namelist()
    assert [one for one in names if "textcnn_core" in one] == ["textcnn/core/textcnn_core.dll"]


def test_a_wheel_of_another_platform_is_never_without_its_library(source, no_compiler):
    for platform, reason in (
        ("amiga", "TEXTCNN_PLATFORM must be one of manylinux_2_17_x86_64, "),
        ("win_amd64", "exit status 1"),
    ):
        with pytest.raises(subprocess.CalledProcessError) as caught:
            hook(source, "_library", TEXTCNN_PLATFORM=platform, **no_compiler)
        assert f"{platform}: the core in C is not built: {reason}" in caught.value.stderr.splitlines()[-1]


@pytest.mark.skipif(sys.platform != "linux", reason="names of Linux")
def test_zig_compiles_for_old_machines():
    """Without a target it would compile for this processor and this C library."""
    assert build.zig_target()[0] == "-target"
    assert build.zig_target()[1].endswith(("-linux-gnu.2.17", "-linux-musl"))
