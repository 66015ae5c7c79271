"""Converts answers to dictionaries, one per input row, streamed in bounded memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from textcnn.evaluation.promises import Promise, answered_nodes, chooses_nodes
from textcnn.label_tree import Nodes
from textcnn.labels import Labels

if TYPE_CHECKING:
    from textcnn.prediction.predictor import Predictor
    from textcnn.runtime.text_model import Answers

NONE_OF_THESE = "none_of_these"  # the flag of rows that are like none of the labels'
CHUNK = 512  # rows in memory at once
_CHARACTERS = 2**22  # characters of their texts at once: chunks of long texts have fewer rows


class InputRow(Protocol):
    """The interface of an input row: its text, and its other columns, which are copied to the output."""

    @property
    def text(self) -> str:
        """The text to classify."""

    @property
    def columns(self) -> Mapping[str, Any]:
        """The cells of the row by column."""


class Answerer(Protocol):
    """The interface of a classifier of texts, such as a predictor of any runtime."""

    @property
    def labels(self) -> Labels:
        """The labels, in the order of the columns of the probabilities."""

    def answer(self, rows: Sequence[str], *, threshold: float | None = None) -> Answers:
        """Return the model's answers to the texts."""


@dataclass(frozen=True)
class AnswerForm:
    """Options for the contents of a row of answers.

    Attributes:
        text_columns: the columns that the text was read from; a single one named ``text`` is not copied a second time.
        top_k: the number of labels to list, the most probable first; none: no list.
        threshold: one threshold for all labels, instead of the model's own (multi-label).
        promise: how sure answers have to be, and whether each row gets a set of labels; none: neither.
        abstain: the label to put on rows of none of the labels, whose own moves to ``nearest_label``; none: it stays.
    """

    text_columns: tuple[str, ...] = ()
    top_k: int | None = None
    threshold: float | None = None
    promise: Promise | None = None
    abstain: str | None = None


def classify_rows(
    predictor: Predictor,
    rows: Iterable[InputRow],
    *,
    text_columns: Sequence[str] = (),
    top_k: int | None = None,
    threshold: float | None = None,
    none_of_these: float | None = None,
    abstain: str | None = None,
    counts: Counter[str] | None = None,
) -> Iterator[dict[str, Any]]:
    """Classify rows and yield one dictionary for each, in order.

    Arguments are checked at once, before the first row is read.

    Args:
        predictor: a text model.
        rows: an iterable that is read one chunk at a time.
        text_columns: as in :class:`AnswerForm`.
        top_k: as in :class:`AnswerForm`.
        threshold: as in :class:`AnswerForm`.
        none_of_these: the share of rows like the held-out ones that is not flagged ``none_of_these``; none: no flags.
        abstain: as in :class:`AnswerForm`.
        counts: a counter that the counts of :func:`counts_of` are added to.

    Raises:
        ArtifactError: the model is for images.
        ConfigError: a threshold for a single-label model, or outside 0 to 1; or the model cannot tell texts of none of
            its labels.
    """
    # A generator would raise these errors only when its first row is requested, so the check comes before it.
    predictor.text_inputs()
    predictor.thresholds(threshold)
    if top_k is not None:
        predictor.labels.require_labels("top_k")
    form = AnswerForm(tuple(text_columns), top_k, threshold, abstain=abstain)
    answerer: Answerer = predictor
    if none_of_these is not None:
        from textcnn.prediction.strangers import FlaggingStrangers

        answerer = FlaggingStrangers(predictor, predictor, none_of_these)
    total = Counter() if counts is None else counts

    def answered() -> Iterator[dict[str, Any]]:
        for chunk in chunks_of(rows):
            answers, found = answer_rows(answerer, chunk, form)
            total.update(found)
            yield from answers

    return answered()


