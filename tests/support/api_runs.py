"""Small runs that several files of tests of the library start, and a reporter that remembers what it was told."""

from textcnn.config import Config
from textcnn.progress import Silent
from textcnn.runs import run_text

TINY = {"embedding_dim": 8, "num_filters": 4, "epochs": 2, "batch_size": 8}
TEXTS = [f"{word} film number {n}" for n in range(12) for word in ("good", "bad")]
LABELS = ["pos" if text.startswith("good") else "neg" for text in TEXTS]
PAIRS = list(zip(TEXTS, LABELS, strict=True))


class Heard(Silent):
    """A reporter that remembers; it may do something at a step."""

    def __init__(self, at_step=None):
        self.said, self.steps, self.at_step = [], 0, at_step

    def say(self, message):
        self.said.append(message)

    def step(self, epoch, loss, tokens_per_second):
        self.steps += 1
        if self.at_step is not None:
            self.at_step(self.steps)


def weights(predictor):
    return {name: value.numpy().tobytes() for name, value in predictor.artifact.model.state_dict().items()}


def heard(data, *, dev=None, test=None, **settings):
    reporter = Heard()
    run = run_text(data, Config.from_flat({**TINY, **settings}), reporter, dev=dev, test=test)
    return run, "\n".join(reporter.said)
