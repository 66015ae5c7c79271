"""Earlier name of :mod:`textcnn.tokenization`, kept for programs that import the tokenizer by it."""
