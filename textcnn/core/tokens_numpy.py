"""Definition of :mod:`textcnn.core.tokens` by the `tokenizers` package, used without the core."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from textcnn.core.word_form import FORMS, JOINED, UNKNOWN, WordForm, without_surrogates

if TYPE_CHECKING:
    import tokenizers

Bytes = npt.NDArray[np.uint8]
Integers = npt.NDArray[np.int64]


def split_words(data: Bytes, ends: Integers, form: WordForm) -> tuple[Bytes, Integers]:
    """NumPy version of :func:`textcnn.core.tokens.split_words`."""
    if len(ends) and (np.diff(ends, prepend=0).min() < 0 or ends[-1] > len(data)):
        raise ValueError("expected ends that ascend within the data")
    whole = data.tobytes()
    chunks = [whole[begin:end].decode("utf-8", "surrogatepass") for begin, end in pairwise([0, *ends.tolist()])]
    words: list[str] = []
    counts: list[int] = []
    for first in range(0, len(chunks), JOINED):
        more, how_many = _words_of(chunks[first : first + JOINED], form)
        words += more
        counts += how_many
    return np.frombuffer("".join(f"{word}\n" for word in words).encode(), np.uint8), np.array(counts, np.int64)


def _words_of(chunks: Sequence[str], form: WordForm) -> tuple[list[str], list[int]]:
    """Return the words of all chunks, none of which contains a newline, and the number in each."""
    pipeline = _pipeline(form)
    text = pipeline.normalizer.normalize_str(without_surrogates("\n".join(chunks)))
    pieces = pipeline.pre_tokenizer.pre_tokenize_str(text)
    ends = [*(place for place, character in enumerate(text) if character == "\n"), len(text)]
    last = np.searchsorted([start for _, (start, _) in pieces], ends)
    return [piece for piece, _ in pieces], np.diff(last, prepend=0).tolist()


@lru_cache(len(FORMS))
def _pipeline(form: WordForm) -> tokenizers.Tokenizer:
    return form.pipeline({UNKNOWN: 0})
