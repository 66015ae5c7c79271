"""Connections that stay silent, and how long they may."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from typing import Any

LOOK = 0.5  # seconds between two looks


def is_answering(connection: Any) -> bool:
    """Whether a connection of uvicorn's has a request whose head is whole, and whose answer is not."""
    cycle = connection.cycle
    return cycle is not None and not cycle.response_complete and not connection.transport.is_closing()


async def close_silent(connections: Collection[Any], limit: float) -> None:
    """Close connections on which for so many seconds no request has come, or nobody took the answer; without end.

    uvicorn has such a clock only for the silence after an answer, and the first byte stops it. What happens from the
    end of a head to the answer is watched by :class:`textcnn.serve.guard.Guard`.

    Args:
        connections: those of a server, as they come and go.
        limit: seconds.
    """
    known: dict[Any, tuple[object, float]] = {}
    while True:
        await asyncio.sleep(min(LOOK, limit))
        now = time.monotonic()
        waiting: dict[Any, tuple[object, float]] = {}
        for connection in list(connections):
            if is_answering(connection) and not connection.flow.write_paused:
                continue
            last, since = known.get(connection, (None, now))
            since = since if last is connection.cycle else now  # another request has been answered meanwhile
            waiting[connection] = connection.cycle, since
            if now - since >= limit:
                connection.transport.abort()
        known = waiting
