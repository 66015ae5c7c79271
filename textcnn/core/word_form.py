"""The default tokenizer's definition: its Unicode normalization and its word pattern.

The normalization drops invisible characters and unifies equivalent ones. Every step looks at most at one character on
either side, and no step depends on a blank there or removes one; so a chunk between two blanks has the same normal form
whatever its neighbours are. The patterns name characters, not properties, so that they mean the same to Oniguruma, to C
and to a browser, in any version of Unicode.

The definition is the `tokenizers` package running tokenizer.json. The core does the same from tables (``tokens.c``),
for the forms that are listed here and no others.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from textcnn.config import NORMALIZATIONS

if TYPE_CHECKING:
    import tokenizers

UNKNOWN = "[UNK]"
JOINED = 1000  # chunks passed to the package as one text, because a call for each would cost more than its work

# Format characters that are part of no word: soft hyphen, direction of writing, word joiner, invisible operators, byte
# order mark, annotation. Those that stand in words or are seen, such as Arabic signs of numbers, are not among them.
INVISIBLE = "\u00ad\u061c\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb\U000e0001"
# Tag characters spell the region of a flag after the black flag; elsewhere they are invisible.
TAGS = "\U000e0020-\U000e007f"
FLAG = "\U0001f3f4"
# Scripts without blanks between words (Thai, Lao, Myanmar, Khmer and others), where the zero-width space is the blank.
UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u1950-\u19df\u1a20-\u1aaf\u1b00-\u1b7f\ua980-\ua9ff\uaa60-\uaadf"
# Scripts whose letters join each other: Arabic and its neighbours, those of India and from there, Mongolian, Adlam.
JOINING = (
    "\u0600-\u109f\u1700-\u18af\u1900-\u1c4f\u1cd0-\u1cff\ua800-\ua82f\ua840-\ua8ff\ua930-\uaaff\uabc0-\uabff"
    "\ufb50-\ufdff\ufe70-\ufefc\U00010840-\U00011fff\U0001e900-\U0001e95f"
)
# Emoji that a zero-width joiner combines, and the variation selector that follows them.
EMOJI = "\u2190-\u21ff\u2300-\u23ff\u2600-\u27bf\u2b00-\u2bff\ufe0f\U0001f000-\U0001faff"

_DROPPED = f"[{INVISIBLE}]|(?<![{FLAG}{TAGS}])[{TAGS}]+"
# One zero-width space or non-joiner is kept between two letters, a joiner after a letter or between two emoji.
_UNJOINING = (
    f"(?<![{UNSPACED}])\u200b|\u200b+(?![{UNSPACED}\u200b])"
    f"|(?<![{JOINING}])\u200c|\u200c+(?![{JOINING}\u200c])"
    f"|(?<![{JOINING}{EMOJI}])\u200d|(?<=[{EMOJI}])\u200d(?![{EMOJI}])"
)
_APOSTROPHES = "[\u2019\u02bc]"  # the typographic one, and the letter of Ukrainian, Breton and others

# Words with an inner apostrophe stay whole; every Han or kana character and every sign is a word of its own.
_CJK = r"\p{Han}\p{Hiragana}\p{Katakana}ーｰ"  # the sound marks are of no script
WORD_CHARACTER = rf"[\w&&[^{_CJK}]]"
WORD_PATTERN = rf"[{_CJK}]|{WORD_CHARACTER}+(?:'{WORD_CHARACTER}+)?|[^\w\s]"
WORD_SPLIT = {"type": "Split", "pattern": {"Regex": WORD_PATTERN}, "behavior": "Removed", "invert": True}

Step = Mapping[str, Any]


class WordForm(NamedTuple):
    """A variant of the default tokenizer.

    Attributes:
        normalization: one of :data:`textcnn.config.NORMALIZATIONS`.
        lowercase: fold case: lower case, then the dotted capital I is i and the final sigma is sigma.
        is_earlier: the one of folders from before there was more to it: nothing is dropped, apostrophes stay as they
            are, and case is lower case alone.
    """

    normalization: str = NORMALIZATIONS[0]
    lowercase: bool = True
    is_earlier: bool = False

    @property
    def bits(self) -> int:
        """The form as flags for C (``tokens.h``)."""
        return (self.normalization == "nfkc") + 2 * self.lowercase + 4 * self.is_earlier

    def steps(self) -> list[Step]:
        """Return the normalizer's steps in the format of tokenizer.json."""
        form, lower = [{"type": self.normalization.upper()}], [{"type": "Lowercase"}] * self.lowercase
        if self.is_earlier:
            return [*form, *lower]
        folded = [*lower, _replace("i\u0307", "i"), _replace("ς", "σ")] if self.lowercase else []
        return [_replace(_DROPPED, ""), _replace(_UNJOINING, ""), *form, _replace(_APOSTROPHES, "'"), *folded]

    def document(self, vocabulary: Mapping[str, int]) -> dict[str, Any]:
        """Return the content of tokenizer.json for a vocabulary."""
        return {
            "version": "1.0",
            **dict.fromkeys(("truncation", "padding")),
            "added_tokens": [],
            "normalizer": {"type": "Sequence", "normalizers": self.steps()},
            "pre_tokenizer": WORD_SPLIT,
            **dict.fromkeys(("post_processor", "decoder")),
            "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": UNKNOWN},
        }

    def pipeline(self, vocabulary: Mapping[str, int]) -> tokenizers.Tokenizer:
        """Build the `tokenizers` package's tokenizer; the package is imported only here."""
        from tokenizers import Tokenizer

        return Tokenizer.from_str(json.dumps(self.document(vocabulary)))


