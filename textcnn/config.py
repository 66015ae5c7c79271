"""Settings of a run as frozen dataclasses; unknown names are refused, all problems are reported together.

Each field carries its documentation (:func:`describe`), from which the command line takes the help of its options.
Nothing here imports torch.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from textcnn.config_types import (
    SPARSE,
    TOO_MUCH,
    allows_none,
    is_fraction,
    is_not_negative,
    is_positive,
    is_share,
    is_size,
    jsonable,
    option,
    parsed_size,
    plain,
    problems,
)
from textcnn.data_config import DataConfig as DataConfig
from textcnn.errors import ConfigError
from textcnn.grades import CUMULATIVE

TOKENIZERS = ("word", "bpe", "wordpiece", "char")
NORMALIZATIONS = ("nfc", "nfkc")
CHARACTER_ARCHITECTURES = ("charcnn", "vdcnn")  # their tokens are characters, unless a tokenizer is given
DEVICES = ("auto", "cpu", "cuda")
AMP = ("bf16", "fp16")
LOSSES = ("squared", "huber", CUMULATIVE)
HUBER = 1.0  # standard deviations from which Huber's loss is linear
CALIBRATE = ("auto", "none", "split", "folds")
CALIBRATION = "rows held out to calibrate on without dev rows: none, split (a fifth), folds (all in turn), auto"
CHARACTERS = ("auto", "none")
CHARACTER_BRANCH = "a linear branch over character n-grams: none, or auto (if held-out rows gain by it)"
WIDE = "add a linear model over the n-grams seen in training: true, false, sparse (very many labels); none: for kim"
CHANNELS = ("fine-tuned", "static", "multichannel")
EMBEDDING_DIM = 96
# Default learning rates of embedding rows by optimizer: without and with pretrained vectors.
EMBEDDING_LEARNING_RATES = {"adagrad": (0.2, 0.1), "adam": (1e-2, 2e-3)}
VECTOR_LEARNING_RATES = {"adagrad": 0.02, "adam": 2e-3}
KEEP_VECTORS = 100_000
MULTI_LABEL_SCALE, TEACHER_WEIGHT = 0.5, 0.3
MOST_BUCKETS = 2**24  # the lexicon has an array with one entry per bucket


def describe(section: type, name: str) -> str:
    """Return the documentation of the field ``name`` of a config section."""
    return str(section.__dataclass_fields__[name].metadata["doc"])  # type: ignore[attr-defined]


def may_be_none(name: str) -> bool:
    """Return whether any section has a setting of that name that accepts none."""
    sections = (_section_type(section.name) for section in fields(Config))
    return any(allows_none(typing.get_type_hints(section).get(name)) for section in sections)


@dataclass(frozen=True)
class TextConfig:
    """Settings for turning strings into token ids."""

    tokenizer: str = option(
        "word",
        f"{', '.join(TOKENIZERS)}, or the path of a tokenizer.json; "
        f"{' and '.join(CHARACTER_ARCHITECTURES)} take char if none is given",
    )
    vocabulary_size: int = option(
        1_000_000, "largest number of types kept, the most frequent first", lambda n: 2 < n < TOO_MUCH, "more than 2"
    )
    min_frequency: int = option(1, "rarer types are unknown", is_positive, "1 or more")
    lowercase: bool = option(True, "fold case before tokenizing")
    max_length: int | None = option(
        None, "tokens of a text that the encoder sees; none: all of them", is_positive, "1 or more"
    )
    normalization: str = option(
        "nfkc",
        f"{' or '.join(NORMALIZATIONS)}: Unicode's form of characters; nfkc also makes wide letters, ligatures, "
        f"superscripts and the like plain",
        NORMALIZATIONS.__contains__,
        " or ".join(NORMALIZATIONS),
    )


@dataclass(frozen=True)
class ImageConfig:
    """Settings for decoding pictures and for augmenting training images."""

    image_size: str | None = option(
        None,
        "HEIGHTxWIDTH that pictures are scaled to, e.g. 64x64; none: as they are, all of one size",
        lambda size: size is None or parsed_size(size) is not None,
        "HEIGHTxWIDTH in pixels, e.g. 64x64, or none",
    )
    random_shift: int = option(
        0,
        "in training, move each image by up to so many pixels a side, its edge repeated",
        is_not_negative,
        "0 or more",
    )
    random_flip: bool = option(False, "in training, mirror every other image left to right")


@dataclass(frozen=True)
class ModelConfig:
    """Settings of the network: its architecture, its size, and its input features."""

    architecture: str = option("kim", "name of the encoder; `textcnn inspect --list text` shows them")
    embedding_dim: int | None = option(
        None,
        f"width D of a word vector; none: that of the vectors, without them {EMBEDDING_DIM}",
        is_positive,
        "1 or more",
    )
    binary_sigmoid: bool = option(False, "two labels: one output through a sigmoid, not two through a softmax")
    settings: dict[str, Any] = option({}, "settings of the architecture, by its own argument names")
    subwords: bool | None = option(
        None, "make word vectors of character n-grams too, so that unseen words have one; none: for whole words"
    )
    ngram_min: int = option(2, "shortest character n-gram of <word>", is_positive, "1 or more")
    ngram_max: int = option(4, "longest character n-gram of <word>", is_positive, "1 or more")
    ngram_buckets: int = option(
        100_000, "buckets the n-grams are hashed to", lambda n: 0 < n <= MOST_BUCKETS, f"1 to {MOST_BUCKETS:,}"
    )
    ngrams_per_token: int | None = option(
        1024, "character n-grams of one token, the first ones, at most; none: all of them", is_positive, "1 or more"
    )
    wide: bool | str | None = option(None, WIDE, lambda wide: wide in (None, True, False, SPARSE))
    wide_scale: float | None = option(
        None,
        "how much the logits of the wide branch count; none: 1, with vectors or multi-label 0.5",
        is_not_negative,
        "0 or more",
    )
    character_scale: float | None = option(None, "weight of characters; none: fitted", is_not_negative, "0 or more")
    vectors: str | None = option(
        None, "pretrained word vectors: a file or hf://owner/name/file (GloVe, word2vec, .vec, npz, ...), or encoder"
    )
    keep_vectors: int | None = option(
        None,
        f"words of the vectors that the training texts lack, kept for later texts; none: the first {KEEP_VECTORS:,}",
        is_not_negative,
        "0 or more",
    )
    vector_words: str | None = option(None, "a file of texts whose words get vectors of an encoder too")
    embedding_channels: str = option(
        "fine-tuned",
        f"{', '.join(CHANNELS)}: whether pretrained rows are trained, stay as they are, or stand twice, once each way",
        CHANNELS.__contains__,
    )

    @property
    def dim(self) -> int:
        """Width D of a word vector: the setting, else the default."""
        return self.embedding_dim or EMBEDDING_DIM

    @property
    def scale(self) -> float:
        """The factor of the wide branch: the setting, else the default for single-label tasks."""
        return (1.0 if self.vectors is None else 0.5) if self.wide_scale is None else self.wide_scale


@dataclass(frozen=True)
class TrainingConfig:
    """Settings of optimization, regularization, limits and hardware."""

    epochs: int | None = option(
        None,
        "passes over the training rows; none: min(10, max(4, ceil(80000 / rows))), and with 20 labels or more twice as "
        "many if the held-out rows gain by it",
        is_positive,
        "1 or more",
    )
    batch_size: int = option(64, "texts a step", is_positive, "1 or more")
    batch_tokens: int | None = option(
        65_536, "most tokens a step: a batch of longer texts is parted; none: no limit", is_positive, "1 or more"
    )
    learning_rate: float = option(2e-3, "peak step of AdamW on dense weights", is_positive, "above 0")
    embedding_optimizer: str = option(
        "adagrad",
        f"{' or '.join(EMBEDDING_LEARNING_RATES)}: what moves embedding rows; adagrad keeps one number a row, adam two "
        f"for each number of it",
        lambda name: name in EMBEDDING_LEARNING_RATES,
        " or ".join(EMBEDDING_LEARNING_RATES),
    )
    embedding_learning_rate: float | None = option(
        None,
        "peak rate of embedding rows; none: 0.2 with adagrad, 1e-2 with adam; with pretrained vectors 0.1 and 2e-3",
        is_positive,
        "above 0",
    )
    vector_learning_rate: float | None = option(
        None,
        "peak rate of the word rows where pretrained vectors are; none: 0.02 with adagrad, 2e-3 with adam",
        is_positive,
        "above 0",
    )
    wide_learning_rate: float = option(0.5, "peak step of Adagrad on the wide branch", is_positive, "above 0")
    warmup: float = option(0.0, "share of the steps in which the rate rises from 0", is_fraction, "in [0, 1)")
    weight_decay: float = option(0.0, "decoupled decay of dense weights", is_not_negative, "0 or more")
    clip_norm: float | None = option(None, "largest norm of the dense gradient; none: no limit", is_positive, "above 0")
    max_norm: float | None = option(
        None, "largest norm of a head row, as in Kim 2014 (3.0 there); none: no limit", is_positive, "above 0"
    )
    label_smoothing: float = option(0.1, "mass moved from the label to all labels", is_fraction, "in [0, 1)")
    word_dropout: float = option(0.1, "share of tokens replaced by [UNK] in training", is_fraction, "in [0, 1)")
    rare_dropout: float = option(
        0.25,
        "a word seen n times becomes [UNK] with probability a / (a + n), if that is more than word_dropout; this is a",
        is_not_negative,
        "0 or more",
    )
    loss: str | None = option(
        None,
        f"{', '.join(LOSSES)}: of regression; huber counts an error beyond a standard deviation linearly, cumulative "
        "is of grades (ordinal), by cumulative logits; none: squared, of grades cumulative",
        (None, *LOSSES).__contains__,
        ", ".join(LOSSES),
    )
    class_weight: str | dict[str, float] | None = option(
        None, "balanced, or a weight for each label; none: every row counts the same"
    )
    focal_gamma: float = option(
        0.0,
        "focal loss: how much less a row counts that is answered well (2 in the paper); 0: none",
        is_not_negative,
        "0 or more",
    )
    teacher_weight: float | None = option(
        None,
        "what a row's probabilities count in its target where it has a label too; none: 0.3, with a teacher chosen by "
        "held-out rows",
        is_share,
        "in [0, 1]",
    )
    dev_fraction: float | None = option(
        None, "share of the training rows held out as dev rows", is_fraction, "in [0, 1)"
    )
    calibrate: str = option("auto", CALIBRATION, CALIBRATE.__contains__, ", ".join(CALIBRATE))
    characters: str = option("auto", CHARACTER_BRANCH, CHARACTERS.__contains__, ", ".join(CHARACTERS))
    patience: int | None = option(None, "epochs without a better dev metric to stop after", is_positive, "1 or more")
    ensemble: int = option(
        1, "networks trained from seeds of their own and merged into one model that answers as their mean", is_positive
    )
    wide_megabytes: float = option(
        256.0,
        "room of the wide branch in MiB; a larger one becomes float16, then loses the n-grams of least weight",
        is_positive,
        "above 0",
    )
    time_limit: float | None = option(
        None,
        "seconds for the whole run: fewer epochs are planned if it must be, and the best weights so far are saved; "
        "none: no limit",
        is_positive,
        "above 0",
    )
    max_memory: str | None = option(
        None,
        "most memory of the process, as 2G: a run that needs more ends, with the best weights so far; none: no limit",
        lambda size: size is None or is_size(size),
        "a size as 500M or 2G, or none",
    )
    seed: int = option(0, "decides every random choice of a run", lambda n: 0 <= n < 2**64, "in [0, 2**64)")
    threads: int | None = option(None, "threads of the core and of torch; none: all cores", is_positive, "1 or more")
    device: str = option(
        "auto", f"{', '.join(DEVICES)}; auto takes a CUDA device if there is one", DEVICES.__contains__
    )
    amp: str | None = option(
        None,
        f"{' or '.join(AMP)}: train with forward passes in half precision where that is safe (autocast); none: float32",
        lambda kind: kind is None or kind in AMP,
        f"{' or '.join(AMP)}, or none",
    )


# Named groups of settings; an explicit setting overrides that of a preset.
PRESETS: Mapping[str, Mapping[str, Any]] = {
    "fast": {"embedding_dim": 48, "num_filters": 48},
    "default": {},
    "accurate": {"ensemble": 3},
    "pure": {"wide": False, "pooling": "max", "max_length": None},
}


@dataclass(frozen=True)
class Config:
    """All settings that determine the result of a training run; stored in the artifact's training.json."""

    data: DataConfig = field(default_factory=DataConfig)
    text: TextConfig = field(default_factory=TextConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    image: ImageConfig = field(default_factory=ImageConfig)

    def __post_init__(self) -> None:
        found = [problem for section in fields(self) for problem in problems(getattr(self, section.name))]
        if not found and self.model.ngram_min > self.model.ngram_max:
            found = [f"ngram_min must be ngram_max or less, got {self.model.ngram_min} and {self.model.ngram_max}"]
        if found:
            raise ConfigError(found)

    @classmethod
    def from_flat(cls, settings: Mapping[str, Any]) -> Config:
        """Build a config from ``name=value`` pairs without sections, as `train` and TOML files give them.

        A name that no section knows is taken as a setting of the architecture, which checks it when it is built.
        ``preset`` names an entry of :data:`PRESETS`.

        Raises:
            ConfigError: every value of a wrong type or range, together.
        """
        preset = settings.get("preset", "default")
        if preset not in PRESETS:
            raise ConfigError(f"preset must be one of {', '.join(PRESETS)}, got {preset!r}")
        settings = {**PRESETS[preset], **{name: value for name, value in settings.items() if name != "preset"}}
        if settings.get("architecture") in CHARACTER_ARCHITECTURES:
            settings.setdefault("tokenizer", "char")
        sections: dict[str, dict[str, Any]] = {section.name: {} for section in fields(cls)}
        owner = {f.name: section.name for section in fields(cls) for f in fields(_section_type(section.name))}
        for name in settings.keys() & owner.keys():
            sections[owner[name]][name] = settings[name]
        others = {name: value for name, value in settings.items() if name not in owner}
        if others and isinstance(sections["model"].get("settings", {}), dict):
            sections["model"]["settings"] = {**sections["model"].get("settings", {}), **others}
        return cls.from_dict(sections)

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> Config:
        """Build a config from nested dictionaries, as :meth:`to_dict` gives them.

        Raises:
            ConfigError: unknown names and values of a wrong type or range, all together.
        """
        names = [section.name for section in fields(cls)]
        found = [f"unknown section {name!r}; sections are {', '.join(names)}" for name in saved if name not in names]
        for name in names:
            if not isinstance(saved.get(name, {}), Mapping):
                found.append(f"{name!r} must be a table of settings, got {saved[name]!r}")
                continue
            known = {f.name for f in fields(_section_type(name))}
            found += [
                f"unknown setting {key!r} in {name!r}; it has {', '.join(sorted(known))}"
                for key in saved.get(name, {})
                if key not in known
            ]
        if found:
            raise ConfigError(found)
        return cls(**{name: _section_type(name)(**plain(_section_type(name), saved.get(name, {}))) for name in names})

    def to_dict(self) -> dict[str, Any]:
        """Return nested dictionaries of JSON values, from which :meth:`from_dict` restores an equal config."""
        return typing.cast("dict[str, Any]", jsonable(dataclasses.asdict(self)))


def _section_type(name: str) -> type:
    return {
        "data": DataConfig,
        "text": TextConfig,
        "image": ImageConfig,
        "model": ModelConfig,
        "training": TrainingConfig,
    }[name]
