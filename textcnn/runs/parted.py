"""Runs whose texts are parted among ranks, because they are more than the memory holds."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from textcnn.config import DataConfig
from textcnn.errors import DataError
from textcnn.text.holders import ALONE, Holders
from textcnn.text.reading import Examples
from textcnn.text.shards import Shard, ShardedTexts
from textcnn.text.stored import TextWriter, memory_bound
from textcnn.training.ranks import Ranks

_BLOCK = 1_000  # texts that all ranks are sent at once


class RankHolders(Holders):
    """The ranks of a run, each with some of the rows."""

    def __init__(self, ranks: Ranks) -> None:
        self._ranks, self.size = ranks, ranks.size

    def all(self, array: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
        """As everywhere in :class:`Holders`."""
        return [found.numpy() for found in self._ranks.gather(_tensor(array))]

    def sum(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The same."""
        return self._ranks.sum(_tensor(array).clone()).numpy()


def shard_of(ranks: Ranks, config: DataConfig) -> Shard | None:
    """Which texts this rank keeps, should they be too many for every rank to have all; none for a rank alone."""
    if ranks.size == 1:
        return None
    return Shard(ranks.rank, ranks.size, ranks.same(memory_bound(config.storage)))


def holders_of(examples: Examples, ranks: Ranks) -> Holders:
    """The ranks, if the texts are parted among them; else every rank has all.

    Raises:
        DataError: a rank has none.
    """
    if not isinstance(examples.texts, ShardedTexts):
        return ALONE
    if "0" in ranks.each(str(len(examples.texts.own))):
        raise DataError(
            f"expected rows for each of {ranks.size} ranks, found {len(examples):,} rows in all; start fewer ranks, or "
            f"set storage to 'memory'",
            path=examples.name,
        )
    return RankHolders(ranks)


def whole(examples: Examples, config: DataConfig, holders: Holders) -> Examples:
    """The same rows with every text: each process is sent those that it has not."""
    texts = examples.texts
    if not isinstance(texts, ShardedTexts):
        return examples
    writer = TextWriter(memory_bound(config.storage))
    for start in range(0, len(texts), _BLOCK):
        first, last = np.searchsorted(texts.rows, [start, start + _BLOCK])
        numbers = holders.all(texts.rows[first:last])
        found: dict[int, str] = {}
        for rows, own in zip(numbers, holders.strings(texts.own[int(first) : int(last)]), strict=True):
            found.update(zip(rows.tolist(), own, strict=True))
        for row in sorted(found):
            writer.append(found[row])
    return dataclasses.replace(examples, texts=writer.finish())


def _tensor(array: npt.NDArray[Any]) -> torch.Tensor:
    return torch.from_numpy(np.require(array, requirements=["C", "W"]))  # a copy only of what cannot be written to
