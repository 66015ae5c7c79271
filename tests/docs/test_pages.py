"""Every code block of the pages runs as it stands, and says what the page says it says.

Kinds of blocks: ``console`` (lines after ``$`` are commands, the others what they print on stdout; ``...``: anything),
``python`` (one name space a page), ``pycon`` (doctest), ``toml`` (a file, named in its first line), ``text`` (no code).
"""

import doctest
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest
import torch
from hub_stand_in import hub, the_only_hub
from typer.testing import CliRunner

from textcnn_cli import console
from textcnn_cli.main import app

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(path for path in DOCS.rglob("*.md"))
BLOCK = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.DOTALL | re.MULTILINE)
KINDS = {"console", "python", "pycon", "toml", "text"}
RUN_ELSEWHERE = {"callbacks.md": "tests/training/test_callbacks.py"}
LOOSE = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
SHELL = re.compile(r"[|&;<>$`]")
STEP = re.compile(r"^\$ (.*(?:\\\n.*)*)\n?((?:(?!\$ ).*\n?)*)", re.MULTILINE)  # a command, and what it prints


def blocks(page):
    return BLOCK.findall(page.read_text(encoding="utf-8"))


RUNNING = [page for page in PAGES if {kind for kind, _ in blocks(page)} - {"text"} and page.name not in RUN_ELSEWHERE]


class Reader:
    """Does what a page says, in one folder."""

    def __init__(self, folder):
        self.folder, self.names, self.servers = folder, {"__name__": "page"}, []
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = str(free.getsockname()[1])

    def follow(self, kind, content):
        {"console": self.console, "python": self.python, "pycon": self.pycon, "toml": self.toml}[kind](content)

    def console(self, content):
        for command, expected in STEP.findall(content.replace("8000", self.port)):
            printed = self.run(command.partition("  #")[0].strip())
            if printed is not None:
                assert matches(expected.replace("8000", self.port), printed), f"{command}\n{printed}"

    def run(self, command):
        """What a command prints; none where it is not run here."""
        words = shlex.split(command)
        if words[:2] == ["pip", "install"]:
            return check_extras(words[2])
        if command.endswith(" &"):
            return self.serve(words[:-1])
        if words[0] == "textcnn" and not SHELL.search(re.sub(r"'[^']*'", "", command)):
            console.set_level(0)
            result = CliRunner().invoke(app, words[1:], catch_exceptions=False, env={"COLUMNS": "100"})
            assert result.exit_code == 0, result.output
            return result.stdout
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=self.folder, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def serve(self, words):
        assert words[:2] == ["textcnn", "serve"]
        log = (self.folder / f"server-{len(self.servers)}").open("w+")
        process = subprocess.Popen([sys.executable, "-m", "textcnn_cli", *words[1:]], stderr=log, cwd=self.folder)
        self.servers.append((process, log))
        wanted = int(words[words.index("--workers") + 1]) if "--workers" in words else 1
        end = time.monotonic() + 60
        while Path(log.name).read_text().count("ready: ") < wanted:
            assert process.poll() is None, Path(log.name).read_text()
            assert time.monotonic() < end, Path(log.name).read_text()
            time.sleep(0.1)
        return ""

    def python(self, content):
        exec(compile(content, "page", "exec"), self.names)

    def pycon(self, content):
        test = doctest.DocTestParser().get_doctest(content, self.names, "page", None, 0)
        runner, said = doctest.DocTestRunner(optionflags=LOOSE), []
        runner.run(test, out=said.append, clear_globs=False)
        self.names.update(test.globs)
        assert runner.summarize(verbose=False).failed == 0, "".join(said)

    def toml(self, content):
        tomllib.loads(content)
        name = re.match(r"# (\S+\.toml)\n", content)
        assert name, "the first line of a TOML block names its file"
        (self.folder / name[1]).write_text(content, encoding="utf-8")

    def close(self):
        for process, log in self.servers:
            process.terminate()
            process.wait(30)
            log.close()


def check_extras(wanted):
    """Nothing is installed here; but what a page asks for must be there to be installed."""
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(re.search(r"\[(.*)\]", wanted)[1].split(",")) <= known.keys(), wanted


def matches(expected, printed):
    """Whether a command printed what the page says; ``...`` on a line of its own is any lines, or none."""
    pattern = re.escape(" ".join(expected.split())).replace(r"\.\.\.", ".*")
    return re.fullmatch(pattern, " ".join(printed.split()), re.DOTALL) is not None


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
    reader = Reader(page_folder)
    with hub() as server:
        the_only_hub(server, page_folder / "cache", monkeypatch)
        monkeypatch.setenv("HF_TOKEN", server.token)
        try:
            for kind, content in blocks(page):
                if kind != "text":
                    reader.follow(kind, content)
        finally:
            reader.close()
    for figure in (page_folder / "figures").iterdir():
        assert figure.read_bytes() == (DOCS / "figures" / figure.name).read_bytes(), f"draw {figure.name} again"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_blocks_are_of_a_kind_that_runs(page):
    assert {kind for kind, _ in blocks(page)} <= KINDS
    rest = BLOCK.sub("", page.read_text(encoding="utf-8"))
    assert not re.findall(r"^ {4,}(?:textcnn |pip |curl |import |from \w+ import |\$ )", rest, re.MULTILINE)
    assert "```" not in re.sub(r"`{3}`", "", rest), "a block that the test does not see"


def test_every_figure_is_drawn_by_a_page():
    drawn = re.findall(r"--draw figures/(\S+\.svg)", (DOCS / "cnn.md").read_text(encoding="utf-8"))
    assert sorted(drawn) == sorted(path.name for path in (DOCS / "figures").iterdir())


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
