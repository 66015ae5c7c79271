"""What we take from others: nothing we read is run, nothing is fetched unasked, no dependency is held back."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from one_layer_models import make

ROOT = Path(__file__).parent.parent.parent
SOURCES = sorted(path for room in ("textcnn", "cli", "data") for path in (ROOT / room).rglob("*.py"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

UNPICKLERS = {"pickle", "_pickle", "dill", "cloudpickle", "marshal", "shelve", "joblib", "jsonpickle", "yaml"}
RUNNERS = {"eval", "exec", "compile", "__import__", "execfile"}
LOADERS = {"torch.load", "torch.jit.load", "torch.package.PackageImporter", "os.system", "os.popen", "runpy.run_path"}
ARRAY_LOADERS = {"load", "read_array"}  # of numpy: plain arrays only where that is said

# A benchmark measures how a linear model answers from a file of scikit-learn's; it reads only what it wrote before.
MAY_UNPICKLE = {"benchmarks/svm_files.py", "benchmarks/peers_files.py"}


def faults(path: Path) -> list[str]:
    """What in a file could run something that was read, and on which line."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        found += [f"{node.lineno}: imports {name}" for name in names if name.split(".")[0] in UNPICKLERS]
        if isinstance(node, ast.Call):
            found += [f"{node.lineno}: {problem}" for problem in _problems(node)]
    return found


def _problems(call: ast.Call) -> list[str]:
    name = ast.unparse(call.func)
    said = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
    problems = [f"calls {name}"] if name in RUNNERS | LOADERS else []
    if name.split(".")[0] in ("np", "numpy") and name.rpartition(".")[2] in ARRAY_LOADERS:
        problems += [f"{name} without allow_pickle=False"] if said.get("allow_pickle") != "False" else []
    if said.get("shell", "False") != "False" or said.get("trust_remote_code", "False") != "False":
        problems.append(f"{name} runs what a text says")
    return problems


def test_nothing_runs_what_it_reads():
    found = {str(path.relative_to(ROOT)): problems for path in SOURCES if (problems := faults(path))}
    allowed = {name: [fault for fault in found.pop(name, ()) if "imports pickle" not in fault] for name in MAY_UNPICKLE}
    assert found == {}
    assert allowed == {name: [] for name in MAY_UNPICKLE}


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from joblib import load",
        "eval(text)",
        "exec(text)",
        "torch.load(path)",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "np.lib.format.read_array(stream, allow_pickle=maybe)",
        "subprocess.run(line, shell=True)",
        "datasets.load_dataset(name, trust_remote_code=True)",
    ],
)
def test_each_fault_would_be_found(line, tmp_path):
    (tmp_path / "a.py").write_text(line, encoding="utf-8")
    assert faults(tmp_path / "a.py")


HEARD = """
import importlib, pkgutil, sys
heard = []
def hear(event, arguments):
    if event.startswith(("socket.", "urllib.", "http.client.")) and event != "socket.gethostname":
        heard.append((event, str(arguments)))
sys.addaudithook(hear)
import textcnn, textcnn_cli.main
for module in pkgutil.walk_packages(textcnn.__path__, "textcnn."):
    # Some benchmarks are scripts for other interpreters, and the library of the core is no module.
    if not module.name.startswith(("textcnn.benchmark.", "textcnn.core.textcnn_core")):
        try:
            importlib.import_module(module.name)
        except (ModuleNotFoundError, textcnn.errors.MissingExtraError) as err:  # an extra that is not installed
            if (getattr(err, "name", None) or "").startswith("textcnn"):
                raise
for runtime in ("look-up", "torch"):
    textcnn.load(sys.argv[1], runtime=runtime).predict(["a good film", ""])
print(heard)
import socket; socket.socket().close(); assert heard, "the hook hears nothing"
"""


def test_importing_and_answering_open_no_socket(tmp_path):
    folder = make().save(tmp_path / "model")
    done = subprocess.run([sys.executable, "-c", HEARD, str(folder)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr


def requirements() -> dict[str, str]:
    """What follows the name of each dependency that is always installed."""
    parts = [re.fullmatch(r"([A-Za-z0-9_-]+)(.*)", line) for line in PROJECT["dependencies"]]
    return {part[1]: part[2] for part in parts if part is not None}


def constraints(name: str) -> dict[str, str]:
    lines = [line.split("#")[0].strip() for line in (ROOT / name).read_text(encoding="utf-8").splitlines()]
    return dict(line.split("==") for line in lines if line)


def numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


def test_no_dependency_is_held_back():
    assert len(requirements()) == len(PROJECT["dependencies"])
    for name, bounds in requirements().items():
        assert re.fullmatch(r">=[0-9.]+", bounds), f"{name}{bounds}: a bound above keeps users from newer versions"


def test_the_tests_run_with_a_numpy_of_today():
    assert numbers(constraints("constraints.txt")["numpy"])[0] >= 2


def test_the_lowest_versions_are_those_that_are_allowed():
    lowest, newest = constraints("constraints-lowest.txt"), constraints("constraints.txt")
    assert lowest.pop("torch") == newest["torch"]  # one torch in both
    for name, bounds in requirements().items():
        if name != "torch":
            bound = numbers(bounds.removeprefix(">="))
            assert numbers(lowest[name])[: len(bound)] == bound, name
    assert all(numbers(version) <= numbers(newest[name]) for name, version in lowest.items() if name in newest)


def test_nothing_but_the_core_is_compiled_when_it_is_installed():
    compiled = {".c", ".cc", ".cpp", ".pyx", ".rs", ".so", ".pyd"}
    core = ROOT / "textcnn" / "core"
    assert not [
        path
        for room in ("textcnn", "cli", "data")
        for path in (ROOT / room).rglob("*")
        if path.suffix in compiled and core not in path.parents
    ]
    assert not (ROOT / "setup.py").exists()
    build = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert build["build-system"]["requires"] == ["setuptools>=77"]
    assert "ext-modules" not in build["tool"]["setuptools"]
