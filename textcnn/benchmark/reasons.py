"""Reasons measured: do sums add up, is what-if brute force, do blanks change nothing, and what does it all cost."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from textcnn.benchmark.machine import command_line, describe_machine
from textcnn.benchmark.resumable import FinishedRuns
from textcnn.config import DataConfig
from textcnn.explain.blanks import Blanked
from textcnn.explain.decision import Decision
from textcnn.explain.explaining import Explainer
from textcnn.explain.variants import Variants
from textcnn.inference.answers import Answerer, AnswerForm
from textcnn.inference.filters import Doubles
from textcnn.inference.lookup import LookupModel
from textcnn.inference.predictor import Predictor
from textcnn.inference.streaming import answer_stream
from textcnn.inference.writing import write_lines
from textcnn.text.pipeline import EncodedTexts
from textcnn.text.ragged import Ragged
from textcnn.text.reading import open_rows, read_examples
from textcnn.training.progress import Reporter

KIND = "reasons"
KINDS = ("default", "pure")
WORDS = 20  # put in the place of one word of every text
SMALLEST = 100  # texts whose smallest set is looked for
LISTED = 10  # n-grams and words of `classify --explain`
TOLERANCE = 1e-5  # of a logit; float32 weights of the wide branch are rounded by 1e-6 of it
BLOCK = 500_000  # tokens of variants classified at once


def reasons_benchmark(
    data: Path,
    models: Path,
    sets: Sequence[str],
    reporter: Reporter,
    *,
    num_texts: int,
    speed_sets: Sequence[str],
    output: Path | None,
    arguments: Sequence[str],
) -> dict[str, Any]:
    """Measure the models ``SET-default`` and ``SET-pure`` of each set on its test rows.

    Args:
        data: holds a folder with ``test.csv.gz`` for each set.
        models: their folders.
        sets: names.
        reporter: is told of progress.
        num_texts: the first so many test rows are looked at.
        speed_sets: sets whose whole test rows are classified with and without reasons.
        output: where the document goes; a stopped start is continued from beside it.
        arguments: the command line, for the record.

    Raises:
        ArtifactError: a model that is not there.
        ConfigError: one of more than one layer.
        DataError: rows that cannot be read.
    """
    runs = FinishedRuns(output, {"texts": num_texts, "sets": list(sets), "speed": list(speed_sets)})
    found: dict[str, Any] = {}
    for name in sets:
        path = str(data / name / "test.csv.gz")
        for kind in KINDS:
            reporter.say(f"{name}, {kind}")
            folder = models / f"{name}-{kind}"
            found.setdefault(name, {})[kind] = runs.run(f"{name}, {kind}", _measure, folder, path, num_texts)
        if name in speed_sets:
            found[name]["speed"] = runs.run(f"{name}, speed", _speed, models / f"{name}-{KINDS[0]}", path)
    document = {
        "benchmark": KIND,
        "command": command_line(arguments),
        "machine": describe_machine(),
        "tolerance": TOLERANCE,
        "sets": found,
    }
    runs.write(document)
    return document


def _measure(folder: Path, path: str, num_texts: int) -> dict[str, Any]:
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
    counts = _Counts()
    certified = 0
    for number, ids in enumerate(_texts(encoded)):
        variants = Variants(model, ids, encoded.unseen)
        began = time.perf_counter()
        found = variants.without_each()
        counts.seconds += time.perf_counter() - began
        rows = (np.delete(ids, place) for place in range(len(ids)))
        expected = _classified(model, rows, encoded)
        counts.compare(model, found, expected)
        decision = Decision(model, model.logits(_one(encoded, number, model))[0])
        certified += bool(decision.keeps(expected).all())
    return {**counts.describe(), "texts_certified": round(certified / len(encoded), 4)}


def _replacement(model: LookupModel, encoded: EncodedTexts) -> dict[str, Any]:
    """One word of each text replaced by some words of the vocabulary, against classifying each."""
    random, counts = np.random.default_rng(1), _Counts()
    num_types = len(model.inputs.tokenizer)
    for ids in _texts(encoded):
        if not len(ids):
            continue
        place, words = int(random.integers(len(ids))), random.integers(2, num_types, WORDS)
        began = time.perf_counter()
        found = Variants(model, ids, encoded.unseen).with_each(place, words)
        counts.seconds += time.perf_counter() - began
        rows = (np.concatenate([ids[:place], [word], ids[place + 1 :]]) for word in words)
        counts.compare(model, found, _classified(model, rows, encoded))
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


class _Counts:
    """Variants compared with brute force."""

    def __init__(self) -> None:
        self.variants = self.mismatches = self.flips = 0
        self.difference = self.seconds = 0.0

    def compare(self, model: LookupModel, found: Doubles, expected: Doubles) -> None:
        """Count rows whose logits are too far apart, or that are given another label."""
        apart = np.abs(found - expected).max(axis=1, initial=0)
        self.difference = max(self.difference, float(apart.max(initial=0)))
        same = [Decision(model, row).labels for row in found] if len(found) else []
        other = Decision(model, expected[0]).names(expected) if len(found) else []
        differs = np.array([a != b for a, b in zip(same, other, strict=True)], np.bool_)
        self.mismatches += int((differs | (apart > TOLERANCE)).sum())
        self.variants += len(found)

    def describe(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "variants": self.variants,
            "mismatches": self.mismatches,
            "largest_difference": self.difference,
            "microseconds_per_variant": round(self.seconds / max(self.variants, 1) * 1e6, 1),
        }


def _texts(encoded: EncodedTexts) -> Iterator[np.ndarray[Any, np.dtype[np.int32]]]:
    for start, end in zip(encoded.offsets[:-1].tolist(), encoded.offsets[1:].tolist(), strict=True):
        yield encoded.ids[start:end]


def _one(encoded: EncodedTexts, number: int, model: LookupModel) -> EncodedTexts:
    ids = encoded.ids[encoded.offsets[number] : encoded.offsets[number + 1]]
    return _with_features(model, Ragged.from_lists([ids.tolist()]), encoded)


def _with_features(model: LookupModel, tokens: Ragged, encoded: EncodedTexts) -> EncodedTexts:
    wide = None if model.inputs.wide is None else model.inputs.wide.transform(tokens)
    return EncodedTexts(tokens.ids, tokens.offsets, encoded.unseen, wide)


def _classified(model: LookupModel, rows: Iterable[Any], encoded: EncodedTexts) -> Doubles:
    """Logits ``(D, C)`` of variants, each classified as a text of its own."""
    parts, held, size = [np.zeros((0, model.model.num_labels))], [], 0
    for row in rows:
        held.append(row)
        size += len(row)
        if size > BLOCK:
            parts.append(model.logits(_with_features(model, _ragged(held), encoded)))
            held, size = [], 0
    if held:
        parts.append(model.logits(_with_features(model, _ragged(held), encoded)))
    return np.concatenate(parts)


def _ragged(rows: list[Any]) -> Ragged:
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    return Ragged(np.concatenate(rows).astype(np.int32), offsets)


def _speed(folder: Path, path: str) -> dict[str, Any]:
    """Words a second of `classify` from file to file, without and with its ten strongest reasons."""
    predictor = Predictor.load(folder)
    words = int(predictor.inputs.encode(read_examples(path).texts).lengths.sum())
    explainer = Explainer(predictor, top=LISTED)
    rates: dict[str, list[float]] = {"classify": [], "explain": []}
    with tempfile.TemporaryDirectory() as place:
        for _ in range(2):
            answerers: dict[str, Answerer] = {"classify": predictor, "explain": explainer}
            for name, answerer in answerers.items():
                began = time.perf_counter()
                rows = open_rows(path, DataConfig(), labels="ignored")
                form = AnswerForm(rows.text_columns)
                parts = answer_stream(rows, answerer, form, as_lines=True, ready=rows.ready)
                write_lines((part.lines for part in parts), f"{place}/{name}.jsonl")
                rates[name].append(words / (time.perf_counter() - began))
    best = {name: round(max(values)) for name, values in rates.items()}
    return {
        "words": words,
        "classify_words_per_second": best["classify"],
        "explain_words_per_second": best["explain"],
        "ratio": round(best["explain"] / best["classify"], 3),
    }


def to_markdown(document: Mapping[str, Any]) -> str:
    """The document as tables."""
    machine = document["machine"]
    lines = [
        "# Reasons",
        "",
        f"Made by `{document['command']}` at {machine['commit']}, on {machine['cpu']}. First test rows of each set; a "
        f"mismatch is another label, or a logit further than {document['tolerance']:.0e} from brute force.",
        "",
        "| set, model | texts | words | residual | to classify | deletions | wrong | certified | us | replaced | wrong "
        "| smallest set: words | at most 3 | sufficient, share | wrong |",
        "| --- " + "| ---: " * 14 + "|",
    ]
    for name, kinds in document["sets"].items():
        for kind in KINDS:
            lines.append(_line(f"{name}, {kind}", kinds[kind]))
    for name, kinds in document["sets"].items():
        if speed := kinds.get("speed"):
            lines += [
                "",
                f"`classify` on {name}'s test rows, file to file: {speed['classify_words_per_second']:,} words/s; with "
                f"`--explain` {speed['explain_words_per_second']:,} ({speed['ratio']:.0%}).",
            ]
    return "\n".join(lines) + "\n"


def _line(title: str, part: Mapping[str, Any]) -> str:
    sums, gone, put, few = part["sums"], part["deletion"], part["replacement"], part["smallest"]
    enough = part.get("sufficient")
    cells = [
        f"{part['texts']:,}",
        f"{part['words_per_text']}",
        f"{sums['largest_residual']:.0e}",
        f"{sums['largest_difference_to_classify']:.0e}",
        f"{gone['variants']:,}",
        f"{gone['mismatches']}",
        f"{gone['texts_certified']:.1%}",
        f"{gone['microseconds_per_variant']}",
        f"{put['variants']:,}",
        f"{put['mismatches']}",
        f"{few['mean_words']}",
        f"{few['texts_with_at_most_3_words']:.0%}",
        "" if enough is None else f"{enough['mean_share_of_words']:.1%}",
        "" if enough is None else f"{enough['mismatches']}",
    ]
    return f"| {title} | {' | '.join(cells)} |"
