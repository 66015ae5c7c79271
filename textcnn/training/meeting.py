"""How processes find each other in a store that those of an earlier start have written into.

torchrun keeps one store for all of its starts, and in it the addresses of processes that are gone; whoever takes one of
them for a process of today is refused, and the run ends instead of going on. How often a machine has started its
processes does not tell the starts apart, for machines count by themselves.
"""

from __future__ import annotations

import json
import time
import uuid
from typing import Any

from torch.distributed.distributed_c10d import PrefixStore

from textcnn.errors import TextCNNError

PATIENCE, PAUSE = 300.0, 0.02  # seconds, in all and between two looks


class NobodyCameError(TextCNNError):
    """Not all processes of a run have started."""


def only_ours(store: Any, rank: int, size: int, *, patience: float = PATIENCE) -> Any:
    """A part of the store that no earlier process has written into, the same for all of today's.

    Each process leaves a name that nobody had before. The first one tells all names that it finds, and its own, until
    each of the others has found itself among them; its name is that of the part.

    Args:
        store: of torch.distributed, the same for all processes.
        rank: number of this process.
        size: how many there are.
        patience: seconds until the others must be there.

    Raises:
        NobodyCameError: they are not.
    """
    own, until = uuid.uuid4().hex, time.monotonic() + patience
    store.set(f"name of {rank}", own)
    others = [other for other in range(size) if other != rank]
    while time.monotonic() < until:
        if rank == 0:
            names = [own, *(_read(store, f"name of {other}") for other in others)]
            store.set("names", json.dumps(names))
            if all(store.check([f"{own} knows {name}"]) for name in names[1:]):
                return PrefixStore(own, store)
        elif own in (names := json.loads(_read(store, "names") or "[]")):
            store.set(f"{names[0]} knows {own}", "")
            return PrefixStore(names[0], store)
        time.sleep(PAUSE)
    raise NobodyCameError(
        f"expected {size} ranks to meet within {patience:g} s, but rank {rank} has not found the others; look at their "
        f"output, and start the run again with --resume"
    )


def _read(store: Any, key: str) -> str:
    return str(store.get(key).decode()) if store.check([key]) else ""
