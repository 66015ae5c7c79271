"""The normal form of a text, in which words are looked for: what nobody sees is dropped, what is one sign is made one.

Every step looks at one character on either side at most, and no step asks for a blank there or takes one away; so what
stands between two blanks has its normal form whatever its neighbours are. The patterns name characters, not
properties: they mean the same to Oniguruma and to a browser, in any version of Unicode.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tokenizers import Regex, normalizers

from textcnn.config import NORMALIZATIONS

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

Step = Mapping[str, Any]


def normalizer(form: str, *, lowercase: bool) -> normalizers.Sequence:
    """The first part of a pipeline.

    Args:
        form: one of :data:`textcnn.config.NORMALIZATIONS`.
        lowercase: fold case: lower case, then the dotted capital I is i and the final sigma is sigma.
    """
    return normalizers.Sequence(
        [
            normalizers.Replace(Regex(step["pattern"]["Regex"]), step["content"])
            if step["type"] == "Replace"
            else getattr(normalizers, step["type"])()
            for step in _steps(form, lowercase)
        ]
    )


def is_ours(step: Step) -> bool:
    """Whether a step of a normalizer, as it stands in tokenizer.json, is one of those that replace characters here."""
    return step["type"] == "Replace" and step in _steps("nfc", True)


def is_known(steps: Sequence[Step]) -> bool:
    """Whether these are the steps of a tokenizer that was trained here, by this version or an earlier one."""
    earlier: list[list[Step]] = [[{"type": "NFC"}], [{"type": "NFC"}, {"type": "Lowercase"}]]
    return list(steps) in [*earlier, *(_steps(form, folds) for form in NORMALIZATIONS for folds in (False, True))]


def _steps(form: str, lowercase: bool) -> list[Step]:
    steps = [_replace(_DROPPED, ""), _replace(_UNJOINING, ""), {"type": form.upper()}, _replace(_APOSTROPHES, "'")]
    return [*steps, {"type": "Lowercase"}, _replace("i\u0307", "i"), _replace("ς", "σ")] if lowercase else steps


def _replace(pattern: str, content: str) -> Step:
    return {"type": "Replace", "pattern": {"Regex": pattern}, "content": content}
