"""Approximates attributions of deeper models by integrated gradients (Sundararajan et al. 2017), with captum.

The path goes from word vectors of zeros to those of the text. The words' attributions sum to the logit up to the error
of the numerical integral, which is listed as a further term, so that the sums are right. No attribution is exact.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from textcnn.errors import import_extra
from textcnn.explain.attribution import WIDE, Integers, Reasons, Terms
from textcnn.runtime.filters import Doubles
from textcnn.tokenization.pipeline import EncodedTexts

if TYPE_CHECKING:
    from textcnn.prediction.predictor import Predictor

METHOD = "integrated gradients"
ERROR = "error of the integral"
STEPS = 50  # steps of the path, captum's default


def integrated_gradients(predictor: Predictor, encoded: EncodedTexts, labels: Integers) -> Reasons:
    """Return the attributions of the logits ``labels (B, L)`` to words; there are none to n-grams.

    Raises:
        MissingExtraError: captum is not installed.
    """
    captum = import_extra("captum.attr", extra="explain", feature="an explanation of a model of several layers")
    found = [_of_text(predictor, captum, encoded, b, labels[b].tolist()) for b in range(len(encoded))]
    offsets = np.concatenate([[0], np.cumsum([len(words) for words, *_ in found])]).astype(np.int64)
    first = np.arange(offsets[-1]) - np.repeat(offsets[:-1], np.diff(offsets))
    words = np.concatenate([np.zeros((0, labels.shape[1])), *(words for words, *_ in found)])
    bias, wide, logits = np.array([rest for _, *rest in found]).reshape(-1, 3, labels.shape[1]).transpose(1, 0, 2)
    terms = Terms(offsets, first, first + 1, words)
    owner = np.repeat(np.arange(len(found)), np.diff(offsets))
    sums = np.stack([np.bincount(owner, column, len(found)) for column in words.T], axis=1)
    other = {WIDE: wide} if predictor.artifact.config.wide else {}
    nothing = Terms(np.zeros(len(found) + 1, np.int64), first[:0], first[:0], words[:0])
    return Reasons(labels, logits, bias, nothing, terms, {**other, ERROR: logits - bias - wide - sums})


def _of_text(
    predictor: Predictor, captum: Any, encoded: EncodedTexts, number: int, labels: list[int]
) -> tuple[Doubles, Doubles, Doubles, Doubles]:
    """Return the attributions of the tokens ``(T, L)``, the bias, the wide part and the logits ``(L,)`` of one text."""
    import torch

    model, inputs = predictor.artifact.model, predictor.artifact.text_inputs()
    batch = inputs.batch(encoded, np.array([number]))
    with torch.no_grad():
        vectors = model.embedding(batch)[batch.inverse]  # type: ignore[operator]
        parts = model.branches(batch)  # type: ignore[operator]

    def main(words: torch.Tensor) -> torch.Tensor:
        """Return the network's logits ``(1, C)`` from one vector for each token."""
        own = replace(batch, unique=torch.arange(len(words[0])), inverse=torch.arange(len(words[0])))
        return model.head(model.encoder(words[0], own))  # type: ignore[operator,no-any-return]

    with torch.no_grad():
        bias = main(torch.zeros_like(vectors)[None])[0, labels].double().numpy()
        wide = 0 * bias if parts.wide is None else model.wide_scale * parts.wide[0, labels].double().numpy()
        logits = parts.main[0, labels].double().numpy() + wide
    method, shares = captum.IntegratedGradients(main), np.zeros((batch.num_tokens, len(labels)))
    for n, label in enumerate(labels if batch.num_tokens else []):
        found = method.attribute(vectors[None], target=label, n_steps=STEPS, internal_batch_size=1)
        shares[:, n] = found[0].sum(dim=1).detach().double().numpy()
    return shares, bias, wide, logits