def chunks_of(rows: Iterable[InputRow], ready: Callable[[], bool] = lambda: True) -> Iterator[list[InputRow]]:
    """Yield the rows in chunks of at most :data:`CHUNK`; a chunk ends early if the next row is not ``ready`` yet."""
    chunk: list[InputRow] = []
    size = 0
    for row in rows:
        chunk.append(row)
        size += len(row.text)
        if len(chunk) == CHUNK or size > _CHARACTERS or not ready():
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def answer_rows(
    predictor: Answerer, rows: Sequence[InputRow], form: AnswerForm
) -> tuple[list[dict[str, Any]], Counter[str]]:
    """Classify rows; return one dictionary for each, and counts as :func:`counts_of` gives them."""
    answers = predictor.answer([row.text for row in rows], threshold=form.threshold)
    found = []
    made = answers_of(predictor.labels, answers, top_k=form.top_k, promise=form.promise, abstain=form.abstain)
    for row, answer in zip(rows, made, strict=True):
        own = {"text": row.text, **answer}
        found.append(own | carried(row.columns, own, form))
    return found, counts_of(answers, len(rows))


def counts_of(answers: Answers, num_rows: int) -> Counter[str]:
    """Count the rows, tokens, unknown tokens, empty rows and cut (truncated) rows."""
    return Counter(
        rows=num_rows,
        tokens=answers.num_tokens,
        unknown=answers.num_unknown,
        empty=int(answers.empty.sum()),
        cut=int(answers.cut.sum()),
    )


def classify_images(
    predictor: Predictor,
    pixels: npt.NDArray[Any],
    *,
    names: Sequence[str] | None = None,
    top_k: int | None = None,
) -> Iterator[dict[str, Any]]:
    """Classify ``pixels (N, C, H, W)`` and yield one dictionary for each image, in order.

    Args:
        predictor: an image model.
        pixels: the images.
        names: the names of the images; none: they are numbered from 0.
        top_k: the number of labels to list, the most probable first; none: no list.

    Raises:
        ArtifactError: the model is for texts.
        DataError: images of another shape than the model's.
    """
    predictor.artifact.image_inputs().encode(pixels)

    def answered() -> Iterator[dict[str, Any]]:
        for start in range(0, len(pixels), CHUNK):
            answers = predictor.answer(pixels[start : start + CHUNK])
            for number, answer in enumerate(answers_of(predictor.labels, answers, top_k=top_k), start=start):
                yield {"image": number if names is None else names[number], **answer}

    return answered()


def answers_of(
    labels: Labels,
    answers: Answers,
    *,
    top_k: int | None = None,
    promise: Promise | None = None,
    abstain: str | None = None,
) -> Iterator[dict[str, Any]]:
    """Return the answer to each row as a dictionary: label, probability and flags, and what else was requested.

    The ``label`` of a multi-label row is the most probable one, whether or not it reached its threshold. Labels of a
    tree have a ``level``, 0 for rows unsure or abstained from. Where ``promise`` says how sure they have to be,
    the ``label`` is the deepest node that is so sure; with ``top_k`` there is a ``path``, the nodes from level 1
    down to a label, each the most probable child. In regression a row has its ``score``, or the ``scores`` of several
    targets.
    """
    if labels.targets:
        return _numbers_of(labels, answers, promise)
    return _labels_of(labels, answers, top_k, promise, abstain)


def _labels_of(
    labels: Labels, answers: Answers, top_k: int | None, promise: Promise | None, abstain: str | None
) -> Iterator[dict[str, Any]]:
    """Yield the answer to each row of a model of labels."""
    places, values = answers.best(len(labels) if labels.multi_label else min(max(top_k or 1, 1), len(labels)))
    ranked = zip(places.tolist(), values.tolist(), strict=True)
    nodes = None if labels.tree is None else answered_nodes(answers.probabilities, labels, promise)
    own = None if nodes is None else _node_entries(labels, nodes)
    paths = None if nodes is None or top_k is None else _paths(answers, labels)
    flags = _flags(answers, promise, nodes)
    is_chosen = nodes is not None and chooses_nodes(labels, promise)  # by sums of which nothing is proven
    sets = None if promise is None else promise.sets(answers.probabilities)
    for number, row in enumerate(ranked):
        pairs = zip(*row, strict=True)
        entries = [{"label": labels.names[place], "probability": value} for place, value in pairs]
        answer: dict[str, Any] = dict(entries[0]) if own is None else own[number]
        if top_k is not None:
            answer["top"] = entries[:top_k]
        if paths is not None:
            answer["path"] = paths[number]
        if sets is not None:
            inside = np.flatnonzero(sets[number])
            ranked_labels = inside[np.argsort(-answers.probabilities[number, inside], kind="stable")]
            answer["set"] = [labels.names[place] for place in ranked_labels.tolist()]
        if labels.multi_label:
            answer["labels"] = [entry for entry in entries if entry["label"] in answers.labels[number]]
        if answers.certified is not None:
            answer["certified"] = bool(answers.certified[number]) and not is_chosen
        answer["flags"] = [name for name, rows in flags.items() if rows[number]]
        if abstain is not None and answers.strange is not None:
            _abstain(answer, abstain, bool(answers.strange[number]))
        if answers.explanations is not None:
            answer["explanation"] = answers.explanations[number]
        yield answer


