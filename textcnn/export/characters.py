"""What the word tokenizer makes of every character, read off the tokenizer itself: a table for other languages.

A browser knows lower case, normal forms and classes of characters of another version of Unicode than the `tokenizers`
package. So its reader is given what the package does with each character:

- *kind*: blank, part of a word, or a token of its own. The pattern of words looks at kinds alone, and at apostrophes.
- *lower case*: :class:`tokenizers.normalizers.Lowercase` looks at one character at a time.
- *moves*: whether the package's normal form can change or move it, or join something to it. A character that does not
  move parts the text: what is left and right of it is composed apart. All that move are assigned in the package's
  version of Unicode, and strings of assigned characters have the same NFC and NFKC in all later versions (Unicode
  Standard Annex 15, section 3, stability); the reader's version is later, for the package's is of 2020 or before.

The steps of the normalizer are given with it, in their order: patterns name characters, so they are the reader's too.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from tokenizers import Regex, normalizers, pre_tokenizers

from textcnn.core.word_form import WORD_CHARACTER
from textcnn.errors import ConfigError
from textcnn.text.tokenizer import Tokenizer, steps_of

BLANK, WORD, ALONE = 0, 1, 2
MOVES = 4  # is added to the kind
# Planes 4 to 13, 15 and 16 have no assigned characters but private ones, which are signs: as the last one looked at.
_PLANES = ((0, 0xD800), (0xE000, 0x40000), (0xE0000, 0xE1000))
_LEAST, _MOST = "\u0334", "\u0345"  # combining classes 1 and 240, the first and the last


class Characters(NamedTuple):
    """The table, as runs of neighbouring characters of one kind.

    Attributes:
        starts: ``(R,)`` int32, the first code point of each run.
        kinds: ``(R,)`` uint8, a kind, with :data:`MOVES` added or not.
        lower: what characters become that lower case changes; empty: case is kept.
        steps: of the normalizer: the name of each, of a replacement its pattern and what takes the place too.
    """

    starts: npt.NDArray[np.int32]
    kinds: npt.NDArray[np.uint8]
    lower: dict[str, str]
    steps: list[list[str]]


def characters_of(tokenizer: Tokenizer) -> Characters:
    """The table of a tokenizer.

    Raises:
        ConfigError: it is another one than ``--tokenizer word`` makes.
    """
    parts = tokenizer.components()
    steps = steps_of(parts["normalizer"], "normalizers")
    found = [step["type"] for step in steps]
    if not tokenizer.is_default or parts["added_tokens"] or parts["post_processor"] is not None:
        split = steps_of(parts["pre_tokenizer"], "pretokenizers")
        names = [parts["model"], *found, *(step["type"] for step in split)]
        raise ConfigError(
            f"expected the tokenizer that `--tokenizer word` makes, which the reader of tables repeats exactly, got "
            f"another one ({', '.join(names)}); use `--format onnx`"
        )
    table = _table("NFKD" if "NFKC" in found else "NFD")
    pairs = [[step["pattern"]["Regex"], step["content"]] if step["type"] == "Replace" else [] for step in steps]
    table = table._replace(steps=[[name, *pair] for name, pair in zip(found, pairs, strict=True)])
    return table if "Lowercase" in found else table._replace(lower={})


@lru_cache
def _table(apart: str) -> Characters:
    """The table for a normal form, ``apart`` being the one that does not compose again; without its steps."""
    points = np.concatenate([np.arange(*plane) for plane in _PLANES])
    every = "".join(map(chr, points.tolist()))
    kinds = np.full(len(points), ALONE, np.uint8)
    kinds[_held(WORD_CHARACTER, every)] = WORD
    kinds[_held(r"\s", every)] = BLANK
    kinds += np.where(_moving(every, getattr(normalizers, apart)()), MOVES, 0).astype(np.uint8)
    # A code point that was not looked at begins a run too, of signs: surrogates, which no text has, and empty planes.
    gaps = np.flatnonzero(np.diff(points) > 1)
    points = np.insert(points, gaps + 1, points[gaps] + 1)
    kinds = np.insert(kinds, gaps + 1, ALONE)
    points, kinds = np.append(points, points[-1] + 1), np.append(kinds, np.uint8(ALONE))
    first = np.flatnonzero(np.insert(np.diff(kinds) != 0, 0, True))
    lowered = _each(normalizers.Lowercase(), list(every))
    lower = {char: low for char, low in zip(every, lowered, strict=True) if char != low}
    return Characters(points[first].astype(np.int32), kinds[first], lower, [])


def _held(pattern: str, every: str) -> npt.NDArray[np.bool_]:
    """Which characters a pattern of one character matches."""
    held = np.zeros(len(every), np.bool_)
    for text, (start, end) in pre_tokenizers.Split(Regex(pattern), "contiguous").pre_tokenize_str(every):
        held[start:end] = bool(pre_tokenizers.Split(Regex(pattern), "removed", invert=True).pre_tokenize_str(text[0]))
    return held


def _moving(every: str, form: normalizers.Normalizer) -> npt.NDArray[np.bool_]:
    """Characters that decompose, that stand in a decomposition, or that combine."""
    alone = _each(form, list(every))
    between = _each(form, [f"{_MOST}{char}{_LEAST}" for char in every])
    parts = {part for char, whole in zip(every, alone, strict=True) if whole != char for part in whole}
    moving = [
        char in parts or whole != char or among != f"{_MOST}{char}{_LEAST}"
        for char, whole, among in zip(every, alone, between, strict=True)
    ]
    return np.array(moving)


def _each(normalizer: normalizers.Normalizer, texts: list[str]) -> list[str]:
    """The normal form of every text; a line feed between two of them is none of the characters that they hold."""
    inside = [text.replace("\n", " ") for text in texts]
    found: list[str] = normalizer.normalize_str("\n".join(inside)).split("\n")
    return [text if "\n" in text else form for text, form in zip(texts, found, strict=True)]
