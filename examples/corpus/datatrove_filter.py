"""Filters JSON lines by datatrove with a step of textcnn: python datatrove_filter.py MODEL LABEL LEAST IN OUT."""

import sys
from typing import Any

import pyarrow as pa
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.filters.base_filter import BaseFilter
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers import JsonlWriter

from textcnn.engines.models import load_model


class TextCNNFilter(BaseFilter):
    """Keeps documents to which the model gives the label with a probability of ``least`` or more."""

    def __init__(self, model: str, label: str, least: float) -> None:
        super().__init__(batch_size=512)
        self.model, self.label, self.least = model, label, least

    def filter(self, doc: Any) -> bool:
        """Whether one document is kept."""
        return self.filter_batch([doc])[0]

    def filter_batch(self, batch: list[Any]) -> list[bool]:
        """Whether each document is kept."""
        predictor = load_model(self.model, threads=1)  # loaded once in a process, of which datatrove runs one a core
        answers = predictor.predict_arrow(pa.array([doc.text for doc in batch])).to_pylist()
        return [answer["label"] == self.label and answer["probability"] >= self.least for answer in answers]


if __name__ == "__main__":
    model, label, least, source, target = sys.argv[1:]
    steps = [JsonlReader(source), TextCNNFilter(model, label, float(least)), JsonlWriter(target, compression=None)]
    LocalPipelineExecutor(steps, logging_dir=f"{target}-logs").run()
