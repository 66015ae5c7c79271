"""Binding of the default tokenizer's word splitting (``src/tokens.h``)."""

from __future__ import annotations

import ctypes

import numpy as np
import numpy.typing as npt

from textcnn.core.calls import call, pointer, whole
from textcnn.core.word_form import WordForm

Bytes = npt.NDArray[np.uint8]
Integers = npt.NDArray[np.int64]


def split_words(data: Bytes, ends: Integers, form: WordForm) -> tuple[Bytes, Integers]:
    """Split chunks into words; return the words, each ended by a newline, and the number in each chunk ``(K,)``.

    Words are in normal form, and hold no blank.

    Args:
        data: UTF-8 of the chunks, one after another; lone surrogates are read as U+FFFD.
        ends: ``(K,)``, where each ends.
        form: the form of the tokenizer.

    Raises:
        TypeError: the arrays are of another kind.
        ValueError: the ends do not ascend, or lie outside.
    """
    bits, longest = ctypes.c_int(form.bits), int(np.diff(ends, prepend=0).max(initial=0))
    room = call("tc_room_for_points", whole(longest)), call("tc_room_for_words", whole(len(data)), bits)
    points, words, counts = np.empty(room[0], np.uint32), np.empty(room[1], np.uint8), np.empty(len(ends), np.int64)
    given = pointer(data, np.uint8), whole(len(data)), pointer(ends, np.int64), whole(len(ends)), bits
    memory = pointer(points, np.uint32), whole(len(points)), pointer(words, np.uint8), whole(len(words))
    size = call("tc_split_words", *given, *memory, pointer(counts, np.int64))
    return words[:size], counts
