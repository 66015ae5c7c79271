"""Token ids and features of a whole corpus: of texts in memory at once, of stored texts part by part, in files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from textcnn.text.lexicon import Unseen, renumber
from textcnn.text.pipeline import EncodedTexts, TextPipeline
from textcnn.text.ragged import Ragged
from textcnn.text.stored import ArrayWriter, StoredTexts
from textcnn.text.wide import WideFeatures, WideRows

_PART, _CHARACTERS = 8_192, 2_000_000  # stored texts encoded at once, and how long they may be together


def encode_corpus(pipeline: TextPipeline, texts: Sequence[str]) -> EncodedTexts:
    """As :meth:`TextPipeline.encode`; of stored texts, ids and features are in files too.

    Raises:
        DataError: the files cannot be written.
    """
    if not isinstance(texts, StoredTexts):
        return pipeline.encode(texts)
    encoded = _encode_stored(replace(pipeline, wide=None), texts)
    return encoded if pipeline.wide is None else add_wide(encoded, pipeline.wide, texts)


def add_wide(encoded: EncodedTexts, features: WideFeatures, texts: Sequence[str]) -> EncodedTexts:
    """The same with the features of its texts, in files if the texts are.

    Raises:
        DataError: the files cannot be written.
    """
    if not isinstance(texts, StoredTexts):
        return replace(encoded, wide=features.transform(encoded))
    rows, weights, lengths = ArrayWriter(np.int32), ArrayWriter(np.float32), [np.zeros(1, np.int64)]
    for block in encoded.blocks():
        found = features.transform(block)
        rows.append(found.rows)
        weights.append(found.weights)
        lengths.append(np.diff(found.offsets))
    return replace(encoded, wide=WideRows(rows.finish(), weights.finish(), np.cumsum(np.concatenate(lengths))))


def _encode_stored(pipeline: TextPipeline, texts: StoredTexts) -> EncodedTexts:
    ids, lengths = ArrayWriter(np.int32), [np.zeros(1, np.int64)]
    unseen = _AllUnseen(len(pipeline.tokenizer))
    for part in map(pipeline.encode, _parts(texts)):
        unseen.collect(part)
        ids.append(part.ids)
        lengths.append(part.lengths)
    tokens = Ragged(ids.finish(), np.cumsum(np.concatenate(lengths)))
    return EncodedTexts(tokens.ids, tokens.offsets, unseen.finish(tokens))


def _parts(texts: Iterable[str]) -> Iterator[list[str]]:
    part: list[str] = []
    characters = 0
    for text in texts:
        if part and (len(part) == _PART or characters + len(text) > _CHARACTERS):
            yield part
            part, characters = [], 0
        part.append(text)
        characters += len(text)
    yield part


class _AllUnseen:
    """The unseen words of all parts, with the temporary ids they would have if the parts had been encoded as one."""

    def __init__(self, num_types: int) -> None:
        self._num_types = num_types
        self._place: dict[str, int] = {}
        self._bags: list[Ragged] = []

    def collect(self, part: EncodedTexts) -> None:
        """Number the unseen words of a part by their first appearance in the corpus."""
        new = [k for k, name in enumerate(part.unseen.names) if name not in self._place]
        for k in new:
            self._place[part.unseen.names[k]] = len(self._place)
        self._bags.append(part.unseen.bags.take(np.array(new, np.int64)))
        table = np.array([self._place[name] for name in part.unseen.names], np.int64)
        renumber(part.ids, self._num_types, table)

    def finish(self, tokens: Ragged) -> Unseen:
        """Give the words their ids in the order of their names, in ``tokens``."""
        names = sorted(self._place)
        order = np.array([self._place[name] for name in names], np.int64)
        rank = np.argsort(order)
        for block in tokens.blocks():
            renumber(block.ids, self._num_types, rank)
        return Unseen(tuple(names), Ragged.concatenate(self._bags).take(order))
