"""The model card of an artifact: README.md with the front matter the hub expects."""

from __future__ import annotations

import json
from typing import Any


def model_card(config: dict[str, Any], training: dict[str, Any]) -> str:
    """Markdown that says what the model is, what it was trained on, and how to use it."""
    task = "text-classification" if config["modality"] == "text" else "image-classification"
    labels = ", ".join(f"`{name}`" for name in config["labels"][:30])
    more = len(config["labels"]) - 30
    shown = labels + (f" and {more} more" if more > 0 else "")
    use = (
        'import textcnn\n\nmodel = textcnn.load("path/to/this/folder")\nmodel.predict(["a text"])'
        if config["modality"] == "text"
        else 'import textcnn\n\nmodel = textcnn.load("path/to/this/folder")\nmodel.predict(images)  # (N, C, H, W)'
    )
    return f"""---
library_name: textcnn
pipeline_tag: {task}
tags: [textcnn, {config["architecture"]}]
---

# A `{config["architecture"]}` classifier

Labels ({len(config["labels"])}, {config["problem_type"]}): {shown}

Trained on {training.get("data", {}).get("name", "data")!s} ({training.get("examples", {}).get("train", 0):,} rows).

{_metrics_table(training)}{_blinded(config)}
```python
{use}
```

Settings: `{json.dumps(config["settings"])}`, everything else in `config.json` and `training.json`.
"""


def _blinded(config: dict[str, Any]) -> str:
    """What a reader of its measures must know: they are of the model before it was made blind."""
    count = len(config.get("blinded", ()))
    if not count:
        return ""
    return (
        f"\nThis model reads `[UNK]` for {count:,} words and phrases (`blinded` in `config.json`); its measures are "
        f"those of the model without that.\n"
    )


def _metrics_table(training: dict[str, Any]) -> str:
    lines = []
    for part in ("dev", "test"):
        scores = training.get(part)
        if scores:
            lines.append(f"| {part} | {scores['n']:,} | {scores['accuracy']:.4f} | {scores['macro_f1']:.4f} |")
    if not lines:
        return ""
    return "\n".join(["| rows | n | accuracy | macro F1 |", "| --- | --- | --- | --- |", *lines, ""])
