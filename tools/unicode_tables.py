"""Write the tables of Unicode for the default tokenizer in C: ``python tools/unicode_tables.py``.

Everything is read off the `tokenizers` package, which is the definition of words: its normal forms, its lower case, its
classes of characters in regular expressions. Python's own ``unicodedata`` may be of another version of Unicode, and is
not asked. The same package gives the same file, on any machine.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterable, Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

from tokenizers import Regex, normalizers, pre_tokenizers

from textcnn.core import word_form

TARGET = Path(__file__).parents[1] / "textcnn" / "core" / "src" / "unicode_tables.h"
# Planes 4 to 13, 15 and 16 have no assigned characters but private ones, which are signs and never change.
PLANES = (range(0xD800), range(0xE000, 0x40000), range(0xE0000, 0xE1000))
EVERY = [chr(point) for plane in PLANES for point in plane]
SYLLABLES = range(0xAC00, 0xD7A4)  # of Hangul: composed by arithmetic
LEADS, VOWELS, TAILS = range(0x1100, 0x1113), range(0x1161, 0x1176), range(0x11A8, 0x11C3)
FORMS = {"C": ("NFC", "NFD"), "K": ("NFKC", "NFKD")}  # composed, apart

# What is known of a character: its kind, its rank among combining classes, and flags.
ALONE, WORD, BLANK = 0, 1, 2
RANK_SHIFT = 2
FLAGS = {
    name: 1 << (8 + place)
    for place, name in enumerate(
        ["INVISIBLE", "TAG", "UNSPACED", "JOINING", "EMOJI", "CHANGES_C", "FOLLOWS_C", "CHANGES_K", "FOLLOWS_K"]
    )
}
NAMED = {"INVISIBLE": "INVISIBLE", "TAG": "TAGS", "UNSPACED": "UNSPACED", "JOINING": "JOINING", "EMOJI": "EMOJI"}


class Unicode(NamedTuple):
    """What the package knows.

    Attributes:
        kinds: of characters that are no sign of their own.
        ranks: of characters that combine: the order of their combining classes, from 1 on.
        apart: full decompositions by form (:data:`FORMS`), those of Hangul syllables left out.
        changed: characters whose composed form is another, by form.
        follow: characters that may compose with what stands before them, or be sorted among it, by form.
        pairs: two characters and what they compose to, Hangul left out.
        lower: small letters.
    """

    kinds: dict[str, int]
    ranks: dict[str, int]
    apart: dict[str, dict[str, str]]
    changed: dict[str, set[str]]
    follow: dict[str, set[str]]
    pairs: dict[tuple[str, str], str]
    lower: dict[str, str]


def read_unicode() -> Unicode:
    """What the package knows, asked character by character."""
    apart: dict[str, dict[str, str]] = {}
    changed: dict[str, set[str]] = {}
    for form, (composed, decomposed) in FORMS.items():
        found = _changes(decomposed)
        _require_hangul(found)
        apart[form] = {char: whole for char, whole in found.items() if ord(char) not in SYLLABLES}
        changed[form] = set(_changes(composed))
    kinds = dict.fromkeys(_matched(word_form.WORD_CHARACTER), WORD) | dict.fromkeys(_matched(r"\s"), BLANK)
    ranks, pairs = _ranks(apart["K"]), _pairs(apart["C"], changed["C"])
    behind = {*ranks, *(second for _, second in pairs), *map(chr, (*VOWELS, *TAILS))}
    follow = {form: behind | {char for char in found if found[char][0] in behind} for form, found in apart.items()}
    return Unicode(kinds, ranks, apart, changed, follow, pairs, _lower())


def _each(step: str, texts: Sequence[str]) -> list[str]:
    """What a step of a normalizer makes of each text; a line feed between two of them is in none."""
    whole: str = getattr(normalizers, step)().normalize_str("\n".join(texts))
    found = whole.split("\n")
    if len(found) != len(texts):
        raise ValueError(f"expected {len(texts)} texts from {step}, got {len(found)}")
    return found


def _changes(step: str) -> dict[str, str]:
    """Characters that a step changes, and what they become."""
    asked = [char for char in EVERY if char != "\n"]
    return {char: became for char, became in zip(asked, _each(step, asked), strict=True) if char != became}


def _lower() -> dict[str, str]:
    lower = _changes("Lowercase")
    several = {char: small for char, small in lower.items() if len(small) != 1}
    if several != {"\u0130": "i\u0307"}:
        raise ValueError(f"expected the dotted capital I alone to become two characters, found {several}")
    return {char: small for char, small in lower.items() if char not in several}


def _matched(pattern: str) -> list[str]:
    """Characters that a pattern of one character matches."""
    split = pre_tokenizers.Split(Regex(f"(?:{pattern})+"), "removed", invert=True)
    return [char for run, _ in split.pre_tokenize_str("".join(EVERY)) for char in run]


def _ranks(apart: dict[str, str]) -> dict[str, int]:
    """Characters that combine, by the order in which the normal form sorts them."""
    first, last = "\u0334", "\u0345"  # of the first combining class, and of the last
    asked = [char for char in EVERY if char not in apart and char != "\n" and ord(char) not in SYLLABLES]
    around = [f"{last}{char}{first}" for char in asked]
    moving = [char for char, a, b in zip(asked, around, _each("NFD", around), strict=True) if a != b]
    form = normalizers.NFD()

    def goes_before(a: str, b: str) -> bool:
        return bool(form.normalize_str(b + a) == a + b != b + a)

    known: list[list[str]] = []  # one list a class, in their order
    for char in moving:
        low, high = 0, len(known)
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if goes_before(known[middle][0], char) else (low, middle)
        if low < len(known) and not goes_before(char, known[low][0]):
            known[low].append(char)
        else:
            known.insert(low, [char])
    return {char: rank for rank, chars in enumerate(known, start=1) for char in chars}


def _pairs(apart: dict[str, str], changed: set[str]) -> dict[tuple[str, str], str]:
    """Two characters and what they compose to; other pairs of characters that do not decompose are seen to stay two."""
    form = normalizers.NFC()
    whole = [char for char in apart if char not in changed]
    pairs = {(str(form.normalize_str(apart[char][:-1])), apart[char][-1]): char for char in whole}
    firsts, seconds = ({pair[side] for pair in pairs} for side in (0, 1))
    asked = [a + b for a, b in product(sorted(firsts - {*apart}), sorted(seconds - {*apart}))]
    asked += [a + b for a, b in pairs]
    for text, became in zip(asked, _each("NFC", asked), strict=True):
        if became != pairs.get((text[0], text[1]), text):
            raise ValueError(f"expected {text!a} to compose to {pairs.get((text[0], text[1]))!a}, got {became!a}")
    return pairs


def _require_hangul(apart: dict[str, str]) -> None:
    """Check that syllables are what the standard's arithmetic says, and that nothing else composes to them."""
    expected = {
        chr(0xAC00 + (a * len(VOWELS) + b) * 28 + c): chr(LEADS[a]) + chr(VOWELS[b]) + (chr(TAILS[c - 1]) if c else "")
        for a, b, c in product(range(len(LEADS)), range(len(VOWELS)), range(28))
    }
    if expected != {char: whole for char, whole in apart.items() if ord(char) in SYLLABLES}:
        raise ValueError("expected Hangul syllables to decompose by the arithmetic of the standard")
    jamo = [chr(point) for point in range(0x1100, 0x1200)]
    texts = [a + b for a, b in product([*jamo, "\uac00", "\uac01", "\ud7a3"], jamo)]
    whole = {parts: char for char, parts in expected.items() if len(parts) == 2}
    whole |= {"\uac00" + chr(tail): chr(0xAC00 + k) for k, tail in enumerate(TAILS, start=1)}
    for text, became in zip(texts, _each("NFC", texts), strict=True):
        if became != whole.get(text, text):
            raise ValueError(f"expected {text!a} to become {whole.get(text, text)!a}, got {became!a}")


