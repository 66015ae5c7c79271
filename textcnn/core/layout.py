"""Padded memory layout of a one-layer text classifier's weights, as the core's training step needs it.

Their names are those of the nn.Module's state. Letters: V types, D numbers of a word vector, F filters of a width, G
widths, T taps, O outputs, S channels (2 where one is not trained).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn.core.memory import zeros

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float32]
LANES = 16


def padded(size: int) -> int:
    """Round a size up to a multiple of the vector width."""
    return -(-size // LANES) * LANES


@dataclass(frozen=True)
class Shape:
    """The hyperparameters from which the sizes and names of all weights follow.

    Attributes:
        widths: window widths, in the order of the features; ascending where they are nested.
        is_nested: whether the widths share one bank of filters.
        num_filters: F.
        dim: D of one channel.
        num_labels: C.
        num_outputs: O, C or 1 for two labels through a sigmoid.
        has_fixed_channel: whether a frozen channel precedes the trained one.
        has_mean: whether the mean of the word vectors is a feature.
        has_ngrams: whether there is a table of n-gram rows.
        has_wide: whether there is a linear branch.
    """

    widths: Sequence[int]
    is_nested: bool
    num_filters: int
    dim: int
    num_labels: int
    num_outputs: int
    has_fixed_channel: bool
    has_mean: bool
    has_ngrams: bool
    has_wide: bool

    @property
    def num_taps(self) -> int:
        """T, the total number of filter taps."""
        return max(self.widths) if self.is_nested else sum(self.widths)

    @property
    def first_taps(self) -> list[int]:
        """Index of the first tap of each filter width."""
        if self.is_nested:
            return [0] * len(self.widths)
        return [sum(self.widths[:g]) for g in range(len(self.widths))]

    @property
    def channels(self) -> int:
        """S, the number of embedding channels."""
        return 2 if self.has_fixed_channel else 1

    @property
    def word_name(self) -> str:
        """Name of the word embedding table."""
        return "embedding.tuned.word.weight" if self.has_fixed_channel else "embedding.word.weight"

    @property
    def ngram_name(self) -> str:
        """Name of the n-gram embedding table."""
        return "embedding.tuned.ngram.weight" if self.has_fixed_channel else "embedding.ngram.weight"


class PaddedWeights:
    """The weights in the padded layout, with conversion from and to the state dictionary.

    Args:
        weights: by name, float32; they are copied.
        shape: their sizes.

    Attributes:
        word: ``(V, D)``, padded.
        ngram: likewise, or none.
        fixed: the channel that is not trained, or none.
        wide: ``(features, C)``, or none.
        dense: taps, biases, head, bias of the head, one after another.
    """

    FIXED = "embedding.static.word.weight"
    WIDE = "wide.table.weight"

    def __init__(self, weights: Mapping[str, Array], shape: Shape) -> None:
        self.shape = shape
        names = {"word": shape.word_name, "ngram": shape.ngram_name, "fixed": self.FIXED}
        shapes = {key: (len(weights[name]), padded(shape.dim)) for key, name in names.items() if name in weights}
        if shape.has_wide:
            shapes["wide"] = weights[self.WIDE].shape
        memory = zeros({**shapes, "dense": [sum(self._sizes())]})
        self.word, self.dense = memory["word"], memory["dense"]
        self.ngram, self.fixed, self.wide = memory.get("ngram"), memory.get("fixed"), memory.get("wide")
        self._others = {name: value for name, value in weights.items() if name in ("wide.keys", "wide.idf")}
        self.load(weights)

    @property
    def num_bytes(self) -> int:
        """Bytes of all weights."""
        return sum(array.nbytes for array in (self.dense, *self._tables().values()))

    def weights(self, into: Mapping[str, Array] | None = None) -> dict[str, Array]:
        """Return copies of all weights by name, without padding; tables reuse the memory of ``into``, if given."""
        # Allocating fresh memory costs more than the copy itself: its pages are mapped on first access.
        found = dict(self._others)
        for name, table in self._tables().items():
            own = table[:, : self._width(name)]
            found[name] = own.copy() if into is None else into[name]
            if into is not None:
                np.copyto(found[name], own)
        return {**found, **self.dense_parts(self.dense)}

    def load(self, weights: Mapping[str, Array]) -> None:
        """Set all weights to those that :meth:`weights` returned."""
        for name, table in self._tables().items():
            table[:, : self._width(name)] = weights[name]
        self.put_dense_parts(self.dense, weights)

    def dense_parts(self, dense: Floats) -> dict[str, Array]:
        """Split an array laid out like the dense weights (or their gradients) into unpadded parts by name."""
        shape = self.shape
        taps, bias, maxima, mean, head_bias = self._views(dense)
        dims, filters = shape.dim, shape.num_filters
        cut = taps[:, :filters, :, :dims].transpose(1, 2, 3, 0).reshape(filters, shape.channels * dims, shape.num_taps)
        found: dict[str, Array] = {}
        if shape.is_nested:
            found = {"encoder.bank.weight": cut.copy(), "encoder.bias": bias[:, :filters].copy()}
        else:
            for g, (first, width) in enumerate(zip(shape.first_taps, shape.widths, strict=True)):
                found[f"encoder.convs.{g}.weight"] = cut[:, :, first : first + width].copy()
                found[f"encoder.convs.{g}.bias"] = bias[g, :filters].copy()
        head = [maxima[:, :, :filters].reshape(shape.num_outputs, -1)]
        if shape.has_mean:
            head.append(mean[:, :, :dims].reshape(shape.num_outputs, -1))
        return {**found, "head.weight": np.concatenate(head, 1), "head.bias": head_bias.copy()}

    def put_dense_parts(self, dense: Floats, parts: Mapping[str, Array]) -> None:
        """Write parts into an array laid out like the dense weights: the inverse of :meth:`dense_parts`."""
        shape = self.shape
        taps, bias, maxima, mean, head_bias = self._views(dense)
        dims, filters, maxima_count = shape.dim, shape.num_filters, len(shape.widths) * shape.num_filters
        for g, (first, width) in enumerate(zip(shape.first_taps, shape.widths, strict=True)):
            weight = parts["encoder.bank.weight" if shape.is_nested else f"encoder.convs.{g}.weight"][:, :, :width]
            split = weight.reshape(filters, shape.channels, dims, width)
            taps[first : first + width, :filters, :, :dims] = split.transpose(3, 0, 1, 2)
            bias[g, :filters] = parts["encoder.bias"][g] if shape.is_nested else parts[f"encoder.convs.{g}.bias"]
        head = parts["head.weight"]
        maxima[:, :, :filters] = head[:, :maxima_count].reshape(len(head), len(shape.widths), filters)
        if shape.has_mean:
            mean[:, :, :dims] = head[:, maxima_count:].reshape(len(head), shape.channels, dims)
        head_bias[:] = parts["head.bias"]

    def _width(self, table: str) -> int:
        return self.shape.num_labels if table == self.WIDE else self.shape.dim

    def _tables(self) -> dict[str, Array]:
        found = {
            self.shape.word_name: self.word,
            self.shape.ngram_name: self.ngram,
            self.FIXED: self.fixed,
            self.WIDE: self.wide,
        }
        return {name: table for name, table in found.items() if table is not None}

    def _sizes(self) -> list[int]:
        shape = self.shape
        width, filters = shape.channels * padded(shape.dim), padded(shape.num_filters)
        maxima = len(shape.widths) * filters
        features = maxima + shape.has_mean * width
        return [shape.num_taps * filters * width, maxima, shape.num_outputs * features, shape.num_outputs]

    def _views(self, dense: Floats) -> tuple[Floats, Floats, Floats, Floats, Floats]:
        """Taps ``(T, F, S, D)``, biases ``(G, F)``, head of maxima ``(O, G, F)`` and means ``(O, S, D)``, bias."""
        shape = self.shape
        taps, bias, head, head_bias = np.split(dense, np.cumsum(self._sizes())[:-1])
        dim, filters, groups = padded(shape.dim), padded(shape.num_filters), len(shape.widths)
        head = head.reshape(shape.num_outputs, -1)
        return (
            taps.reshape(shape.num_taps, filters, shape.channels, dim),
            bias.reshape(groups, filters),
            head[:, : groups * filters].reshape(shape.num_outputs, groups, filters),
            head[:, groups * filters :].reshape(shape.num_outputs, -1, dim),
            head_bias,
        )
