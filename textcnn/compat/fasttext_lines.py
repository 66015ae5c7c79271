"""Reads files of ``__label__`` lines as fastText does: labels stay as written, and lines without one are left out."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path

import numpy as np

from textcnn.compat.fasttext_arguments import FastTextError
from textcnn.errors import warn_of_data
from textcnn.reading.formats import split_line
from textcnn.reading.messages import counted, refuse_foreign, sentences
from textcnn.reading.rows import Examples
from textcnn.reading.schema import LabelForm
from textcnn.reading.source import Source
from textcnn.reading.stored import TextWriter, memory_bound


def read_lines(path: str | Path, prefix: str) -> Examples:
    """Read the lines that have a label; labels stay as they are written."""
    source, notices = Source(Path(path)), Counter[str]()
    refuse_foreign(source.head(), source.name)
    writer, labels = TextWriter(memory_bound("auto")), []
    for line in source.lines(notices):
        names, text = split_line(line, prefix)
        if names:
            writer.append(text)
            labels.append(tuple(dict.fromkeys(names)))
        else:
            notices["dropped" if line.strip() else "blank_lines"] += 1
    for notice in sentences(notices):
        warn_of_data(notice)
    return Examples(writer.finish(), labels, multi_label=True, name=source.name, form=LabelForm(True, ""))


def rows_to_train(path: str | Path, prefix: str, *, multi_label: bool) -> Examples:
    """Read labelled lines; unless ``multi_label``, a line of several labels becomes rows that share its weight.

    With softmax, fastText draws one of the labels in each epoch; this is the loss that it has in the mean.

    Raises:
        FastTextError: no line has a label.
    """
    rows = read_lines(path, prefix)
    if not len(rows):
        raise FastTextError(f"{path}: expected lines with a label, such as {prefix}good a fine film, found none")
    if multi_label:
        return rows
    single = dataclasses.replace(rows, multi_label=False, form=LabelForm(False, ""))
    sizes = np.array([len(names) for names in rows.labels])
    if several := int((sizes > 1).sum()):
        warn_of_data(
            f"{counted(several, 'line')} of {path} with several labels: each is trained as a row for each label, with "
            f"one weight together; loss='ova' trains any number of labels a text"
        )
        single = dataclasses.replace(
            single.subset(np.repeat(np.arange(len(rows)), sizes)),
            labels=[(name,) for names in rows.labels for name in names],
            weights=np.repeat(1.0 / sizes, sizes),
        )
    return single
