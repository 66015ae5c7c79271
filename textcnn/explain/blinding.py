"""Writes a copy of a model that ignores given words and phrases, without changing a weight and without torch."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path

from textcnn.config import ModelConfig
from textcnn.errors import ConfigError
from textcnn.folder.card import model_card
from textcnn.folder.config_json import read_config, read_json
from textcnn.folder.model_folder import CARD, CONFIG, FILES, OPTIONAL_FILES, TOKENIZER, TRAINING, replaced_folder
from textcnn.tokenization.lexicon import build_lexicon
from textcnn.tokenization.masking import read_phrase
from textcnn.tokenization.tokenizer import Tokenizer


def write_blinded(
    folder: str | Path, output: str | Path, *, words: Iterable[str] = (), phrases: Iterable[str] = ()
) -> tuple[str, ...]:
    """Write a text model that reads ``[UNK]`` in place of these words and phrases; return all that it ignores.

    Args:
        folder: a model folder, whose files are copied; what it already ignores, the copy ignores too.
        output: the new folder, which may be the same.
        words: single words; the possessive of each is ignored as well.
        phrases: sequences of words, each ignored only as a whole.

    Raises:
        ArtifactError: there is no such model, or the new one cannot be written.
        ConfigError: the model is for images, its tokens are not words, or a word or phrase cannot occur in a text.
    """
    folder = Path(folder)
    saved = read_config(folder)
    if saved["modality"] != "text":
        raise ConfigError(f"expected a text model, found one of images in {str(folder)!r}; images have no words")
    tokenizer = Tokenizer.load(folder / TOKENIZER)
    lexicon = build_lexicon(tokenizer, ModelConfig(**{name: saved[name] for name in ModelConfig.__dataclass_fields__}))
    found = set(saved["blinded"])
    found |= {read_phrase(tokenizer, lexicon, word, single=True) for word in words}
    found |= {read_phrase(tokenizer, lexicon, phrase, single=False) for phrase in phrases}
    saved["blinded"] = sorted(found)
    with replaced_folder(Path(output)) as place:  # also allows the output to be the input folder
        for name in (*FILES, *OPTIONAL_FILES):
            if (folder / name).is_file():
                shutil.copyfile(folder / name, place / name)
        (place / CONFIG).write_text(json.dumps(saved, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        card = model_card(saved, read_json(folder / TRAINING))
        (place / CARD).write_text(card, encoding="utf-8", errors="backslashreplace")
    return tuple(saved["blinded"])


def read_words(path: Path) -> list[str]:
    """Read words from a file with one word per line, skipping blank lines.

    Raises:
        ConfigError: the file cannot be read, or has no word.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as err:
        raise ConfigError(f"expected a UTF-8 file of words, one a line, at {str(path)!r}: {err}") from err
    words = [line.strip() for line in lines if line.strip()]
    if not words:
        raise ConfigError(f"expected words, one a line, found none in {str(path)!r}")
    return words
