"""Standard streams that are closed or full, outputs of many kinds, and texts like options: real processes."""

import gzip
import os
import resource
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import textcnn

PAIRS = [(f"a good film {n}", "pos") for n in range(12)] + [(f"a bad film {n}", "neg") for n in range(12)]
RULE = "cannot write answers: "


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("streams") / "model"
    textcnn.train(PAIRS, output=folder, embedding_dim=8, num_filters=4, epochs=2, threads=1)
    return folder


@pytest.fixture
def run(model, tmp_path):
    """A command line of a shell; MODEL and textcnn are those of this test."""

    def run(command, *, most_bytes=None):
        def limit():
            if most_bytes is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

        script = f'textcnn() {{ "{sys.executable}" -m textcnn_cli "$@"; }}; MODEL="{model}"; {command}'
        return subprocess.run(
            ["bash", "-c", script], capture_output=True, text=True, cwd=tmp_path, timeout=300, preexec_fn=limit
        )

    return run


def only_error(done, message):
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [f"error: {message}"]


# -------------------------------------------------------------------------------------------------- streams


@pytest.mark.slow
@pytest.mark.parametrize("harm", ["2>&-", "2>/dev/full", "<&- 2>&-"])
def test_streams_that_are_not_needed_are_not_missed(run, harm):
    done = run(f'textcnn classify "$MODEL" "a good film" {harm}')
    assert (done.returncode, done.stdout.count('"label"')) == (0, 1)


@pytest.mark.slow
@pytest.mark.parametrize("command", ['classify "$MODEL" x', "--version"])
def test_a_full_stdout_is_one_line(run, command):
    only_error(run(f"textcnn {command} >/dev/full"), RULE + "No space left on device")


@pytest.mark.slow
@pytest.mark.parametrize("command", ['classify "$MODEL" x', "--help"])
def test_a_closed_stdout_is_one_line(run, command):
    only_error(run(f"textcnn {command} >&-"), RULE + "stdout is closed; let it go somewhere, as > answers.jsonl")


@pytest.mark.slow
def test_a_closed_stdout_is_not_missed_where_a_file_is_written(run, tmp_path):
    done = run('textcnn -q classify "$MODEL" x --output out.csv >&-')
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "out.csv").read_text().startswith("text,label,probability")


@pytest.mark.slow
def test_a_closed_stdin_is_one_line(run):
    only_error(
        run('textcnn classify "$MODEL" --input - <&-'),
        "<stdin>: expected texts on standard input, found it closed; name a file",
    )


@pytest.mark.slow
def test_a_reader_that_goes_is_no_error(run):
    done = run('yes "a film" | head -20000 | textcnn -q classify "$MODEL" --input - | head -1; echo ${PIPESTATUS[2]}')
    assert (done.stdout.splitlines()[1:], done.stderr) == (["0"], "")


# -------------------------------------------------------------------------------------------------- outputs


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet", "csv.gz"])
def test_a_broken_row_leaves_the_old_file(run, tmp_path, ending):
    (tmp_path / "in.csv").write_text("text,label\n" + "a film,pos\n" * 6000 + "a,b,c\n")
    (tmp_path / f"out.{ending}").write_text("precious")
    done = run(f'textcnn -q classify "$MODEL" --input in.csv --output out.{ending}')
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert (tmp_path / f"out.{ending}").read_text() == "precious"


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_what_was_written_before_an_error_stays_beside_and_is_reported(run, tmp_path, workers):
    (tmp_path / "in.csv").write_text("text,label\n" + "a film,pos\n" * 6000 + "a,b,c\n")
    done = run(f'textcnn classify "$MODEL" --input in.csv --output out.jsonl --workers {workers}')
    assert f"what was written so far is in {tmp_path / 'out.jsonl.partial'}" in done.stderr
    assert (tmp_path / "out.jsonl.partial").read_text().count("\n") >= 512
    assert not (tmp_path / "out.jsonl").exists()


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet", "csv.gz"])
def test_a_full_disk_leaves_the_old_file_and_nothing_beside(run, tmp_path, ending):
    (tmp_path / "in.csv").write_text("text\n" + "".join(f"a film {os.urandom(20).hex()}\n" for _ in range(6000)))
    (tmp_path / f"out.{ending}").write_text("precious")
    done = run(f'textcnn -q classify "$MODEL" --input in.csv --output out.{ending}', most_bytes=60_000)
    only_error(done, f"out.{ending}: {RULE}File too large")
    assert (tmp_path / f"out.{ending}").read_text() == "precious"
    assert {path.name for path in tmp_path.iterdir()} == {"in.csv", f"out.{ending}"}


