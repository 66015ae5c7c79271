"""What the weights of a run start from: chance, and what is known of the rows before training; without torch."""

from __future__ import annotations

from textcnn.models.weights import WIDE_IDF, WIDE_KEYS, WIDE_TABLE, Weights, initial_weights, set_word_rows
from textcnn.nn.naive_bayes import naive_bayes_table
from textcnn.runs.continuing import take_weights
from textcnn.runs.prepared import Prepared


def first_weights(prepared: Prepared, seed: int) -> Weights:
    """The weights that training of ``kim`` starts from, by name."""
    inputs = prepared.inputs
    weights = initial_weights(
        prepared.config.model,
        len(inputs.tokenizer),
        0 if inputs.lexicon is None else inputs.lexicon.num_ngrams,
        None if inputs.wide is None else len(inputs.wide.keys),
        prepared.labels,
        seed,
    )
    start_from_rows(weights, prepared, seed)
    return weights


def start_from_rows(weights: Weights, prepared: Prepared, seed: int) -> None:
    """Put into fresh weights what is known before training: naive Bayes, pretrained vectors, the model started from.

    Args:
        weights: of any text architecture, changed in place.
        prepared: the rows, and what goes with them.
        seed: decides the rows of words that have no pretrained vector.
    """
    inputs, part = prepared.inputs, prepared.train
    if WIDE_TABLE in weights and inputs.wide is not None and part.encoded.wide is not None:
        targets = prepared.labels.encode(part.truth)
        weights[WIDE_KEYS][:], weights[WIDE_IDF][:] = inputs.wide.keys, inputs.wide.idf
        size, num_labels = weights[WIDE_TABLE].shape
        weights[WIDE_TABLE][:] = naive_bayes_table(size, num_labels, part.encoded.wide, targets)
    if prepared.pretrained is not None:
        set_word_rows(weights, prepared.pretrained.word_rows(len(inputs.tokenizer), seed))
    if prepared.start is not None:
        take_weights(weights, inputs, prepared.start)
