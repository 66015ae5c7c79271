"""Which texts a model has no evidence for: real ones that it has not seen, and texts of random words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks.command import Table, main, show, words_of
from textcnn.benchmark.document import command_line, data_name, describe_machine
from textcnn.explain.evidence import find_evidence, load_evidence
from textcnn.reading.rows import read_examples
from textcnn.runtime.lookup import LookupModel
from textcnn.tokenization.tokenizer import PAD, UNKNOWN
from textcnn_cli import options
from textcnn_cli.options import prepare_outputs

LETTERS = "abcdefghijklmnopqrstuvwxyz"
KINDS = {
    "held out": "the texts themselves",
    "words of the vocabulary": "words drawn from the vocabulary, each as likely",
    "words of the texts": "words drawn from all words of the texts, the frequent ones more often: the texts shuffled",
    "letters": "words of 2 to 9 random letters",
}


def run_evidence(folder: Path, data: Any, *, seed: int, arguments: Sequence[str] = ()) -> dict[str, Any]:
    """Count flagged texts; random texts are as many and as long as the real ones.

    Args:
        folder: a model trained with evidence.
        data: labelled texts that it has not seen.
        seed: draws the random words.
        arguments: of the command line, for the document.

    Raises:
        ArtifactError: the model has no evidence.
    """
    model, index = load_evidence(folder)
    examples = read_examples(data, multi_label=model.labels.multi_label)
    texts, truth = list(examples.texts), examples.labels
    found = {}
    for kind, asked in {"held out": texts, **random_texts(model, texts, seed)}.items():
        answers = model.answer(asked)
        top = [model.labels.names[k] for k in answers.probabilities.argmax(axis=1).tolist()]
        evidence = find_evidence(model, index, asked, top)
        flagged = np.array([not entry.enough for entry in evidence])
        found[kind] = {
            "texts": len(asked),
            "flagged": float(flagged.mean()),
            "median_share": float(np.median([entry.share for entry in evidence])),
        }
        if kind == "held out":
            right = np.array([given in row for given, row in zip(top, truth, strict=True)])
            found[kind] |= {"accuracy": float(right.mean()), "accuracy_of_the_others": float(right[~flagged].mean())}
    return {
        "benchmark": "evidence",
        **describe_machine(),
        "command": command_line(arguments),
        "data": data_name(examples.name),
        "pairs": len(index.keys),
        "threshold": float(index.threshold[0]),
        "seed": seed,
        "kinds": found,
    }


def random_texts(model: LookupModel, texts: Sequence[str], seed: int) -> dict[str, list[str]]:
    """As many texts of as many words, made at random in three ways (:data:`KINDS`)."""
    random = np.random.default_rng(seed)
    words = [model.inputs.tokenizer.words(text) for text in texts]
    lengths, every = [len(row) for row in words], [word for row in words for word in row]
    vocabulary = [name for name in model.inputs.tokenizer.types() if name not in (PAD, UNKNOWN)]
    made = ["".join(random.choice(list(LETTERS), random.integers(2, 10))) for _ in range(len(every))]
    sources = {"words of the vocabulary": vocabulary, "words of the texts": every, "letters": made}
    return {kind: [" ".join(random.choice(source, n)) for n in lengths] for kind, source in sources.items()}


def to_markdown(document: Mapping[str, Any]) -> str:
    """The document as a table."""
    lines = [
        "# Texts without evidence",
        "",
        f"Made by `{document['command']}` ({document['data']}). The model knows {document['pairs']:,} pairs of words; "
        f"a text is flagged if fewer than {document['threshold']:.1%} of the pairs in its winning n-grams are among "
        f"them, a threshold chosen on the training rows alone.",
        "",
        "| texts | number | flagged | median share of known pairs |",
        "| --- | ---: | ---: | ---: |",
    ]
    for kind, found in document["kinds"].items():
        lines.append(f"| {KINDS[kind]} | {found['texts']:,} | {found['flagged']:.2%} | {found['median_share']:.1%} |")
    held = document["kinds"]["held out"]
    lines += ["", f"Accuracy {held['accuracy']:.4f}; of those not flagged {held['accuracy_of_the_others']:.4f}."]
    return "\n".join(lines) + "\n"


def evidence(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL", parser=options.fetched, help="folder that `train --evidence` wrote, or hf://owner/name"
        ),
    ],
    data: Annotated[str, typer.Argument(metavar="DATA", help="labelled texts that it was not trained on")],
    seed: Annotated[int, typer.Option(min=0, help="draws the random words")] = 1,
    output: Annotated[Path | None, typer.Option(help="write the JSON document to this file")] = None,
    table: Table = None,
) -> None:
    """How many texts, and how many made of random words, are flagged as having no evidence in training.

    Example: python -m benchmarks.evidence model held-out.csv --output evidence.json
    """
    from textcnn.benchmark.document import write_document

    prepare_outputs(output, None, table)
    document = run_evidence(model, data, seed=seed, arguments=words_of("evidence"))
    if output is not None:
        write_document(document, output)
    show(to_markdown(document), table)


if __name__ == "__main__":
    main(evidence)
