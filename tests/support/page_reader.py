"""Does what a page of docs/ says, block by block, and compares what is printed; see tests/docs/test_pages.py."""

import doctest
import os
import re
import shlex
import socket
import subprocess
import sys
import time
import tomllib
from pathlib import Path

from typer.testing import CliRunner

from textcnn_cli import console
from textcnn_cli.main import app

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
BLOCK = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LOOSE = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
SHELL = re.compile(r"[|&;<>$`]")
STEP = re.compile(r"^\$ (.*(?:\\\n.*)*)\n?((?:(?!\$ ).*\n?)*)", re.MULTILINE)  # a command, and what it prints


def blocks(page):
    """Kinds and contents of the fenced blocks of a page."""
    return BLOCK.findall(page.read_text(encoding="utf-8"))


class Reader:
    """Does what a page says, in one folder; commands of textcnn and Python run in this process."""

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
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # this textcnn
        how = {"cwd": self.folder, "env": {**os.environ, "PATH": path}, "timeout": 60}
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, **how)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def serve(self, words):
        assert words[:2] == ["textcnn", "serve"]
        log = (self.folder / f"server-{len(self.servers)}").open("w+")
        process = subprocess.Popen([sys.executable, "-m", "textcnn_cli", *words[1:]], stderr=log, cwd=self.folder)
        self.servers.append((process, log))
        wanted = int(words[words.index("--workers") + 1]) if "--workers" in words else 1
        end = time.monotonic() + 120
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


def read(page, folder):
    """Do all that a page says, and stop the servers it has started."""
    reader = Reader(folder)
    try:
        for kind, content in blocks(page):
            if kind != "text":
                reader.follow(kind, content)
    finally:
        reader.close()
