"""The list of guards is of the code as it stands, and the documents are of the list."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

from tools.robustness.guards import mutate
from tools.robustness.guards.guard import Guard
from tools.robustness.guards.guards import GUARDS
from tools.robustness.guards.pains import PAINS
from tools.robustness.guards.tables import guarantees_table

ROOT = Path(__file__).parents[2]


def named(guard):
    return f"{guard.pain}-{Path(guard.file).stem}-{guard.function}"


@pytest.mark.parametrize("guard", GUARDS, ids=named)
def test_a_guard_stands_once_in_its_definition_and_can_be_taken_away(guard):
    text = (ROOT / guard.file).read_text(encoding="utf-8")
    changed = guard.removed_from(text)  # where it fails: correct tools/robustness/guards/guards_of_*.py, `make guards`
    assert changed != text
    if guard.file.endswith(".py"):
        ast.parse(changed)


CODE = """
check = 1
LIMIT: int = check + check
class A:
    @check
    def first(self): return check
    def second(self): return check
def check(): return 2
check(3)
"""


@pytest.mark.parametrize(
    ("name", "text", "line", "without"),
    [
        ("A.first", "return check", 6, "    def first(self): pass"),
        ("A.second", "return check", 7, "    def second(self): pass"),
        ("A.first", "@check", 5, "    pass"),
        ("A", "def second", 7, "    pass(self): return check"),
        ("LIMIT", "check + check", 3, "LIMIT: int = pass"),
        ("<module>", "check(3)", 9, "pass"),
        ("<module>", "check = 1\n", 2, "passLIMIT: int = check + check"),
    ],
)
def test_a_guard_is_found_within_its_definition_alone(name, text, line, without):
    changed = Guard(1, "a.py", name, text, "pass", "").removed_from(CODE)
    assert changed.splitlines()[: line - 1] == CODE.splitlines()[: line - 1]
    assert changed.splitlines()[line - 1] == without
    assert len(changed) == len(CODE) - len(text) + len("pass")


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("A", "return check", "once, found it 2 times"),
        ("A.first", "return 2", "once, found it 0 times"),
        ("<module>", "return check", "once, found it 0 times"),
        ("A.third", "check", "one definition of 'A.third', found 0 of 'third'"),
        ("check", "return 2", "one definition of 'check', found 2 of 'check'"),
    ],
)
def test_a_guard_that_is_not_there_or_twice_is_an_error(name, text, problem):
    with pytest.raises(ValueError, match=problem):
        Guard(1, "a.py", name, text, "pass", "").removed_from(CODE)


def test_a_guard_of_a_toml_file_is_found_within_its_list_alone():
    one = Guard(1, "a.toml", "other", '"x",', '"y",', "")
    lists = 'some = [\n  "x",\n]\nother = [\n  "{}",\n]\n'
    assert one.removed_from(lists.format("x")) == lists.format("y")
    with pytest.raises(ValueError, match="one list of 'other', found 0"):
        one.removed_from('some = [\n  "x",\n]\n')


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
