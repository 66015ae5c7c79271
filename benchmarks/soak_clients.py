"""Clients of a soak: threads that ask, go away in the middle, or send a byte now and then; all is counted."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from random import Random

from benchmarks.soak_requests import SLOW_STARTS, TIMEOUT, Ask

SILENCE = 30.0  # seconds without an answer, after which a request counts as lost
BAD, RUDE, RECONNECT = 0.25, 0.05, 0.02  # shares of requests
DRIP = 0.5  # seconds between two bytes of a slow client
SLACK = 6.0  # seconds beyond the time-out, until a slow client must be closed
GONE = "gone before the answer"
CUT = "gone in the middle"


class Tally:
    """Requests by kind and outcome, and the first problems in words."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        self.problems: list[str] = []
        self._lock = threading.Lock()

    def add(self, kind: str, outcome: str, problem: str = "") -> None:
        """Count one."""
        with self._lock:
            self.counts[kind, outcome] += 1
            if problem and len(self.problems) < 20:
                self.problems.append(f"{kind}: {problem}"[:300])


class Client(threading.Thread):
    """Asks one request after the other until told to stop.

    Args:
        address: of the server.
        good: requests to choose from.
        bad: likewise.
        seed: of its choices.
        tally: where it counts.
        stop: ends it.
    """

    def __init__(
        self,
        address: tuple[str, int],
        good: Sequence[Ask],
        bad: Sequence[Ask],
        seed: int,
        tally: Tally,
        stop: threading.Event,
    ) -> None:
        super().__init__(daemon=True)
        self._address, self._good, self._bad, self._tally, self._stopped = address, good, bad, tally, stop
        self._random = Random(seed)
        self._socket: socket.socket | None = None

    def run(self) -> None:
        """Ask."""
        while not self._stopped.is_set():
            draw = self._random.random()
            if draw < RUDE:
                self._be_rude(self._random.choice(self._good))
            else:
                self._ask(self._random.choice(self._bad if draw < RUDE + BAD else self._good))
            if self._random.random() < RECONNECT:
                self._hang_up()
        self._hang_up()

    def _connection(self) -> socket.socket:
        if self._socket is None:
            self._socket = socket.create_connection(self._address, timeout=SILENCE)
        return self._socket

    def _hang_up(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _ask(self, ask: Ask) -> None:
        try:
            self._connection().sendall(ask.request)
            answer = http.client.HTTPResponse(self._connection())
            answer.begin()
            body = answer.read()
        except TimeoutError:
            self._tally.add(ask.kind, "lost", "no answer")
            self._hang_up()
        except (OSError, http.client.HTTPException):
            self._tally.add(ask.kind, "broken off")
            self._hang_up()
        else:
            self._judge(ask, answer.status, body)
            if answer.will_close:
                self._hang_up()

    def _judge(self, ask: Ask, status: int, body: bytes) -> None:
        if status != ask.status:
            outcome = "told to come again" if status in (429, 503) else f"status {status}"
            self._tally.add(ask.kind, outcome, f"expected {ask.status}, got {status}: {body[:200]!r}")
        elif status == 200 and json.loads(body)["results"] not in ask.results:
            self._tally.add(ask.kind, "wrong", f"{body[:200]!r}")
        elif status != 200 and not json.loads(body)["error"]["message"]:
            self._tally.add(ask.kind, "wrong", f"an error without words: {body[:200]!r}")
        else:
            self._tally.add(ask.kind, "right")

    def _be_rude(self, ask: Ask) -> None:
        """Send all or a part of a request, and go."""
        is_cut = self._random.random() < 0.5
        size = self._random.randrange(len(ask.request)) if is_cut else len(ask.request)
        with suppress(OSError):
            self._connection().sendall(ask.request[:size])
        self._hang_up()
        self._tally.add(CUT if is_cut else GONE, "nobody to answer")


class SlowClient(threading.Thread):
    """Opens a connection, sends a byte now and then until it is closed, and begins again.

    Args:
        address: of the server.
        seed: of its choices.
        tally: where it counts.
        stop: ends it.
    """

    def __init__(self, address: tuple[str, int], seed: int, tally: Tally, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self._address, self._tally, self._stopped, self._random = address, tally, stop, Random(seed)

    def run(self) -> None:
        """Be slow."""
        while not self._stopped.is_set():
            kind = self._random.choice(list(SLOW_STARTS))
            try:
                with socket.create_connection(self._address, timeout=SILENCE) as connection:
                    connection.sendall(SLOW_STARTS[kind])
                    self._drip(kind, connection)
            except OSError:  # closed between two looks
                self._tally.add(kind, "closed")

    def _drip(self, kind: str, connection: socket.socket) -> None:
        end = time.monotonic() + TIMEOUT + SLACK
        connection.settimeout(DRIP)
        while time.monotonic() < end:
            try:
                if not connection.recv(65536):
                    self._tally.add(kind, "closed")
                    return
            except TimeoutError:
                if self._stopped.is_set():
                    return
                if SLOW_STARTS[kind]:
                    connection.sendall(b"x")
        self._tally.add(kind, "still open", f"after {TIMEOUT + SLACK:g} s")
