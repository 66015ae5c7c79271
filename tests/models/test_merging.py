from __future__ import annotations

import numpy as np
import pytest
from one_layer_models import ASKED, OPTIONS, make

from textcnn.config import ModelConfig
from textcnn.errors import ConfigError
from textcnn.models.base import build_text_classifier, logits_of, num_parameters, put_weights, weights_of
from textcnn.models.weights import merged_config, merged_weights

MERGED = [name for name, option in OPTIONS.items() if "bag" not in name and "two channels" not in name]


def merge(members):
    first = members[0]
    lexicon, wide = first.inputs.lexicon, first.inputs.wide
    model = build_text_classifier(
        merged_config(first.config, len(members)),
        len(first.inputs.tokenizer),
        first.labels,
        num_ngrams=0 if lexicon is None else lexicon.num_ngrams,
        num_features=None if wide is None else len(wide.keys),
    )
    put_weights(model, merged_weights([weights_of(member.model) for member in members], first.config))
    return model


@pytest.mark.parametrize("option", MERGED)
def test_the_merged_logits_are_the_mean_of_the_members(option):
    members = [make(**OPTIONS[option], seed=seed) for seed in range(3)]
    inputs = members[0].inputs
    encoded = inputs.encode(ASKED)
    each = np.stack([logits_of(member.model, inputs, encoded) for member in members])
    assert np.abs(each - each.mean(0)).max() > 0.01  # or the mean would show nothing
    np.testing.assert_allclose(logits_of(merge(members), inputs, encoded), each.mean(0), atol=1e-5)


def test_a_member_alone_stays_as_it_is():
    member = make()
    assert merged_config(member.config, 1).dim == member.config.dim
    merged = merge([member])
    assert num_parameters(merged) == num_parameters(member.model)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"architecture": "bag"}, "ensemble is for the architecture 'kim' with one channel, got 'bag'"),
        ({"embedding_channels": "multichannel"}, "got 'kim' with embedding_channels 'multichannel'"),
    ],
)
def test_what_cannot_stand_side_by_side_is_told(settings, message):
    with pytest.raises(ConfigError, match=message):
        merged_config(ModelConfig(**settings), 2)
