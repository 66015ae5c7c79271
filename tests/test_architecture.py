"""The rooms of the house: who may import whom. An arrow that runs backwards fails here."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LIBRARY = ROOT / "textcnn"

# From the ground up; a room may import itself and those above it in this list. Told in docs/architecture.md.
ROOMS = [
    "errors",
    "config_types",
    "data_config",
    "grades",
    "config",
    "label_tree",
    "labels",
    "atomic",
    "splitting",
    "progress",
    "core",
    "tokenization",
    "reading",
    "vectors",
    "image",
    "nn",
    "models",
    "evaluation",
    "training",
    "folder",
    "runtime",
    "prediction",
    "explain",
    "export",
    "report",
    "serve",
    "datasets",
    "teacher",
    "runs",
    "engines",
    "cluster",
    "filtering",
    "benchmark",
    "tuning",
    "api",
    "estimator",
    "compat",
    "text",
]
# A method whose work is done in a later room: the one arrow back, and not when the file is loaded.
DOORS = {("prediction.predictor", "explain")}
# Files that load without torch: the command line's quick paths, and training on the default path.
TORCH_FREE = (
    "errors",
    "config",
    "label_tree",
    "labels",
    "atomic",
    "splitting",
    "datasets.catalogue",
    "datasets.checking",
    "cluster",
    "engines",
    "filtering",
    "evaluation",
    "models.registry",
    "models.kim_settings",
    "models.weights",
    "nn.ngram_weights",
    "tokenization.pipeline",
    "tokenization.masking",
    "training.checkpoints",
    "training.distributed",
    "training.resource_limits",
    "training.result",
    "training.loop",
    "training.sampler",
    "progress",
    "runs.continuing",
    "runs.core_run",
    "runs.folds",
    "runs.images",
    "runs.output_lock",
    "runs.finish",
    "runs.ensemble",
    "runs.prepare",
    "runs.pretrained",
    "runs.settings",
    "runs.text",
    "explain",
    "export.tables",
    "tokenization.offsets",
    "runtime.text_model",
    "prediction.answers",
    "prediction.artifact",
    "runtime.scores",
    "folder.training_rows",
    "folder.config_json",
    "runtime.filters",
    "runtime.batch",
    "folder.hub",
    "runtime.lookup",
    "runtime.one_layer",
    "folder.tensors",
    "runtime.single_text",
    "prediction.predictor",
    "prediction.documents",
    "prediction.streaming",
    "runtime.cache",
    "prediction.writing",
    "report",
    "serve",
    "reading.statistics",
    "api",
    "compat",
)


def _modules() -> list[Path]:
    return sorted(path for path in LIBRARY.rglob("*.py") if path != LIBRARY / "__init__.py")


def _name(path: Path) -> str:
    return ".".join(path.relative_to(LIBRARY).with_suffix("").parts).removesuffix(".__init__")


def _imports(path: Path) -> Iterator[tuple[str, bool]]:
    """Names that a file imports, and whether it does so when it is loaded."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    at_load = {id(node) for top in tree.body if not _is_deferred(top) for node in ast.walk(top)}
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            yield name, id(node) in at_load


def _is_deferred(node: ast.stmt) -> bool:
    """Functions, and what only the type checker sees."""
    return isinstance(node, ast.FunctionDef) or (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")


@pytest.mark.parametrize("path", _modules(), ids=_name)
def test_a_room_imports_only_those_before_it(path):
    own = ROOMS.index(_name(path).split(".")[0])
    for name, _ in _imports(path):
        if name.startswith("textcnn."):
            room = name.split(".")[1]
            if (_name(path), room) in DOORS:
                continue
            assert room in ROOMS, f"{path} imports {name}, and {room!r} is no room of tests/test_architecture.py"
            assert ROOMS.index(room) <= own, f"{_name(path)} imports {name}, which stands behind it"


def _loads(path: Path, modules: set[str]) -> set[str]:
    """Those of the modules that must be loaded before this one."""
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom):
            names = {f"{node.module}.{alias.name}" for alias in node.names}  # of modules, or else of what one defines
            found |= names & modules or {str(node.module)}
    return found & modules


def test_no_modules_import_each_other_in_a_circle():
    modules = {f"textcnn.{_name(path)}" for path in _modules()}
    left = {f"textcnn.{_name(path)}": _loads(path, modules) for path in _modules()}
    while free := [name for name, needed in left.items() if not needed & left.keys()]:
        for name in free:  # a module that needs none of those that are left is in no circle
            del left[name]
    assert not left


@pytest.mark.parametrize("path", _modules(), ids=_name)
def test_the_library_does_not_know_the_command_line(path):
    assert not [name for name, _ in _imports(path) if name.startswith(("textcnn_cli", "typer", "cli"))]


@pytest.mark.parametrize(
    "path", [p for p in _modules() if _name(p).startswith((*TORCH_FREE, "models.registry"))], ids=_name
)
def test_light_rooms_do_not_load_torch(path):
    assert not [
        name for name, at_load in _imports(path) if at_load and name.startswith(("torch", "sklearn", "datasets."))
    ]


def test_training_loads_without_heavy_libraries():
    """What the files above import in their turn counts too."""
    asked = (
        "import sys, textcnn.runs, textcnn_cli.train\n"
        "print(*sorted({'torch', 'sklearn', 'scipy', 'datasets'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", asked], check=True, capture_output=True, text=True)
    assert found.stdout.split() == []


def test_every_room_of_the_list_exists():
    found = {_name(path).split(".")[0] for path in _modules()}
    assert found == set(ROOMS)


def test_commands_import_heavy_libraries_inside_their_functions():
    for path in sorted((ROOT / "cli").glob("*.py")):
        loaded = [
            name for name, at_load in _imports(path) if at_load and name.startswith(("torch", "datasets", "sklearn"))
        ]
        assert not loaded, f"{path} loads {loaded}"


def test_files_stay_small():
    long = {
        str(p): n for p in [*_modules(), *(ROOT / "cli").glob("*.py")] if (n := len(p.read_text().splitlines())) > 400
    }
    assert not long, f"split by responsibility: {long}"


def test_every_package_is_listed_for_installation():
    import tomllib

    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    packages = {"textcnn." + _name(p) for p in _modules() if p.name == "__init__.py"}
    assert packages | {"textcnn", "textcnn_cli", "textcnn_data"} == set(listed)


def test_there_is_no_utils():
    assert not [path for path in _modules() if path.stem in ("utils", "helpers", "common", "misc")]
