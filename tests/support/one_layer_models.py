"""Small one-layer models of every option, with fresh weights, for the tests of the look-up runtime."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from textcnn.config import ModelConfig, TextConfig
from textcnn.grades import Grades
from textcnn.labels import Labels, Target
from textcnn.models.base import build_text_classifier
from textcnn.prediction.artifact import Artifact
from textcnn.runtime.lookup import LookupModel
from textcnn.tokenization.lexicon import build_lexicon
from textcnn.tokenization.ngrams import WideFeatures
from textcnn.tokenization.pipeline import TextPipeline
from textcnn.tokenization.tokenizer import Tokenizer

TRAIN = ["a good film with a good plot", "a bad film , really bad !", "it's fine and it's over", "musik für alle 漢字"]
ASKED = ["", " ", "good", "a good film", "unseen wordless films", "漢 字漢", "x" * 70, "bad " * 90, "a b c \ud800 \0"]

# Every option of the architectures that look-up answers, by what differs from the small default below.
OPTIONS = {
    "default": {},
    "words only": {"subwords": False},
    "max": {"pooling": "max"},
    "no wide": {"wide": False},
    "pure": {"wide": False, "pooling": "max"},
    "leaky": {"activation": "leaky_relu"},
    "tanh": {"activation": "tanh"},
    "identity": {"activation": "identity"},
    "one width": {"kernel_sizes": [2]},
    "widths": {"kernel_sizes": [1, 6], "num_filters": 17},
    "own filters": {"nested": False},
    "own filters of widths": {"nested": False, "kernel_sizes": [6, 1, 6], "num_filters": 17},
    "multi label": {"multi_label": True},
    "sigmoid": {"binary_sigmoid": True, "names": ("neg", "pos")},
    "scaled wide": {"wide_scale": 0.25},
    "cut": {"max_length": 5},
    "vectors": {"vectors": "v.txt", "keep_vectors": 2},
    "static": {"vectors": "v.txt", "keep_vectors": 2, "embedding_channels": "static"},
    "two channels": {"vectors": "v.txt", "keep_vectors": 2, "embedding_channels": "multichannel"},
    "two channels of words": {"vectors": "v.txt", "embedding_channels": "multichannel", "subwords": False},
    "characters": {"character_scale": 0.75},
    "characters and two channels": {"character_scale": 0.5, "vectors": "v.txt", "embedding_channels": "multichannel"},
    "bag": {"architecture": "bag"},
    "bag of words": {"architecture": "bag", "subwords": False, "wide": False},
}
# A model of one number that is read as a grade.
GRADES = ("schlecht", "mäßig", "gut", "sehr gut")
GRADED = {"names": ("score",), "targets": (Target(3.0, 0.6, 1.0, 4.0),), "grades": GRADES}


def make(
    names=("neg", "pos", "unsure"),
    *,
    architecture="kim",
    multi_label=False,
    max_length=None,
    subwords=True,
    wide=True,
    temperature=1.3,
    seed=0,
    vectors=None,
    keep_vectors=None,
    embedding_channels="fine-tuned",
    wide_scale=None,
    character_scale=None,
    binary_sigmoid=False,
    normalization="nfkc",
    targets=(),
    grades=(),
    **settings,
) -> Artifact:
    torch.manual_seed(seed)
    if architecture == "kim":
        settings = {"num_filters": 4, **settings}
    config = ModelConfig(
        architecture,
        embedding_dim=7,
        binary_sigmoid=binary_sigmoid,
        settings=settings,
        subwords=subwords,
        ngram_buckets=50,
        wide=wide,
        wide_scale=wide_scale,
        character_scale=character_scale,
        vectors=vectors,
        keep_vectors=keep_vectors,
        embedding_channels=embedding_channels,
    )
    scale = replace(Grades.of(grades), slope=0.9) if grades else None
    labels = Labels(names, multi_label, targets=targets, grades=scale)
    tokenizer = Tokenizer.train(TRAIN, TextConfig(normalization=normalization))
    lexicon = build_lexicon(tokenizer, config)
    features = WideFeatures.fit(tokenizer.encode_batch(TRAIN), len(tokenizer)) if wide else None
    model = build_text_classifier(
        config,
        len(tokenizer),
        labels,
        num_ngrams=0 if lexicon is None else lexicon.num_ngrams,
        num_features=None if features is None else len(features.keys),
    ).eval()
    for name, parameter in model.named_parameters():  # those of characters are added up, hundreds for a long word
        parameter.data = torch.randn_like(parameter) * (0.05 if name.startswith("characters.") else 0.7)
    if features is not None:
        model.wide.keys.copy_(torch.from_numpy(features.keys))
        model.wide.idf.copy_(torch.from_numpy(features.idf))
    inputs = TextPipeline(tokenizer, max_length, lexicon, features)
    return Artifact(model, inputs, labels, config, temperature, np.linspace(0.3, 0.6, len(labels)).tolist())


def loaded_lookup(folder, precision: str = "float32", **options) -> LookupModel:
    """A model of these options, saved and loaded in a precision."""
    make(**options).save(folder)
    return LookupModel.load(folder, precision=precision)
