"""Implements `textcnn evaluate`, which measures a model on labelled rows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from textcnn.errors import ConfigError
from textcnn.labels import MANY_LABELS
from textcnn_cli import console, options

MOST_LINES, EXTREMES = 200, 15  # labels in one table; of more, so many of the best and of the worst


def evaluate(
    model: options.Model,
    data: Annotated[str, typer.Argument(metavar="DATA", help="labelled texts: a file, a folder per class, a hub id")],
    text_column: options.TextColumn = None,
    label_column: options.LabelColumn = None,
    format: options.Format = "auto",
    encoding: options.Encoding = "utf-8",
    label_separator: options.LabelSeparator = None,
    quotes: options.Quotes = None,
    escape: options.Escape = None,
    coverage: options.Coverage = None,
    coverage_by: options.CoverageBy = None,
    min_probability: options.MinProbability = None,
    min_accuracy: options.MinAccuracy = None,
    none_of_these: options.NoneOfThese = None,
    report: options.Report = None,
    json: options.Json = False,
) -> None:
    """Measure a model on labelled texts: accuracy, F1, calibration, and each label."""
    from textcnn.evaluation.drift import drift
    from textcnn.evaluation.metrics import score
    from textcnn.folder.config_json import read_json
    from textcnn.folder.model_folder import TRAINING
    from textcnn.prediction.predictor import Predictor
    from textcnn.reading.rows import read_examples

    if report is not None:
        from textcnn.report import check_report

        check_report(report, Path(model))
    predictor = Predictor.load(model)
    how: dict[str, Any] = {"label_separator": label_separator, "quotes": quotes, "escape": escape}
    config = options.data_config(text_column, label_column, format, encoding, **how)
    examples = read_examples(data, config, like=predictor.schema)
    console.say_what_was_read(examples)
    console.warn_of_unseen(examples, predictor.labels, "count as wrong")
    inputs = predictor.text_inputs()
    encoded = inputs.encode(examples.texts)
    if cut := int(inputs.cut_rows(encoded).sum()):
        console.say(f"note: {cut:,} of {len(encoded):,} texts are cut after {inputs.max_length} tokens")
    training = read_json(Path(model) / TRAINING).get("data", {})
    for sentence in drift(training, int(inputs.is_unknown(encoded).sum()), len(encoded.ids), examples.labels):
        console.say(f"warning: {sentence}")
    if report is not None:
        console.write_report(predictor, Path(model), examples, report)
    promise = options.promised(model, predictor.labels, coverage, coverage_by, min_probability, min_accuracy)
    if len(predictor.labels) > MANY_LABELS and not predictor.labels.multi_label:
        scores, found = _many_labels(predictor, encoded, examples.labels, promise)
    else:
        probs = predictor.probabilities_of(encoded)
        scores = score(examples.labels, probs, predictor.labels, predictor.own_thresholds)
        found = _selective(examples.labels, probs, predictor.labels, promise)
    if none_of_these is not None:
        found["none_of_these"] = _strangers(predictor, examples, none_of_these)
    render(scores | found, json)


def _many_labels(predictor: Any, encoded: Any, truth: Any, promise: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the metrics of :func:`_selective` and all others from the most probable labels, found block by block."""
    from textcnn.evaluation.metrics import Best, score_best
    from textcnn.evaluation.promises import answered_from

    labels = predictor.labels
    if promise is not None and promise.quantiles is not None:
        raise ConfigError(
            f"--coverage measures sets of up to {MANY_LABELS:,} labels, the model has {len(labels):,}; "
            f"`textcnn classify` writes the sets"
        )
    best = Best.of(lambda rows: predictor.probabilities_of(encoded.rows(rows)), len(truth), len(labels))
    right = best.correct(truth, labels)
    found: dict[str, Any] = {}
    if len(truth):
        found["answered"] = [entry._asdict() for entry in answered_from(best.confidence, right)]
    if promise is not None and promise.least and len(truth):
        sure = best.confidence.astype("float32") >= promise.least
        accuracy = float(right[sure].mean()) if sure.any() else None
        found["sure"] = {"share": float(sure.mean()), "accuracy": accuracy, "min_probability": promise.least}
    return score_best(truth, best, labels), found


