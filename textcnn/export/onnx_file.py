"""Writes a model as an ONNX file: a graph from ids (or pixels) to logits, with their meaning as metadata."""

from __future__ import annotations

import json
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from textcnn.atomic import write_whole
from textcnn.errors import ConfigError, import_extra
from textcnn.export.onnx_graph import ImageGraph, TextGraph, has_unseen
from textcnn.models.base import ImageClassifier, TextClassifier, logits_of
from textcnn.prediction.artifact import Artifact

OPSET = 17  # of ONNX 1.12, which runtimes since 2022 support
METADATA = "textcnn"  # the key of the JSON document in the file's metadata
MOST_BYTES = 2**31 - 2**20  # a protobuf message is limited to 2 GiB
_SIZES = {  # names of the dynamic axes
    "ids": {0: "texts", 1: "tokens"},
    "lengths": {0: "texts"},
    "ngrams": {0: "unseen words", 1: "n-grams"},
    "pixels": {0: "images"},
    "logits": {0: "rows"},
}
_AGREE = 1e-4  # tolerance of logits relative to the largest, since float32 sums are in another order

Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class OnnxExport:
    """The files of an ONNX export.

    Attributes:
        path: the file with the graph.
        tokenizer: the file with the tokenizer; none for an image model.
        inputs: the names of the graph's inputs.
        difference: the largest difference between the graph's and the model's logits, on random ids or pixels.
    """

    path: Path
    tokenizer: Path | None
    inputs: tuple[str, ...]
    difference: float


def refusal(artifact: Artifact) -> str:
    """Return why the model cannot be exported to ONNX; an empty string if it can."""
    if artifact.config.settings.get("word_ngrams", 1) > 1:
        return "its word n-grams are hashed modulo 2**64, and ONNX does not say what an integer does beyond its range"
    if artifact.modality == "text" and artifact.text_inputs().blinded:
        return "it is blind to words that are found by their letters, and a graph sees ids"
    size = sum(value.nbytes for value in artifact.model.state_dict().values())
    if size > MOST_BYTES:
        return f"an ONNX file holds less than 2 GiB, and its weights have {size:,} bytes; `--max-size` makes it smaller"
    return ""


def write_onnx(artifact: Artifact, path: str | Path) -> OnnxExport:
    """Write the graph and, for a text model, ``NAME.tokenizer.json`` in the same folder.

    Before that, the graph is run once and its logits are compared with the model's.

    Raises:
        ConfigError: the model cannot be exported; the message says why.
        ArtifactError: a file cannot be written.
        MissingExtraError: onnx or onnxruntime is not installed.
    """
    path = Path(path)
    if reason := refusal(artifact):
        raise ConfigError(f"this model cannot be exported to ONNX: {reason}")
    for name in ("onnx", "onnxruntime"):
        import_extra(name, extra="export", feature="`--format onnx`")
    graph = _graph(artifact)
    with tempfile.TemporaryDirectory() as folder:
        sample = feeds(artifact, _sample(artifact, 2))
        content = _recorded(graph, sample, Path(folder) / "model.onnx")
    content = _described(content, _metadata(artifact))
    difference = _compared(content, artifact, _sample(artifact, 5))
    tokenizer = None
    write_whole(path, content)
    if artifact.modality == "text":  # the graph begins at ids, so a client needs the tokenizer as well
        tokenizer = path.with_suffix(".tokenizer.json")
        write_whole(tokenizer, artifact.text_inputs().tokenizer.to_json().encode())
    return OnnxExport(path, tokenizer, tuple(sample), difference)


def feeds(artifact: Artifact, rows: Any) -> Arrays:
    """Return the graph's inputs by name for encoded texts, or for images ``(N, C, H, W)``."""
    if artifact.modality == "image":
        return {"pixels": np.asarray(rows, np.float32)}
    inputs = artifact.text_inputs()
    ids = np.zeros((len(rows), max(int(rows.lengths.max(initial=0)), 1)), np.int64)
    ids[np.arange(ids.shape[1]) < rows.lengths[:, None]] = rows.ids
    found = {"ids": ids, "lengths": rows.lengths}
    if has_unseen(inputs):
        assert inputs.lexicon is not None
        bags = rows.unseen.bags
        found["ngrams"] = np.full((len(bags), int(bags.lengths.max(initial=0))), -1)
        inside = np.arange(found["ngrams"].shape[1]) < bags.lengths[:, None]
        found["ngrams"][inside] = inputs.lexicon.buckets[bags.ids]
    return found


