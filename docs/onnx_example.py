"""Classify texts with an exported model: python onnx_example.py MODEL.onnx MODEL.tokenizer.json TEXT..."""

import json
import sys

import numpy as np
import onnxruntime
import tokenizers

session, tokenizer = onnxruntime.InferenceSession(sys.argv[1]), tokenizers.Tokenizer.from_file(sys.argv[2])
about, unseen = json.loads(session.get_modelmeta().custom_metadata_map["textcnn"]), []


def ngrams(word):  # character n-grams of <word>, each as the bucket that its FNV-1a hash names
    rule, word, codes = about["subwords"], f"<{word}>", []
    for size in range(rule["ngram_min"], rule["ngram_max"] + 1):
        for start in range(len(word) - size + 1):
            code = 2166136261
            for byte in word[start : start + size].encode():
                code = (code ^ byte) * 16777619 % 2**32
            codes.append(code % rule["ngram_buckets"])
    return codes[: rule["ngrams_per_token"]]


def ids_of(text):  # an unseen word has the id num_types + its row in `ngrams`
    if about["subwords"] is None:
        return tokenizer.encode(text, add_special_tokens=False).ids
    words = [word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(tokenizer.normalizer.normalize_str(text))]
    new = [word for word in words if tokenizer.token_to_id(word) is None]
    place = {word: about["num_types"] + len(unseen) + k for k, word in enumerate(new)}
    unseen.extend(map(ngrams, new))
    return [place.get(word, tokenizer.token_to_id(word)) for word in words]


def padded(rows, filler):
    width = max([1, *map(len, rows)])
    return np.array([[*row, *[filler] * (width - len(row))] for row in rows], np.int64).reshape(-1, width)


rows = [ids_of(text) for text in sys.argv[3:]]
feeds = {"ids": padded(rows, 0), "lengths": np.array([len(row) for row in rows]), "ngrams": padded(unseen, -1)}
logits = session.run(["logits"], {entry.name: feeds[entry.name] for entry in session.get_inputs()})[0]
scores = np.exp(logits / about["temperature"])
if about["problem_type"] == "multi_label_classification":
    probabilities = scores / (1 + scores)  # a label is given from its entry of about["thresholds"] on
else:
    probabilities = scores / scores.sum(1, keepdims=True)
for row in probabilities:
    print(about["labels"][row.argmax()], row.max(), sep="\t")
