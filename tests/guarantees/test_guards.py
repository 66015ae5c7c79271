"""The list of guards is of the code as it stands, and the documents are of the list."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

from tools.robustness.guards import mutate
from tools.robustness.guards.guards import GUARDS
from tools.robustness.guards.pains import PAINS
from tools.robustness.guards.tables import guarantees_table

ROOT = Path(__file__).parents[2]


def named(guard):
    return f"{guard.pain}-{Path(guard.file).stem}-{guard.function}"


@pytest.mark.parametrize("guard", GUARDS, ids=named)
def test_a_guard_stands_once_in_its_file_and_can_be_taken_away(guard):
    text = (ROOT / guard.file).read_text(encoding="utf-8")
    assert text.count(guard.text) == 1, (
        f"{guard.file}: mend tools/robustness/guards/guards_of_*.py, and run `make guards`"
    )
    changed = text.replace(guard.text, guard.replacement)
    assert changed != text
    if guard.file.endswith(".py"):
        ast.parse(changed)


@pytest.mark.parametrize("guard", GUARDS, ids=named)
def test_the_test_of_a_guard_is_there(guard):
    file, name = guard.test.split("::")
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    assert name.partition("[")[0] in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_pain_has_a_guard():
    assert [pain.number for pain in PAINS] == list(range(1, 35))
    assert {guard.pain for guard in GUARDS} == set(range(1, 35))
    assert [guard.pain for guard in GUARDS] == sorted(guard.pain for guard in GUARDS)


def test_the_document_shows_the_lists():
    shown = mutate.GUARANTEES.read_text(encoding="utf-8").split(mutate.BEGIN)[1].split(mutate.END)[0]
    assert shown == guarantees_table(), f"run `{mutate.COMMAND} --table`"


def test_every_guard_has_been_tried_and_missed():
    results = json.loads(mutate.RESULTS.read_text(encoding="utf-8"))["results"]
    assert [mutate.key(result) for result in results] == [mutate.key(guard._asdict()) for guard in GUARDS]
    assert {result["outcome"] for result in results} <= {"fails", "hangs"}


def test_a_test_that_notices_nothing_is_reported(monkeypatch, tmp_path):
    """The script, with something else in the place of pytest: a test that notices the first of two guards alone."""
    seen, unseen = GUARDS[:2]

    def run(tree, tests, seconds):
        return "passes" if seen.text in (tree / seen.file).read_text(encoding="utf-8") else "fails"

    monkeypatch.setattr(mutate, "run_tests", run)
    monkeypatch.setattr(mutate, "COPIED", ("textcnn",))  # a copy of the tests and documents takes long, and is not read
    monkeypatch.setattr(mutate, "GUARDS", (seen, unseen))
    monkeypatch.setattr(mutate, "RESULTS", tmp_path / "guards.json")
    monkeypatch.setattr("sys.argv", ["mutate"])
    assert mutate.main() == 1
    results = json.loads((tmp_path / "guards.json").read_text(encoding="utf-8"))["results"]
    assert [result["outcome"] for result in results] == ["fails", "passes"]
    assert "1 of 2 tests notice that their guard is gone" in (tmp_path / "guards.md").read_text(encoding="utf-8")
    monkeypatch.setattr("sys.argv", ["mutate", "--only", str(seen.pain)])
    assert mutate.main() == 0
    assert len(json.loads((tmp_path / "guards.json").read_text(encoding="utf-8"))["results"]) == 2
