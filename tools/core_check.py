"""Checks of the core in C: warnings of every compiler here, cppcheck, and its tests under sanitizers.

    python tools/core_check.py

Memory and undefined behaviour are watched while the tests of ``tests/core`` run on a copy of the package with a library
built for that; races of the pool, while ``pool_loops.c`` runs by itself, for a sanitizer of threads cannot be loaded
into Python. What is made is below ``build/core-check``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
PLACE = ROOT / "build" / "core-check"
SOURCES = ROOT / "textcnn" / "core" / "src"
TESTS = ROOT / "tests" / "core"
STRICT = ("-Wall", "-Wextra", "-Werror")
WATCHED = ("-O1", "-g", "-fno-omit-frame-pointer", "-fno-sanitize-recover=all", "-fsanitize=address,undefined")


def run(*words: str | Path, env: dict[str, str] | None = None) -> None:
    """Say a command and run it; the first that fails ends the checks."""
    print("+", *words, flush=True)
    done = subprocess.run([*map(str, words)], env={**os.environ, **(env or {})}, cwd=ROOT, check=False, timeout=2400)
    if done.returncode != 0:
        for report in PLACE.glob("report.*"):
            print(report.read_text(encoding="utf-8", errors="replace"), flush=True)
        sys.exit(f"core-check: {words[0]} has failed with exit status {done.returncode}")


def compile_strictly() -> None:
    """The library by every compiler that is here, warnings being errors."""
    found = [name for name in ("gcc", "clang") if shutil.which(name)]
    if not found:
        sys.exit("core-check needs gcc or clang")
    for name in found:
        build(PLACE / f"{name}.so", name, STRICT)


def build(target: Path, compiler: str, more: Sequence[str]) -> None:
    """The library, by the script that builds it when the package is installed."""
    code = "import sys; from pathlib import Path; from build import build; build(Path(sys.argv[1]), more=sys.argv[2:])"
    run(sys.executable, "-c", code, target, *more, env={"CC": compiler, "PYTHONPATH": str(ROOT / "textcnn" / "core")})


def analyse() -> None:
    """What cppcheck says; it is left out where it is not installed, which CI does not allow."""
    if not shutil.which("cppcheck"):
        if os.environ.get("CI") == "true":
            sys.exit("core-check: CI must have cppcheck")
        print("cppcheck is not installed: left out", flush=True)
        return
    kinds = ("--enable=warning,performance,portability", "--inline-suppr", "--error-exitcode=1", "--quiet", "--std=c99")
    defined = ("-DTC_SET=baseline", "-D__x86_64__", '-DTC_SOURCES=""', "-j2")
    kinds = (*kinds, "--suppress=invalidPointerCast")  # memory from malloc holds integers, then floats
    run("cppcheck", *kinds, *defined, f"-I{SOURCES}", *sorted(SOURCES.glob("*.c")), TESTS / "pool_loops.c")


def run_tests_watched() -> None:
    """The tests of the core on a library that watches memory and undefined behaviour."""
    package = PLACE / "package" / "textcnn"
    shutil.rmtree(package.parent, ignore_errors=True)
    shutil.copytree(ROOT / "textcnn", package, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    build(package / "core" / "textcnn_core.so", "gcc", (*STRICT, *WATCHED))
    runtimes = [
        subprocess.check_output(["gcc", f"-print-file-name=lib{name}.so"], text=True).strip()
        for name in ("asan", "ubsan")
    ]
    env = {
        "LD_PRELOAD": " ".join(runtimes),
        # Leaks are Python's own; pool_loops.c looks for those of the pool. Reports go past pytest, which keeps them.
        "ASAN_OPTIONS": f"detect_leaks=0:log_path={PLACE}/report",
        "UBSAN_OPTIONS": f"print_stacktrace=1:log_path={PLACE}/report",
        "PYTHONPATH": str(package.parent),
        "OMP_NUM_THREADS": "1",
        "TEXTCNN_CHECKED_PACKAGE": str(package),  # tests/core/conftest.py makes sure of it
    }
    pytest = [sys.executable, "-P", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "pythonpath=tests/support"]
    run(*pytest, TESTS, env=env)


def race() -> None:
    """The pool by itself, under the sanitizers of threads and of addresses."""
    for name in ("thread", "address"):
        made = PLACE / f"pool-{name}"
        flags = ("-std=c99", "-O1", "-g", *STRICT, f"-fsanitize={name}", "-DWITH_MAIN", "-iquote", SOURCES)
        run("gcc", *flags, TESTS / "pool_loops.c", SOURCES / "pool.c", "-lpthread", "-o", made)
        run(made)


if __name__ == "__main__":
    PLACE.mkdir(parents=True, exist_ok=True)
    for old in PLACE.glob("report.*"):
        old.unlink()
    compile_strictly()
    analyse()
    race()
    run_tests_watched()
