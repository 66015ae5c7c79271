"""The number of threads: what was asked for, the variable, the cores of the process, the limit of its container."""

import os

import pytest

from textcnn.core.threads import available_cores, choose_threads, num_cores, num_threads, set_threads
from textcnn.errors import ConfigError

MINE = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


@pytest.fixture
def root(tmp_path, monkeypatch):
    """An empty file system to write control groups into, on a machine of 64 cores."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    return tmp_path


def write(root, group, **files):
    """The process is in these control groups; each file of one holds these words."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(group)
    for name, words in files.items():
        path = root / "sys/fs/cgroup" / name.replace("__", "/").replace("_max", ".max").replace("cpu_cfs", "cpu.cfs")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(words)


def test_what_is_asked_for_counts_first(monkeypatch):
    monkeypatch.setenv("TEXTCNN_THREADS", "3")
    assert (num_threads(), num_threads(5), num_threads(1000)) == (3, 5, 256)
    monkeypatch.setenv("TEXTCNN_THREADS", "")
    assert num_threads() == num_cores() <= MINE


@pytest.mark.parametrize("said", ["0", "-1", "two", "1.5"])
def test_a_wrong_variable_is_an_error_that_names_it(said, monkeypatch):
    monkeypatch.setenv("TEXTCNN_THREADS", said)
    with pytest.raises(ConfigError, match=f"TEXTCNN_THREADS must be a whole number .*, 1 or more, got '{said}'"):
        num_threads()


@pytest.mark.parametrize(
    ("group", "files", "cores"),
    [
        ("0::/\n", {"cpu_max": "150000 100000\n"}, 2),
        ("0::/\n", {"cpu_max": "50000 100000\n"}, 1),
        ("0::/\n", {"cpu_max": "max 100000\n"}, 64),
        ("0::/\n", {"cpu_max": "nonsense\n"}, 64),
        ("0::/\n", {"cpu_max": "9900000 100000\n"}, 64),
        ("0::/a/b\n", {"a__b__cpu_max": "max 100000", "a__cpu_max": "300000 100000"}, 3),
        ("0::/of/the/host\n", {"cpu_max": "400000 100000"}, 4),
        ("1:name=systemd:/\n4:cpu,cpuacct:/a\n", {"cpu,cpuacct__a__cpu_cfs_quota_us": "250000"}, 3),
        ("4:cpu:/\n", {"cpu__cpu_cfs_quota_us": "200000"}, 2),
        ("4:cpuacct,cpu:/of/the/host\n0::/\n", {"cpu__cpu_cfs_quota_us": "100000"}, 1),
        ("4:cpu:/\n", {"cpu__cpu_cfs_quota_us": "-1"}, 64),
        ("4:cpuset:/\n", {"cpuset__cpu_cfs_quota_us": "100000"}, 64),
    ],
)
def test_a_container_limits_them(root, group, files, cores):
    periods = {name.replace("quota", "period"): "100000" for name in files if "quota" in name}
    write(root, group, **files, **periods)
    assert num_cores(root) == cores


def test_no_control_groups_no_limit(root):
    assert num_cores(root) == 64


def test_the_reason_is_told(root, monkeypatch):
    monkeypatch.setenv("TEXTCNN_THREADS", "3")
    assert choose_threads(2) == (2, "asked for by the caller")
    assert choose_threads() == (3, "TEXTCNN_THREADS=3")
    set_threads(4)
    assert choose_threads() == (4, "the setting threads of this process")
    set_threads(None)
    assert available_cores(root) == (64, "the cores that this process may use")
    write(root, "0::/\n", cpu_max="150000 100000\n")
    available_cores.cache_clear()
    assert available_cores(root) == (2, "the control group (cgroup) limits this process to 1.5 cores")


def test_ranks_share_the_cores(monkeypatch):
    monkeypatch.delenv("TEXTCNN_THREADS", raising=False)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "1000")
    assert choose_threads() == (
        1,
        f"a share of {num_cores()} cores among LOCAL_WORLD_SIZE=1000 processes; {available_cores().reason}",
    )
