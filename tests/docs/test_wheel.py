"""The wheel, installed into an empty environment outside the repository, does all that the checkout does.

Third-party packages are those of this environment, through one line in a ``.pth`` file: installing torch again would
take minutes and prove nothing about us. That line puts a folder behind the environment's own; ``.pth`` files *in*
that folder, such as the one of a development install of textcnn, are not read then, so textcnn itself can come from the
wheel alone, and a test makes sure of it.
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv

import pytest
from page_reader import ROOT
from skipping import skip_without

from textcnn.core.build import WASM_TARGET, is_current
from textcnn_cli.commands import COMMANDS, command

SKIPPED = shutil.ignore_patterns(".git", ".venv", "build", "dist", "demo", "*.egg-info", "__pycache__", ".*_cache")
HELPS = """
import json, sys
from typer.testing import CliRunner
from textcnn_cli.main import app
results = [CliRunner().invoke(app, [*command, "--help"], prog_name="textcnn") for command in json.loads(sys.argv[1])]
print(json.dumps([[result.exit_code, result.output] for result in results]))
"""


def commands(command, name=()):
    """Every command and group, by the words that call it."""
    yield list(name)
    for part, child in sorted(getattr(command, "commands", {}).items()):
        yield from commands(child, (*name, part))


def run(place, *words):
    """What a program prints that knows nothing of this checkout."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([*map(str, words)], capture_output=True, text=True, env=env, cwd=place, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def pip(place, *words):
    run(place, sys.executable, "-m", "pip", "--disable-pip-version-check", *words)


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """The folder of the programs of an environment that has nothing but the wheel, and the packages it needs."""
    place = tmp_path_factory.mktemp("elsewhere")
    shutil.copytree(ROOT, place / "source", ignore=SKIPPED)  # nothing that an earlier build left can get into it
    offline = ["--quiet", "--no-index", "--no-deps"]
    pip(place, "wheel", *offline, "--no-build-isolation", "--wheel-dir", place, place / "source")
    shutil.rmtree(place / "source")
    (wheel,) = place.glob("textcnn-*.whl")
    venv.create(place / "env", with_pip=False)
    python = place / "env" / "bin" / "python"
    # First the wheel, then the line: pip must not see, let alone uninstall, a textcnn that is installed here.
    pip(place, "--python", python, "install", *offline, wheel)
    purelib = place / "env" / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    (purelib / "third-party.pth").write_text(f"{sysconfig.get_paths()['purelib']}\n", encoding="utf-8")
    return python.parent


def test_everything_comes_from_the_wheel(programs):
    code = (
        "import importlib, json, pkgutil, sys, textcnn, textcnn_cli, textcnn_data\n"
        "from importlib.metadata import distribution\n"
        "from importlib.resources import files\n"
        "places = [str(package.__path__[0]) for package in (textcnn, textcnn_cli, textcnn_data)]\n"
        "data = [files('textcnn.report').joinpath('templates'), files('textcnn.serve').joinpath('page')]\n"
        "print(json.dumps([places, [len(list(one.iterdir())) for one in data], str(distribution('textcnn')._path),\n"
        "  files('textcnn').joinpath('py.typed').is_file(),\n"
        "  len([one for one in files('textcnn_data').iterdir() if one.name.endswith('.toml')])]))\n"
    )
    places, data, metadata, typed, cards = json.loads(run(programs, programs / "python", "-c", code))
    inside = str(programs.parent)
    assert [place for place in [*places, metadata] if not place.startswith(inside)] == []
    assert data == [len(list((ROOT / "textcnn" / part).iterdir())) for part in ("report/templates", "serve/page")]
    assert typed
    assert cards == len(list((ROOT / "data").glob("*.toml")))


def test_every_command_describes_itself(programs):
    wanted = [[], *(words for name in COMMANDS for words in commands(command(name), (name,)))]
    assert ["benchmark", "speed"] in wanted
    assert len(wanted) > 25
    found = json.loads(run(programs, programs / "python", "-c", HELPS, json.dumps(wanted)))
    for words, (code, output) in zip(wanted, found, strict=True):
        assert code == 0, output
        assert f"Usage: {' '.join(['textcnn', *words])}" in " ".join(output.split()), words
    assert "textcnn" in run(programs, programs / "textcnn", "--version")


def test_the_reader_of_tables_is_in_it(programs):
    skip_without(is_current(WASM_TARGET), f"{WASM_TARGET.name} (`make wasm`)")
    code = "from textcnn.export.tables import reader_bytes; print(len(reader_bytes()))"
    assert run(programs, programs / "python", "-c", code) == f"{WASM_TARGET.stat().st_size}\n"


def test_the_tutorial_works_from_it(programs, tmp_path):
    code = (
        f"import os, sys, textcnn; sys.path.append({str(ROOT / 'tests' / 'support')!r})\n"
        f"assert textcnn.__file__.startswith({str(programs.parent)!r}), textcnn.__file__\n"
        "from pathlib import Path\n"
        "from page_reader import DOCS, read\n"
        "read(DOCS / 'tutorial.md', Path.cwd())\n"
        "print('done')\n"
    )
    assert run(tmp_path, programs / "python", "-c", code).endswith("done\n")
    assert (tmp_path / "labelled.csv").stat().st_size > 100_000
