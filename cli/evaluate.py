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
    teacher: Annotated[
        str | None,
        typer.Option(
            "--teacher",
            metavar="NAME",
            help="a file of probabilities, a model's folder or hub id: how accurate both are where it answers "
            "the rows that the model is not sure of",
        ),
    ] = None,
    report: options.Report = None,
    json: options.Json = False,
) -> None:
    """Measure a model on labelled texts: accuracy, F1, calibration, and each label."""
    from textcnn.evaluation.drift import drift
    from textcnn.evaluation.metrics import score
    from textcnn.folder.config_json import read_json
    from textcnn.folder.model_folder import TRAINING
    from textcnn.prediction.predictor import Predictor
    from textcnn.prediction.promised import held_out_answers
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
    if teacher is not None:
        _check_teacher(predictor.labels)
    taught = None if teacher is None else _teacher(teacher, examples, predictor.labels, config)
    if len(predictor.labels) > MANY_LABELS and not predictor.labels.multi_label and predictor.labels.tree is None:
        scores, found = _many_labels(predictor, encoded, examples.labels, promise)
    else:
        probs = predictor.probabilities_of(encoded)
        scores = score(examples.labels, probs, predictor.labels, predictor.own_thresholds)
        scores |= _numbers(examples.labels, probs, predictor.labels, promise)
        is_plain = not (predictor.labels.multi_label or predictor.labels.targets or predictor.labels.tree is not None)
        held_out = held_out_answers(model, predictor.labels) if is_plain else None
        found = _selective(examples.labels, probs, predictor.labels, promise, held_out, taught)
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


def _check_teacher(labels: Any) -> None:
    """Raise an error for models whose answers a teacher's are not compared with."""
    labels.require_labels("--teacher")
    kinds = {
        "multi-label": labels.multi_label,
        "of a tree of labels": labels.tree is not None,
        f"of more than {MANY_LABELS:,} labels": len(labels) > MANY_LABELS,
    }
    for kind in (name for name, is_it in kinds.items() if is_it):
        raise ConfigError(f"--teacher is for models with one label a row, and this one is {kind}; leave it out")


def _numbers(truth: Any, probs: Any, labels: Any, promise: Any) -> dict[str, Any]:
    """Return the intervals of a regression's metrics, and how far those of its answers kept their promise."""
    from textcnn.evaluation.numbers import number_intervals

    if not labels.targets or not len(probs):
        return {}
    numbers = labels.numbers(truth)
    found: dict[str, Any] = {"intervals": number_intervals(numbers, probs)}
    if promise is not None and promise.radii is not None:
        reached = float((abs(probs - numbers) <= promise.radii).mean())
        found["coverage"] = {"reached": reached, "mean_width": float(2 * promise.radii.mean())}
    return found


def _teacher(given: str, examples: Any, labels: Any, data: Any) -> Any:
    """Return whether a teacher gives each row its label."""
    from textcnn.teacher.lesson import correct_answers
    from textcnn_cli.train import reporter

    return correct_answers(given, examples, labels, data, reporter())


def _selective(truth: Any, probs: Any, labels: Any, promise: Any, held_out: Any, teacher: Any) -> dict[str, Any]:
    """Return the accuracy of the most confident answers, and how far a promise was kept (single-label)."""
    import numpy as np

    from textcnn.evaluation.cascade import cascade
    from textcnn.evaluation.promises import answered_curve, coverage_of, sure_answers

    if labels.multi_label or labels.targets or not len(probs):
        return {}
    found: dict[str, Any] = {"answered": [entry._asdict() for entry in answered_curve(truth, probs, labels)]}
    if promise is not None and (sets := promise.sets(probs)) is not None:
        found["coverage"] = coverage_of(sets, truth, labels)._asdict()
    right = probs.argmax(axis=1) == labels.encode(truth)
    if held_out is not None:
        steps = cascade(held_out, probs.max(axis=1).astype(np.float32), right, teacher)
        found["cascade"] = [step._asdict() for step in steps]
    if teacher is not None:
        found["teacher"] = float(teacher.mean())
    if promise is not None and promise.least:
        found["sure"] = sure_answers(truth, probs, labels, promise)
        if teacher is not None:
            found["sure"]["together"] = float(np.where(~promise.unsure(probs), right, teacher).mean())
    return found


def _share(sure: dict[str, Any]) -> str:
    """Describe the rows from a confidence on."""
    accuracy = "none" if sure["accuracy"] is None else f"{sure['accuracy']:.4f}"
    together = sure.get("together")
    both = "" if together is None else f"; {together:.4f} of all, the others answered by the teacher"
    by_level = (f"{share:.1%} at level {level}" for level, share in enumerate(sure.get("levels", ()), start=1))
    return ", ".join([f"{sure['share']:.1%} of the rows", *by_level, f"accuracy {accuracy}{both}"])


def _render_numbers(scores: dict[str, Any]) -> None:
    """Print the intervals of a regression's metrics and answers, and a table by target."""
    bounds = (f"{name} {low:.4f} to {high:.4f}" for name, (low, high) in scores["intervals"].items())
    print(f"95 % intervals: {', '.join(bounds)}")
    if "coverage" in scores:
        reached, width = scores["coverage"]["reached"], scores["coverage"]["mean_width"]
        print(f"intervals of answers: {reached:.1%} hold the true number, {width:.4g} wide")
    if "per_target" in scores:
        names = list(scores["intervals"])
        table = [[name, *(f"{one[key]:.4f}" for key in names)] for name, one in scores["per_target"].items()]
        console.write_table(["target", *names], table)


def render(scores: dict[str, Any], json: bool) -> None:
    """Print metrics as one JSON document, or as lines and a table by label."""
    if json:
        console.write_json(scores)
        return
    console.write_scores(scores)
    if "intervals" in scores:
        _render_numbers(scores)
        return
    if "answered" in scores:
        curve = (f"{entry['share']:.0%} {entry['accuracy']:.4f}" for entry in scores["answered"])
        print(f"accuracy of the most confident rows: {', '.join(curve)}")
    for step in scores.get("cascade", []):
        print(f"sure of {step['asked']:.0%}: {_share(step)}")
    if "teacher" in scores:
        print(f"teacher alone: accuracy {scores['teacher']:.4f}")
    if "coverage" in scores:
        reached, size = scores["coverage"]["reached"], scores["coverage"]["mean_size"]
        print(f"sets: {reached:.1%} hold the true label, {size:.2f} labels in the mean")
    if "sure" in scores:
        print(f"sure: {_share(scores['sure'])}")
    if "none_of_these" in scores:
        found = scores["none_of_these"]
        kinds = {"flagged_own": "rows", "flagged_strangers": "rows of unknown labels"}
        parts = [f"{found[name]:.1%} of the {kind}" for name, kind in kinds.items() if found[name] is not None]
        area = "" if found["auroc"] is None else f", AUROC {found['auroc']:.3f}"
        print(f"none of these: {' and '.join(parts)}{area}")
    _render_labels(scores["per_label"])


def _render_labels(per_label: dict[str, Any]) -> None:
    """Print a table by label; of very many labels the best and the worst."""
    entries, columns = list(per_label.items()), ["label", "precision", "recall", "F1", "rows"]
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
