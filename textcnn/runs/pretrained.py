"""Reads pretrained vectors for the vocabulary of a run, and describes how much of the texts they cover."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn.config import EMBEDDING_LEARNING_RATES, KEEP_VECTORS, VECTOR_LEARNING_RATES, Config
from textcnn.errors import ConfigError, DataError
from textcnn.progress import Reporter
from textcnn.reading.formats import local_file
from textcnn.reading.rows import open_rows
from textcnn.teacher.encoder import is_encoder
from textcnn.teacher.word_vectors import encoder_vectors
from textcnn.tokenization.ragged import Ragged
from textcnn.tokenization.tokenizer import PAD, UNKNOWN, Tokenizer
from textcnn.tokenization.words import count_words
from textcnn.vectors.pretrained import Vectors, read_vectors


@dataclass(frozen=True)
class Pretrained:
    """The pretrained vectors of the types of a vocabulary.

    Attributes:
        path: the file that they were read from, which is not needed later.
        vectors: the vectors as read.
        places: ``(N,)``, the type id of each vector.
        num_words: the number of words in the training texts.
        num_kept: the number of further words, which do not occur in the training texts.
        digest: of what made them; none: that of the file.
    """

    path: Path
    vectors: Vectors
    places: npt.NDArray[np.int64]
    num_words: int
    num_kept: int
    digest: str | None = None

    def word_rows(self, num_types: int, seed: int) -> npt.NDArray[np.float32]:
        """Return the word rows ``(V, D)``; words without a vector get normal numbers with the others' deviation."""
        random = np.random.default_rng([seed, num_types])
        rows = random.standard_normal((num_types, self.vectors.dim), dtype=np.float32) * np.float32(self.vectors.std)
        rows[self.places] = self.vectors.rows
        return rows

    def describe(self, train: Ragged) -> dict[str, Any]:
        """Return the entry of training.json: the file's name and digest, and the coverage of the training texts."""
        digest = self.digest
        if digest is None:
            with self.path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        covered = sum(int(np.isin(block.ids, self.places).sum()) for block in train.blocks())
        return {
            "name": self.path.name,
            "sha256": digest,
            "dim": self.vectors.dim,
            "words": self.vectors.num_read,
            "duplicates": self.vectors.duplicates,
            "types": self.num_words,
            "covered_types": len(self.places) - self.num_kept,
            "tokens": len(train.ids),
            "covered_tokens": covered,
            "kept": self.num_kept,
        }


