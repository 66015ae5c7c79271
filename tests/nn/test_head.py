from __future__ import annotations

import torch

from textcnn.nn.heads import Head


def test_two_labels_through_a_sigmoid_are_a_softmax_of_zero_and_z():
    head = Head(4, 2, binary_sigmoid=True)
    x = torch.randn(5, 4)
    z = torch.nn.functional.linear(x, head.weight, head.bias)[:, 0]
    assert head.weight.shape == (1, 4)
    torch.testing.assert_close(head(x).softmax(1)[:, 1], z.sigmoid())


def test_a_softmax_head_has_a_row_for_each_label():
    assert Head(4, 7)(torch.randn(2, 4)).shape == (2, 7)
