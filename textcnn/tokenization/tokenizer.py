"""The tokenizer: a `tokenizers` pipeline, trained on the training texts alone and saved as tokenizer.json.

Importing that package takes longer than classifying a text, so it is imported only on use. The default tokenizer
encodes without it: :mod:`textcnn.tokenization.words` splits words by the core.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from textcnn.config import TOKENIZERS, TextConfig
from textcnn.core.word_form import UNKNOWN as UNKNOWN
from textcnn.core.word_form import WordForm, WordList, form_of, read_word_list, without_surrogates
from textcnn.errors import ArtifactError, ConfigError
from textcnn.tokenization.ragged import Ragged
from textcnn.tokenization.words import count_words

if TYPE_CHECKING:
    import tokenizers
    from tokenizers import trainers

PAD = "[PAD]"
_UNKNOWN_NAMES = (UNKNOWN, "<unk>", "<UNK>")
_MOST_GAPS = 2**16  # unused ids that are allowed in addition to the number of entries, because each costs memory
_CHUNK = 2048  # texts handed to the pipeline at once: bounds its memory, keeps its threads busy


class Tokenizer:
    """Maps strings to token ids and tokens back to character offsets.

    Ids are those of tokenizer.json. ``[PAD]`` (0) and ``[UNK]`` (1) are entries of the vocabulary of every tokenizer
    trained here, but never *added* tokens: a user's text "[PAD]" is three ordinary tokens.

    Args:
        source: a pipeline, or all there is to know of a default one.
    """

    def __init__(self, source: tokenizers.Tokenizer | WordList) -> None:
        self._source = source

    @cached_property
    def _pipeline(self) -> tokenizers.Tokenizer:
        source = self._source
        pipeline = source.form.pipeline(source.vocabulary) if isinstance(source, WordList) else source
        pipeline.no_padding()
        pipeline.no_truncation()
        # A tokenizer.json made elsewhere may have special tokens: in a text their names are plain characters.
        pipeline.encode_special_tokens = True
        return pipeline

    @classmethod
    def train(cls, texts: Sequence[str], config: TextConfig) -> Tokenizer:
        """Learn a vocabulary from ``texts``, or load the tokenizer.json that ``config.tokenizer`` names.

        Raises:
            ConfigError: ``config.tokenizer`` is neither a kind nor a file.
        """
        if config.tokenizer not in TOKENIZERS:
            path = Path(config.tokenizer)
            if not path.is_file():
                kinds = ", ".join(TOKENIZERS)
                raise ConfigError(f"tokenizer must be one of {kinds}, or a tokenizer.json file, got {str(path)!r}")
            return cls.load(path)
        if config.tokenizer == "word":
            form = WordForm(config.normalization, config.lowercase)
            counts = count_words(texts, cls(WordList(form, _with_reserved([]))))
            names = _frequent(counts, config.min_frequency)[: config.vocabulary_size - 2]
            return cls(WordList(form, _with_reserved(names)))
        pipeline = _untrained(config)
        pipeline.train_from_iterator(map(without_surrogates, texts), _trainer(config, pipeline, texts))
        learned = pipeline.get_vocab(with_added_tokens=False)
        names = sorted(learned, key=learned.__getitem__)
        merges = pipeline.model.__getstate__()  # the only door to those of BPE
        return cls(_of_types(config, _with_reserved(names), merges))

    @classmethod
    def load(cls, path: str | Path) -> Tokenizer:
        """Read a tokenizer.json.

        Raises:
            ArtifactError: the file is not a tokenizer that the `tokenizers` package reads.
        """
        try:
            content = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as err:
            raise ArtifactError(f"expected a tokenizer.json at {str(path)!r}, but it cannot be read: {err}") from err
        try:
            return cls.from_json(content)
        except ArtifactError as err:
            raise ArtifactError(f"{path}: {err}") from err.__cause__

    @classmethod
    def from_json(cls, text: str) -> Tokenizer:
        """Build a tokenizer from the text of a tokenizer.json.

        Raises:
            ArtifactError: the text is not a tokenizer that the `tokenizers` package reads.
        """
        if (words := read_word_list(text)) is not None:
            return cls(words)
        import tokenizers

        try:
            tokenizer = cls(tokenizers.Tokenizer.from_str(text))
            tokenizer.encode_batch(["\ue000"])  # a word no vocabulary has: is there an entry for such words?
        except BaseException as err:  # the package raises plain Exception for every fault in the file, but for some
            if not isinstance(err, Exception) and type(err).__name__ != "PanicException":  # ends of its Rust code
                raise
            raise ArtifactError(f"expected the JSON of a tokenizer, but the tokenizers package says: {err}") from err
        entries = tokenizer._pipeline.get_vocab_size(with_added_tokens=True)
        if len(tokenizer) > 2 * entries + _MOST_GAPS:
            raise ArtifactError(
                f"expected a tokenizer whose ids follow each other, found ids up to {len(tokenizer) - 1:,} for "
                f"{entries:,} entries"
            )
        return tokenizer

    def to_json(self) -> str:
        """Return the text of tokenizer.json."""
        return str(self._pipeline.to_str(pretty=True))

    def __len__(self) -> int:
        return self._size

    @cached_property
    def _size(self) -> int:
        """One more than the largest id, because a tokenizer.json made elsewhere may leave ids out."""
        return max(self.vocabulary.values(), default=-1) + 1

    @cached_property
    def vocabulary(self) -> Mapping[str, int]:
        """The id of every type."""
        if isinstance(self._source, WordList):
            return self._source.vocabulary
        return dict(self._pipeline.get_vocab(with_added_tokens=True))

    @cached_property
    def word_form(self) -> WordForm | None:
        """The form of a default tokenizer, whose words the core finds and looks up whole; none for any other."""
        if isinstance(self._source, WordList):
            return self._source.form
        return form_of(json.loads(self.to_json())) if self.has_whole_words else None

    def __getstate__(self) -> dict[str, Any]:
        """Return only the tokenizer.json, from which the rest is derived."""
        return {"_source": self._source}

    @property
    def unknown_id(self) -> int | None:
        """Id of unseen words; none if the pipeline knows every character or byte."""
        ids = (self.vocabulary.get(name) for name in _UNKNOWN_NAMES)
        return next((i for i in ids if i is not None), None)

    @property
    def has_whole_words(self) -> bool:
        """Whether every looked-up piece is one token, so that :meth:`words` are the names of the tokens."""
        return isinstance(self._source, WordList) or type(self._pipeline.model).__name__ == "WordLevel"

    def types(self) -> list[str]:
        """Return the type string of every id, in the order of the ids; unused ids have an empty string."""
        names = [""] * len(self)
        for name, number in self.vocabulary.items():
            names[number] = name
        return names

    def encode_batch(self, texts: Sequence[str]) -> Ragged:
        """Return the token ids of every text; an empty text has none."""
        return Ragged.concatenate(self.encode_stream(texts))

    def encode_stream(self, texts: Iterable[str]) -> Iterator[Ragged]:
        """Yield the token ids of a stream of texts, some thousands at a time."""
        texts = iter(texts)
        while chunk := [without_surrogates(text) for text in islice(texts, _CHUNK)]:
            encodings = self._pipeline.encode_batch_fast(chunk, add_special_tokens=False)
            yield Ragged.from_lists([encoding.ids for encoding in encodings])

    def encode_with_starts(self, texts: Sequence[str]) -> list[tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]]:
        """Return the token ids of each text, and the character offset at which each token begins."""
        encodings = self._pipeline.encode_batch([without_surrogates(text) for text in texts], add_special_tokens=False)
        found = []
        for encoding in encodings:
            offsets = np.array(encoding.offsets, np.int64).reshape(-1, 2)
            found.append((np.array(encoding.ids, np.int32), offsets[:, 0]))
        return found

    def components(self) -> dict[str, Any]:
        """Return the parts of tokenizer.json without the vocabulary; ``model`` is the type of the model."""
        if isinstance(self._source, WordList):
            parts = self._source.form.document({})
            names = ("normalizer", "pre_tokenizer", "post_processor", "added_tokens")
            return {**{name: parts[name] for name in names}, "model": parts["model"]["type"], "dropout": None}
        pipeline = self._pipeline
        parts = {name: getattr(pipeline, name) for name in ("normalizer", "pre_tokenizer", "post_processor")}
        return {
            **{name: None if part is None else json.loads(part.__getstate__()) for name, part in parts.items()},
            "model": type(pipeline.model).__name__,
            "dropout": getattr(pipeline.model, "dropout", None),
            "added_tokens": [token.content for token in pipeline.get_added_tokens_decoder().values()],
        }

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Return the character offsets ``(start, end)`` in ``text`` of each token of :meth:`encode_batch`."""
        encoding = self._pipeline.encode(without_surrogates(text), add_special_tokens=False)
        spans = []
        following = [*(int(start) for start, _ in encoding.offsets[1:]), len(text)]
        for (start, end), limit in zip(encoding.offsets, following, strict=False):
            # Of characters that were joined or dropped, the pipeline keeps the place of the first that is there.
            while end < limit and not text[end].isspace():
                end += 1
            spans.append((int(start), int(end)))
        return spans

    def words(self, text: str) -> list[str]:
        """Return the pieces that the pipeline looks up; of a word-level tokenizer, types and unseen words."""
        return _words(self._pipeline, without_surrogates(text))

    @property
    def is_default(self) -> bool:
        """Whether this is a default tokenizer, whose words are those of the word pattern."""
        return self.word_form is not None

    def type_of(self, word: str) -> str | None:
        """Return the piece that :meth:`words` makes of one word; none if it makes several."""
        pieces = self.words(word)
        return pieces[0] if len(pieces) == 1 else None

    def extended(self, names: Sequence[str]) -> Tokenizer:
        """Append ``names``, which must be new, to the vocabulary of a whole-word pipeline."""
        document = json.loads(self.to_json())
        document["model"]["vocab"].update({name: len(self) + k for k, name in enumerate(names)})
        return Tokenizer.from_json(json.dumps(document))

    def with_words_of(self, texts: Iterable[str], config: TextConfig) -> Tokenizer:
        """Append the new words of ``texts`` within the config's limits; a sub-word tokenizer is returned unchanged.

        The most frequent words come first; ties are sorted by name.
        """
        if not self.has_whole_words:
            return self
        known = set(self.types())
        new = [word for word in _frequent(count_words(texts, self), config.min_frequency) if word not in known]
        return self.extended(new[: max(config.vocabulary_size - len(self), 0)])


