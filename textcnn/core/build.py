"""Compiles the C core to one shared library; imports nothing that is not Python's own, for installing needs it too."""

from __future__ import annotations

import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

VARIABLE = "TEXTCNN_CORE"  # none: neither built nor loaded; else the instruction set that is to be used
FOREIGN = "TEXTCNN_PLATFORM"  # a tag of PLATFORMS: the wheel is built for it, by zig
SOURCES = Path(__file__).parent / "src"
ONCE = (
    *("chunks.c", "cpu.c", "features.c", "lookup.c", "numeric.c", "one_text.c", "pool.c", "rows.c", "shares.c"),
    *("tokens.c", "train_batch.c", "train.c", "type_rows.c"),
)
SUFFIXES = {"win32": ".dll", "darwin": ".dylib"}
LIBRARY = f"textcnn_core{SUFFIXES.get(sys.platform, '.so')}"

FLAGS = ("-std=c99", "-O3", "-fPIC", "-fno-math-errno", "-fvisibility=default", "-Wall", "-Wextra")
# Look-up and features give the same bits everywhere; the products of training may be fused.
_EXACT, _FUSED = ("-ffp-contract=off",), ("-ffp-contract=fast",)
# The products of type_rows_fill.c are exact whole numbers, which fused sums do not change.
FOR_EACH_SET = {"train_step.c": _FUSED, "type_rows_fill.c": _FUSED, "lookup_windows.c": _EXACT}
_X86_SETS = {
    "baseline": (),
    "avx2": ("-mavx2", "-mfma"),
    "avx512": ("-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mavx2", "-mfma", "-mprefer-vector-width=512"),
}
# Symbols of the same name in a library that was loaded before must not take the place of ours.
_LINK = {"linux": ("-Wl,-z,noexecstack", "-Wl,-Bsymbolic"), "darwin": ("-Wl,-install_name,textcnn_core.dylib",)}


class Platform(NamedTuple):
    """What zig compiles for, from any machine: its target, its processor, and what Python calls the system."""

    target: str
    machine: str
    system: str

    @property
    def library(self) -> str:
        """The name of the library there."""
        return f"textcnn_core{SUFFIXES.get(self.system, '.so')}"


PLATFORMS = {  # by the platform tag of their wheels
    "manylinux_2_17_x86_64": Platform("x86_64-linux-gnu.2.17", "x86_64", "linux"),
    "manylinux_2_17_aarch64": Platform("aarch64-linux-gnu.2.17", "aarch64", "linux"),
    "musllinux_1_2_x86_64": Platform("x86_64-linux-musl", "x86_64", "linux"),
    "musllinux_1_2_aarch64": Platform("aarch64-linux-musl", "aarch64", "linux"),
    "macosx_11_0_arm64": Platform("aarch64-macos.11.0", "arm64", "darwin"),
    "win_amd64": Platform("x86_64-windows-gnu", "amd64", "win32"),
}


class CompilerError(Exception):
    """There is no C compiler, or it has refused the sources; the message is one line."""


def compiler() -> list[str] | None:
    """The command of a C compiler: what CC says, the first of cc, gcc, clang that works, or zig of ziglang; or none."""
    if named := os.environ.get("CC"):
        return shlex.split(named)
    for name in ("cc", "gcc", "clang"):
        if (found := shutil.which(name)) and _works(found):
            return [found]
    if sys.platform not in ("linux", "darwin"):  # zig_target knows no other system
        return None
    zig = subprocess.run([sys.executable, "-m", "ziglang", "version"], capture_output=True, check=False)
    return [sys.executable, "-m", "ziglang", "cc", *zig_target()] if zig.returncode == 0 else None


def zig_target() -> list[str]:
    """What zig is to compile for: without it that is this very processor and this very C library."""
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine().lower(), platform.machine().lower())
    if sys.platform == "darwin":
        return ["-target", f"{machine}-macos.11.0"]
    return ["-target", f"{machine}-linux-{'gnu.2.17' if platform.libc_ver()[0] == 'glibc' else 'musl'}"]


def fingerprint() -> str:
    """A number of the sources and of how they are compiled, by which a library that was built from others is known."""
    found = hashlib.sha256()
    for path in [Path(__file__), *sorted(SOURCES.glob("*.[ch]"))]:
        found.update(path.read_bytes())
    return found.hexdigest()[:16]


