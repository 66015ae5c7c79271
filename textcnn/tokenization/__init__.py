"""From text to token ids and features: tokenizer, sub-words, n-grams, caches and offsets."""
