"""The command as a process: its exit codes, what goes to which stream, and how it ends when it is cut short."""

import json
import os
import signal
import subprocess
import sys
import threading

import pytest
import torch
from typer.testing import CliRunner

import textcnn
from textcnn.config import DataConfig, ModelConfig, TextConfig, TrainingConfig, describe
from textcnn.core import plain
from textcnn_cli.commands import COMMANDS, command
from textcnn_cli.main import app, main

COMMAND = [sys.executable, "-W", "error", "-m", "textcnn_cli"]
# One thread: with models as small as these a second one only waits.
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUTF8": "0", "LC_ALL": "C.UTF-8"}


def run(*args, input=None, command=COMMAND, **environment):
    return subprocess.run(
        [*command, *map(str, args)],
        input=input,
        capture_output=True,
        timeout=120,
        env=ENVIRONMENT | environment,
        check=False,
    )


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "model"
    threads = torch.get_num_threads()
    pairs = [("good", "pos"), ("bad", "neg")] * 8
    textcnn.train(pairs, embedding_dim=8, num_filters=4, epochs=1, threads=1, output=folder)
    torch.set_num_threads(threads)
    return folder


# ------------------------------------------------------------------------------------------------------- help


def test_every_command_that_reads_a_table_knows_quotes_and_escapes():
    def options_of(command, name):
        for inner, found in getattr(command, "commands", {}).items():
            yield from options_of(found, f"{name} {inner}")
        yield name, {option for parameter in command.params for option in parameter.opts}

    every = [pair for name in COMMANDS if name != "benchmark" for pair in options_of(command(name), f" {name}")]
    found = {name: options for name, options in every if "--encoding" in options}
    assert {" classify", " audit", " phrases", " export", " documents map"} <= found.keys()
    assert {name for name, options in found.items() if not {"--quotes", "--escape"} <= options} == set()


