"""`classify --engine ray` on a real cluster of several nodes: the bytes of one process, whatever dies meanwhile."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time

import pytest
from cluster_files import answers
from skipping import skip_without
from typer.testing import CliRunner

from textcnn.errors import ConfigError, TextCNNError
from textcnn_cli import console
from textcnn_cli.main import app

PROGRAM = [sys.executable, "-m", "textcnn_cli", "classify"]
LIMIT = 120  # seconds
BIG, MANY = 15_000, 6  # rows of a file that takes a while, and files

pytestmark = pytest.mark.filterwarnings("ignore")  # Ray's own deprecations


@pytest.fixture(scope="module")
def cluster():
    skip_without(importlib.util.find_spec("ray") is not None, "ray")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "object_store_memory": 80 * 2**20}
    started = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    for _ in range(2):
        started.add_node(**node)
    yield started
    started.shutdown()


@pytest.fixture
def start(model):
    """Starts the command as a process of its own."""
    started = []

    def begin(source, out, *options):
        command = [*PROGRAM, str(model), "--input", str(source), "--output", str(out), "--engine", "ray"]
        process = subprocess.Popen(
            [*command, *map(str, options)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def ended(process, code=0):
    _, told = process.communicate(timeout=LIMIT)
    assert process.returncode == code, told
    return told


def wait_for_answers(out, count):
    limit = time.monotonic() + LIMIT
    while len(answers(out)) < count:
        assert time.monotonic() < limit, f"{len(answers(out))} files of answers"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """Files that take about a second each."""
    folder = tmp_path_factory.mktemp("many")
    for number in range(MANY):
        lines = (f"{number}-{n},a {'good' if n % 3 else 'bad'} film {n % 5003}" for n in range(BIG))
        (folder / f"{number}.csv").write_text("\n".join(["id,text", *lines]), encoding="utf-8")
    return folder


def ids(out):
    return [json.loads(line)["id"] for name in sorted(answers(out)) for line in answers(out)[name].splitlines()]


def all_ids():
    return [f"{number}-{n}" for number in range(MANY) for n in range(BIG)]


def test_the_answers_are_those_of_one_process(cluster, start, inputs, expected, tmp_path):
    told = ended(start(f"file://{inputs}", tmp_path / "out", "--address", cluster.address))
    assert answers(tmp_path / "out") == expected
    assert "classified 5,403 rows" in told
    told = ended(start(f"file://{inputs}", tmp_path / "out", "--address", cluster.address))
    assert "note: 7 units had been classified before" in told
    assert "classified 0 rows" in told


def test_a_node_killed_in_the_middle_costs_no_row(cluster, start, many, model, tmp_path):
    process = start(many, tmp_path / "out", "--address", cluster.address)
    wait_for_answers(tmp_path / "out", 1)
    lost = cluster.worker_nodes.copy().pop()
    cluster.remove_node(lost, allow_graceful=False)
    told = ended(process)
    assert f"classified {BIG * MANY:,} rows" in told
    assert ids(tmp_path / "out") == all_ids()
    alone = tmp_path / "alone.jsonl"
    done = CliRunner().invoke(app, ["classify", str(model), "--input", str(many / "3.csv"), "--output", str(alone)])
    assert done.exit_code == 0
    assert answers(tmp_path / "out")["3.csv.jsonl"] == alone.read_bytes()


def test_a_killed_start_is_taken_up(cluster, start, many, tmp_path):
    process = start(many, tmp_path / "out", "--address", cluster.address)
    wait_for_answers(tmp_path / "out", 3)  # so that at least one of them is told to be done
    process.send_signal(signal.SIGKILL)
    process.wait()
    out = tmp_path / "out"
    done = [path.name.removesuffix(".json") for path in (out / "_textcnn" / "done").iterdir()]
    before = {name: (out / name).stat().st_ino for name in done}
    ended(start(many, tmp_path / "out", "--address", cluster.address))
    assert ids(tmp_path / "out") == all_ids()
    assert {name: (out / name).stat().st_ino for name in done} == before  # the same files, not written again
    assert not list((tmp_path / "out" / "_textcnn").glob("unfinished/*.csv.jsonl"))


def test_a_damaged_file_is_named_and_the_others_are_done(start, expected, inputs, tmp_path):
    """On a cluster of this machine that the command starts and ends."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_bytes((inputs / "a.csv").read_bytes())
    (tmp_path / "in" / "bad.parquet").write_bytes(b"PAR1 and nothing")
    told = ended(start(tmp_path / "in", tmp_path / "out"), code=2)
    assert "error: 1 of 2 units could not be classified: " in told
    assert f"{tmp_path}/in/bad.parquet: expected a Parquet file, found: " in told
    assert answers(tmp_path / "out") == {"a.csv.jsonl": expected["a.csv.jsonl"]}


# ------------------------------------------------------------------------------ refusals, before Ray is imported


@pytest.fixture
def refused(model, inputs, tmp_path):
    def classify(*args, source=inputs, out=tmp_path / "out"):
        given = [] if source is None else ["--input", source]
        command = ["classify", model, *given, "--output", out, *args]
        found = CliRunner().invoke(app, list(map(str, command)))
        assert isinstance(found.exception, TextCNNError), found.output
        raise found.exception

    yield classify
    console.set_level(0)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--engine", "spark"), r"--engine must be ray, got 'spark'"),
        (("--engine", "ray", "--evidence"), r"--engine ray cannot be used with --evidence; leave that out"),
        (("--engine", "ray", "--explain", "all", "--workers", 2), r"cannot be used with --explain, --workers"),
        (("--engine", "ray", "--output-format", "xml"), r"--output-format must be one of jsonl, .*, got 'xml'"),
        (("--engine", "ray", "--format", "folder"), r"--format folder, one file a text, it does not have"),
        (("--address", "auto"), r"--address need --engine ray"),
    ],
)
def test_options_that_do_not_go_together(refused, args, message):
    with pytest.raises(ConfigError, match=message):
        refused(*args)


def test_streams_have_no_place_on_a_cluster(refused, inputs):
    with pytest.raises(ConfigError, match=r"--engine ray reads a file or folder and writes a folder"):
        refused("--engine", "ray", source="-")
    with pytest.raises(ConfigError, match=r"--engine ray reads a file or folder and writes a folder"):
        refused("--engine", "ray", out="-")
    with pytest.raises(ConfigError, match=r"--output '.*in/out' lies in the folder that is read; choose another"):
        refused("--engine", "ray", out=inputs / "out")


def test_ray_is_not_installed(refused, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(TextCNNError, match=r"--engine ray needs the package 'ray'.*textcnn\[ray\]"):
        refused("--engine", "ray")