FORMS = (
    *(WordForm(form, lowercase) for form in NORMALIZATIONS for lowercase in (False, True)),
    *(WordForm("nfc", lowercase, is_earlier=True) for lowercase in (False, True)),
)


class WordList(NamedTuple):
    """A complete default tokenizer: its form, and the id of every type."""

    form: WordForm
    vocabulary: Mapping[str, int]


def form_of(document: Any) -> WordForm | None:
    """Return the form of a tokenizer.json that equals one of :data:`FORMS` but for its vocabulary, or none."""
    if not isinstance(document, dict) or not isinstance(document.get("model"), dict):
        return None
    found = _text({**document, "model": {**document["model"], "vocab": {}}})
    return next((form for form in FORMS if _text(form.document({})) == found), None)


def read_word_list(text: str) -> WordList | None:
    """Parse a tokenizer.json that holds a default tokenizer in our format; return none for any other.

    Only then is it known without the `tokenizers` package that the package reads it, and how: the ids follow each
    other, and there is one for unknown words.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):  # no JSON
        return None
    form = form_of(document)
    if form is None:
        return None
    vocabulary = document["model"]["vocab"]
    if not isinstance(vocabulary, dict) or UNKNOWN not in vocabulary or set(map(type, vocabulary.values())) != {int}:
        return None
    if list(vocabulary.values()) != list(range(len(vocabulary))) or _has_surrogates("".join(vocabulary)):
        return None
    return WordList(form, vocabulary)


def is_ours(step: Step) -> bool:
    """Return whether a normalizer step in the format of tokenizer.json is one of our replacements."""
    return step["type"] == "Replace" and step in WordForm().steps()


def without_surrogates(text: str) -> str:
    """Replace each lone surrogate, which UTF-8 cannot encode, by one U+FFFD, so that offsets stay valid."""
    return "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in text) if _has_surrogates(text) else text


def _has_surrogates(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _text(document: dict[str, Any]) -> str:
    """Serialize to JSON, which distinguishes 1 from true where Python's equality does not."""
    return json.dumps(document, sort_keys=True)


def _replace(pattern: str, content: str) -> Step:
    return {"type": "Replace", "pattern": {"Regex": pattern}, "content": content}