LOADED = """
import sys
from textcnn_cli.main import main
sys.argv = ["textcnn", *sys.argv[1:]]
try:
    main()
except SystemExit as stop:
    heavy = [name for name in ("torch", "datasets", "sklearn", "tokenizers", "pyarrow") if name in sys.modules]
    print(stop.code, heavy, file=sys.stderr)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "args", [["--help"], ["--version"], ["train", "-h"], ["classify", "-h"], ["image", "train", "-h"]]
)
def test_help_loads_nothing_heavy(args):
    done = run(*args, command=[sys.executable, "-W", "error", "-c", LOADED])
    assert done.stderr.decode().split("\n")[0] == "0 []"
    assert done.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_of_the_list_is_there_under_its_name(name):
    found = command(name)
    assert found.name == name
    assert found.help
    done = CliRunner().invoke(app, [name, "-h"])
    assert (done.exit_code, f" {name} " in done.stdout.split("\n")[1]) == (0, True)


def test_the_list_of_commands_imports_none_of_them():
    code = LOADED.replace('("torch", "datasets", "sklearn", "tokenizers", "pyarrow")', '("numpy", "textcnn_cli.train")')
    done = run("--help", command=[sys.executable, "-c", code])
    assert done.stderr.decode().split("\n")[0] == "0 []"
    assert all(name in done.stdout.decode() for name in COMMANDS)


def test_the_version_is_that_of_the_library():
    found = CliRunner().invoke(app, ["--version"])
    assert (found.stdout, found.exit_code) == (f"textcnn {textcnn.__version__}\n", 0)


@pytest.mark.parametrize("args", [["--version", "-v"], ["-v", "--version"]])
def test_the_version_says_on_request_what_does_the_work_and_why(args, core, monkeypatch):
    monkeypatch.setenv("TEXTCNN_THREADS", "3")
    found = CliRunner().invoke(app, args)
    version, backend, instructions, threads = found.stdout.splitlines()
    assert (version, backend, found.exit_code) == (f"textcnn {textcnn.__version__}", "backend: core", 0)
    assert instructions.startswith(f"instruction set: {core.instruction_set} (")
    assert threads == "threads: 3 (TEXTCNN_THREADS=3)"


def test_the_version_says_on_request_why_there_is_no_core(monkeypatch):
    monkeypatch.setenv("TEXTCNN_THREADS", "2")
    with plain():
        found = CliRunner().invoke(app, ["--version", "--verbose"])
    assert found.stdout.splitlines()[1:] == [
        "backend: numpy and torch (numpy and torch were asked for)",
        "threads: 2 (TEXTCNN_THREADS=2)",
    ]


@pytest.mark.slow
def test_a_variable_that_cannot_be_used_is_one_line():
    done = run("--version", "-v", TEXTCNN_CORE="sse")
    assert done.stderr == b"error: TEXTCNN_CORE must be none or one of baseline, avx2, avx512, got 'sse'\n"
    assert (done.stdout, done.returncode) == (b"", 2)


OWNERS = {
    name: section
    for section in (DataConfig, TextConfig, ModelConfig, TrainingConfig)
    for name in section.__dataclass_fields__
}


@pytest.mark.parametrize("path", [("train",), ("classify",), ("evaluate",), ("image", "train")])
def test_options_are_explained_by_the_documentation_of_their_settings(path):
    found = command(path[0])
    for name in path[1:]:
        found = found.commands[name]
    shared = [parameter for parameter in found.params if parameter.name in OWNERS and parameter.name != "config"]
    assert len(shared) >= 3
    for parameter in shared:
        assert parameter.help == describe(OWNERS[parameter.name], parameter.name)


# ----------------------------------------------------------------------------------------------- error boundary


@pytest.fixture
def here(monkeypatch, capsys):
    """Run the command in this process, error boundary and all: exit code, stdout, stderr."""

    def invoke(*args):
        monkeypatch.setattr(sys, "argv", ["textcnn", *map(str, args)])
        with pytest.raises(SystemExit) as stop:
            main()
        return stop.value.code, *capsys.readouterr()

    return invoke


@pytest.mark.parametrize("quiet", [[], ["-q"]])
def test_a_fault_of_the_user_is_one_line_and_exit_2(here, tmp_path, quiet):
    code, data, said = here(*quiet, "classify", tmp_path / "no\nwhere", "a text")
    assert (code, data) == (2, "")
    assert said.startswith("error: expected a model folder at ")
    assert said.endswith("found none\n")
    assert said.count("\n") == 1


@pytest.mark.slow
def test_a_process_ends_with_2_for_a_fault_and_with_1_and_a_traceback_for_a_bug():
    done = run("train", "a.csv", "--set", "oops")
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.decode() == "error: --set expects NAME=VALUE, got 'oops'\n"
    bug = (
        "import sys, textcnn_cli.options as module\n"
        "def fail(*args): return 1 / 0\n"
        "module.merge_settings = fail\n"
        "sys.argv = ['textcnn', 'train', 'a.csv']\n"
        "from textcnn_cli.main import main; main()"
    )
    done = run(command=[sys.executable, "-c", bug])
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.decode().startswith("Traceback (most recent call last)")
    assert done.stderr.decode().rstrip().endswith("ZeroDivisionError: division by zero")


def test_ctrl_c_before_there_is_anything_to_save_is_exit_130(here, monkeypatch):
    def interrupt(folder, **settings):
        raise KeyboardInterrupt

    monkeypatch.setattr("textcnn.folder.config_json.read_config", interrupt)
    code, data, said = here("classify", "model", "text")
    assert (code, data) == (130, "")
    assert "Traceback" not in said


@pytest.mark.parametrize(
    "args", [["--no-such-option"], ["no-such-command"], ["classify"], ["train", "a", "--epochs", "x"]]
)
def test_a_wrong_usage_is_exit_2(args):
    assert CliRunner().invoke(app, args).exit_code == 2


# -------------------------------------------------------------------------------------------------- streams


@pytest.mark.slow
def test_a_line_of_input_is_a_line_of_output_in_utf_8_whatever_the_terminal_says(model):
    done = run("classify", model, "--input", "-", input="good\n\nbad 漢字\n".encode(), PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    rows = [json.loads(line) for line in done.stdout.decode("utf-8").split("\n")[:-1]]
    assert [(row["text"], row["flags"]) for row in rows] == [("good", []), ("", ["empty"]), ("bad 漢字", [])]
    assert "漢字" in done.stdout.decode("utf-8")
    assert done.stderr.decode().splitlines()[-1].startswith("classified 3 rows, 1 without a token")


def test_an_argument_that_is_no_unicode(model):
    found = CliRunner().invoke(app, ["classify", str(model), os.fsdecode(b"caf\xe9")])
    assert (found.exit_code, json.loads(found.stdout)["text"]) == (0, "caf\ufffd")


def test_a_reader_that_goes_away_is_no_error(model, tmp_path):
    """`textcnn classify ... | head -1`."""
    (tmp_path / "many.txt").write_text("a good film\n" * 5_000, encoding="utf-8")
    process = subprocess.Popen(
        [*COMMAND, "classify", str(model), "--input", str(tmp_path / "many.txt"), "--format", "lines"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
    )
    assert json.loads(process.stdout.readline())["text"] == "a good film"
    process.stdout.close()
    said = process.stderr.read().decode()
    process.stderr.close()
    process.wait(60)
    assert "Traceback" not in said
    assert "Exception ignored" not in said


# --------------------------------------------------------------------------------------------------- Ctrl-C


def interrupted(*args, when, limit=60, number=signal.SIGINT):
    """Run the command, send a signal at the line of stderr that starts with ``when``, and wait for its end."""
    # Tests started in the background inherit a SIGINT that is ignored; the command must not.
    command = ["env", "--default-signal=INT", *COMMAND, *map(str, args)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT, text=True)
    watchdog = threading.Timer(limit, process.kill)
    watchdog.start()
    said = []
    for line in process.stderr:
        said.append(line)
        if line.startswith(when):
            process.send_signal(number)
            break
    rest, errors = process.communicate()
    watchdog.cancel()
    return process.returncode, rest, "".join(said) + errors


@pytest.mark.slow
def test_ctrl_c_in_training_saves_the_best_weights_and_is_exit_130(tmp_path):
    rows = "".join(
        f"{'good' if n % 2 else 'bad'} film number {n % 50},{'pos' if n % 2 else 'neg'}\n" for n in range(400)
    )
    (tmp_path / "train.csv").write_text("text,label\n" + rows, encoding="utf-8")
    output = tmp_path / "model"
    settings = ["--epochs", 100_000, "--dev-fraction", 0.2, "--set", "embedding_dim=8", "--set", "num_filters=4"]
    code, said, errors = interrupted("train", tmp_path / "train.csv", "-o", output, "--json", *settings, when="epoch 3")
    assert code == 130
    assert "Traceback" not in errors
    assert "interrupted: the best weights so far were saved" in errors
    summary = json.loads(said.splitlines()[-1])
    assert summary["stopped"] == "interrupted"
    assert 3 <= summary["epochs"] < 100_000
    assert 1 <= summary["best_epoch"] <= summary["epochs"]
    saved = textcnn.load(output).artifact.training
    assert saved["stopped"] == "interrupted"
    assert saved["history"][summary["best_epoch"] - 1]["dev_accuracy"] == summary["dev"]["accuracy"]
    assert sorted(os.listdir(tmp_path)) == ["model", "train.csv"]


@pytest.mark.slow
@pytest.mark.parametrize(("number", "expected"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_before_training_has_its_exit_code(tmp_path, number, expected):
    (tmp_path / "train.csv").write_text("text,label\n" + "good film,pos\nbad film,neg\n" * 9, encoding="utf-8")
    arguments = ["train", tmp_path / "train.csv", "-o", tmp_path / "model", "--epochs", 100_000]
    code, said, errors = interrupted(*arguments, when="read 18 rows", number=number)
    assert code == expected
    assert "Traceback" not in errors
    assert (said, os.listdir(tmp_path)) == ("", ["train.csv"])


# ---------------------------------------------------------------------------------------------------- quiet


def test_quiet_is_silent_on_stderr(model, tmp_path):
    (tmp_path / "train.csv").write_text("text,label\ngood,pos\nbad,neg\n,pos\n", encoding="utf-8")
    runner = CliRunner()
    tiny = ["--epochs", "1", "--threads", "1", "--set", "embedding_dim=8", "--set", "num_filters=4"]
    found = runner.invoke(app, ["-q", "train", str(tmp_path / "train.csv"), "-o", str(tmp_path / "m"), *tiny])
    assert (found.exit_code, found.stderr) == (0, "")
    assert found.stdout == f"model: {tmp_path / 'm'}\n"
    found = runner.invoke(app, ["-q", "classify", str(model), "", "good"])
    assert (found.exit_code, found.stderr, len(found.stdout.splitlines())) == (0, "", 2)
    found = runner.invoke(app, ["-q", "evaluate", str(model), str(tmp_path / "train.csv"), "--json"])
    assert (found.exit_code, found.stderr, len(found.stdout.splitlines())) == (0, "", 1)
