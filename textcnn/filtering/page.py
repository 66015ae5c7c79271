"""Renders the report of a filter: counts, a histogram, and samples of documents with the reasons of their scores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

from textcnn.filtering.tally import Sample
from textcnn.prediction.predictor import Predictor
from textcnn.report.content import Reason
from textcnn.report.page import Segment, highlight

_NGRAMS = 12  # strongest n-grams marked in a sample
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
  color: #222; background: #fff; }
table { border-collapse: collapse; } td, th { padding: .15rem .8rem .15rem 0; text-align: right; }
td:first-child, th:first-child { text-align: left; overflow-wrap: anywhere; }
.bar { display: inline-block; height: .8rem; background: #4a7ebb; }
article { border-top: 1px solid #bbb; padding: .6rem 0; } article p { white-space: pre-wrap; overflow-wrap: anywhere; }
.for { background: rgba(46, 139, 87, var(--a)); } .against { background: rgba(205, 92, 62, var(--a)); }
@media (prefers-color-scheme: dark) { body { color: #ddd; background: #181818; } }
"""


def render(summary: dict[str, Any], samples: Sequence[Sample], predictor: Predictor) -> str:
    """Return the page as a string that loads nothing from the network, with every text escaped.

    Args:
        summary: the contents of ``filter.json``.
        samples: the documents to show.
        predictor: the model, by which they are explained.
    """
    reasons, note = explain(samples, predictor)
    rule = _rule(summary, is_number=bool(predictor.labels.targets))
    parts = [
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Filter</title>',
        f"<style>{_STYLE}</style><h1>Filter</h1><p>{escape(rule)}</p>",
        _counts(summary),
        _histogram(summary),
        _shards(summary),
        f"<p>{escape(note)}</p>",
    ]
    for is_kept, title in ((True, "Kept"), (False, "Dropped")):
        chosen = [pair for pair in zip(samples, reasons, strict=True) if pair[0].kept is is_kept]
        if chosen:
            parts.append(f"<h2>{title}: a sample</h2>")
            parts += [_article(sample, segments) for sample, segments in chosen]
    return "\n".join(parts) + "\n</html>\n"


def explain(samples: Sequence[Sample], predictor: Predictor) -> tuple[list[list[Segment]], str]:
    """Return the text of each sample cut into segments by their contribution, and a note about how they were found."""
    plain = [[Segment(sample.text)] for sample in samples]
    if predictor.lookup() is None:
        return plain, "Contributions of words are shown for models of one layer; this one has more."
    found = []
    for sample in samples:
        one: Any = predictor.explain([sample.text], labels=[sample.label], top=_NGRAMS)[0]
        spans = [
            Reason(entry["start"], entry["end"], entry["contribution"]) for entry in one[0]["ngrams"] if entry["text"]
        ]
        found.append(highlight(sample.text, spans))
    return found, (
        f"Marked are the {_NGRAMS} n-grams that add most to the logit of the label, or take most from it; of a "
        "document that is cut, those of the part that is shown."
    )


def _rule(summary: dict[str, Any], *, is_number: bool) -> str:
    if summary["keep"] is None:
        return "Each document went to the folder of its most probable label."
    share = summary["keep_share"]
    which = "" if share is None else f", the cut that keeps {share:.4%} of the documents"
    what = repr(summary["keep"]) if is_number else f"probability of {summary['keep']!r}"
    return f"Kept: documents whose {what} is at least {summary['threshold']:.6g}{which}."


def _counts(summary: dict[str, Any]) -> str:
    rows = [("documents", summary["documents"]), ("kept", summary["kept"])]
    rows += [(f"kept as {label}", count) for label, count in summary.get("labels", {}).items()]
    rows += [("dropped", summary["dropped"])]
    rows += [(f"rejected: {reason}", count) for reason, count in summary["rejected"].items()]
    whole = max(summary["documents"], 1)
    cells = "".join(f"<tr><td>{escape(name)}<td>{count:,}<td>{count / whole:.2%}" for name, count in rows)
    return f"<table>{cells}</table>"


def _histogram(summary: dict[str, Any]) -> str:
    most = max([*summary["histogram"], 1])
    rows = [
        f'<tr><td>{low:.2f}<td>{count:,}<td style="text-align: left">'
        f'<span class="bar" style="width: {20 * count / most:.3f}rem"></span>'
        for low, count in zip(summary["bins"], summary["histogram"], strict=False)
    ]
    return f"<h2>Scores</h2><table><tr><th>from<th>documents<th>{''.join(rows)}</table>"


def _shards(summary: dict[str, Any]) -> str:
    rows = [
        f"<tr><td>{escape(name)}<td>{one['documents']:,}<td>{one['kept']:,}<td>{one['dropped']:,}"
        f"<td>{sum(one['rejected'].values()):,}"
        for name, one in list(summary["shards"].items())[:100]
    ]
    more = len(summary["shards"]) - len(rows)
    ending = f"<p>and {more:,} more, in filter.json</p>" if more else ""
    head = "<tr><th>shard<th>documents<th>kept<th>dropped<th>rejected"
    return f"<h2>Shards</h2><table>{head}{''.join(rows)}</table>{ending}"


def _article(sample: Sample, segments: Sequence[Segment]) -> str:
    place = f"{sample.shard}, {sample.number:,}: {sample.label} {sample.probability:.4f}"
    return (
        f"<article><b>{escape(place)}</b><p>{''.join(_marked(segments))}{'...' if sample.is_cut else ''}</p></article>"
    )


def _marked(segments: Sequence[Segment]) -> Iterator[str]:
    for text, contribution, strength in segments:
        if not contribution:
            yield escape(text)
            continue
        kind = "for" if contribution > 0 else "against"
        yield (
            f'<span class="{kind}" style="--a: {abs(strength) * 0.7:.2f}" title="{contribution:+.2f}">'
            f"{escape(text)}</span>"
        )
