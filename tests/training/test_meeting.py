"""Ranks find those of their own start in a store that others have written into."""

import threading

import pytest
from torch.distributed import HashStore

from textcnn.training.meeting import NobodyCameError, only_ours


def meet(store, size):
    """The parts that so many ranks come to, by rank."""
    found = [None] * size

    def come(rank):
        found[rank] = only_ours(store, rank, size, patience=20)

    threads = [threading.Thread(target=come, args=(rank,)) for rank in reversed(range(size))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


@pytest.mark.parametrize("size", [1, 2, 3])
def test_each_start_has_a_part_of_its_own(size):
    store = HashStore()
    for start in range(4):
        parts = meet(store, size)
        assert not any(part.check(["address"]) for part in parts)
        parts[-1].set("address", str(start))
        assert [part.get("address") for part in parts] == [str(start).encode()] * size


def test_who_is_alone_is_told():
    store = HashStore()
    meet(store, 2)
    for rank in (0, 1):  # the names of the earlier start are there, but nobody answers
        with pytest.raises(NobodyCameError, match=f"expected 2 ranks to meet within 0.1 s, but rank {rank} has not"):
            only_ours(store, rank, 2, patience=0.1)
