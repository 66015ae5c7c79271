"""The document of :mod:`benchmarks.peers` for readers: one table, and who wins where."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Any

Document = Mapping[str, Any]


def to_markdown(document: Document) -> str:
    """All parts as one table of what, ours, the peer's, and the ratio; then the roofline."""
    machine = document["machine"]
    lines = [
        "# Beside fastText and a linear SVM",
        "",
        f"Made by `{document['command']}` at {machine['commit']}, on {machine['cores']} cores ({machine['cpu']}), "
        f"{machine['threads']} threads, {machine['other_work']} other threads running. {document['rows'][0]:,} "
        f"training and {document['rows'][1]:,} test texts. Ratio: above 1, ours is better.",
        "",
        "| what | ours | peer | ratio | better |",
        "| --- | ---: | ---: | ---: | --- |",
        *_training(document["training"]),
        *_race(document["race"]),
        *_files(document["files"]["runs"]),
        *_sentence(document["one_sentence"]),
        "",
        *([] if document["fasttext"] else ["fastText is not installed here: its rows are left out.", ""]),
        *_rules(document),
        "",
        *_roofline(document),
    ]
    return "\n".join(lines) + "\n"


def _row(what: str, ours: float, peer: float | None, unit: str, name: str, *, less_is_better: bool = False) -> str:
    shown = f"{ours:,.4g} {unit}" if ours < 1e4 else f"{ours:,.0f} {unit}"
    if peer is None:
        return f"| {what} | {shown} | | | |"
    ratio = peer / ours if less_is_better else ours / peer
    other = f"{peer:,.4g} {unit}" if peer < 1e4 else f"{peer:,.0f} {unit}"
    return f"| {what} | {shown} | {name}: {other} | {ratio:.2f} | {'ours' if ratio > 1 else name} |"


def _training(part: Document) -> list[str]:
    lines = []
    for kind, what in (("whole", "texts to model"), ("loop", "epochs alone")):
        medians: dict[str, list[float]] = {}
        for run in part["runs"]:
            medians.setdefault(run["contestant"], []).append(run[f"{kind}_tokens_per_second"])
        peers = medians.pop("fasttext", None)
        peer = None if peers is None else statistics.median(peers)
        lines += [
            _row(f"training, {name}, {what}", statistics.median(rates), peer, "tokens/s", "fastText")
            for name, rates in medians.items()
        ]
    return lines


def _race(part: Document | None) -> list[str]:
    if part is None:
        return []
    ours, peer = part["ours"], part["fasttext"]
    chosen = ", ".join(f"{name} {value}" for name, value in ours["settings"].items()) or "default"
    reached = "reached" if ours["accuracy"] >= peer["accuracy"] else "not reached"
    what = f"seconds to fastText's test accuracy {peer['accuracy']:.4f} ({chosen}: {ours['accuracy']:.4f}, {reached})"
    return [_row(what, ours["seconds"], peer["seconds"], "s", "fastText", less_is_better=True)]


def _files(runs: list[Document]) -> list[str]:
    rates = {run["contestant"]: run["words_per_second"] for run in runs}
    peers = {name: rate for name, rate in rates.items() if not name.startswith("textcnn")}
    return [
        _row(f"file to file, {name}", rates[name], rate, "words/s", peer)
        for name in rates
        if name.startswith("textcnn")
        for peer, rate in peers.items()
    ]


def _sentence(part: Document) -> list[str]:
    lines = [
        _row(
            f"one sentence of {part['words']} words, {row['kernels']} {row['precision']}",
            row["text_to_label_us"],
            None,
            "us",
            "",
        )
        for row in part["medians"]
    ]
    return [*lines, _row("cold start of the command line", part["cold_start_seconds"], None, "s", "")]


def _rules(document: Document) -> list[str]:
    settings = "none" if document["fasttext"] is None else document["fasttext"]
    return [
        f"- fastText's settings: {settings}; its words are cut by a regular expression, in lower case, before its "
        "training is timed; the rates count those words for it, and our tokens for ours",
        "- texts to model: the whole time of our training, tokenizing and features included, and fastText's from its "
        "file of words to the model; epochs alone: for fastText, what five epochs take more than one",
        "- seconds to the accuracy: our setting is the quickest that reaches fastText's accuracy on a tenth of the "
        "training rows; both are then trained on all of them",
        "- file to file: whole processes, a CSV file of texts to a file of JSON lines, medians; `words cut before` "
        "reads a file of words instead of texts",
    ]


def _roofline(document: Document) -> list[str]:
    rates, step = document["rates"], document["training_share"]
    per_token = step["per_token"]
    return [
        "## The roofline",
        "",
        f"Measured here: {rates['bytes_per_second'] / 1e9:.1f} GB/s (copy, read and written both counted), "
        f"{rates['multiply_adds_per_second'] / 1e9:.1f} G multiply-adds/s (float32 matrix product).",
        "",
        "| training step, a token | |",
        "| --- | ---: |",
        *(f"| {name.replace('_', ' ')} | {value:,.0f} |" for name, value in per_token.items()),
        f"| tokens/s | {step['tokens_per_second']:,.0f} |",
        f"| share of the time that memory must take | {step['memory_seconds'] / step['seconds']:.1%} |",
        f"| share that arithmetic must take | {step['arithmetic_seconds'] / step['seconds']:.1%} |",
        f"| share of the roofline reached | {step['share']:.1%} |",
        "",
        "| look-up | bytes a token | additions a token | tokens/s | share of the bandwidth |",
        "| --- | ---: | ---: | ---: | ---: |",
        *(
            f"| {row['precision']} | {row['bytes_per_token']:,} | {row['additions_per_token']:,} "
            f"| {row['tokens_per_second']:,.0f} | {row['share']:.1%} |"
            for row in document["lookup_share"]
        ),
        "",
        "Rows of frequent words come from caches, so a share of the bandwidth may be above 100 %.",
    ]
