"""The schema of a training table, saved with the model so that later tables are read alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from textcnn.config_types import jsonable, mismatches
from textcnn.labels import MULTI_LABEL


@dataclass(frozen=True)
class LabelForm:
    """How label cells are written, as detected from all rows of a table.

    Args:
        multi_label: True: cells are split; False: each row has one label; None: not known yet.
        separator: stands between the labels of one cell; empty: cells are never split.
        as_text: lists and dictionaries are written as text, as ``['a', 'b']``.
        vector: the length of multi-hot vectors of zeros and ones, whose positions are the labels; 0: there are none.
        indicators: the cells of several columns say yes or no to the column's name; None: each row tells.
        blank_is_no: a blank indicator is a no, even where all of a row are blank.
        numbers: the cells are numbers to predict, one a column (regression).
        grades: the names of the grades that the cells hold (ordinal); empty: the cells are other numbers, or labels.
    """

    multi_label: bool | None = None
    separator: str = "|"
    as_text: bool = False
    vector: int = 0
    indicators: bool | None = None
    blank_is_no: bool = False
    numbers: bool = False
    grades: tuple[str, ...] = ()


@dataclass(frozen=True)
class Schema:
    """The columns a model was trained on, and the form of its labels.

    Args:
        text_columns: joined to the text; empty: not known, as in folders of earlier versions.
        label_columns: columns of the labels.
        form: form of the label cells.
        names: the model's labels, whose spelling is kept.
    """

    text_columns: tuple[str, ...] = ()
    label_columns: tuple[str, ...] = ()
    form: LabelForm = LabelForm()
    names: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the entry of config.json."""
        kept = {"text_columns": self.text_columns, "label_columns": self.label_columns, "labels": asdict(self.form)}
        return dict(jsonable(kept))


def schema_of(saved: Mapping[str, Any]) -> Schema:
    """Restore the schema of a model from its config.json."""
    reading = saved.get("reading") or {"text_columns": [], "label_columns": [], "labels": {}}
    form = LabelForm(**{**reading["labels"], "multi_label": saved["problem_type"] == MULTI_LABEL})
    form = replace(form, grades=tuple(form.grades))
    return Schema(tuple(reading["text_columns"]), tuple(reading["label_columns"]), form, tuple(saved["labels"]))


_ADDED = {"numbers", "grades"}  # to the form of labels, which folders lack that were written before


def is_reading(value: Any) -> bool:
    """Return whether a value of config.json is valid output of :meth:`Schema.to_json`, or none."""
    if value is None:
        return True
    if not isinstance(value, dict) or set(value) != {"text_columns", "label_columns", "labels"}:
        return False
    columns = [value["text_columns"], value["label_columns"]]
    lists = all(isinstance(names, list) and all(isinstance(name, str) for name in names) for names in columns)
    form = value["labels"]
    every = {field.name for field in fields(LabelForm)}
    return lists and isinstance(form, dict) and set(form) | _ADDED == every and not mismatches(LabelForm, form)
