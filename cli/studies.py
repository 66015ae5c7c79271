"""`textcnn benchmark kim2014`, `imbalance` and `audit`, studies that a second start continues, and `evidence`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from textcnn.atomic import write_text
from textcnn_cli import options
from textcnn_cli.options import prepare_outputs, split_list, split_numbers

Output = Annotated[
    Path | None, typer.Option(help="write the JSON document to this file; a stopped start is continued from beside it")
]
Table = Annotated[Path | None, typer.Option(help="write the table to this Markdown file")]


def kim2014(
    data: Annotated[str, typer.Argument(metavar="DATA", help="labelled texts, all of them")],
    vectors: Annotated[Path, typer.Option(metavar="FILE", help="pretrained word vectors")],
    variants: Annotated[
        str, typer.Option(metavar="V,V,...", help="how the vectors are used")
    ] = "static,fine-tuned,multichannel",
    folds: Annotated[int, typer.Option(min=2, help="folds of the cross validation")] = 10,
    set: options.Set = None,
    output: Output = None,
    table: Table = None,
) -> None:
    """Kim 2014 by its protocol: cross validation of the plain network with pretrained vectors, three ways.

    Example: textcnn benchmark kim2014 reviews.csv --vectors glove.txt.gz --output kim2014.json
    """
    from textcnn.benchmark.kim2014 import run_kim2014, to_markdown
    from textcnn_cli.train import reporter

    prepare_outputs(output, None, table)
    document = run_kim2014(
        data,
        vectors,
        reporter(),
        variants=split_list("--variants", variants, str, "names") or (),
        num_folds=folds,
        settings=options.merge_settings(None, set, {}),
        output=output,
        arguments=sys.argv[1:],
    )
    _tell(to_markdown(document), table)


def imbalance(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="holds {sst2,trec}/{train,test}.csv.gz")],
    studies: Annotated[
        str, typer.Option(metavar="S,S,...", help="what is spoiled, and of which set")
    ] = "imbalanced-sst2,flipped-sst2,flipped-trec",
    seeds: Annotated[str, typer.Option(metavar="N,N,...", help="one run each")] = "1,2,3",
    set: options.Set = None,
    output: Output = None,
    table: Table = None,
) -> None:
    """What helps where a label is rare or labels are wrong: class weights, focal loss, smoothing, linear models.

    Example: textcnn benchmark imbalance FOLDER --studies flipped-trec --output imbalance.json
    """
    from textcnn.benchmark.imbalance import run_imbalance, to_markdown
    from textcnn_cli.train import reporter

    prepare_outputs(output, None, table)
    document = run_imbalance(
        folder,
        reporter(),
        studies=split_list("--studies", studies, str, "names") or (),
        seeds=split_numbers("--seeds", seeds) or (),
        settings=options.merge_settings(None, set, {}),
        output=output,
        arguments=sys.argv[1:],
    )
    _tell(to_markdown(document), table)


def audit(
    data: Annotated[str, typer.Argument(metavar="DATA", help="labelled texts, one label each")],
    share: Annotated[float, typer.Option(min=0, max=1, help="of the rows, whose labels are made wrong")] = 0.02,
    folds: Annotated[int, typer.Option(min=2, help="folds of the cross validation that ranks the rows")] = 5,
    seeds: Annotated[str, typer.Option(metavar="N,N,...", help="one draw of wrong labels each")] = "1,2,3",
    set: options.Set = None,
    output: Output = None,
    table: Table = None,
) -> None:
    """How many labels made wrong at random `textcnn audit` ranks among the first rows.

    Example: textcnn benchmark audit reviews.csv --share 0.02 --output audit.json
    """
    from textcnn.benchmark.audit import run_audit, to_markdown
    from textcnn_cli.train import reporter

    prepare_outputs(output, None, table)
    document = run_audit(
        data,
        reporter(),
        reading=options.data_config(None, None, "auto", "utf-8"),
        share=share,
        num_folds=folds,
        seeds=split_numbers("--seeds", seeds) or (),
        settings=options.merge_settings(None, set, {}),
        output=output,
        arguments=sys.argv[1:],
    )
    _tell(to_markdown(document), table)


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

    Example: textcnn benchmark evidence model held-out.csv --output evidence.json
    """
    from textcnn.benchmark.document import write_document
    from textcnn.benchmark.evidence import run_evidence, to_markdown

    prepare_outputs(output, None, table)
    document = run_evidence(model, data, seed=seed, arguments=sys.argv[1:])
    if output is not None:
        write_document(document, output)
    _tell(to_markdown(document), table)


def _tell(report: str, table: Path | None) -> None:
    if table is not None:
        write_text(table, report)
    print(report, end="")
