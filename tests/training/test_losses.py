from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from textcnn.errors import ConfigError
from textcnn.labels import Labels
from textcnn.models.base import Branches
from textcnn.training.losses import BranchLoss
from textcnn.training.sampler import class_weights, label_log_odds

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


def test_the_wide_branch_learns_beside_the_prior_which_the_sum_has_once():
    wide, targets, prior = (
        torch.zeros(4, 3),
        torch.tensor([[0.0, 1, 1], [0, 0, 0], [0, 1, 0], [0, 1, 1]]),
        torch.randn(3),
    )
    loss = BranchLoss(MULTI, prior=prior)
    main = loss(Branches(torch.zeros(4, 3)), targets)
    p = prior.sigmoid()
    expected = -(targets * p.log() + (1 - targets) * (1 - p).log()).mean()
    torch.testing.assert_close(loss(Branches(torch.zeros(4, 3), wide), targets) - main, expected)


def test_at_the_log_odds_of_the_rows_a_table_of_zeros_has_no_gradient():
    rows = [("a",)] * 30 + [("a", "b")] * 10 + [()] * 60
    targets = torch.from_numpy(MULTI.encode(rows)).float()
    for weight in (None, np.array([3.0, 2.0, 1.0], np.float32)):
        table = torch.zeros(3, requires_grad=True)
        loss = BranchLoss(
            MULTI,
            class_weight=None if weight is None else torch.from_numpy(weight),
            prior=torch.from_numpy(label_log_odds(MULTI, rows, weight)),
        )
        loss(Branches(torch.zeros(100, 3), table.expand(100, 3)), targets).backward()
        assert table.grad.abs().max() < 0.01  # half a row on each side


def test_balanced_weights_are_those_of_scikit_learn():
    from sklearn.utils.class_weight import compute_class_weight

    expected = compute_class_weight("balanced", classes=np.array(["a", "b", "c"]), y=[row[0] for row in ROWS])
    assert class_weights("balanced", SINGLE, ROWS).tolist() == pytest.approx(expected.tolist())


def test_balanced_weights_of_many_labels_are_odds():
    assert class_weights("balanced", MULTI, ROWS).tolist() == pytest.approx([4 / 6, 7 / 3, 9.0])


def test_balanced_weights_of_a_label_that_every_row_has_are_above_0():
    rows = [("a", "b"), ("a",), ("a", "c")]
    weights = class_weights("balanced", MULTI, rows)
    assert weights.tolist() == pytest.approx([0.01, 2.0, 2.0])
    assert np.isfinite(label_log_odds(MULTI, rows, weights)).all()


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


# ----------------------------------------------------------------------------------------------- focal loss

GAMMA = 2.0


def test_focal_loss_is_that_of_the_paper():
    logits, targets = torch.randn(5, 3), torch.tensor([0, 2, 1, 1, 0])
    p = logits.softmax(1)[torch.arange(5), targets]
    loss = BranchLoss(SINGLE, focal_gamma=GAMMA)(Branches(logits), targets)
    torch.testing.assert_close(loss, (-((1 - p) ** GAMMA) * p.log()).mean())


def test_focal_loss_of_many_labels_is_that_of_the_paper():
    logits, targets = torch.randn(5, 3), torch.randint(2, (5, 3)).float()
    p = torch.where(targets == 1, logits.sigmoid(), 1 - logits.sigmoid())
    loss = BranchLoss(MULTI, focal_gamma=GAMMA)(Branches(logits), targets)
    torch.testing.assert_close(loss, (-((1 - p) ** GAMMA) * p.log()).mean())


@pytest.mark.parametrize("labels", [SINGLE, MULTI])
@pytest.mark.parametrize("class_weight", [None, torch.tensor([1.0, 4.0, 0.5])])
def test_focal_loss_without_focus_is_the_plain_loss(labels, class_weight):
    """A gamma so small that its power is 1: smoothing, class weights and both branches are those of gamma 0."""
    main, wide = torch.randn(6, 3), torch.randn(6, 3)
    targets = torch.randint(2, (6, 3)).float() if labels is MULTI else torch.tensor([0, 2, 1, 1, 0, 2])
    settings = {"smoothing": 0.2, "class_weight": class_weight}
    plain, focal = BranchLoss(labels, **settings), BranchLoss(labels, **settings, focal_gamma=1e-9)
    torch.testing.assert_close(focal(Branches(main, wide), targets), plain(Branches(main, wide), targets))


