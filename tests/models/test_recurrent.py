from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from textcnn.models.recurrent import RecurrentLayer


@pytest.mark.parametrize("cell", [nn.RNN, nn.GRU, nn.LSTM])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_states_are_those_of_torchs_packed_net(cell, bidirectional):
    torch.manual_seed(0)
    layer = RecurrentLayer(cell, 4, 3, bidirectional=bidirectional)
    packed = cell(4, 3, batch_first=True, bidirectional=bidirectional)
    weights = dict(layer.forwards.named_parameters())
    if bidirectional:
        weights |= {f"{name}_reverse": value for name, value in layer.backwards.named_parameters()}
    packed.load_state_dict(weights)
    lengths = torch.tensor([7, 1, 4])
    x = torch.randn(3, 9, 4)
    sequence = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    expected, _ = pad_packed_sequence(packed(sequence)[0], batch_first=True)
    states = layer(x, lengths)
    for text, length in enumerate(lengths):
        torch.testing.assert_close(states[text, :length], expected[text, :length])