def _graph(artifact: Artifact) -> nn.Module:
    if isinstance(artifact.model, ImageClassifier):
        return ImageGraph(artifact.model, artifact.image_inputs()).eval()
    assert isinstance(artifact.model, TextClassifier)
    return TextGraph(artifact.model, artifact.text_inputs()).eval()


def _sample(artifact: Artifact, number: int) -> Any:
    """Draw random rows: images, or texts of several lengths, including an empty one and unseen words."""
    draw = np.random.default_rng(number)
    if artifact.modality == "image":
        return draw.random((number, *artifact.image_inputs().shape)) * 255
    inputs = artifact.text_inputs()
    words = [str(word) for word in draw.choice(inputs.tokenizer.types(), 4 * number)]
    words += [word[::-1] for word in words]
    texts = [" ".join(draw.choice(words, 3 * length).tolist()) for length in range(1, number)]
    return inputs.encode(["", *texts, " ".join(words)])


def _recorded(graph: nn.Module, sample: Arrays, path: Path) -> bytes:
    """Export the graph to bytes by tracing a run."""
    # torch's tracing exporter writes every recurrent cell as an ONNX operator. The one based on torch.export refuses
    # nn.RNN, and takes 19 s for an LSTM that tracing exports in 0.3 s (torch 2.13).
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # about the older exporter, about traced shapes and about RNN batch sizes
        torch.onnx.export(
            graph,
            tuple(torch.from_numpy(value) for value in sample.values()),
            str(path),
            input_names=list(sample),
            output_names=["logits"],
            dynamic_axes={name: _SIZES[name] for name in (*sample, "logits")},
            opset_version=OPSET,
            dynamo=False,
        )
    return path.read_bytes()


def _described(content: bytes, metadata: dict[str, Any]) -> bytes:
    import onnx

    model = onnx.load_from_string(content)
    entry = model.metadata_props.add()
    entry.key, entry.value = METADATA, json.dumps(metadata, ensure_ascii=False)
    return bytes(model.SerializeToString())


def _metadata(artifact: Artifact) -> dict[str, Any]:
    """Return the metadata that a client needs: labels and thresholds, and how ids and n-grams are made."""
    described = artifact.describe()
    names = ["format_version", "modality", "architecture", "labels", "problem_type", "temperature", "thresholds"]
    names += ["targets"] if artifact.labels.targets else []
    names += ["grades"] if artifact.labels.grades is not None else []
    if artifact.modality == "image":
        return {name: described[name] for name in [*names, "shape"]}
    inputs = artifact.text_inputs()
    own = {"num_types": len(inputs.tokenizer), "unknown_id": inputs.tokenizer.unknown_id}
    rule = ("ngram_min", "ngram_max", "ngram_buckets", "ngrams_per_token")
    subwords = {name: described[name] for name in rule} if has_unseen(inputs) else None
    return {**{name: described[name] for name in [*names, "max_length"]}, **own, "subwords": subwords}


def _compared(content: bytes, artifact: Artifact, rows: Any) -> float:
    """Run graph and model on rows of other sizes than the graph was traced with; return the largest difference."""
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    found = session.run(["logits"], feeds(artifact, rows))[0]
    expected = logits_of(artifact.model, artifact.inputs, rows)
    difference = float(np.abs(found - expected).max())
    if not difference <= _AGREE * max(1.0, float(np.abs(expected).max())):
        raise ConfigError(
            f"this model cannot be exported to ONNX: its graph gives logits that differ by {difference:.2g} from the "
            f"model's; please report it with the architecture's settings"
        )
    return difference
