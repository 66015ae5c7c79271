"""The look-up runtime measured: how it agrees with torch, how long one text takes, tokens a second, cold start."""

from __future__ import annotations

import itertools
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks.command import main, words_of, write_outputs
from textcnn import core
from textcnn.benchmark.document import command_line, describe_machine
from textcnn.config import DataConfig
from textcnn.prediction.predictor import Predictor
from textcnn.reading.rows import Examples, read_examples
from textcnn.runtime.lookup import PRECISIONS, LookupModel
from textcnn.runtime.text_model import Answering
from textcnn.tokenization.pipeline import EncodedTexts
from textcnn_cli import options
from textcnn_cli.options import prepare_outputs, split_numbers

KIND = "lookup"
CALLS = 2000  # timed calls of one text
COPIES = 20  # of the texts, in a timed pass over many
PASSES = 5
STARTS = 5  # of the command line


def lookup_benchmark(folder: Path, data: str, *, threads: Sequence[int], arguments: Sequence[str]) -> dict[str, Any]:
    """Measure the model in ``folder`` on the labelled texts of ``data``.

    Args:
        folder: a model with a look-up runtime.
        data: as ``evaluate`` reads it.
        threads: numbers of threads for many texts.
        arguments: the command line, for the record.

    Raises:
        ArtifactError: the model is not there, or has no look-up runtime.
        DataError: the texts cannot be read.
    """
    torch_model = Predictor.load(folder, runtime="torch")
    examples = read_examples(data, DataConfig(), multi_label=torch_model.labels.multi_label)
    return {
        "benchmark": KIND,
        "command": command_line(arguments),
        "machine": describe_machine(),
        "texts": len(examples),
        "tokens_per_text": round(float(torch_model.inputs.encode(examples.texts).lengths.mean()), 1),
        "agreement": _agreement(folder, torch_model, examples),
        "one_text": [
            one_text(folder, examples.texts[:200], kernels, precision)
            for kernels, precision in itertools.product(kernels_here(), PRECISIONS)
        ],
        "many_texts": [*_many_texts(folder, torch_model, examples.texts, threads)],
        "cold_start_seconds": cold_start(folder),
    }


def kernels_here() -> list[str]:
    """The kernels that can be measured: those of numpy and, where it was built, those of the core."""
    return ["numpy", *(["core"] if core.library() is not None else [])]


def _agreement(folder: Path, torch_model: Answering, examples: Examples) -> dict[str, Any]:
    floats, whole = (LookupModel.load(folder, precision=precision) for precision in PRECISIONS)
    encoded = {name: m.inputs.encode(examples.texts) for name, m in (("torch", torch_model), ("look-up", floats))}
    logits = torch_model.logits(encoded["torch"]), floats.logits(encoded["look-up"])
    answers, expected = whole.answer(examples.texts), floats.answer(examples.texts).labels
    same = np.array([a == b for a, b in zip(answers.labels, expected, strict=True)])
    certified = answers.certified
    assert certified is not None
    torch_labels = torch_model.answer(examples.texts).labels
    return {
        "largest_logit_difference_to_torch": float(np.abs(logits[0] - logits[1]).max()),
        "labels_equal_to_torch": float(np.mean([a == b for a, b in zip(expected, torch_labels, strict=True)])),
        "int8_labels_equal_to_float32": float(same.mean()),
        "int8_certified": float(certified.mean()),
        "certified_with_another_label": int((certified & ~same).sum()),
        "accuracy": {
            "torch": torch_model.score(encoded["torch"], examples.labels)["accuracy"],
            "float32": floats.score(encoded["look-up"], examples.labels)["accuracy"],
            "int8": whole.score(whole.inputs.encode(examples.texts), examples.labels)["accuracy"],
        },
    }


def one_text(folder: Path, texts: Sequence[str], kernels: str, precision: str) -> dict[str, Any]:
    """Medians in microseconds over texts whose words have been met, one at a time.

    Args:
        folder: of the model.
        texts: some.
        kernels: ``numpy`` or ``core``.
        precision: of the look-up.
    """
    with nullcontext() if kernels == "core" else core.plain():
        model = LookupModel.load(folder, precision=precision)
        encoded = [model.inputs.encode([text]) for text in texts]
        single = [[text] for text in texts]
        return {
            "kernels": kernels,
            "precision": precision,
            "text_to_label_us": _median(model.predict, single),
            "text_to_ids_us": _median(model.inputs.encode, single),
            "ids_to_logits_us": _median(model.logits, encoded),
            "kernels_us": _median(lambda call: call(), [_kernel_call(model, one) for one in encoded]),
        }


def _kernel_call(model: LookupModel, encoded: EncodedTexts) -> Callable[[], Any]:
    """What is left of an answer once everything is in its place: kernels, activation and head."""
    kernels = core.twin("lookup")
    call, _ = model.gathered(encoded, slice(0, len(encoded)))
    rest, empty = np.zeros_like(call.mean_sums), encoded.lengths == 0

    def work() -> Any:
        kernels.collect(*call, threads=1)
        return model.close(call.best, rest, empty)

    return work