def test_both_branches_are_focused_each_by_its_own_probabilities():
    main, wide, targets = torch.randn(4, 3), torch.randn(4, 3), torch.tensor([0, 2, 1, 1])
    loss = BranchLoss(SINGLE, focal_gamma=GAMMA)
    expected = loss(Branches(main), targets) + loss(Branches(wide), targets)
    torch.testing.assert_close(loss(Branches(main, wide), targets), expected)


def test_smoothing_holds_back_logits_under_focal_loss_too():
    """Where the label's probability is close to 1, larger logits must cost more, not nothing."""
    loss, target = BranchLoss(SINGLE, smoothing=0.1, focal_gamma=GAMMA), torch.tensor([0])
    sure, surer = (loss(Branches(torch.tensor([[x, 0.0, 0.0]])), target) for x in (10.0, 20.0))
    assert surer > sure + 0.1


@pytest.mark.parametrize("labels", [SINGLE, MULTI])
@pytest.mark.parametrize("gamma", [0.25, 0.5, 5.0])
def test_gradients_are_finite_where_probabilities_round_to_0_and_1(labels, gamma):
    logits = torch.tensor([[200.0, -200.0, 0.0], [-200.0, 200.0, 0.0]], requires_grad=True)
    targets = torch.tensor([[1.0, 0, 1], [1, 0, 0]]) if labels is MULTI else torch.tensor([0, 0])
    BranchLoss(labels, focal_gamma=gamma)(Branches(logits), targets).backward()
    assert torch.isfinite(logits.grad).all()
    assert logits.grad[1].abs().sum() > 0


# ----------------------------------------------------------------------------------------------- weights of rows


@pytest.mark.parametrize("labels", [SINGLE, MULTI])
@pytest.mark.parametrize("gamma", [0.0, GAMMA])
def test_a_row_of_weight_2_is_that_row_twice(labels, gamma):
    main, wide = torch.randn(3, 3), torch.randn(3, 3)
    targets = torch.randint(2, (3, 3)).float() if labels is MULTI else torch.tensor([0, 2, 1])
    loss = BranchLoss(labels, smoothing=0.1, focal_gamma=gamma)
    weighted = loss(Branches(main, wide), targets, torch.tensor([2.0, 0.0, 1.0]))
    rows = [0, 0, 2]
    torch.testing.assert_close(weighted, loss(Branches(main[rows], wide[rows]), targets[rows]))


def test_weights_of_rows_multiply_those_of_classes():
    logits, targets, weights = torch.randn(3, 3), torch.tensor([0, 2, 1]), torch.tensor([0.5, 2.0, 0.25])
    by_class = torch.tensor([1.0, 4.0, 0.5])
    loss = BranchLoss(SINGLE, class_weight=by_class)(Branches(logits), targets, weights)
    rows = F.cross_entropy(logits, targets, reduction="none") * by_class[targets] * weights
    torch.testing.assert_close(loss, rows.sum() / by_class[targets].sum())


def test_a_batch_of_light_rows_moves_little():
    """Not divided by the weights of the batch: a row must not count more because its mates count little."""
    logits, targets = torch.randn(3, 3), torch.tensor([0, 2, 1])
    loss = BranchLoss(SINGLE)
    torch.testing.assert_close(
        loss(Branches(logits), targets, torch.full((3,), 0.01)), 0.01 * loss(Branches(logits), targets)
    )


def test_a_row_of_weight_0_has_no_gradient_in_any_branch():
    main, wide = torch.randn(2, 3, requires_grad=True), torch.randn(2, 3, requires_grad=True)
    BranchLoss(SINGLE, smoothing=0.1)(Branches(main, wide), torch.tensor([0, 1]), torch.tensor([0.0, 2.0])).backward()
    for grad in (main.grad, wide.grad):
        assert grad[0].abs().sum() == 0
        assert grad[1].abs().sum() > 0