def _strangers(predictor: Any, examples: Any, kept: float) -> dict[str, Any]:
    """Return the shares of flagged rows: of those whose label the model knows, and of the others."""
    from textcnn.evaluation.strangers import auroc
    from textcnn.prediction.strangers import StrangerModel

    model = StrangerModel(predictor)
    least, scores = model.least(kept), model.scores(examples.texts)
    strange = scores < least
    own = predictor.labels.encode(examples.labels) >= 0
    return {
        "flagged_own": float(strange[own].mean()) if own.any() else None,
        "flagged_strangers": None if own.all() else float(strange[~own].mean()),
        "auroc": auroc(scores[own], scores[~own]) if 0 < own.sum() < len(own) else None,
    }


def _selective(truth: Any, probs: Any, labels: Any, promise: Any) -> dict[str, Any]:
    """Return the accuracy of the most confident answers, and how far a promise was kept (single-label)."""
    from textcnn.evaluation.promises import answered_curve, coverage_of

    if labels.multi_label or not len(probs):
        return {}
    found: dict[str, Any] = {"answered": [entry._asdict() for entry in answered_curve(truth, probs, labels)]}
    if promise is not None and (sets := promise.sets(probs)) is not None:
        found["coverage"] = coverage_of(sets, truth, labels)._asdict()
    if promise is not None and promise.least:
        sure = ~promise.unsure(probs)
        right = probs.argmax(axis=1) == labels.encode(truth)
        accuracy = float(right[sure].mean()) if sure.any() else None
        found["sure"] = {"share": float(sure.mean()), "accuracy": accuracy, "min_probability": promise.least}
    return found


def render(scores: dict[str, Any], json: bool) -> None:
    """Print metrics as one JSON document, or as lines and a table by label."""
    if json:
        console.write_json(scores)
        return
    print(console.scores_line(scores))
    if "answered" in scores:
        curve = (f"{entry['share']:.0%} {entry['accuracy']:.4f}" for entry in scores["answered"])
        print(f"accuracy of the most confident rows: {', '.join(curve)}")
    if "coverage" in scores:
        reached, size = scores["coverage"]["reached"], scores["coverage"]["mean_size"]
        print(f"sets: {reached:.1%} hold the true label, {size:.2f} labels in the mean")
    if "sure" in scores:
        sure = scores["sure"]
        accuracy = "none" if sure["accuracy"] is None else f"{sure['accuracy']:.4f}"
        print(f"sure: {sure['share']:.1%} of the rows, accuracy {accuracy}")
    if "none_of_these" in scores:
        found = scores["none_of_these"]
        kinds = {"flagged_own": "rows", "flagged_strangers": "rows of unknown labels"}
        parts = [f"{found[name]:.1%} of the {kind}" for name, kind in kinds.items() if found[name] is not None]
        area = "" if found["auroc"] is None else f", AUROC {found['auroc']:.3f}"
        print(f"none of these: {' and '.join(parts)}{area}")
    entries, columns = list(scores["per_label"].items()), ["label", "precision", "recall", "F1", "rows"]
    if len(entries) <= MOST_LINES:
        console.write_table(columns, _lines(entries))
        return
    # Of equal F1 the labels of more rows say more.
    entries.sort(key=lambda item: (-item[1]["f1"], -item[1]["support"], item[0]))
    worst = sorted(entries, key=lambda item: (item[1]["f1"], -item[1]["support"], item[0]))
    for title, part in {"best": entries, "worst": worst}.items():
        console.write_table(
            columns, _lines(part[:EXTREMES]), title=f"the {title} {EXTREMES} of {len(entries):,} labels"
        )
    print("every label: --json")


def _lines(entries: list[tuple[str, dict[str, Any]]]) -> list[list[str]]:
    return [
        [name, *(f"{entry[key]:.4f}" for key in ("precision", "recall", "f1")), f"{entry['support']:,}"]
        for name, entry in entries
    ]