def _median(call: Callable[[Any], Any], items: Sequence[Any]) -> float:
    for item in items:
        call(item)
    taken = []
    for item in itertools.islice(itertools.cycle(items), CALLS):
        began = time.perf_counter()
        call(item)
        taken.append(time.perf_counter() - began)
    return round(statistics.median(taken) * 1e6, 1)


def _many_texts(
    folder: Path, torch_model: Answering, texts: Sequence[str], threads: Iterable[int]
) -> Iterable[dict[str, Any]]:
    """Millions of tokens a second from ids to logits, rows of the words being there: the best of some passes."""
    many = [*texts] * COPIES
    for precision, count in itertools.product(PRECISIONS, threads):
        model = LookupModel.load(folder, precision=precision, threads=count)
        yield {"runtime": f"look-up {precision}", "threads": count, "mtokens_per_second": _rate(model, many)}
    import torch

    count = torch.get_num_threads()
    yield {"runtime": "torch", "threads": count, "mtokens_per_second": _rate(torch_model, many[: len(texts) * 2])}


def _rate(model: Answering, texts: Sequence[str]) -> float:
    encoded = model.inputs.encode(texts)
    model.logits(encoded)
    taken = []
    for _ in range(PASSES):
        began = time.perf_counter()
        model.logits(encoded)
        taken.append(time.perf_counter() - began)
    return round(len(encoded.ids) / min(taken) / 1e6, 3)


def cold_start(folder: Path) -> float:
    """Seconds of the whole process ``textcnn classify MODEL "a sentence"``, the median of some."""
    command = [sys.executable, "-m", "textcnn_cli", "classify", str(folder), "a sentence"]
    taken = []
    for _ in range(STARTS):
        began = time.perf_counter()
        subprocess.run(command, capture_output=True, check=True, env=dict(os.environ))
        taken.append(time.perf_counter() - began)
    return round(statistics.median(taken), 3)


def to_markdown(document: dict[str, Any]) -> str:
    """The document as tables."""
    found, machine = document["agreement"], document["machine"]
    lines = [
        "# The look-up runtime",
        "",
        f"Made by `{document['command']}` at {machine['commit']}, on {machine['cores']} cores ({machine['cpu']}), "
        f"{machine['other_work']} other threads running. {document['texts']:,} texts of "
        f"{document['tokens_per_text']} tokens.",
        "",
        "| agreement | |",
        "| --- | --- |",
        f"| largest difference of a logit, look-up and torch | {found['largest_logit_difference_to_torch']:.1e} |",
        f"| labels equal, look-up and torch | {found['labels_equal_to_torch']:.2%} |",
        f"| labels equal, int8 and float32 | {found['int8_labels_equal_to_float32']:.2%} |",
        f"| int8 certified | {found['int8_certified']:.2%} |",
        f"| certified, yet another label | {found['certified_with_another_label']} |",
        *(f"| accuracy, {name} | {value:.4f} |" for name, value in found["accuracy"].items()),
        "",
        "One text at a time, words met before, median microseconds:",
        "",
        "| kernels | precision | text to label | of it text to ids | ids to logits | kernels alone |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
        *(
            f"| {row['kernels']} | {row['precision']} | {row['text_to_label_us']} | {row['text_to_ids_us']} | "
            f"{row['ids_to_logits_us']} | {row['kernels_us']} |"
            for row in document["one_text"]
        ),
        "",
        "Many texts, ids to logits, words met before, best of some passes:",
        "",
        "| runtime | threads | million tokens/s |",
        "| --- | ---: | ---: |",
        *(f"| {row['runtime']} | {row['threads']} | {row['mtokens_per_second']} |" for row in document["many_texts"]),
        "",
        f'Cold start, whole process, `textcnn classify MODEL "a sentence"`: {document["cold_start_seconds"]:.2f} s.',
    ]
    return "\n".join(lines) + "\n"


def lookup(
    model: options.Model,
    data: Annotated[str, typer.Argument(metavar="DATA", help="labelled texts, as `evaluate` reads them")],
    threads: Annotated[str, typer.Option(metavar="N,N,...", help="threads for many texts")] = "1,2",
    output: Annotated[Path | None, typer.Option(help="write the JSON document to this file")] = None,
    table: Annotated[Path | None, typer.Option(help="write the tables to this Markdown file")] = None,
    json: options.Json = False,
) -> None:
    """Agreement with torch, latency of one text, tokens a second, and cold start of the look-up runtime."""
    prepare_outputs(output, None, table)
    counts = split_numbers("--threads", threads) or ()
    document = lookup_benchmark(model, data, threads=counts, arguments=words_of("lookup"))
    write_outputs(document, to_markdown, output, table, json)


if __name__ == "__main__":
    main(lookup)
