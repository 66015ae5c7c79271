"""A client that asks as fast as it is answered: some connections in one loop, requests made beforehand."""

from __future__ import annotations

import json
import selectors
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

SILENCE = 30.0  # seconds without any answer, after which the server is taken for dead
_END_OF_HEADERS = b"\r\n\r\n"
_LENGTH = b"content-length:"


@dataclass(frozen=True)
class Question:
    """A request as it is sent, and what the answer must hold."""

    request: bytes
    expected: bytes


@dataclass
class Load:
    """What came of a run.

    Attributes:
        seconds: from the first request to the last answer.
        client_seconds: of the processor, that this client took; near ``seconds``, it measured itself.
        latencies: seconds from sending a request to the last byte of its answer, one for each.
        problems: answers with another status than 200, or another label, and connections that broke; the first few of
            each in words.
        errors: how many of those there were.
    """

    seconds: float = 0.0
    client_seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    errors: int = 0

    def add_problem(self, what: str) -> None:
        """Count one; the first ten are kept."""
        self.errors += 1
        if len(self.problems) < 10:
            self.problems.append(what)


def question(text: str, label: str) -> Question:
    """The request to classify a single text, whose label is known."""
    body = json.dumps({"texts": [text]}).encode()
    head = (
        "POST /classify HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    return Question(head.encode() + body, f'"label":{json.dumps(label, ensure_ascii=False)},'.encode())


class _Connection:
    """One client: it has always one request under way; ``asked`` counts them."""

    def __init__(self, address: tuple[str, int], questions: Sequence[Question], start: int) -> None:
        self._address, self._questions, self._start = address, questions, start
        self._asked, self.asked = questions[start], 0
        self._received, self._sent = b"", 0.0
        self.socket = socket.socket()
        self.connect()

    def connect(self) -> None:
        self.socket.close()
        self.socket = socket.create_connection(self._address, timeout=SILENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self) -> None:
        self._asked = self._questions[(self._start + self.asked) % len(self._questions)]
        self.asked += 1
        self._received, self._sent = b"", time.perf_counter()
        self.socket.sendall(self._asked.request)

    def receive(self, load: Load) -> bool:
        """Take what has come; whether it was the end of an answer.

        Raises:
            ConnectionError: the server has broken it off.
        """
        received = self.socket.recv(65536)
        if not received:
            raise ConnectionError("the server closed the connection")
        self._received += received
        end = _end_of_answer(self._received)
        if end is None:
            return False
        load.latencies.append(time.perf_counter() - self._sent)
        if not self._received.startswith(b"HTTP/1.1 200 "):
            load.add_problem(self._received.partition(b"\r\n")[0].decode("latin-1"))
        elif self._asked.expected not in self._received:
            load.add_problem(f"expected {self._asked.expected!r}, got {self._received[end:]!r}"[:300])
        return True


def _end_of_answer(received: bytes) -> int | None:
    """Where the body begins, if all of it is there."""
    head = received.find(_END_OF_HEADERS)
    if head < 0:
        return None
    begin = head + len(_END_OF_HEADERS)
    headers = received[:head].lower()
    place = headers.find(_LENGTH)
    length = 0 if place < 0 else int(headers[place + len(_LENGTH) :].split(b"\r\n", 1)[0])
    return begin if len(received) >= begin + length else None


def hammer(
    address: tuple[str, int], questions: Sequence[Question], *, clients: int, seconds: float, rounds: int = 0
) -> Load:
    """Ask over that many connections at once, each again as soon as it is answered; the questions come round and round.

    Args:
        address: of the server.
        questions: each connection begins at another one.
        clients: connections.
        seconds: after which none asks again.
        rounds: but not before each connection has asked all questions so many times.

    Raises:
        OSError: the server cannot be reached, or answers nothing for :data:`SILENCE`.
    """
    load = Load()
    step = max(len(questions) // clients, 1)
    connections = [_Connection(address, questions, number * step % len(questions)) for number in range(clients)]
    began, used = time.perf_counter(), time.process_time()
    end, least = began + seconds, rounds * len(questions)
    with selectors.DefaultSelector() as selector:
        for connection in connections:
            selector.register(connection.socket, selectors.EVENT_READ, connection)
            connection.ask()
        while selector.get_map():
            ready = selector.select(SILENCE)
            if not ready:
                raise TimeoutError(f"no answer within {SILENCE:g} s")
            for key, _ in ready:
                _step(selector, key.data, load, end, least)
    load.seconds, load.client_seconds = time.perf_counter() - began, time.process_time() - used
    return load


def _step(selector: selectors.BaseSelector, connection: _Connection, load: Load, end: float, least: int) -> None:
    try:
        is_answered = connection.receive(load)
    except ConnectionError as err:
        load.add_problem(str(err) or type(err).__name__)
        selector.unregister(connection.socket)
        connection.connect()
        selector.register(connection.socket, selectors.EVENT_READ, connection)
        is_answered = True
    if is_answered and (connection.asked < least or time.perf_counter() < end):
        connection.ask()
    elif is_answered:
        selector.unregister(connection.socket)
        connection.socket.close()
