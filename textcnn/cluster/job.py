"""Classifies one unit of work and writes its answers, and transfers the model folder to other machines."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import textcnn
from textcnn.cluster.filesystem import Place
from textcnn.cluster.state import Done, as_json, begin, is_done, read_done, write_done
from textcnn.cluster.units import Unit
from textcnn.config import DataConfig
from textcnn.errors import ArtifactError, DataError, TextCNNError
from textcnn.folder.model_folder import CONFIG, TIMING, TOKENIZER, TRAINING, WEIGHTS, fingerprint
from textcnn.prediction.answers import Answerer, AnswerForm
from textcnn.prediction.streaming import Part, answer_stream, write_parts
from textcnn.prediction.writing import FORMATS
from textcnn.reading.rows import Rows, open_rows
from textcnn.reading.schema import Schema

Files = Mapping[str, bytes]

_NEEDED = (CONFIG, WEIGHTS, TOKENIZER, TRAINING, TIMING)


def pack(folder: Path) -> Files:
    """Return the files of a model that prediction needs, as bytes by name."""
    return {name: (folder / name).read_bytes() for name in _NEEDED if (folder / name).is_file()}


@contextmanager
def model_here(folder: Path, wanted: str, files: Files | None) -> Iterator[Path]:
    """Yield a folder with the model of this fingerprint: ``folder`` if it exists here, otherwise the unpacked files.

    Unpacked files are deleted at the end of the block; memory-mapped weights stay valid.

    Raises:
        ArtifactError: the model is not on this machine, and was not sent.
    """
    if folder.is_dir() and fingerprint(folder) == wanted:
        yield folder
        return
    if files is None:
        raise ArtifactError(f"expected the model {wanted} in {str(folder)!r} on every machine, found another or none")
    with tempfile.TemporaryDirectory(prefix="textcnn-model-") as place:
        for name, content in files.items():
            Path(place, name).write_bytes(content)
        yield Path(place)


TRIES = 5  # attempts per unit, so that a unit that kills its workers does not do so for ever
ENDINGS = tuple(format.removeprefix(".") for format in FORMATS)


@dataclass(frozen=True)
class Job:
    """The settings of a batch job, the same for every unit.

    Attributes:
        inputs: the folder of the input files.
        output: the folder of the answers.
        model: the model folder on the machine that started the job.
        fingerprint: the fingerprint of the model.
        data: the options of reading files.
        ending: the extension of the files of answers, one of :data:`ENDINGS`.
        precision: ``float32`` or ``int8``.
        top_k: the number of labels to list; none: no list.
        threshold: one threshold for all labels, instead of the model's own (multi-label).
        like: the schema of the model, whose columns take precedence over usual names.
    """

    inputs: Place
    output: Place
    model: Path
    fingerprint: str
    data: DataConfig
    ending: str = "jsonl"
    precision: str = "float32"
    top_k: int | None = None
    threshold: float | None = None
    like: Schema | None = None

    def settings(self) -> dict[str, Any]:
        """Return the settings that determine the answers, which are stored in the output folder."""
        return {
            "textcnn": textcnn.__version__,
            "model": self.fingerprint,
            "input": self.inputs.uri,
            "text_column": list(self.data.text_column),
            "format": self.data.format,
            "encoding": self.data.encoding,
            "output_format": self.ending,
            "precision": self.precision,
            "top_k": self.top_k,
            "threshold": self.threshold,
        }

    def load(self, folder: Path) -> Answerer:
        """Load the predictor of a worker."""
        from textcnn.prediction.predictor import Predictor

        predictor = Predictor.load(folder, precision=self.precision, threads=1)  # a worker is one core's worth
        predictor.text_inputs()
        predictor.thresholds(self.threshold)
        return predictor

    def run(self, unit: Unit, predictor: Answerer) -> Done:
        """Classify a unit, as :func:`do_unit` does."""
        return do_unit(self, unit, predictor)


def do_unit(job: Job, unit: Unit, predictor: Answerer) -> Done:
    """Classify a unit, unless it is finished already; repeating it writes the same bytes.

    An error in the input file, or in writing the answers, is returned as ``problem``, so that other units go on.
    """
    output = unit.output(job.ending)
    counts: Counter[str] = Counter()
    try:
        if is_done(job.output, output):  # by a worker that died before it could report it
            return read_done(job.output, output)
        if begin(job.output, output) >= TRIES:
            raise DataError(
                f"{TRIES} workers ended before they had classified it; perhaps it takes more memory than they have"
            )
        rows = open_rows(unit.source(job.inputs, job.data.encoding), job.data, labels="ignored", like=job.like)
        job.output.write(output, lambda path: _write(path, job, rows, predictor, counts))
        done = Done(output, as_json(unit), dict(counts), {kind: int(count) for kind, count in rows.notices.items()})
        write_done(job.output, done)
    except TextCNNError as err:
        file = job.inputs.shown(unit.file)
        problem = str(err) if file in str(err) else f"{file}: {err}"
        return Done(output, as_json(unit), {}, {}, problem)
    return done


def _write(path: str, job: Job, rows: Rows, predictor: Answerer, counts: Counter[str]) -> None:
    as_lines = job.ending == "jsonl"
    form = AnswerForm(rows.text_columns, job.top_k, job.threshold)
    parts = _counted(answer_stream(rows, predictor, form, as_lines=as_lines), counts)
    write_parts(parts, path, keep=False)


def _counted(parts: Iterator[Part], counts: Counter[str]) -> Iterator[Part]:
    for part in parts:
        counts.update(part.counts)
        yield part
