"""The pages name files, modules and objects that exist, and the rooms in their order."""

import re
from importlib import import_module

import pytest
from page_reader import DOCS, ROOT

from tests.test_architecture import ROOMS

ARCHITECTURE = (DOCS / "architecture.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
PAGES = [*(page for page in DOCS.glob("*.md") if page.name != "log.md"), *ROOT.glob("*.md")]  # the log is of its day
PLACES = {path.name for path in (*ROOT.iterdir(), *(ROOT / "textcnn").iterdir())} - {"build"}
FORMER = {"text", "inference", "kernels"}  # names of rooms that were divided


def section(page, title):
    """What stands under a heading of the second level."""
    return re.split(r"^## ", page.partition(f"\n## {title}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "CHANGELOG.md"], ids=lambda page: page.name)
def test_every_path_and_module_exists(page):
    text = page.read_text(encoding="utf-8")
    paths = [path for path in re.findall(r"`(\w+/[\w./-]*\w)(?:::[^`]*)?`", text) if path.split("/")[0] in PLACES]
    paths += [path for path in re.findall(r"`(\w+/[\w./-]*)", text) if path.split("/")[0] in FORMER]
    assert [path for path in paths if not any((base / path).exists() for base in (ROOT, ROOT / "textcnn"))] == []
    assert FORMER.isdisjoint(re.findall(r"\btextcnn\.(\w+)", text))


def test_every_change_names_files_to_read():
    for paragraph in section(CONTRIBUTING, "Where to enter").split("\n**")[1:]:
        files = re.findall(r"^\d\. `(\S+)`$", paragraph, re.MULTILINE)
        assert len(files) > 3, paragraph
        assert [file for file in files if not (ROOT / file).is_file()] == []


def test_the_table_of_rooms_is_the_list():
    cells = re.findall(r"^\| (`.*?) \|", section(ARCHITECTURE, "Rooms"), re.MULTILINE)
    assert re.findall(r"`(\w+)(?:\.py|/)`", " ".join(cells)) == ROOMS


def test_every_object_of_the_table_exists():
    names = re.findall(r"`(\w+(?:\.\w+)+)`", section(ARCHITECTURE, "Objects"))
    named = [name for name in names if name.split(".")[0] in ROOMS and not name.endswith(".json")]
    assert len(named) > 30
    for name in named:
        module, _, attribute = name.rpartition(".")
        assert hasattr(import_module(f"textcnn.{module}"), attribute), name