def _node_entries(labels: Labels, nodes: Nodes) -> list[dict[str, Any]]:
    """Return label, probability and level of the answer to each row."""
    assert labels.tree is not None
    rows = zip(nodes.numbers.tolist(), nodes.probabilities.tolist(), nodes.levels.tolist(), strict=True)
    names = labels.tree.nodes
    return [{"label": names[number], "probability": value, "level": level} for number, value, level in rows]


def _abstain(answer: dict[str, Any], abstain: str, is_strange: bool) -> None:
    """Put the label of a row of none of the labels on its answer; the label that is nearest stays as another entry."""
    answer["nearest_label"] = answer["label"]
    if is_strange:
        answer |= {"label": abstain, **({"level": 0} if "level" in answer else {})}


def _paths(answers: Answers, labels: Labels) -> list[list[dict[str, Any]]]:
    """Return the nodes of each row from level 1 down, each the most probable child, with their probabilities."""
    assert labels.tree is not None
    names, paths = labels.tree.nodes, labels.tree.paths(answers.probabilities, multi_label=labels.multi_label)
    return [
        [{"label": names[number], "probability": value} for number, value in zip(*row, strict=True) if number]
        for row in zip(paths.numbers.tolist(), paths.probabilities.tolist(), strict=True)
    ]


def _numbers_of(labels: Labels, answers: Answers, promise: Promise | None) -> Iterator[dict[str, Any]]:
    """Yield the answer to each row in regression: its score, or the scores of several targets by name, and flags.

    With a promise, the interval of each number too.
    """
    flags, is_one, grades = _flags(answers, None, None), len(labels) == 1, labels.grades
    likely = None if grades is None else grades.probabilities(answers.probabilities[:, 0])
    radii = None if promise is None else promise.radii
    for number, row in enumerate(answers.probabilities.tolist()):
        answer: dict[str, Any] = {"score": row[0]} if is_one else {"scores": dict(zip(labels.names, row, strict=True))}
        if grades is not None and likely is not None:
            best, shares = int(likely[number].argmax()), likely[number].tolist()
            own = {"label": grades.names[best], "probability": shares[best]}
            answer = {**own, **answer, "probabilities": dict(zip(grades.names, shares, strict=True))}
        if radii is not None:
            pairs = [[value - radius, value + radius] for value, radius in zip(row, radii.tolist(), strict=True)]
            answer |= {"interval": pairs[0]} if is_one else {"intervals": dict(zip(labels.names, pairs, strict=True))}
        answer["flags"] = [name for name, rows in flags.items() if rows[number]]
        if answers.explanations is not None:
            answer["explanation"] = answers.explanations[number]
        yield answer


def _flags(answers: Answers, promise: Promise | None, nodes: Nodes | None) -> dict[str, list[bool]]:
    """Return which rows have each flag."""
    flags = {"empty": answers.empty, "cut": answers.cut}
    if promise is not None:
        flags["unsure"] = promise.unsure(answers.probabilities) if nodes is None else nodes.levels == 0
    if answers.strange is not None:
        flags[NONE_OF_THESE] = answers.strange
    return {name: rows.tolist() for name, rows in flags.items()}


def carried(columns: Mapping[str, Any], own: Mapping[str, Any], form: AnswerForm) -> dict[str, Any]:
    """Return the input columns to copy to the output, renamed ``input_NAME`` where the ``own`` answer has that name."""
    found: dict[str, Any] = {}
    for name, value in columns.items():
        if name == "text" and form.text_columns == ("text",):
            continue
        while name in own or name in found:
            name = f"input_{name}"
        found[name] = value
    return found