def _frequent(counts: Mapping[str, int], min_frequency: int) -> list[str]:
    """Return the words with at least ``min_frequency`` occurrences, most frequent first, ties by name."""
    words = sorted(word for word, count in counts.items() if count >= min_frequency)
    order = np.argsort([-counts[word] for word in words], kind="stable")
    return [words[k] for k in order.tolist()]


def steps_of(component: dict[str, Any] | None, plural: str) -> list[dict[str, Any]]:
    """Flatten nested sequences of pipeline components into a list."""
    if component is None:
        return []
    if component["type"] != "Sequence":
        return [component]
    return [step for part in component[plural] for step in steps_of(part, plural)]


def _words(pipeline: tokenizers.Tokenizer, text: str) -> list[str]:
    if pipeline.normalizer is not None:
        text = pipeline.normalizer.normalize_str(text)
    if pipeline.pre_tokenizer is None:
        return [text] if text else []
    return [piece for piece, _ in pipeline.pre_tokenizer.pre_tokenize_str(text)]


def _untrained(config: TextConfig) -> tokenizers.Tokenizer:
    from tokenizers import Regex, decoders, models, pre_tokenizers

    pipeline = WordForm(config.normalization, config.lowercase).pipeline({})
    if config.tokenizer == "wordpiece":
        pipeline.model = models.WordPiece(unk_token=UNKNOWN)
    elif config.tokenizer == "char":
        pipeline.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    elif config.tokenizer == "bpe":
        pipeline.model = models.BPE()
        pipeline.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        pipeline.decoder = decoders.ByteLevel()
    return pipeline


