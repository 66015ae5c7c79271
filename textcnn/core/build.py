"""Compiles the C core to a shared library, and its table reader to WebAssembly, using only the standard library.

The build backend runs this file on its own while the package is being installed.
"""

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

VARIABLE = "TEXTCNN_CORE"  # "none": do not build or load the core; else the instruction set to use
FOREIGN = "TEXTCNN_PLATFORM"  # platform tag (a key of PLATFORMS) to cross-compile the wheel for, by zig
SOURCES = Path(__file__).parent / "src"
ONCE = (
    *("chunks.c", "cpu.c", "features.c", "format.c", "lookup.c", "many_labels.c", "numeric.c"),
    *("one_text.c", "pool.c", "rows.c"),
    *("scan.c", "scan_json.c", "shares.c", "tables.c", "tables_answer.c", "tables_file.c", "tokens.c"),
    *("train_batch.c", "train.c", "type_rows.c", "whole_scores.c"),
)
SUFFIXES = {"win32": ".dll", "darwin": ".dylib"}
LIBRARY = f"textcnn_core{SUFFIXES.get(sys.platform, '.so')}"

WASM = "textcnn.wasm"
WASM_TARGET = Path(__file__).parents[1] / "export" / WASM
# Sources of the table reader, single-threaded.
READER = (
    *("cpu.c", "features.c", "lookup.c", "lookup_windows.c", "numeric.c", "pool_serial.c", "tables.c"),
    *("tables_answer.c", "tables_file.c", "tokens.c", "type_rows.c", "type_rows_fill.c", "whole_scores.c"),
)
_WASM_EXPORTS = (
    *("malloc", "free", "tc_sources", "textcnn_tables_open", "textcnn_tables_close"),
    *("textcnn_tables_num_labels", "textcnn_tables_are_numbers", "textcnn_tables_num_grades", "textcnn_tables_grade"),
    *("textcnn_tables_label", "textcnn_tables_classify", "textcnn_tables_words"),
)

FLAGS = ("-std=c99", "-O3", "-fPIC", "-fno-math-errno", "-fvisibility=default", "-Wall", "-Wextra")
# Lookup and features must be bitwise reproducible on every machine; training may use fused multiply-add.
_EXACT, _FUSED = ("-ffp-contract=off",), ("-ffp-contract=fast",)
# The products of type_rows_fill.c are exact integers, which fused multiply-add does not change.
FOR_EACH_SET = {
    "train_step.c": _FUSED,
    "type_rows_fill.c": _FUSED,
    "lookup_windows.c": _EXACT,
    "many_labels_rows.c": _EXACT,
}
_X86_SETS = {
    "baseline": (),
    "avx2": ("-mavx2", "-mfma"),
    "avx512": ("-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mavx2", "-mfma", "-mprefer-vector-width=512"),
}
# -Bsymbolic: symbols of a library loaded earlier must not replace ours of the same name.
_LINK = {"linux": ("-Wl,-z,noexecstack", "-Wl,-Bsymbolic"), "darwin": ("-Wl,-install_name,textcnn_core.dylib",)}


class Platform(NamedTuple):
    """A target of cross-compilation: zig's target triple, the processor, and Python's name of the system."""

    target: str
    machine: str
    system: str

    @property
    def library(self) -> str:
        """File name of the shared library on that system."""
        return f"textcnn_core{SUFFIXES.get(self.system, '.so')}"


PLATFORMS = {  # by the platform tag of their wheels
    "manylinux_2_17_x86_64": Platform("x86_64-linux-gnu.2.17", "x86_64", "linux"),
    "manylinux_2_17_aarch64": Platform("aarch64-linux-gnu.2.17", "aarch64", "linux"),
    "musllinux_1_2_x86_64": Platform("x86_64-linux-musl", "x86_64", "linux"),
    "musllinux_1_2_aarch64": Platform("aarch64-linux-musl", "aarch64", "linux"),
    "macosx_11_0_arm64": Platform("aarch64-macos.11.0", "arm64", "darwin"),
    "win_amd64": Platform("x86_64-windows-gnu", "amd64", "win32"),
}


_ZIG = (sys.executable, "-m", "ziglang")


class CompilerError(Exception):
    """There is no C compiler, or compiling failed; the message is one line."""


def compiler() -> list[str] | None:
    """Return the command of a C compiler: CC, else the first working one of cc, gcc, clang and zig; or none."""
    if named := os.environ.get("CC"):
        return shlex.split(named)
    for name in ("cc", "gcc", "clang"):
        if (found := shutil.which(name)) and _works(found):
            return [found]
    if sys.platform not in ("linux", "darwin"):  # zig_target knows no other system
        return None
    return [*_ZIG, "cc", *zig_target()] if has_zig() else None


def has_zig() -> bool:
    """Return whether the package ziglang, a cross-compiler for C, is installed."""
    return subprocess.run([*_ZIG, "version"], capture_output=True, check=False).returncode == 0


