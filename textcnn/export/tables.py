"""Writes all that a one-layer model needs for look-up into one tables file, for a browser or a C program to read.

The reader is the core in C (``core/src/tables.h``), compiled to WebAssembly for a page. docs/export.md describes the
sections of the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn.atomic import write_whole
from textcnn.core.build import WASM, WASM_TARGET, is_current
from textcnn.core.lookup_numpy import ACTIVATIONS
from textcnn.core.type_rows_numpy import score_sums
from textcnn.core.word_form import WordForm
from textcnn.errors import ArtifactError, ConfigError
from textcnn.folder.tensors import packed, unpacked
from textcnn.grades import Grades
from textcnn.runtime.cache import BLOCK
from textcnn.runtime.filters import IntegerFilters
from textcnn.runtime.lookup import LookupModel
from textcnn.tokenization.lexicon import Unseen
from textcnn.tokenization.ngrams import first_logarithms
from textcnn.tokenization.tokenizer import Tokenizer, steps_of

MAGIC, VERSION, ALIGNMENT = b"textcnn\n", 4, 64
LOADER = "textcnn.js"
LOGARITHMS = 1024  # size of the table log(count); for larger counts the reader computes the logarithm itself
_ALL = -1  # stands for a limit that is none

Sections = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class TablesExport:
    """The files of an export: the tables, the JavaScript loader and the WebAssembly reader, in one folder."""

    path: Path
    loader: Path
    reader: Path


def write_tables(model: LookupModel, path: str | Path) -> TablesExport:
    """Write the tables of a model in its precision, and in the same folder the loader and the reader for a page.

    Raises:
        ConfigError: the reader does not support the model's tokenizer, or words are blinded.
        ArtifactError: the reader was not built, or a file cannot be written.
    """
    path, wasm = Path(path), reader_bytes()
    write_whole(path, tables_bytes(sections_of(model)))
    found = TablesExport(path, path.with_name(LOADER), path.with_name(WASM))
    write_whole(found.loader, (files("textcnn.export") / LOADER).read_bytes())
    write_whole(found.reader, wasm)
    return found


def reader_bytes() -> bytes:
    """Return the WebAssembly module that reads tables.

    Raises:
        ArtifactError: the module was not built when the package was installed, or was built from other sources.
    """
    if not is_current(WASM_TARGET):
        found = "one of other sources" if WASM_TARGET.is_file() else "none"
        raise ArtifactError(
            f"expected the reader of tables, {WASM_TARGET}, found {found}; `pip install ziglang`, then "
            f"`python -m textcnn.core --wasm` builds it"
        )
    return WASM_TARGET.read_bytes()


def tables_bytes(sections: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """Serialize a tables file: a header, an entry for each section, and the sections, all at multiples of 64 bytes."""
    offset = ALIGNMENT * (1 + len(sections))
    entries, parts = [], []
    for name, array in sections.items():
        data = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
        kind = f"{array.dtype.kind}{array.dtype.itemsize}"
        numbers = np.array([offset, len(data)], "<u8").tobytes()
        entries.append(name.encode().ljust(32, b"\0") + kind.encode().ljust(8, b"\0") + numbers.ljust(24, b"\0"))
        parts.append(data.ljust(-(-len(data) // ALIGNMENT) * ALIGNMENT, b"\0"))
        offset += len(parts[-1])
    header = MAGIC + np.array([VERSION, len(sections)], "<u4").tobytes() + np.array([offset], "<u8").tobytes()
    return b"".join([header.ljust(ALIGNMENT, b"\0"), *entries, *parts])


def sections_of(model: LookupModel) -> Sections:
    """Return the sections of a model's tables by name.

    Raises:
        ConfigError: as for :func:`write_tables`.
    """
    if model.inputs.blinded:
        raise ConfigError(
            "this model cannot be exported to tables: it is blind to words, which their reader cannot hide; serve it"
        )
    parts = _text_sections, _vector_sections, _filter_sections, _wide_sections, _character_sections
    return {name: section for part in parts for name, section in part(model).items()}


def word_form_of(tokenizer: Tokenizer) -> WordForm:
    """Return the word form of a tokenizer that ``--tokenizer word`` made.

    Raises:
        ConfigError: it is another tokenizer; the message names its components.
    """
    if (form := tokenizer.word_form) is not None:
        return form
    parts = tokenizer.components()
    steps = [*steps_of(parts["normalizer"], "normalizers"), *steps_of(parts["pre_tokenizer"], "pretokenizers")]
    names = ", ".join([parts["model"], *(step["type"] for step in steps)])
    raise ConfigError(
        f"expected the tokenizer that `--tokenizer word` makes, which the reader of tables has too, got another one "
        f"({names}); use `--format onnx`"
    )


def _text_sections(model: LookupModel) -> Sections:
    """Return the sections for the step from bytes to ids, and for the labels."""
    inputs = model.inputs
    form, types = word_form_of(inputs.tokenizer), inputs.tokenizer.types()
    if any("\n" in name for name in types):
        raise ConfigError("this model cannot be exported to tables: a word of its vocabulary holds a line end")
    labels = [name.encode() for name in model.labels.names]
    return {
        "form": _whole(form.bits),
        "words": _bytes("".join(f"{name}\n" for name in types).encode()),
        "unknown": _whole(inputs.tokenizer.unknown_id),
        "max_length": _whole(inputs.max_length),
        "labels": _bytes(b"".join(labels)),
        "label_ends": np.cumsum([len(name) for name in labels], dtype=np.int64),
        "multi_label": _whole(model.labels.multi_label),
        "thresholds": np.array(model.own_thresholds, np.float64),
        "temperature": np.array([model.temperature]),
        "bias": model.model.bias,
        **({"target_means": model.labels.means, "target_stds": model.labels.stds} if model.labels.targets else {}),
        **({} if model.labels.grades is None else _grade_sections(model.labels.grades)),
    }


def _grade_sections(grades: Grades) -> Sections:
    """Return the sections of the grades of an ordered scale."""
    names = [name.encode() for name in grades.names]
    return {
        "grades": _bytes(b"".join(names)),
        "grade_ends": np.cumsum([len(name) for name in names], dtype=np.int64),
        "grade_cuts": np.array(grades.cuts, np.float64),
        "grade_slope": np.array([grades.slope], np.float64),
    }


def _vector_sections(model: LookupModel) -> Sections:
    """Return the sections with the composed vectors of all types, and the n-gram vectors for unseen words."""
    weights, lexicon = model.model.vectors, model.inputs.lexicon
    fixed = weights.tables.fixed
    size, fixed_dim = len(model.inputs.tokenizer), 0 if fixed is None else fixed.shape[1]
    blocks = [weights(np.arange(at, min(at + BLOCK, size)), Unseen()) for at in range(0, size, BLOCK)]
    vectors = np.concatenate(blocks)
    found: Sections = {"fixed_dim": _whole(fixed_dim), "dim": _whole(vectors.shape[1] - fixed_dim)}
    found |= _in_fewer_bytes("vectors", vectors[:, fixed_dim:])
    if fixed_dim:
        found |= _in_fewer_bytes("fixed", vectors[:, :fixed_dim])
    if lexicon is not None and weights.ngrams is not None:
        rule = lexicon.rule
        found |= {"buckets": lexicon.buckets.astype(np.int32), "ngram_vectors": weights.ngrams}
        found |= {"ngram_min": _whole(rule.n_min), "ngram_max": _whole(rule.n_max)}
        found |= {"ngram_buckets": _whole(rule.buckets), "ngrams_per_token": _whole(rule.most)}
    return found


def _filter_sections(model: LookupModel) -> Sections:
    """Return the sections with the taps and the head, in the precision of the model."""
    filters, product = model.model.filters, model.model.product()
    found: Sections = {
        "weights": product.panels.astype(np.int32),
        "weight_scales": product.scales,
        "vector_bits": _whole(product.bits),
        "sizes": filters.sizes,
        "num_filters": _whole(filters.num_filters),
        "nested": _whole(filters.is_nested),
        "activation": _whole(ACTIVATIONS.index(filters.activation)),
    }
    if isinstance(model.filters, IntegerFilters):
        whole = model.filters.whole_weights
        return found | {"steps": whole.steps, "filter_bias": whole.bias, "head": whole.head}
    return found | {"filter_bias": filters.bias, "head": filters.head}


def _wide_sections(model: LookupModel) -> Sections:
    """Return the sections of the wide branch; none if the model has no such branch."""
    weights = model.model
    if weights.features is None or weights.table is None:
        return {}
    return {
        "wide_keys": weights.features.keys,
        "wide_idf": weights.features.idf,
        "wide_table": weights.table,
        "wide_scale": np.array([weights.scale], np.float64),
        "logarithms": 1 + first_logarithms(LOGARITHMS),
    }


def _character_sections(model: LookupModel) -> Sections:
    """Return the sections of the branch of characters; none if the model has no such branch."""
    vectors, size = model.model.vectors, len(model.inputs.tokenizer)
    if vectors.tables.scores is None:
        return {}
    bags = (vectors.bags(np.arange(at, min(at + BLOCK, size)), Unseen()) for at in range(0, size, BLOCK))
    blocks = [score_sums(vectors.tables, block.ids, block.offsets) for block in bags]
    return {
        "character_table": vectors.tables.scores,
        "character_scale": np.array([vectors.tables.score_scale], np.float64),
        "character_shares": np.concatenate(blocks),
    }


def _whole(value: int | None) -> npt.NDArray[np.int64]:
    return np.array([_ALL if value is None else value], np.int64)


def _bytes(data: bytes) -> npt.NDArray[np.uint8]:
    return np.frombuffer(data, np.uint8)


def _in_fewer_bytes(name: str, vectors: npt.NDArray[np.float32]) -> Sections:
    """Return vectors as int8 with a scale per row if that is exact, as after ``--max-size``; otherwise as float32."""
    small = packed({name: vectors}, "int8")
    is_exact = (unpacked(small, Path())[name] == vectors).all()
    return small if is_exact else {name: vectors}