def sentence(found: dict[str, Any]) -> str:
    """Format the coverage from :meth:`Pretrained.describe` as a sentence."""
    # Rounded down, so that 100% means that all are covered.
    types, tokens = (100 * found[f"covered_{name}"] // max(found[name], 1) for name in ("types", "tokens"))
    repeated = f"; {found['duplicates']:,} words came again, the first counts" if found["duplicates"] else ""
    return (
        f"vectors: {found['covered_types']:,} of {found['types']:,} types ({types}%), {tokens}% of the tokens; "
        f"{found['kept']:,} further words kept{repeated}"
    )


def read_pretrained(
    config: Config, tokenizer: Tokenizer, reporter: Reporter
) -> tuple[Config, Tokenizer, Pretrained | None]:
    """Read the vectors that the config names, if any, or make them by the sentence encoder that it names.

    Returns:
        The config with all settings resolved that depend on vectors, and ``vectors`` cut to the name of the file; the
        tokenizer with the kept words appended to its vocabulary; the vectors, or none.

    Raises:
        ConfigError: the tokenizer has no whole words, ``embedding_dim`` differs, or a setting needs vectors.
        DataError: the file cannot be read, or has no word of the training texts.
    """
    if config.model.vector_words is not None and not is_encoder(config.model.vectors or ""):
        raise ConfigError(f"vector_words is {config.model.vector_words!r}, which needs an encoder: vectors=encoder")
    if config.model.vectors is None:
        if config.model.embedding_channels != "fine-tuned" or config.model.keep_vectors:
            name = "embedding_channels" if config.model.embedding_channels != "fine-tuned" else "keep_vectors"
            raise ConfigError(f"{name} is {getattr(config.model, name)!r}, which needs vectors; name their file")
        return decided(config, config.model.dim, 0), tokenizer, None
    if not tokenizer.has_whole_words or config.text.tokenizer == "char":
        raise ConfigError(f"vectors are for whole words, got the tokenizer {config.text.tokenizer!r}; use 'word'")
    if is_encoder(config.model.vectors):
        return _encoded(config, config.model.vectors, tokenizer, reporter)
    path = local_file(config.model.vectors)
    keep = KEEP_VECTORS if config.model.keep_vectors is None else config.model.keep_vectors
    ids = _words(tokenizer)
    vectors = read_vectors(path, ids.keys(), keep=keep, as_type=tokenizer.type_of)
    if config.model.embedding_dim not in (None, vectors.dim):
        raise ConfigError(
            f"embedding_dim is {config.model.embedding_dim}, but the vectors of {path.name!r} have {vectors.dim} "
            f"numbers; leave it out"
        )
    kept = [name for name in vectors.names if name not in ids]
    if len(kept) == len(vectors.names):
        raise DataError(
            f"expected vectors of words in the training texts, found none in {vectors.num_read:,}", path=path
        )
    extended = tokenizer.extended(kept)
    ids.update({name: len(tokenizer) + k for k, name in enumerate(kept)})
    places = np.array([ids[name] for name in vectors.names], np.int64)
    pretrained = Pretrained(path, vectors, places, len(ids) - len(kept), len(kept))
    return decided(config, vectors.dim, len(kept)), extended, pretrained


def _words(tokenizer: Tokenizer) -> dict[str, int]:
    """Return the ids of all words of the vocabulary."""
    return {name: number for number, name in enumerate(tokenizer.types()) if name and name not in (PAD, UNKNOWN)}


def _encoded(
    config: Config, name: str, tokenizer: Tokenizer, reporter: Reporter
) -> tuple[Config, Tokenizer, Pretrained]:
    """Return the vectors by a sentence encoder of all words of the vocabulary, and of those of a file of texts."""
    ids = _words(tokenizer)
    kept = _further_words(config, tokenizer, ids, reporter)
    vectors = encoder_vectors(name, [*ids, *kept], config.model.dim, reporter)
    digest = hashlib.sha256(vectors.rows.tobytes()).hexdigest()
    places = np.array([*ids.values(), *range(len(tokenizer), len(tokenizer) + len(kept))], np.int64)
    pretrained = Pretrained(Path(name), vectors, places, len(ids), len(kept), digest)
    return decided(config, vectors.dim, len(kept)), tokenizer.extended(kept), pretrained


def _further_words(config: Config, tokenizer: Tokenizer, known: Collection[str], reporter: Reporter) -> list[str]:
    """Return the most frequent words of the file that ``vector_words`` names which the training texts lack."""
    file, keep = config.model.vector_words, config.model.keep_vectors
    if file is None:
        if keep:
            raise ConfigError(
                f"keep_vectors is {keep}, but an encoder has no list of words; leave it out, or name a file of texts "
                "with vector_words"
            )
        return []
    rows = open_rows(file, config.data, labels="ignored")
    counts = count_words((row.text for row in rows), tokenizer)
    reporter.say(rows.describe())
    further = sorted((word for word in counts if word not in known), key=lambda word: (-counts[word], word))
    return further[: KEEP_VECTORS if keep is None else keep]


def decided(config: Config, dim: int, kept: int) -> Config:
    """Return the config with the settings that depend on vectors resolved, and ``keep_vectors`` set to ``kept``."""
    model, training = config.model, config.training
    has_vectors = model.vectors is not None
    name, words = (None if path is None else Path(path).name for path in (model.vectors, model.vector_words))
    # Pretrained vectors need a smaller rate than random ones, or training forgets them.
    rate = training.embedding_learning_rate or EMBEDDING_LEARNING_RATES[training.embedding_optimizer][has_vectors]
    vector_rate = training.vector_learning_rate or VECTOR_LEARNING_RATES[training.embedding_optimizer]
    return dataclasses.replace(
        config,
        model=dataclasses.replace(model, vectors=name, vector_words=words, embedding_dim=dim, keep_vectors=kept),
        training=dataclasses.replace(
            training, embedding_learning_rate=rate, vector_learning_rate=vector_rate if has_vectors else None
        ),
    )
