"""What a word is to the default tokenizer: the normal form of a text, and the pattern of words in it.

In the normal form what nobody sees is dropped and what is one sign is made one. Every step looks at one character on
either side at most, and no step asks for a blank there or takes one away; so what stands between two blanks has its
normal form whatever its neighbours are. The patterns of the normal form name characters, not properties: they mean the
same to Oniguruma, to C and to a browser, in any version of Unicode.

tokenizer.json holds all of this, and the `tokenizers` package does it: that is the definition. The core does the same
from tables (``tokens.c``), for the forms that are listed here and no others.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from textcnn.config import NORMALIZATIONS

if TYPE_CHECKING:
    import tokenizers

UNKNOWN = "[UNK]"
JOINED = 1000  # chunks that the package sees as one text: a call a chunk would cost more than the chunk

# Format characters that are part of no word: soft hyphen, direction of writing, word joiner, invisible operators, byte
# order mark, annotation. Those that stand in words or are seen, such as Arabic signs of numbers, are not among them.
INVISIBLE = "\u00ad\u061c\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb\U000e0001"
# Tags spell the region of a flag, behind the black flag; else nobody sees them.
TAGS = "\U000e0020-\U000e007f"
FLAG = "\U0001f3f4"
# Scripts without blanks between words (Thai, Lao, Myanmar, Khmer and others), where the zero-width space is the blank.
UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u1950-\u19df\u1a20-\u1aaf\u1b00-\u1b7f\ua980-\ua9ff\uaa60-\uaadf"
# Scripts whose letters join each other: Arabic and its neighbours, those of India and from there, Mongolian, Adlam.
JOINING = (
    "\u0600-\u109f\u1700-\u18af\u1900-\u1c4f\u1cd0-\u1cff\ua800-\ua82f\ua840-\ua8ff\ua930-\uaaff\uabc0-\uabff"
    "\ufb50-\ufdff\ufe70-\ufefc\U00010840-\U00011fff\U0001e900-\U0001e95f"
)
# Signs that a zero-width joiner makes one picture of, and the variation selector behind them.
EMOJI = "\u2190-\u21ff\u2300-\u23ff\u2600-\u27bf\u2b00-\u2bff\ufe0f\U0001f000-\U0001faff"

_DROPPED = f"[{INVISIBLE}]|(?<![{FLAG}{TAGS}])[{TAGS}]+"
# One zero-width space or non-joiner is kept between two letters, a joiner behind a letter or between two pictures.
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
    """Which default tokenizer.

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
        """The same for C (``tokens.h``)."""
        return (self.normalization == "nfkc") + 2 * self.lowercase + 4 * self.is_earlier

    def steps(self) -> list[Step]:
        """The steps of the normalizer, as they stand in tokenizer.json."""
        form, lower = [{"type": self.normalization.upper()}], [{"type": "Lowercase"}] * self.lowercase
        if self.is_earlier:
            return [*form, *lower]
        folded = [*lower, _replace("i\u0307", "i"), _replace("ς", "σ")] if self.lowercase else []
        return [_replace(_DROPPED, ""), _replace(_UNJOINING, ""), *form, _replace(_APOSTROPHES, "'"), *folded]

    def document(self, vocabulary: Mapping[str, int]) -> dict[str, Any]:
        """What tokenizer.json holds."""
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
        """The tokenizer of the `tokenizers` package, which is imported for it."""
        from tokenizers import Tokenizer

        return Tokenizer.from_str(json.dumps(self.document(vocabulary)))


FORMS = (
    *(WordForm(form, lowercase) for form in NORMALIZATIONS for lowercase in (False, True)),
    *(WordForm("nfc", lowercase, is_earlier=True) for lowercase in (False, True)),
)


class WordList(NamedTuple):
    """All that a default tokenizer is: its form, and the id of every type."""

    form: WordForm
    vocabulary: Mapping[str, int]


def form_of(document: Any) -> WordForm | None:
    """The form of a tokenizer.json whose every part but the vocabulary is as one of :data:`FORMS` has it, or none."""
    if not isinstance(document, dict) or not isinstance(document.get("model"), dict):
        return None
    found = _text({**document, "model": {**document["model"], "vocab": {}}})
    return next((form for form in FORMS if _text(form.document({})) == found), None)


def read_word_list(text: str) -> WordList | None:
    """What the text of a tokenizer.json holds, if that is a default tokenizer as it is written here, else none.

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
    """Whether a step of a normalizer, as it stands in tokenizer.json, is one of those that replace characters here."""
    return step["type"] == "Replace" and step in WordForm().steps()


def without_surrogates(text: str) -> str:
    """The text with U+FFFD for each lone surrogate, which UTF-8 does not have: one for one, so that offsets hold."""
    return "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in text) if _has_surrogates(text) else text


def _has_surrogates(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _text(document: dict[str, Any]) -> str:
    """JSON, which tells 1 from true where Python's equality does not."""
    return json.dumps(document, sort_keys=True)


def _replace(pattern: str, content: str) -> Step:
    return {"type": "Replace", "pattern": {"Regex": pattern}, "content": content}