# ------------------------------------------------------------------------------------------------------ writing


def written(unicode: Unicode) -> str:
    """The file."""
    known = {**unicode.kinds}
    for char, rank in unicode.ranks.items():
        known[char] = known.get(char, ALONE) | rank << RANK_SHIFT
    held = {flag: set(re.findall(f"[{getattr(word_form, name)}]", "".join(EVERY))) for flag, name in NAMED.items()}
    held |= {f"CHANGES_{form}": chars for form, chars in unicode.changed.items()}
    held |= {f"FOLLOWS_{form}": chars for form, chars in unicode.follow.items()}
    for flag, chars in held.items():
        for char in chars:
            known[char] = known.get(char, ALONE) | FLAGS[flag]
    records: dict[tuple[int, int], int] = {(0, 0): 0}
    numbers = [0] * (sys.maxunicode + 1)
    for char in sorted({*known, *unicode.lower}):
        entry = known.get(char, ALONE), ord(unicode.lower.get(char, char)) - ord(char)
        numbers[ord(char)] = records.setdefault(entry, len(records))
    pool, places = _pool(unicode.apart)
    parts = [
        HEADER,
        _constants(unicode),
        _two_stages("record", numbers),
        _array("uint32_t", "tc_known", [entry for entry, _ in records]),
        _array("int32_t", "tc_small", [small for _, small in records]),
        *(_two_stages(f"apart_{form.lower()}", places[form]) for form in FORMS),
        _array("uint16_t", "tc_apart", pool),
        _pair_tables(unicode.pairs),
        "#endif\n",
    ]
    return "\n".join(parts)


