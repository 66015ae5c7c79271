"""A threshold as a logit decides as the probability does."""

from types import SimpleNamespace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from textcnn.evaluation.calibration import decide, probabilities
from textcnn.export.error_bound import settled
from textcnn.labels import Labels
from textcnn.runtime.scores import threshold_logits

LABELS = Labels(("a", "b"), multi_label=True)
thresholds = st.lists(st.floats(0, 1) | st.sampled_from([0.0, 1.0]), min_size=2, max_size=2)
logits = st.lists(st.floats(-60, 60), min_size=2, max_size=2)
temperatures = st.floats(0.25, 4)


def decided(row, own, temperature):
    (found,) = decide(probabilities(np.array([row]), LABELS, temperature), LABELS, own)
    return [name in found for name in LABELS.names]


@given(own=thresholds, row=logits, temperature=temperatures)
def test_a_label_is_given_from_its_limit_on(own, row, temperature):
    limits = threshold_logits(own, temperature)
    for logit, limit, is_given in zip(row, limits, decided(row, own, temperature), strict=True):
        if logit < limit - 1e-6 * max(temperature, abs(limit)) and abs(limit) < 30 * temperature:
            assert not is_given
        if logit > limit + temperature:
            assert is_given


@given(own=thresholds, row=logits, moved=logits, temperature=temperatures)
def test_labels_that_are_settled_stay_wherever_the_logits_may_move(own, row, moved, temperature):
    moves = np.abs(np.subtract(moved, row)) + temperature
    model = SimpleNamespace(labels=LABELS, own_thresholds=own, temperature=temperature)
    if settled(model, np.array([row]), moves[None])[0]:
        assert decided(row, own, temperature) == decided(moved, own, temperature)
