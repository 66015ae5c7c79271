"""The build backend: setuptools, which also compiles the core in C, and for pages to WebAssembly, where it can.

``TEXTCNN_CORE=none`` asks for a build without the core. Where it could not be compiled the package is built without it,
and one line on stderr says why. The reader of tables, ``textcnn.wasm``, is the same on every platform: one that was
built in the source tree goes along, else zig builds it where it is here.
and one line on stderr says why. ``TEXTCNN_PLATFORM`` asks for a wheel of another platform, built with the core or not
at all.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from setuptools import build_meta
from setuptools.build_meta import (
    build_editable,
    build_sdist,
    build_wheel,
    get_requires_for_build_sdist,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]

CORE = Path("textcnn", "core")  # below the root, where a build backend runs, and below what becomes the wheel


def _build_module() -> Any:
    """The module that compiles, without the package around it: what that imports is not installed yet."""
    spec = importlib.util.spec_from_file_location("textcnn_core_build", CORE / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


core = _build_module()


def get_requires_for_build_wheel(config_settings: Mapping[str, Any] | None = None) -> list[str]:
    """What setuptools asks for, and a compiler where there is none."""
    return [*build_meta.get_requires_for_build_wheel(config_settings), *_compiler_package()]


def get_requires_for_build_editable(config_settings: Mapping[str, Any] | None = None) -> list[str]:
    """What setuptools asks for, and a compiler where there is none."""
    return [*build_meta.get_requires_for_build_editable(config_settings), *_compiler_package()]


def _compiler_package() -> list[str]:
    """A package with a C compiler, where it is needed, PyPI has a wheel of it, and an index may be asked."""
    has_wheel = sys.platform in ("linux", "darwin") and platform.machine().lower() in ("x86_64", "aarch64", "arm64")
    is_wanted = os.environ.get(core.VARIABLE) != "none" and core.compiler() is None
    return ["ziglang>=0.13"] if is_wanted and has_wheel and "PIP_NO_INDEX" not in os.environ else []


_place = tempfile.TemporaryDirectory(prefix="textcnn-core-")  # for as long as this process builds


@cache
def _library() -> Path | None:
    """The library, compiled when it is first asked for; none where that cannot be done."""
    try:
        tag = core.asked_platform()
        target = Path(_place.name) / (core.PLATFORMS[tag].library if tag else core.LIBRARY)
        if os.environ.get(core.VARIABLE) == "none":
            raise core.CompilerError(f"{core.VARIABLE}=none asks for that")
        core.build(target, tag=tag)
    except core.CompilerError as err:
        if os.environ.get(core.FOREIGN):
            raise SystemExit(f"{os.environ[core.FOREIGN]}: the core in C is not built: {err}") from err
        sys.stderr.write(f"textcnn is built without its core in C, numpy and torch answer in its place: {err}\n")
        return None
    return target


class BuildWithCore(build_py):
    """Copies the package to where the wheel is made of it, and the library into it; or that into the source tree."""

    def run(self) -> None:
        """Copy both; a library of an earlier build is taken away where there is none now."""
        super().run()
        place = CORE if self.editable_mode else Path(self.build_lib) / CORE
        library = _library()
        for name in {core.LIBRARY, *(other.library for other in core.PLATFORMS.values())}:
            if library is None or name != library.name:
                (place / name).unlink(missing_ok=True)
        if library is not None:
            core.put(library, place / library.name)  # processes that have loaded the one before keep it
        self._put_reader(CORE.parent if self.editable_mode else Path(self.build_lib) / CORE.parent)

    def _put_reader(self, package: Path) -> None:
        """Build the reader of tables, if the source tree has none of these sources."""
        target = package / core.WASM_TARGET.relative_to(core.WASM_TARGET.parents[1])
        if not core.is_current(target) and core.has_zig():
            core.build_wasm(target)


class PlatformWheel(bdist_wheel):
    """A wheel for every Python of a platform where it has the library, and for every platform where it has not."""

    def run(self) -> None:
        """Build the wheel."""
        is_compiled = _library() is not None
        self.root_is_pure = not is_compiled
        self.distribution.has_ext_modules = lambda: is_compiled
        super().run()

    def get_tag(self) -> tuple[str, str, str]:
        """``py3-none-linux_x86_64`` or the like, that of another platform if one is asked for, or ``py3-none-any``."""
        _, _, place = super().get_tag()
        return "py3", "none", core.asked_platform() or place.replace("universal2", platform.machine())
