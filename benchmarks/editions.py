"""Installations of textcnn whose whole processes are timed: this checkout, the first edition, a fresh installation."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from textcnn.errors import ConfigError

ROOT = Path(__file__).resolve().parent.parent
FIRST_COMMIT = "f1a0919"  # the last commit of the first edition
FIRST_FOLDER = ROOT / "build" / "first-edition"
FOREIGN = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")  # variables that lead an interpreter to other packages
WHERE = "import textcnn, textcnn_cli; print(textcnn.__file__); print(textcnn_cli.__file__)"


@dataclass(frozen=True)
class TrainingRun:
    """What one `textcnn train` took.

    Attributes:
        seconds: wall time of the whole process.
        loop_seconds: wall time of the epochs.
        tokens_per_second: in the training loop.
    """

    seconds: float
    loop_seconds: float
    tokens_per_second: float


@dataclass(frozen=True)
class Edition:
    """An installation: how it is called in results, its interpreter, and the environment of its processes."""

    name: str
    python: str
    environment: Mapping[str, str]

    def with_environment(self, **variables: str) -> Edition:
        """The same installation with more environment variables."""
        return replace(self, environment={**self.environment, **variables})

    def call(self, *arguments: str | Path, folder: Path) -> dict[str, Any]:
        """The JSON that a command of `textcnn` prints, run in ``folder``.

        Raises:
            ConfigError: the command failed.
        """
        return json.loads(run([self.python, "-m", "textcnn_cli", *arguments], self.environment, folder))  # type: ignore[no-any-return]

    def train(self, data: Path, model: Path, *options: str) -> TrainingRun:
        """Train on ``data`` into the folder ``model``, which is removed first, and time the whole process.

        Raises:
            ConfigError: the training failed.
        """
        shutil.rmtree(model, ignore_errors=True)
        began = time.perf_counter()
        summary = self.call("train", data, "-o", model, "--json", *options, folder=model.parent)
        seconds = time.perf_counter() - began
        return TrainingRun(seconds, summary["train_seconds"], summary["tokens_per_second"])


def run(command: Sequence[str | Path], environment: Mapping[str, str], folder: Path) -> str:
    """What a process prints on its standard output.

    Raises:
        ConfigError: it failed; the message holds the end of what it said.
    """
    done = subprocess.run(
        [str(part) for part in command], env=dict(environment), cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        shown = " ".join(str(part) for part in command[1:4])
        raise ConfigError(f"{shown} ... ended with exit {done.returncode}: {done.stderr.strip()[-800:]}")
    return done.stdout


def checkout() -> Edition:
    """The checkout that this file belongs to, run by this interpreter.

    Raises:
        ConfigError: this interpreter would run another textcnn.
    """
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": path}
    found = run([sys.executable, "-c", WHERE], environment, ROOT.parent).splitlines()
    if not all(Path(file).resolve().is_relative_to(ROOT) for file in found):
        raise ConfigError(f"expected textcnn and textcnn_cli below {ROOT}, found {found}; run `make setup` here")
    return Edition("checkout", sys.executable, environment)


def first_edition() -> Edition:
    """The product at :data:`FIRST_COMMIT` in an environment of its own, which is built where it is missing.

    Raises:
        ConfigError: git does not know the commit, or an installation failed.
    """
    source, venv, built = (FIRST_FOLDER / name for name in ("source", "venv", "installed"))
    environment = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    python = venv / "bin" / "python"
    if not built.exists():
        shutil.rmtree(FIRST_FOLDER, ignore_errors=True)
        source.mkdir(parents=True)
        archive = FIRST_FOLDER / "source.tar"
        run(["git", "archive", "--output", archive, FIRST_COMMIT], environment, ROOT)
        shutil.unpack_archive(archive, source, filter="data")
        run([sys.executable, "-m", "venv", venv], environment, FIRST_FOLDER)
        pip: list[str | Path] = [python, "-m", "pip", "install", "--quiet"]
        run([*pip, "-c", source / "constraints.txt", f"{source}[serve]"], environment, FIRST_FOLDER)
        built.touch()
    return Edition(FIRST_COMMIT, str(python), environment)


def install(folder: Path) -> Path:
    """A new folder of packages that holds this checkout as `pip install` writes it, without what it depends on.

    The sources are copied first, so that files which earlier builds left in the checkout play no part.

    Raises:
        ConfigError: the installation failed.
    """
    shutil.rmtree(folder, ignore_errors=True)
    source, site = folder / "source", folder / "site"
    listed = run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], os.environ, ROOT)
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file() and not name.startswith(("docs/", "tests/")):
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, source / name)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    run([*pip, "--target", site, source], os.environ, folder)
    return site


def installed(site: Path) -> Edition:
    """The installation in ``site``; what it depends on comes from the environment of this interpreter."""
    environment = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    return Edition("fresh installation", sys.executable, {**environment, "PYTHONPATH": str(site)})