def zig_target() -> list[str]:
    """Return zig's arguments for any processor of this machine's kind and, with glibc, an old version of it."""
    # Without a target zig compiles for this very processor and this very C library, which others may not have.
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine().lower(), platform.machine().lower())
    if sys.platform == "darwin":
        return ["-target", f"{machine}-macos.11.0"]
    return ["-target", f"{machine}-linux-{'gnu.2.17' if platform.libc_ver()[0] == 'glibc' else 'musl'}"]


def fingerprint() -> str:
    """Return a hash of the sources and build flags, by which a library built from other sources is recognized."""
    found = hashlib.sha256()
    for path in [Path(__file__), *sorted(SOURCES.glob("*.[ch]"))]:
        found.update(path.read_bytes())
    return found.hexdigest()[:16]


def asked_platform() -> str | None:
    """Return the platform tag in the variable TEXTCNN_PLATFORM; none means this platform.

    Raises:
        CompilerError: the tag is not in PLATFORMS.
    """
    tag = os.environ.get(FOREIGN)
    if tag and tag not in PLATFORMS:
        raise CompilerError(f"{FOREIGN} must be one of {', '.join(PLATFORMS)}, got {tag!r}")
    return tag or None


def build(target: Path, *, tag: str | None = None, more: Sequence[str] = ()) -> None:
    """Compile the shared library and move it to ``target`` when that has succeeded.

    Args:
        target: path of the library.
        tag: a key of PLATFORMS to cross-compile for by zig; none: build for this machine by :func:`compiler`.
        more: further flags, such as ``-Werror`` or those of a sanitizer.

    Raises:
        CompilerError: there is no compiler, or it has failed.
    """
    if tag is not None:
        _, machine, system = PLATFORMS[tag]
        command = [*_ZIG, "cc", "-target", PLATFORMS[tag].target, "-g0"]
    else:
        machine, system = platform.machine().lower(), sys.platform
        command = compiler() or []
    if not command:
        raise CompilerError("found no C compiler: neither cc, gcc nor clang, nor the package ziglang")
    has_sets = machine in ("x86_64", "amd64")
    sets = _X86_SETS if has_sets else {"baseline": ()}
    flags = [*FLAGS, *(("-DTC_HAS_X86_SETS",) if has_sets else ()), *more]
    flags.append(_sources_flag())
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
        cache = _zig_cache(place)
        for _ in pool.map(_run, commands, [cache] * len(commands)):
            pass
        flags = ["-shared", *_LINK.get(system, ()), *more]
        _run([*command, *flags, *objects, "-lm", "-lpthread", "-o", str(library)], cache)
        put(library, target)


def is_current(wasm: Path) -> bool:
    """Return whether the WebAssembly file exists and was built from the current sources."""
    return wasm.is_file() and fingerprint().encode() in wasm.read_bytes()


def build_wasm(target: Path = WASM_TARGET) -> None:
    """Compile the table reader to a WebAssembly module without imports, and move it to ``target``.

    Raises:
        CompilerError: there is no zig, or it has failed.
    """
    if not has_zig():
        raise CompilerError(f"found no compiler for {WASM}: `pip install ziglang`")
    machine = ("-target", "wasm32-wasi", "-mexec-model=reactor", "-msimd128", "-DTC_SET=baseline", "-s")
    flags = [flag for flag in (*FLAGS, *_EXACT, "-Werror", "-O2", _sources_flag()) if flag != "-fPIC"]
    exports = [f"-Wl,--export={name}" for name in _WASM_EXPORTS]
    with tempfile.TemporaryDirectory() as place:
        made = Path(place) / WASM
        sources = [str(SOURCES / name) for name in READER]
        _run([*_ZIG, "cc", *machine, *flags, *exports, *sources, "-o", str(made)], _zig_cache(place))
        made.chmod(0o644)  # nobody runs it as a program
        put(made, target)


def _sources_flag() -> str:
    return f'-DTC_SOURCES="{fingerprint()}"'


def _zig_cache(place: str) -> dict[str, str]:
    """Return an environment with zig's cache below ``place``, because its default, HOME, may be read-only."""
    return {"ZIG_GLOBAL_CACHE_DIR": place, "ZIG_LOCAL_CACHE_DIR": place} | dict(os.environ)


def _works(program: str) -> bool:
    """Return whether a compiler can compile and link; some systems lack the C headers or libraries."""
    with tempfile.TemporaryDirectory() as place:
        source = Path(place) / "empty.c"
        source.write_text("#include <stdlib.h>\nint main(void) { return EXIT_SUCCESS; }\n", encoding="utf-8")
        command = [program, str(source), "-o", str(source.with_suffix(".out"))]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0


def put(library: Path, target: Path) -> None:
    """Install the library atomically, even if several processes build at once.

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
    """Run the compiler, and raise its error output as a CompilerError.

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


def main(arguments: Sequence[str]) -> None:
    """Build the library into this package, or with ``--wasm`` the WebAssembly table reader."""
    try:
        if list(arguments) == ["--wasm"]:
            build_wasm()
        else:
            build(Path(__file__).parent / LIBRARY, more=("-Werror",))
    except CompilerError as err:
        sys.exit("\n".join([str(err), *getattr(err, "__notes__", [])]))


if __name__ == "__main__":
    main(sys.argv[1:])
