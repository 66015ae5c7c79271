"""Build the wheels of every platform with zig, and check what can be checked here: ``make wheels``.

    python tools/wheels.py --output docs/benchmarks/wheels.json

Every wheel's library must have the functions that the binding calls and need no newer system than its tag says. That
of this machine is installed, and the tests of the core run with it. ``tests/core/answers.c`` runs with the library of
each system that has a loader here, aarch64 by qemu and musl by its own; it must print ``tests/core/answers.txt``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import time
import venv
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from textcnn.core.build import FOREIGN, PLATFORMS

ROOT = Path(__file__).parents[1]
PLACE = ROOT / "build" / "wheels"
TESTS = ROOT / "tests" / "core"
ANSWERS = TESTS / "answers.txt"
NATIVE = f"manylinux_2_17_{platform.machine()}"
# How a program of another system is started here: Debian's packages qemu-user with libc6-arm64-cross, and musl.
LOADERS = {
    "manylinux_2_17_aarch64": (["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"], "/usr/aarch64-linux-gnu"),
    "musllinux_1_2_x86_64": (["/lib/ld-musl-x86_64.so.1"], "/lib/ld-musl-x86_64.so.1"),
}
# What libraries of each system may need: nothing that is not part of it.
SYSTEM = {
    "manylinux": r"lib(c\.so\.6|pthread\.so\.0|m\.so\.6)",
    "musllinux": r"libc\.so",
    "macosx": r"/usr/lib/libSystem\.B\.dylib|textcnn_core\.dylib",
    "win": r"KERNEL32\.dll|api-ms-win-crt-[\w-]+\.dll",
}
HOOK = "import sys; sys.path.insert(0, 'build_backend'); import textcnn_build; textcnn_build.{}(sys.argv[1])"


def needed_symbols() -> set[str]:
    """The functions that the binding calls."""
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "textcnn" / "core").glob("*.py")]
    return {name for source in sources for name in re.findall(r'"(tc_\w+)"', source)}


def check_library(path: Path, tag: str) -> int:
    """How many names of the core a library exports: functions, and on some systems tables of kernels.

    Raises:
        ValueError: a function that the binding calls is missing, or it needs more than its system has.
    """
    import lief

    library: Any = lief.parse(path)
    names = {getattr(symbol, "name", symbol) for symbol in library.exported_functions}
    found = {name.removeprefix("_") for name in names if name.removeprefix("_").startswith("tc_")}
    if absent := sorted(needed_symbols() - found):
        raise ValueError(f"{tag}: the library lacks {', '.join(absent)}")
    needs = {getattr(one, "name", one) for one in getattr(library, "libraries", ())}
    if isinstance(library, lief.PE.Binary):
        needs = {one.name for one in library.imports}
    allowed = SYSTEM[tag.partition("_")[0]]
    if foreign := sorted(name for name in needs if not re.fullmatch(allowed, name)):
        raise ValueError(f"{tag}: the library needs {', '.join(foreign)}, which its system does not promise")
    if tag.startswith("manylinux"):
        versions = [re.fullmatch(r"GLIBC_2\.(\d+)(\.\d+)?", version) for version in glibc_versions(library)]
        if newer := [version[0] for version in versions if version is None or int(version[1]) > 17]:
            raise ValueError(f"{tag}: the library needs {', '.join(newer)}")
    if tag.startswith("macosx") and not library.has_code_signature:
        raise ValueError(f"{tag}: the library has no signature, without which its system does not load it")
    return len(found)


def glibc_versions(library: Any) -> list[str]:
    """The versions of symbols that an ELF library needs."""
    return [entry.name for need in library.symbols_version_requirement for entry in need.get_auxiliary_symbols()]


def has_loader(tag: str) -> bool:
    """Whether a program of the platform can be started here."""
    if tag == NATIVE:
        return True
    command, place = LOADERS.get(tag, ([""], ""))
    return shutil.which(command[0]) is not None and Path(place).exists()


def answers(library: Path, tag: str, place: Path) -> str:
    """What ``answers.c`` prints with the library of a platform that has a loader here."""
    program = place / f"answers-{tag}"
    zig = [sys.executable, "-m", "ziglang", "cc", "-target", PLATFORMS[tag].target]
    flags = ["-std=c99", "-O1", "-Werror", "-iquote", ROOT / "textcnn" / "core" / "src"]
    subprocess.run([*map(str, [*zig, *flags, TESTS / "answers.c", library, "-o", program])], check=True)
    loader = LOADERS.get(tag, ([], ""))[0]
    env = {**os.environ, "LD_LIBRARY_PATH": str(library.parent)}
    if tag != NATIVE and loader[0].startswith("qemu"):  # qemu itself must not see libraries of another processor
        loader, env = [*loader, "-E", f"LD_LIBRARY_PATH={library.parent}"], {**os.environ, "LD_LIBRARY_PATH": ""}
    return subprocess.check_output([*loader, str(program)], text=True, env=env, timeout=300)


def unpack_source() -> Path:
    """An sdist of this checkout, unpacked: a wheel has nothing that is not in it."""
    shutil.rmtree(PLACE, ignore_errors=True)
    PLACE.mkdir(parents=True)
    subprocess.run([sys.executable, "-c", HOOK.format("build_sdist"), PLACE], cwd=ROOT, check=True, capture_output=True)
    (archive,) = PLACE.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        opened.extractall(PLACE / "source", filter="data")
    return PLACE / "source" / archive.name.removesuffix(".tar.gz")


def build_wheel(source: Path, tag: str) -> Path:
    """The wheel of a platform."""
    shutil.rmtree(source / "build", ignore_errors=True)
    command = [sys.executable, "-c", HOOK.format("build_wheel"), str(PLACE)]
    subprocess.run(command, cwd=source, check=True, capture_output=True, env={**os.environ, FOREIGN: tag})
    (wheel,) = PLACE.glob(f"*-py3-none-{tag}.whl")
    return wheel


def test_installed(wheel: Path) -> str:
    """What pytest says last of the tests of the core, with the wheel in an environment of its own."""
    venv.create(PLACE / "env", with_pip=False)
    python = PLACE / "env" / "bin" / "python"
    install = ["-m", "pip", "--python", str(python), "install", "--quiet", "--no-index", "--no-deps", str(wheel)]
    subprocess.run([sys.executable, *install], check=True)
    purelib = PLACE / "env" / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    # Other packages are those of this environment, behind the wheel; its development install of textcnn is not read.
    (purelib / "third-party.pth").write_text(f"{sysconfig.get_paths()['purelib']}\n", encoding="utf-8")
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    env |= {"TEXTCNN_CHECKED_PACKAGE": str(purelib / "textcnn"), "OMP_NUM_THREADS": "1"}
    words = ["-P", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "pythonpath=tests/support", str(TESTS)]
    done = subprocess.run([python, *words], cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ValueError(f"tests of the core with {wheel.name}: {done.stdout[-3000:]}{done.stderr[-1000:]}")
    return done.stdout.splitlines()[-1]


def check_wheel(wheel: Path, tag: str) -> dict[str, Any]:
    """Check the library in a wheel, and run it where there is a loader."""
    with zipfile.ZipFile(wheel) as archive:
        library = Path(archive.extract(f"textcnn/core/{PLATFORMS[tag].library}", PLACE / tag))
    found: dict[str, Any] = {"bytes": wheel.stat().st_size, "names": check_library(library, tag), "ran": []}
    if has_loader(tag):
        if (printed := answers(library, tag, PLACE)) != ANSWERS.read_text(encoding="utf-8"):
            raise ValueError(f"{tag}: expected the answers of {ANSWERS.relative_to(ROOT)}, got\n{printed}")
        found["ran"].append("answers.c")
    if tag == NATIVE:
        found["ran"].append(f"tests/core: {test_installed(wheel)}")
    return found


def to_markdown(document: dict[str, Any]) -> str:
    """The results as a table."""
    lines = [
        f"Built and checked by `{document['command']}` with zig {document['zig']} on {document['cores']} cores.",
        "",
        "| wheel for | s | KB | exported names of the core | run here |",
        "| --- | --- | --- | --- | --- |",
    ]
    for row in document["results"]:
        run = "; ".join(row["ran"]) or "no, checked for its functions alone"
        lines.append(f"| {row['tag']} | {row['seconds']:.0f} | {row['bytes'] / 1000:,.0f} | {row['names']} | {run} |")
    return "\n".join([*lines, ""])


def main(arguments: Sequence[str] | None = None) -> None:
    """Build and check all wheels, or those of some platforms."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=PLATFORMS, action="append", help="of this platform; repeatable")
    parser.add_argument("--output", type=Path, help="a JSON file; its table is written to the same folder")
    given = parser.parse_args(arguments)
    os.environ.setdefault("ZIG_GLOBAL_CACHE_DIR", str(ROOT / "build" / "zig-cache"))
    source, results = unpack_source(), []
    for tag in given.only or PLATFORMS:
        began = time.perf_counter()
        wheel = build_wheel(source, tag)
        seconds = round(time.perf_counter() - began, 1)
        results.append({"tag": tag, "seconds": seconds, **check_wheel(wheel, tag)})
        print(json.dumps(results[-1]), flush=True)
    zig = subprocess.check_output([sys.executable, "-m", "ziglang", "version"], text=True).strip()
    document = {
        "benchmark": "wheels",
        "command": "make wheels",
        "zig": zig,
        "cores": os.cpu_count(),
        "results": results,
    }
    if given.output:
        given.output.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        given.output.with_suffix(".md").write_text(to_markdown(document), encoding="utf-8")


if __name__ == "__main__":
    main()