@pytest.mark.slow
def test_a_file_in_memory_is_exchanged_at_the_end_as_others_are(run, tmp_path):
    (tmp_path / "in.csv").write_text("text,label\n" + "a film,pos\n" * 6000 + "a,b,c\n")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as place:
        output = Path(place) / "out.jsonl"
        output.write_text("precious")
        assert run(f'textcnn -q classify "$MODEL" --input in.csv --output {output}').returncode == 2
        assert output.read_text() == "precious"
        assert run(f'textcnn -q classify "$MODEL" x --output {output}').returncode == 0
        assert "label" in output.read_text()


@pytest.mark.slow
def test_outputs_that_are_no_files(run, tmp_path):
    done = run(
        'textcnn -q classify "$MODEL" x --output /dev/stdout >> all; textcnn -q classify "$MODEL" x --output - >> all'
    )
    assert (done.returncode, done.stderr) == (0, "")
    done = run(
        'textcnn -q classify "$MODEL" x --output /dev/fd/3 3>>all; textcnn -q classify "$MODEL" x --output >(cat >>all)'
    )
    assert (done.returncode, done.stderr) == (0, "")
    done = run(
        'textcnn -q classify "$MODEL" x --output /dev/stdout | cat >> all; '
        'mkfifo pipe; cat pipe >> all & textcnn -q classify "$MODEL" x --output pipe; wait'
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = (tmp_path / "all").read_text().splitlines()
    assert len(lines) == 6
    assert len(set(lines)) == 1
    assert run('textcnn -q classify "$MODEL" x --output /dev/null').returncode == 0
    only_error(run('textcnn -q classify "$MODEL" x --output /dev/full'), f"/dev/full: {RULE}No space left on device")


@pytest.mark.slow
def test_a_packed_output_is_read_again(run, tmp_path):
    assert run('textcnn -q classify "$MODEL" "a good film" --output x.csv.gz').returncode == 0
    with gzip.open(tmp_path / "x.csv.gz", "rt") as file:
        assert file.readline() == "text,label,probability,flags\n"
    assert run('textcnn -q classify "$MODEL" --input x.csv.gz --output y.jsonl.xz').returncode == 0


# ------------------------------------------------------------------------------------------ texts like options


@pytest.mark.slow
@pytest.mark.parametrize("command", ["classify", "explain"])
@pytest.mark.parametrize("text", ["-5 degrees", "--great--"])
def test_a_text_that_begins_with_a_dash_gets_a_hint(run, command, text):
    done = run(f'textcnn {command} "$MODEL" "{text}"')
    assert (done.returncode, done.stdout) == (2, "")
    assert f'textcnn {command} MODEL -- "{text}"' in " ".join(done.stderr.replace("│", " ").split())
    assert run(f'textcnn {command} "$MODEL" -- "{text}"').returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("text", ["-it was bad", "-have a nice day"])
def test_a_text_that_begins_as_a_short_option_does_gets_a_hint(run, tmp_path, text):
    done = run(f'textcnn classify "$MODEL" "{text}"')
    only_error(
        done,
        f"expected the option {text[:2]}, found '{text}'. If it is a text, write textcnn classify MODEL -- \"{text}\"",
    )
    assert run(f'textcnn classify "$MODEL" -- "{text}"').returncode == 0
    (tmp_path / "two words.txt").write_text("a good film\n")
    for given in ("-itwo words.txt", "-i two words.txt"):
        assert run(f'textcnn -q classify "$MODEL" "{given}"').stdout.count("\n") == (given == "-itwo words.txt")
