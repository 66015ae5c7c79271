"""Tables: all that a one-layer model needs to answer by look-up, in one safetensors file that a browser reads."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors.numpy

from textcnn.errors import ConfigError
from textcnn.export.characters import characters_of
from textcnn.export.written import write_whole
from textcnn.inference.lookup import LookupModel
from textcnn.inference.storage import packed, unpacked
from textcnn.inference.type_rows import BLOCK
from textcnn.text.lexicon import Unseen
from textcnn.text.wide import first_logarithms

TABLES_VERSION = 2
READER = "textcnn.js"
LOGARITHMS = 256  # counts of a feature in one text; beyond, the reader's own logarithm
MOST_TYPES = 2**21  # a pair of ids is one float64

Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class TablesExport:
    """What was written: the tables, and the reader beside them."""

    path: Path
    reader: Path


def write_tables(model: LookupModel, path: str | Path) -> TablesExport:
    """Write the tables of a model, and its reader as ``textcnn.js`` in the same folder.

    Raises:
        ConfigError: the model's tokenizer is not the one that the reader repeats, or words are blinded.
        ArtifactError: the place cannot be written.
    """
    path = Path(path)
    tensors, about = tables_of(model)
    metadata = {"textcnn": json.dumps(about, ensure_ascii=False, separators=(",", ":"))}
    content = safetensors.numpy.save(tensors, metadata=metadata)
    write_whole(path, content)
    reader = path.with_name(READER)
    write_whole(reader, (files("textcnn.export") / READER).read_bytes())
    return TablesExport(path, reader)


def tables_of(model: LookupModel) -> tuple[Arrays, dict[str, Any]]:
    """Tensors by name, and what else the reader must know.

    Raises:
        ConfigError: as for :func:`write_tables`.
    """
    inputs = model.inputs
    characters = characters_of(inputs.tokenizer)
    if inputs.blinded:
        raise ConfigError(
            "this model cannot be exported to tables: it is blind to words, which their reader cannot hide; serve it"
        )
    if len(inputs.tokenizer) > MOST_TYPES:
        raise ConfigError(
            f"tables hold at most {MOST_TYPES:,} words, the model has {len(inputs.tokenizer):,}; `--max-size` makes a "
            f"model of fewer"
        )
    weights, product = model.model, model.model.product()
    filters = weights.filters
    # The reader has taps of every width, one behind the other.
    columns = np.concatenate([filters.layout(0).columns, np.arange(len(filters.taps), len(product.scales))])
    tensors: Arrays = {
        "kind_starts": characters.starts,
        "kinds": characters.kinds,
        "vocabulary": np.frombuffer("\n".join(inputs.tokenizer.types()).encode(), np.uint8),
        "vectors": _vectors(model),
        "weights": product.whole.T[columns].astype(np.int32),
        "weight_scales": product.scales[columns],
        "filter_bias": filters.bias,
        "head": filters.head,
        "bias": weights.bias.astype(np.float64),
    }
    if weights.features is not None and weights.table is not None:
        tensors["wide_keys"] = weights.features.keys.astype(np.float64)
        tensors["wide_idf"], tensors["wide_table"] = weights.features.idf, weights.table
        tensors["logarithms"] = first_logarithms(LOGARITHMS)
    ngrams = weights.vectors.ngrams
    if inputs.lexicon is not None and ngrams is not None:
        tensors["buckets"], tensors["ngram_vectors"] = inputs.lexicon.buckets.astype(np.int32), ngrams
    rule = None if "buckets" not in tensors or inputs.lexicon is None else inputs.lexicon.rule
    about = {
        "tables_version": TABLES_VERSION,
        "labels": list(model.labels.names),
        "problem_type": model.labels.problem_type,
        "temperature": model.temperature,
        "thresholds": model.own_thresholds,
        "max_length": inputs.max_length,
        "unknown_id": inputs.tokenizer.unknown_id,
        "lower": characters.lower,
        "steps": characters.steps,
        "subwords": None
        if rule is None
        else {
            "ngram_min": rule.n_min,
            "ngram_max": rule.n_max,
            "ngram_buckets": rule.buckets,
            "ngrams_per_token": rule.most,
        },
        "dim": tensors["vectors"].shape[1],
        "ngram_dim": 0 if ngrams is None else ngrams.shape[1],
        "vector_bits": product.bits,
        "sizes": filters.sizes.tolist(),
        "num_filters": filters.num_filters,
        "num_taps": len(filters.layout(0).columns),
        "activation": filters.activation,
        "wide_scale": weights.scale,
    }
    return {name: np.ascontiguousarray(value) for name, value in _in_fewer_bytes(tensors).items()}, about


def _in_fewer_bytes(tensors: Arrays) -> Arrays:
    """The same with vectors in int8 and a scale for each row, where that is exact: in models of ``--max-size``."""
    vectors = {"vectors": tensors["vectors"]}
    small = packed(vectors, "int8")
    if (unpacked(small, Path())["vectors"] != tensors["vectors"]).any():
        return tensors
    return {name: value for name, value in tensors.items() if name not in vectors} | small


def _vectors(model: LookupModel) -> npt.NDArray[np.float32]:
    """The vector of every type of the vocabulary, ``(V, D)``, composed."""
    size, compose = len(model.inputs.tokenizer), model.model.vectors
    return np.concatenate(
        [compose(np.arange(start, min(start + BLOCK, size)), Unseen()) for start in range(0, size, BLOCK)]
    )