def asked_platform() -> str | None:
    """The tag of the platform that the variable TEXTCNN_PLATFORM asks for; none: this one.

    Raises:
        CompilerError: it is none of PLATFORMS.
    """
    tag = os.environ.get(FOREIGN)
    if tag and tag not in PLATFORMS:
        raise CompilerError(f"{FOREIGN} must be one of {', '.join(PLATFORMS)}, got {tag!r}")
    return tag or None


def build(target: Path, *, tag: str | None = None, more: Sequence[str] = ()) -> None:
    """Compile the library to ``target``, which is replaced when that is done.

    Args:
        target: its path.
        tag: of PLATFORMS, whose library zig makes; none: that of this machine, by :func:`compiler`.
        more: further flags, such as ``-Werror`` or those of a sanitizer.

    Raises:
        CompilerError: there is no compiler, or it has failed.
    """
    if tag is not None:
        _, machine, system = PLATFORMS[tag]
        command = [sys.executable, "-m", "ziglang", "cc", "-target", PLATFORMS[tag].target, "-g0"]
    else:
        machine, system = platform.machine().lower(), sys.platform
        command = compiler() or []
    if not command:
        raise CompilerError("found no C compiler: neither cc, gcc nor clang, nor the package ziglang")
    has_sets = machine in ("x86_64", "amd64")
    sets = _X86_SETS if has_sets else {"baseline": ()}
    flags = [*FLAGS, *(("-DTC_HAS_X86_SETS",) if has_sets else ()), *more]
    flags.append(f'-DTC_SOURCES="{fingerprint()}"')
    jobs: list[tuple[str, str, Sequence[str]]] = [(name, name, _EXACT) for name in ONCE]
    for name, sums in FOR_EACH_SET.items():
        jobs += [(name, f"{chosen}-{name}", (*sums, *own, f"-DTC_SET={chosen}")) for chosen, own in sets.items()]
    jobs.reverse()  # those that take longest first
    with tempfile.TemporaryDirectory() as place, ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        objects = [str(Path(place) / f"{name}.o") for _, name, _ in jobs]
        commands = [
            [*command, *flags, *own, "-c", str(SOURCES / source), "-o", made]
            for (source, _, own), made in zip(jobs, objects, strict=True)
        ]
        library = Path(place) / LIBRARY
        cache = {"ZIG_GLOBAL_CACHE_DIR": place, "ZIG_LOCAL_CACHE_DIR": place} | dict(
            os.environ
        )  # HOME may be read-only
        for _ in pool.map(_run, commands, [cache] * len(commands)):
            pass
        flags = ["-shared", *_LINK.get(system, ()), *more]
        _run([*command, *flags, *objects, "-lm", "-lpthread", "-o", str(library)], cache)
        put(library, target)


def _works(program: str) -> bool:
    """Whether a compiler has the headers and libraries of C, which some systems lack."""
    with tempfile.TemporaryDirectory() as place:
        source = Path(place) / "empty.c"
        source.write_text("#include <stdlib.h>\nint main(void) { return EXIT_SUCCESS; }\n", encoding="utf-8")
        command = [program, str(source), "-o", str(source.with_suffix(".out"))]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0


def put(library: Path, target: Path) -> None:
    """Copy the library to its place, whole or not at all, whoever else builds there.

    Raises:
        CompilerError: it cannot be written.
    """
    try:
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}-", delete=False) as partial:
            partial.write(library.read_bytes())
        shutil.copymode(library, partial.name)
        os.replace(partial.name, target)
    except OSError as err:
        raise CompilerError(f"{target} cannot be written: {err.strerror}") from err


def _run(command: Sequence[str], env: dict[str, str]) -> None:
    """Run the compiler.

    Raises:
        CompilerError: it cannot be run, or has failed; with its first error.
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False, env=env)
    except OSError as err:
        raise CompilerError(f"{command[0]} cannot be run: {err.strerror}") from err
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        failure = CompilerError(next((line for line in lines if "error" in line), lines[0]).strip())
        failure.add_note(done.stderr)
        raise failure


if __name__ == "__main__":
    build(Path(__file__).parent / LIBRARY, more=("-Werror",))
