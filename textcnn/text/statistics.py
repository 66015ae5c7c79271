"""What a set of texts is like, as a model reads it: how long they are, and how much of them its vocabulary knows."""

from __future__ import annotations

from typing import Any

import numpy as np

from textcnn.text.pipeline import EncodedTexts, TextPipeline
from textcnn.text.ragged import Ragged

QUANTILES = 20  # steps between the shortest text and the longest


def text_statistics(inputs: TextPipeline, encoded: EncodedTexts) -> dict[str, Any]:
    """Numbers of rows, tokens and types, the spread of the lengths, and what the model cannot see.

    Returns:
        rows, tokens, types (distinct tokens), unknown (tokens that the vocabulary does not have), cut (rows longer than
        ``max_length``), empty (rows without a token), and lengths: those at 0, 5, ... 100 % of the rows in their order.
    """
    sizes = encoded.lengths
    at = np.linspace(0, 1, QUANTILES + 1)
    return {
        "rows": len(encoded),
        "tokens": len(encoded.ids),
        "types": int(np.count_nonzero(np.bincount(encoded.ids))) if len(encoded.ids) else 0,
        "unknown": int(inputs.is_unknown(encoded).sum()),
        "cut": int(inputs.cut_rows(encoded).sum()),
        "empty": int((sizes == 0).sum()),
        "lengths": np.quantile(sizes, at, method="inverted_cdf").tolist() if len(sizes) else [],
    }


def expected_unknown(inputs: TextPipeline, encoded: Ragged, *, known: int = 0) -> float | None:
    """The share of unknown tokens to expect in further texts like these, on which the vocabulary was made.

    It is what leaving out one text at a time would find: the tokens of types that no other text has, and those that the
    vocabulary leaves out as it is. (A word whose ``min_frequency`` hangs on that text is not counted.)

    Args:
        inputs: the model's.
        encoded: its training texts.
        known: types that the vocabulary would have without these texts: its first ones.

    Returns:
        None where that says nothing: without a token, and for pieces of words, of which there is always one.
    """
    if not len(encoded.ids) or not inputs.tokenizer.has_whole_words:
        return None
    num_types = len(inputs.tokenizer)
    first, last = np.full(num_types, -1, np.int64), np.full(num_types, -1, np.int64)
    counts, unknown, row = np.zeros(num_types, np.int64), 0, 0
    for block in encoded.blocks(500_000):  # several arrays of a block's size are made of it
        outside = inputs.is_unknown(block)
        rows = np.repeat(np.arange(row, row + len(block)), block.lengths)[~outside]
        ids = block.ids[~outside]
        last[ids] = rows  # of the same place written twice, the later value stays
        begun = first[ids[::-1]] < 0
        first[ids[::-1][begun]] = rows[::-1][begun]
        counts += np.bincount(ids, minlength=num_types)
        unknown, row = unknown + int(outside.sum()), row + len(block)
    alone = first == last
    alone[:known] = False
    return (unknown + int(counts[alone].sum())) / len(encoded.ids)


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
