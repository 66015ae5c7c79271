"""Writes the model card: a README.md with the hub's front matter, the metrics and a description of the data."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

from textcnn.label_tree import LabelTree

SHOWN = 30  # at most so many labels are listed in the card

HERE = "path/to/this/folder"
# Metrics of the front matter: the hub's type, and the name where that does not say it.
_METRICS = {"accuracy": ("accuracy", ""), "macro_f1": ("f1", "macro F1")}
_NUMBER_METRICS = {"mae": ("mae", ""), "r2": ("r_squared", ""), "spearman": ("spearmanr", "")}
_HUB = "hf://"


def model_card(config: dict[str, Any], training: dict[str, Any], *, place: str = HERE) -> str:
    """Return the card as Markdown: what the model is, what it was trained on, how good it is, and how to use it.

    Args:
        config: the contents of config.json.
        training: the contents of training.json.
        place: the name to load the model by, in the example: a folder, or ``hf://owner/name``.
    """
    names = config["labels"]
    labels = ", ".join(f"`{name}`" for name in names[:SHOWN])
    shown = labels + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
    rows = '["a text"]' if config["modality"] == "text" else "images"
    note = "" if config["modality"] == "text" else "  # (N, C, H, W)"
    parts = [
        "\n".join(["---", *_front_matter(config, training, place), "---"]),
        f"# A `{config['architecture']}` {'regressor' if config.get('targets') else 'classifier'}",
        f"{'Targets' if config.get('targets') else 'Labels'} ({len(names)}, {config['problem_type']}): "
        f"{shown}{'' if config.get('hierarchy') is None else _tree(config)}",
        f"Trained on {_data_name(training)} ({training.get('examples', {}).get('train', 0):,} rows).{_data(training)}",
        _metrics_table(training),
        _labels_table(training),
        _blinded(config),
        f'```python\nimport textcnn\n\nmodel = textcnn.load("{place}")\nmodel.predict({rows}){note}\n```',
        f"Settings: `{json.dumps(config['settings'])}`, everything else in `config.json` and `training.json`.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _tree(config: dict[str, Any]) -> str:
    return f". They are {LabelTree.of(config['labels'], config['hierarchy']).describe()}."


def _front_matter(config: dict[str, Any], training: dict[str, Any], place: str) -> Iterator[str]:
    task = "text-classification" if config["modality"] == "text" else "image-classification"
    data = _data_name(training)
    yield "library_name: textcnn"
    yield f"pipeline_tag: {task}"
    yield f"tags: [textcnn, {config['architecture']}]"
    if data.startswith(_HUB):
        yield f"datasets: [{_text('/'.join(data.removeprefix(_HUB).split('/')[:2]))}]"
    measured = [(part, training[part]) for part in ("dev", "test") if _is_measured(training, part)]
    if not measured:
        return
    kinds = dict(_NUMBER_METRICS if "mae" in measured[0][1] else _METRICS)
    yield f"metrics: [{', '.join(dict.fromkeys(kind for kind, _ in kinds.values()))}]"
    yield "model-index:"
    yield f"- name: {_text(place.rpartition('/')[2] if place != HERE else 'textcnn-' + config['architecture'])}"
    yield "  results:"
    for part, scores in measured:
        yield f"  - task: {{type: {task}}}"
        yield f"    dataset: {{name: {_text(data)}, type: {_text(data.removeprefix(_HUB))}, split: {part}}}"
        yield "    metrics:"
        for key, (kind, name) in kinds.items():
            yield f"    - {{type: {kind}{f', name: {name}' if name else ''}, value: {scores[key]:.4f}}}"


def _is_measured(training: dict[str, Any], part: str) -> bool:
    return bool(training.get(part)) and bool(training[part]["n"])


def _text(value: str) -> str:
    """Return the value as a quoted YAML string, with unprintable characters escaped (JSON strings are valid YAML)."""
    return json.dumps(value, ensure_ascii=not value.isprintable())


def _data_name(training: dict[str, Any]) -> str:
    """Return the name of the data set; an absolute path is cut to its last two parts."""
    name = str(training.get("data", {}).get("name", "data"))
    # A card is published: the folders of the training machine have no place in it.
    return "/".join(PurePath(name).parts[-2:]) if os.path.isabs(name) else name


def _data(training: dict[str, Any]) -> str:
    found = training.get("data", {}).get("statistics")
    if not found or not found.get("rows"):
        return ""
    return (
        f" They hold {found['tokens']:,} tokens of {found['types']:,} types, "
        f"{found['tokens'] / found['rows']:.1f} a text; `training.json` has a fingerprint of them."
    )


def _blinded(config: dict[str, Any]) -> str:
    """Return a note that the metrics were measured before words were blinded; an empty string if none were."""
    count = len(config.get("blinded", ()))
    if not count:
        return ""
    return (
        f"This model reads `[UNK]` for {count:,} words and phrases (`blinded` in `config.json`); its measures are "
        f"those of the model without that."
    )


def _metrics_table(training: dict[str, Any]) -> str:
    lines, head = [], "| rows | n | accuracy | macro F1 | ECE |"
    for part in ("dev", "test"):
        if _is_measured(training, part):
            scores = training[part]
            if "mae" in scores:
                numbers = " | ".join(f"{scores[name]:.4f}" for name in ("mae", "r2", "spearman"))
                lines.append(f"| {part} | {scores['n']:,} | {numbers} |")
                head = "| rows | n | MAE | R2 | Spearman |"
                continue
            ece = f"{scores['ece']:.3f}" if scores.get("ece") is not None else ""
            lines.append(f"| {part} | {scores['n']:,} | {scores['accuracy']:.4f} | {scores['macro_f1']:.4f} | {ece} |")
    if not lines:
        return ""
    return "\n".join([head, "| --- | --- | --- | --- | --- |", *lines])


def _labels_table(training: dict[str, Any]) -> str:
    """Return a table of each label's metrics on the test rows, or on the dev rows if there was no test set."""
    part = "test" if training.get("test") else "dev"
    entries = ((training.get(part) or {}).get("per_label") or {}).items()
    lines = [
        f"| `{name}` | {one['precision']:.4f} | {one['recall']:.4f} | {one['f1']:.4f} | {one['support']:,} |"
        for name, one in list(entries)[:SHOWN]
    ]
    if not lines:
        return ""
    return "\n".join(
        [f"| label, {part} rows | precision | recall | F1 | rows |", "| --- | --- | --- | --- | --- |", *lines]
    )
