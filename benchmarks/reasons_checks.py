"""The reasons of one model checked on some texts: sums, what-if, words that are enough."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.brute_force import Counts, classified, each_text, one_text
from textcnn.config import DataConfig
from textcnn.explain.counterfactuals import Variants
from textcnn.explain.sufficient_words import Blanked, Decision
from textcnn.prediction.predictor import Predictor
from textcnn.reading.rows import read_examples
from textcnn.runtime.filters import Doubles
from textcnn.runtime.lookup import LookupModel
from textcnn.tokenization.pipeline import EncodedTexts

WORDS = 20  # put in the place of one word of every text
SMALLEST = 100  # texts whose smallest set is looked for


def check_reasons(folder: Path, path: str, num_texts: int) -> dict[str, Any]:
    """What was found on the first ``num_texts`` rows of a file, as JSON.

    Raises:
        ArtifactError: there is no model, or it is not of one layer.
        DataError: rows that cannot be read.
    """
    predictor = Predictor.load(folder, runtime="look-up")
    model = predictor.lookup()
    assert model is not None
    texts = list(read_examples(path, DataConfig(), multi_label=predictor.labels.multi_label).texts[:num_texts])
    encoded = model.inputs.encode(texts)
    part: dict[str, Any] = {"texts": len(texts), "words_per_text": round(float(encoded.lengths.mean()), 1)}
    part["sums"] = _sums(predictor, texts, model.logits(encoded))
    part["deletion"] = _deletion(model, encoded)
    part["replacement"] = _replacement(model, encoded)
    part["smallest"] = _smallest(model, encoded)
    if model.model.means is None and model.model.table is None:
        part["sufficient"] = _sufficient(model, encoded)
    return part


def _sums(predictor: Predictor, texts: list[str], logits: Doubles) -> dict[str, Any]:
    """Residuals of all labels' sums, and how far the float64 logits are from those of classify."""
    residual = difference = 0.0
    ngrams = 0
    for row, expected in zip(predictor.explain(texts, labels="all"), logits, strict=True):
        for one, logit in zip(row, expected.tolist(), strict=True):
            assert isinstance(one, dict)
            other = one["bias"] + sum(term["contribution"] for term in one["other"])
            for entries in (one["ngrams"], one["words"]):
                total = other + sum(entry["contribution"] for entry in entries)
                residual = max(residual, abs(total - one["logit"]))
            difference = max(difference, abs(one["logit"] - logit))
            ngrams += len(one["ngrams"])
    return {
        "largest_residual": residual,
        "largest_difference_to_classify": difference,
        "ngrams_per_label": round(ngrams / max(logits.size, 1), 1),
    }


def _deletion(model: LookupModel, encoded: EncodedTexts) -> dict[str, Any]:
    """All texts without each of their words, against classifying every one of them."""
    counts = Counts()
    certified = 0
    for number, ids in enumerate(each_text(encoded)):
        variants = Variants(model, ids, encoded.unseen)
        began = time.perf_counter()
        found = variants.without_each()
        counts.seconds += time.perf_counter() - began
        rows = (np.delete(ids, place) for place in range(len(ids)))
        expected = classified(model, rows, encoded)
        counts.compare(model, found, expected)
        decision = Decision(model, model.logits(one_text(encoded, number, model))[0])
        certified += bool(decision.keeps(expected).all())
    return {**counts.describe(), "texts_certified": round(certified / len(encoded), 4)}


def _replacement(model: LookupModel, encoded: EncodedTexts) -> dict[str, Any]:
    """One word of each text replaced by some words of the vocabulary, against classifying each."""
    random, counts = np.random.default_rng(1), Counts()
    num_types = len(model.inputs.tokenizer)
    for ids in each_text(encoded):
        if not len(ids):
            continue
        place, words = int(random.integers(len(ids))), random.integers(2, num_types, WORDS)
        began = time.perf_counter()
        found = Variants(model, ids, encoded.unseen).with_each(place, words)
        counts.seconds += time.perf_counter() - began
        rows = (np.concatenate([ids[:place], [word], ids[place + 1 :]]) for word in words)
        counts.compare(model, found, classified(model, rows, encoded))
    return counts.describe()


def _sufficient(model: LookupModel, encoded: EncodedTexts) -> dict[str, Any]:
    """Logits of the winning windows alone, which must be those of the text to the bit."""
    logits, mismatches, shares = model.logits(encoded), 0, []
    for number in range(len(encoded)):
        blanked = Blanked(model, encoded, number)
        shown = blanked.sufficient()
        mismatches += bool((blanked.logits(shown[None])[0] != logits[number]).any())
        shares += [float(shown.mean())] if len(shown) else []
    return {"mismatches": mismatches, "mean_share_of_words": round(float(np.mean(shares)), 4)}


def _smallest(model: LookupModel, encoded: EncodedTexts) -> dict[str, Any]:
    logits, mismatches = model.logits(encoded), 0
    sizes, shares = [], []
    for number in range(min(len(encoded), SMALLEST)):
        blanked = Blanked(model, encoded, number)
        shown = blanked.smallest()
        decision = Decision(model, logits[number])
        mismatches += not decision.keeps(blanked.logits(shown[None]))[0]
        sizes.append(int(shown.sum()))
        shares += [float(shown.mean())] if len(shown) else []
    return {
        "texts": len(sizes),
        "mismatches": mismatches,
        "mean_words": round(float(np.mean(sizes)), 2),
        "mean_share_of_words": round(float(np.mean(shares)), 4),
        "texts_with_at_most_3_words": round(float(np.mean(np.array(sizes) <= 3)), 4),
    }