HEADER = """\
/* Generated by tools/unicode_tables.py from what the tokenizers package does with every character: do not edit.
 *
 * A table of two stages has at the code point c: blocks[stages[c >> SHIFT] << SHIFT | (c & MASK)]; from LIMIT on all
 * is 0. tc_record gives the place in tc_known (kind, rank, flags) and tc_small (what is added to make a small letter).
 * tc_apart_c and tc_apart_k (canonical, compatible) give the place in tc_apart of the full decomposition, in UTF-16
 * followed by a 0; 0: there is none. Hangul syllables are not among them. tc_firsts, tc_seconds and tc_wholes are
 * what composes, sorted. */
#ifndef TEXTCNN_UNICODE_TABLES_H
#define TEXTCNN_UNICODE_TABLES_H

#include <stdint.h>
"""


def _constants(unicode: Unicode) -> str:
    lines = [f"#define TC_ALONE {ALONE}", f"#define TC_WORD {WORD}", f"#define TC_BLANK {BLANK}", "#define TC_KIND 3"]
    lines += [f"#define TC_RANK_SHIFT {RANK_SHIFT}", "#define TC_RANK 63", f"#define TC_RANKS {_ranks_used(unicode)}"]
    lines += [f"#define TC_{name} {bit}" for name, bit in FLAGS.items()]
    lines += [f"#define TC_MOST_APART {max(len(whole) for whole in unicode.apart['K'].values())}"]
    lines += [f"#define TC_GROWTH_{form} {_growth(unicode, form)}" for form in FORMS]
    return "\n".join(lines) + "\n"


def _ranks_used(unicode: Unicode) -> int:
    found = 1 + max(unicode.ranks.values())
    if found > 64:
        raise ValueError(f"expected at most 64 combining classes, found {found}")
    return found


