"""Earlier name of :mod:`textcnn.tokenization.tokenizer`."""

from textcnn.tokenization.tokenizer import Tokenizer as Tokenizer
