"""Compiles the C core to one shared library; imports nothing that is not Python's own, for installing needs it too."""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

SOURCES = Path(__file__).parent / "src"
ONCE = ("cpu.c", "numeric.c", "pool.c", "train_batch.c", "train.c")
FOR_EACH_SET = ("train_step.c",)
SUFFIX = {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")
LIBRARY = f"textcnn_core{SUFFIX}"

_FLAGS = ("-std=c99", "-O3", "-fPIC", "-fno-math-errno", "-fvisibility=default", "-Wall", "-Wextra")
# Look-up and features give the same bits everywhere; the products of training may be fused.
_EXACT, _FUSED = ("-ffp-contract=off",), ("-ffp-contract=fast",)
_X86_SETS = {
    "baseline": (),
    "avx2": ("-mavx2", "-mfma"),
    "avx512": ("-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mavx2", "-mfma", "-mprefer-vector-width=512"),
}


def compiler() -> list[str] | None:
    """The command of a C compiler: that of the variable CC, else cc, else zig's from the package ziglang; or none."""
    if named := os.environ.get("CC"):
        return shlex.split(named)
    if found := shutil.which("cc") or shutil.which("gcc") or shutil.which("clang"):
        return [found]
    zig = subprocess.run([sys.executable, "-m", "ziglang", "version"], capture_output=True, check=False)
    return [sys.executable, "-m", "ziglang", "cc"] if zig.returncode == 0 else None


def build(target: Path, *, command: Sequence[str] | None = None, more: Sequence[str] = (), machine: str = "") -> None:
    """Compile the library to ``target``.

    Args:
        target: its path.
        command: the compiler; none: :func:`compiler`.
        more: further flags, such as ``-Werror`` or those of a sanitizer.
        machine: the processor it is for; empty: this one.

    Raises:
        FileNotFoundError: there is no compiler.
        subprocess.CalledProcessError: the compiler has failed.
    """
    command = list(command or compiler() or ())
    if not command:
        raise FileNotFoundError("expected a C compiler (cc, or the package ziglang), found none")
    has_sets = (machine or platform.machine()).lower() in ("x86_64", "amd64")
    sets = _X86_SETS if has_sets else {"baseline": ()}
    flags = [*_FLAGS, *(("-DTC_HAS_X86_SETS",) if has_sets else ()), *more]
    with tempfile.TemporaryDirectory() as place:
        objects = []
        jobs = [(name, name, _EXACT) for name in ONCE]
        for name in FOR_EACH_SET:
            jobs += [(name, f"{chosen}-{name}", (*_FUSED, *own, f"-DTC_SET={chosen}")) for chosen, own in sets.items()]
        for source, name, own in jobs:
            objects.append(str(Path(place) / f"{name}.o"))
            subprocess.run([*command, *flags, *own, "-c", str(SOURCES / source), "-o", objects[-1]], check=True)
        library = Path(place) / LIBRARY
        subprocess.run([*command, "-shared", *more, *objects, "-lm", "-lpthread", "-o", str(library)], check=True)
        shutil.copy(library, f"{target}.partial")
        os.replace(f"{target}.partial", target)


if __name__ == "__main__":
    build(Path(__file__).parent / LIBRARY, more=("-Werror",))