def _trainer(config: TextConfig, pipeline: tokenizers.Tokenizer, texts: Sequence[str]) -> trainers.Trainer:
    from tokenizers import pre_tokenizers, trainers

    size, frequency = config.vocabulary_size - 2, config.min_frequency  # two places are reserved
    if config.tokenizer == "bpe":
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        return trainers.BpeTrainer(
            vocab_size=min(max(size, len(alphabet)), _SUBWORDS),
            min_frequency=max(frequency, 2),
            initial_alphabet=alphabet,
            show_progress=False,
        )
    if config.tokenizer == "wordpiece":
        # By default this trainer numbers the characters inside words, and so breaks ties, in an order that changes
        # from run to run; special tokens are numbered first. The final pipeline has no special tokens.
        words = (word for text in texts for word in _words(pipeline, without_surrogates(text)))
        inner = sorted({f"##{character}" for word in words for character in word[1:]})
        return trainers.WordPieceTrainer(
            vocab_size=min(size, _SUBWORDS),
            min_frequency=max(frequency, 2),
            special_tokens=inner,
            show_progress=False,
        )
    return trainers.WordLevelTrainer(vocab_size=size, min_frequency=frequency, show_progress=False)


_SUBWORDS = 16_000  # sub-word vocabularies beyond this are word lists again


def _with_reserved(names: Sequence[str]) -> dict[str, int]:
    """Return the ids of types, after [PAD] and [UNK]."""
    # Given to a trainer as ``special_tokens`` they would become added tokens, which match within texts.
    return {entry: number for number, entry in enumerate(dict.fromkeys([PAD, UNKNOWN, *names]))}


def _of_types(config: TextConfig, vocabulary: dict[str, int], trained: bytes) -> tokenizers.Tokenizer:
    """Build a pipeline with these types.

    Args:
        config: settings of the pipeline.
        vocabulary: ids of the types.
        trained: the JSON of a trained model, for byte pairs.
    """
    from tokenizers import models

    pipeline = _untrained(config)
    if config.tokenizer == "bpe":
        pipeline.model = models.BPE(vocabulary, _merges(trained))
    elif config.tokenizer == "wordpiece":
        pipeline.model = models.WordPiece(vocabulary, unk_token=UNKNOWN)
    else:
        pipeline.model = models.WordLevel(vocabulary, unk_token=UNKNOWN)
    return pipeline


def _merges(saved: bytes) -> list[tuple[str, str]]:
    return [(left, right) for left, right in json.loads(saved)["merges"]]
