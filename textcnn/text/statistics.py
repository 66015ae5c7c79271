"""What a set of texts is like, as a model reads it: how long they are, and how much of them its vocabulary knows."""

from __future__ import annotations

from typing import Any

import numpy as np

from textcnn.text.corpus import held_rows
from textcnn.text.holders import ALONE, Holders
from textcnn.text.pipeline import EncodedTexts, TextPipeline
from textcnn.text.ragged import Ragged

QUANTILES = 20  # steps between the shortest text and the longest


def text_statistics(inputs: TextPipeline, encoded: EncodedTexts, holders: Holders = ALONE) -> dict[str, Any]:
    """Numbers of rows, tokens and types, the spread of the lengths, and what the model cannot see.

    Args:
        inputs: the model's.
        encoded: the texts.
        holders: the processes that have them, each some.

    Returns:
        rows, tokens, types (distinct tokens), unknown (tokens that the vocabulary does not have), cut (rows longer than
        ``max_length``), empty (rows without a token), and lengths: those at 0, 5, ... 100 % of the rows in their order.
    """
    sizes = encoded.lengths
    at = np.linspace(0, 1, QUANTILES + 1)
    num_ids = len(inputs.tokenizer) + len(encoded.unseen.names)
    return {
        "rows": len(encoded),
        "tokens": int(sizes.sum()),
        "types": int(np.count_nonzero(holders.sum(np.bincount(encoded.ids, minlength=num_ids)))),
        "unknown": holders.total(int(inputs.is_unknown(encoded).sum())),
        "cut": int(inputs.cut_rows(encoded).sum()),
        "empty": int((sizes == 0).sum()),
        "lengths": np.quantile(sizes, at, method="inverted_cdf").tolist() if len(sizes) else [],
    }


def expected_unknown(
    inputs: TextPipeline, encoded: Ragged, *, known: int = 0, holders: Holders = ALONE
) -> float | None:
    """The share of unknown tokens to expect in further texts like these, on which the vocabulary was made.

    It is what leaving out one text at a time would find: the tokens of types that no other text has, and those that the
    vocabulary leaves out as it is. (A word whose ``min_frequency`` hangs on that text is not counted.)

    Args:
        inputs: the model's.
        encoded: its training texts.
        known: types that the vocabulary would have without these texts: its first ones.
        holders: the processes that have the texts, each some of them.

    Returns:
        None where that says nothing: without a token, and for pieces of words, of which there is always one.
    """
    num_tokens = int(encoded.lengths.sum())
    if not num_tokens or not inputs.tokenizer.has_whole_words:
        return None
    num_types, held = len(inputs.tokenizer), held_rows(encoded)
    first, last = np.full(num_types, len(encoded)), np.full(num_types, -1)
    counts, unknown, row = np.zeros(num_types, np.int64), 0, 0
    for block in encoded.blocks(500_000):  # several arrays of a block's size are made of it
        outside = inputs.is_unknown(block)
        rows = np.repeat(held[row : row + len(block)], block.lengths)[~outside]
        ids = block.ids[~outside]
        last[ids] = rows  # of the same place written twice, the later value stays
        begun = first[ids[::-1]] == len(encoded)
        first[ids[::-1][begun]] = rows[::-1][begun]
        counts += np.bincount(ids, minlength=num_types)
        unknown, row = unknown + int(outside.sum()), row + len(block)
    first, last = np.minimum.reduce(holders.all(first)), np.maximum.reduce(holders.all(last))
    alone = first == last
    alone[:known] = False
    return (holders.total(unknown) + int(holders.sum(counts)[alone].sum())) / num_tokens


def frequent_unknown(inputs: TextPipeline, encoded: EncodedTexts, most: int) -> list[tuple[str, int]]:
    """The most frequent words that the vocabulary does not have, and how often each occurs.

    Words that are all one ``[UNK]`` to the model are not among them: those without a sub-word that was trained, and all
    of a model without sub-words.
    """
    names = encoded.unseen.names
    if not names:
        return []
    num_types = len(inputs.tokenizer)
    counts = np.bincount(encoded.ids[encoded.ids >= num_types] - num_types, minlength=len(names))
    order = sorted(range(len(names)), key=lambda k: (-counts[k], names[k]))
    return [(names[k], int(counts[k])) for k in order[:most] if counts[k]]
