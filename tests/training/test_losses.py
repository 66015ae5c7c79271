from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from textcnn.errors import ConfigError
from textcnn.labels import Labels
from textcnn.models.base import Branches
from textcnn.training.losses import BranchLoss, class_weights

SINGLE, MULTI = Labels(("a", "b", "c")), Labels(("a", "b", "c"), multi_label=True)
ROWS = [("a",)] * 6 + [("b",)] * 3 + [("c",)]


def test_single_label_is_cross_entropy():
    logits, targets = torch.randn(4, 3), torch.tensor([0, 2, 1, 1])
    loss = BranchLoss(SINGLE, smoothing=0.1)(Branches(logits), targets)
    soft = F.one_hot(targets, 3) * 0.9 + 0.1 / 3
    torch.testing.assert_close(loss, -(soft * logits.log_softmax(1)).sum(1).mean())


def test_the_wide_branch_has_a_loss_of_its_own_without_smoothing():
    main, wide, targets = torch.randn(4, 3), torch.randn(4, 3), torch.tensor([0, 2, 1, 1])
    loss = BranchLoss(SINGLE, smoothing=0.1)
    expected = loss(Branches(main), targets) + F.cross_entropy(wide, targets)
    torch.testing.assert_close(loss(Branches(main, wide), targets), expected)


def test_multi_label_is_binary_cross_entropy_of_every_label():
    logits, targets = torch.randn(4, 3), torch.tensor([[0.0, 1, 1], [0, 0, 0], [1, 1, 1], [1, 0, 0]])
    loss = BranchLoss(MULTI, smoothing=0.2)(Branches(logits), targets)
    soft = targets * 0.8 + 0.1
    p = logits.sigmoid()
    torch.testing.assert_close(loss, -(soft * p.log() + (1 - soft) * (1 - p).log()).mean())


def test_balanced_weights_are_those_of_scikit_learn():
    from sklearn.utils.class_weight import compute_class_weight

    expected = compute_class_weight("balanced", classes=np.array(["a", "b", "c"]), y=[row[0] for row in ROWS])
    assert class_weights("balanced", SINGLE, ROWS).tolist() == pytest.approx(expected.tolist())


def test_balanced_weights_of_many_labels_are_odds():
    assert class_weights("balanced", MULTI, ROWS).tolist() == pytest.approx([4 / 6, 7 / 3, 9.0])


def test_a_dictionary_fills_up_with_ones():
    assert class_weights({"b": 3.0}, SINGLE, ROWS).tolist() == [1, 3, 1]
    assert class_weights(None, SINGLE, ROWS) is None


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("even", "class_weight must be 'balanced' or a weight for each label, got 'even'"),
        ({"z": 1.0}, "class_weight names the label 'z'; the data has a, b, c"),
        ({"a": 0.0}, "class_weight of 'a' must be above 0, got 0.0"),
    ],
)
def test_wrong_weights_are_told(setting, message):
    with pytest.raises(ConfigError, match=message):
        class_weights(setting, SINGLE, ROWS)
