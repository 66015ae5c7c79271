"""Numbers about texts: lengths, types, and what a vocabulary does not have."""

from textcnn.config import ModelConfig, TextConfig
from textcnn.text.lexicon import build_lexicon
from textcnn.text.pipeline import TextPipeline
from textcnn.text.statistics import frequent_unknown, text_statistics
from textcnn.text.tokenizer import Tokenizer

TEXTS = ["a film", "a good films films", "", "goods films", "xyxy"]


def pipeline(*, subwords, max_length=3):
    tokenizer = Tokenizer.train(["a good film"], TextConfig())
    lexicon = build_lexicon(tokenizer, ModelConfig(subwords=subwords))
    return TextPipeline(tokenizer, max_length, lexicon)


def test_numbers_of_a_few_texts():
    for subwords, types in ((True, 6), (False, 4)):  # without sub-words all unknown words are one token
        inputs = pipeline(subwords=subwords)
        found = text_statistics(inputs, inputs.encode(TEXTS))
        lengths = found.pop("lengths")
        assert found == {"rows": 5, "tokens": 9, "types": types, "unknown": 5, "cut": 1, "empty": 1}
        assert len(lengths) == 21
        assert (lengths[0], lengths[10], lengths[-1]) == (0, 2, 4)


def test_no_texts():
    inputs = pipeline(subwords=True)
    found = text_statistics(inputs, inputs.encode([]))
    assert found == {"rows": 0, "tokens": 0, "types": 0, "unknown": 0, "cut": 0, "empty": 0, "lengths": []}
    assert frequent_unknown(inputs, inputs.encode([]), 5) == []


def test_unknown_words_by_frequency():
    inputs = pipeline(subwords=True)
    assert frequent_unknown(inputs, inputs.encode(TEXTS), 5) == [("films", 3), ("goods", 1)]
    assert frequent_unknown(inputs, inputs.encode(TEXTS), 1) == [("films", 3)]
    inputs = pipeline(subwords=False)
    assert frequent_unknown(inputs, inputs.encode(TEXTS), 5) == []