def _growth(unicode: Unicode, form: str) -> int:
    """The most bytes of words that a byte of text can become, each code point a word with a line end behind it."""
    most = 4.0  # of a byte that is no UTF-8: U+FFFD
    for char in {*unicode.apart[form], *unicode.lower, *unicode.follow[form]}:
        parts = unicode.apart[form].get(char, char)
        for text in {char, parts}:
            size = sum(1 + max(len(c.encode()), len(unicode.lower.get(c, c).encode())) for c in text)
            most = max(most, size / len(char.encode()))
        if char in unicode.follow[form] and len(parts) > len(char.encode()):
            raise ValueError(f"expected {char!a} to become at most one code point a byte, for which there is room")
    return math.ceil(most)


def _pool(apart: dict[str, dict[str, str]]) -> tuple[list[int], dict[str, list[int]]]:
    """Decompositions one after another, those that end alike sharing what they end with; where each character's is."""
    units = {whole: _utf16(whole) for found in apart.values() for whole in found.values()}
    pool, at = [0], {}
    ends: dict[tuple[int, ...], int] = {}
    for whole in sorted(units, key=lambda whole: (-len(units[whole]), whole)):
        own = units[whole]
        if own not in ends:
            ends.update((own[k:], len(pool) + k) for k in reversed(range(len(own))) if own[k:] not in ends)
            pool += [*own, 0]
        at[whole] = ends[own]
    if len(pool) >= 2**16:
        raise ValueError(f"expected places of 16 bits, found {len(pool)} units")
    places = {form: [0] * (sys.maxunicode + 1) for form in apart}
    for form, found in apart.items():
        for char, whole in found.items():
            places[form][ord(char)] = at[whole]
    return pool, places


def _utf16(text: str) -> tuple[int, ...]:
    data = text.encode("utf-16-le")
    return tuple(int.from_bytes(data[k : k + 2], "little") for k in range(0, len(data), 2))


def _pair_tables(pairs: dict[tuple[str, str], str]) -> str:
    order = sorted(pairs)
    columns = {
        "tc_firsts": [ord(a) for a, _ in order],
        "tc_seconds": [ord(b) for _, b in order],
        "tc_wholes": [ord(pairs[pair]) for pair in order],
    }
    return "\n".join(_array("uint32_t", name, column) for name, column in columns.items())


def _two_stages(name: str, values: list[int]) -> str:
    """The smallest table of two stages."""
    limit = max(place for place, value in enumerate(values) if value) + 1
    shift, stages, blocks = min((_cut(values[:limit], shift) for shift in range(3, 10)), key=_size)
    upper = name.upper()
    first = f"#define TC_{upper}_SHIFT {shift}\n#define TC_{upper}_LIMIT {len(stages) << shift}\n"
    parts = {"stages": stages, "blocks": blocks}
    arrays = (_array(_type(part), f"tc_{name}_{which}", part) for which, part in parts.items())
    return first + "\n".join(arrays)


def _cut(values: list[int], shift: int) -> tuple[int, list[int], list[int]]:
    known: dict[tuple[int, ...], int] = {}
    width = 1 << shift
    stages = []
    for start in range(0, len(values), width):
        block = (*values[start : start + width],)
        block += (0,) * (width - len(block))
        stages.append(known.setdefault(block, len(known)))
    return shift, stages, [value for block in known for value in block]


def _size(cut: tuple[int, list[int], list[int]]) -> int:
    return sum(len(numbers) * (1 if max(numbers) < 256 else 2) for numbers in cut[1:])


def _type(numbers: Iterable[int]) -> str:
    return "uint8_t" if max(numbers) < 256 else "uint16_t"


def _array(kind: str, name: str, numbers: Sequence[int]) -> str:
    lines, line = [], ""
    for number in numbers:
        text = f"{number},"
        if len(line) + len(text) > 118:
            lines.append(line)
            line = ""
        line += text
    return f"static const {kind} {name}[{len(numbers)}] = {{\n" + "\n".join([*lines, line]) + "\n};\n"


if __name__ == "__main__":
    TARGET.write_text(written(read_unicode()), encoding="utf-8")
