"""A thousand connections at once, and more than the system has files for."""

import selectors
import socket
import time
from contextlib import ExitStack

import pytest

FEW_FILES = ("sh", "-c", 'ulimit -Sn 256; exec "$@"', "sh")
FEWEST_FILES = ("sh", "-c", 'ulimit -n 100; exec "$@"', "sh")
BODY = b'{"texts": ["a good film"]}'
HEAD = b"POST /classify HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
ASKED = HEAD % len(BODY) + BODY


@pytest.fixture(scope="module")
def many_files():
    """This process needs as many as the server."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 3000:
        pytest.skip("needs 3,000 open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 3000), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def connected(stack, port, count):
    return [stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20)) for _ in range(count)]


def answers(connections):
    """What came on each until its answer was there, or it was closed."""
    found = dict.fromkeys(connections, b"")
    with selectors.DefaultSelector() as selector:
        for one in connections:
            selector.register(one, selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(20)
            assert ready, "some are neither answered nor closed"
            for key, _ in ready:
                part = key.fileobj.recv(65536)
                found[key.fileobj] += part
                if not part or found[key.fileobj].endswith(b"}"):
                    selector.unregister(key.fileobj)
    return list(found.values())


def test_a_thousand_connections_idle_and_active(models, serving, many_files):
    with serving(models / "single", "--timeout", 10, before=FEW_FILES) as server, ExitStack() as stack:
        idle = connected(stack, server.port, 1000)
        assert server.classify(["a good film"])[0]["label"] == "pos"
        for one in idle:  # now all of them ask at once
            one.sendall(ASKED)
        found = answers(idle)
        status = [answer.split(b" ", 2)[1] for answer in found]
        assert set(status) <= {b"200", b"429"}
        assert status.count(b"200") > 500
        assert all(b'"label":"pos"' in answer for answer in found if answer.startswith(b"HTTP/1.1 200 "))
        assert server.lines[-1].startswith("ready: ")


def test_out_of_files_is_over_when_clients_have_gone(models, serving, wait_until):
    with serving(models / "single", "--timeout", 2, before=FEWEST_FILES) as server:
        with ExitStack() as stack:
            connected(stack, server.port, 300)
            time.sleep(0.5)

        def is_answered():
            try:
                return server.classify(["a good film"])[0]["label"] == "pos"
            except OSError:
                return False

        wait_until(is_answered, 20)
