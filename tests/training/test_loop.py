from __future__ import annotations

import numpy as np
import pytest
import torch

from textcnn.config import ModelConfig, TrainingConfig
from textcnn.labels import Labels
from textcnn.models.base import branch_logits_of, build_text_classifier
from textcnn.progress import Silent, StopTraining
from textcnn.tokenization.pipeline import TextPipeline
from textcnn.tokenization.ragged import Ragged
from textcnn.training import loop
from textcnn.training.fit import learn
from textcnn.training.loop import DivergedError, fit
from textcnn.training.losses import BranchLoss
from textcnn.training.result import Part, fit_calibration
from textcnn.training.trainer import NetworkLearner

LABELS = Labels(("a", "b"))
INPUTS = TextPipeline(None)  # type: ignore[arg-type]


@pytest.fixture
def toy(random):
    """Texts of label b hold the type 7."""
    texts = [random.integers(2, 7, 5).tolist() + ([7] if i % 2 else []) for i in range(40)]
    return Part(Ragged.from_lists(texts), [("b",) if i % 2 else ("a",) for i in range(40)])


def model_of(**settings):
    torch.manual_seed(0)
    return build_text_classifier(ModelConfig(embedding_dim=8, settings={"num_filters": 8, **settings}), 10, LABELS)


def run(model, part, *, dev=None, **settings):
    config = TrainingConfig(**settings)
    return learn(model, INPUTS, part, dev, LABELS, config, Silent(), device=torch.device("cpu"))


def weights_of(model):
    return torch.cat([p.flatten() for p in model.parameters()])


def test_training_finds_the_word_that_decides(toy):
    model = model_of()
    learned = run(model, toy, dev=toy, epochs=20, batch_size=8)
    branches = list(branch_logits_of(model, INPUTS, toy.encoded).values())
    calibration = fit_calibration(branches, toy.truth, LABELS, 1.0, kind="dev", fits_scale=True)
    assert calibration.score(lambda encoded: branches, toy, LABELS)["accuracy"] == 1
    assert learned.fit.history[0]["loss"] > learned.fit.history[-1]["loss"]
    assert calibration.temperature < 1  # smoothed labels and a short run: more certain is better


@pytest.mark.parametrize(
    "settings", [{}, {"clip_norm": 1.0}, {"max_norm": 3.0}, {"warmup": 0.5}, {"weight_decay": 0.1}]
)
def test_the_same_seed_gives_the_same_weights(toy, settings):
    results = []
    for seed in (0, 0, 1):
        model = model_of()
        torch.manual_seed(seed)
        run(model, toy, epochs=2, seed=seed, **settings)
        results.append(weights_of(model))
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


def test_max_norm_limits_the_rows_of_the_head(toy):
    model = model_of()
    run(model, toy, epochs=5, learning_rate=0.1, max_norm=0.5)
    assert model.head.weight.norm(dim=1).max() <= 0.5 + 1e-5


def fitted(model, batches, config, reporter, **more):
    learner = NetworkLearner(model, batches, BranchLoss(LABELS), config, 1, reporter)
    return fit(learner, 1, config, reporter, **more)


def epochs_of(part, model, config, evaluate, metric="accuracy", steps=None):
    targets = LABELS.encode(part.truth)

    def batches(epoch):
        rows = np.arange(len(part.truth))
        yield INPUTS.batch(part.encoded, rows, labels=targets)

    return fitted(model, batches, config, Silent(), evaluate=evaluate, metric=metric)


def test_patience_stops_and_the_best_weights_come_back(toy):
    model = model_of()
    scores = iter([0.5, 0.9, 0.8, 0.7, 0.6])
    seen = []

    def evaluate():
        seen.append(weights_of(model).clone())
        return {"accuracy": next(scores)}

    result = epochs_of(toy, model, TrainingConfig(epochs=5, patience=2), evaluate)
    assert (result.stopped, result.best_epoch, len(result.history)) == ("patience", 2, 4)
    assert torch.equal(weights_of(model), seen[1])


def test_a_loss_that_is_no_number_keeps_the_last_good_epoch(toy):
    model = model_of()
    targets = LABELS.encode(toy.truth)
    good = []

    def batches(epoch):
        good.append(weights_of(model).clone())
        if epoch == 2:
            model.head.weight.data.fill_(float("inf"))
        yield INPUTS.batch(toy.encoded, np.arange(40), labels=targets)

    result = fitted(model, batches, TrainingConfig(epochs=5), Silent())
    assert result.stopped == "diverged"
    assert "the loss became nan at step 3; lower learning_rate (now 0.002) or set clip_norm" in result.problem
    assert torch.equal(weights_of(model), good[2])


def test_after_a_bad_step_training_goes_on_at_half_the_rates(toy):
    model = model_of()
    targets = LABELS.encode(toy.truth)
    said, good, spoiled = [], [], []

    class Teller(Silent):
        def say(self, message):
            said.append(message)

    def batches(epoch):
        good.append(weights_of(model).clone())
        if epoch == 2 and not spoiled:
            spoiled.append(True)
            model.head.weight.data.fill_(float("inf"))
        yield INPUTS.batch(toy.encoded, np.arange(40), labels=targets)

    result = fitted(model, batches, TrainingConfig(epochs=5), Teller())
    assert (result.stopped, result.best_epoch, len(result.history)) == ("done", 5, 5)
    assert said == [
        "warning: the loss became nan at step 3; lower learning_rate (now 0.002) or set clip_norm; training goes on "
        "from weights that were good, those of epoch 2, at half the rates"
    ]
    assert torch.equal(good[3], good[2])  # the epoch begins again
    assert torch.isfinite(weights_of(model)).all()
    assert not torch.equal(weights_of(model), good[2])


def test_weights_that_are_no_numbers_are_never_kept(toy):
    model = model_of()
    model.head.weight.register_hook(lambda gradient: gradient * float("inf"))
    with pytest.raises(DivergedError, match="a weight or loss became infinite or NaN by step 1; lower learning_rate"):
        epochs_of(toy, model, TrainingConfig(epochs=3), None)
    assert torch.isfinite(weights_of(model)).all()


def test_a_loss_that_is_no_number_at_once_is_an_error(toy):
    model = model_of()
    model.head.weight.data.fill_(float("nan"))
    with pytest.raises(DivergedError, match="the loss became nan at step 1; lower learning_rate"):
        epochs_of(toy, model, TrainingConfig(epochs=2), None)


def test_weights_so_large_that_their_loss_is_no_number_are_never_kept(toy):
    model = model_of()
    with pytest.raises(DivergedError, match=r"infinite or NaN by step 1; lower learning_rate \(now 1e\+30\)"):
        epochs_of(toy, model, TrainingConfig(epochs=1, learning_rate=1e30), None)
    assert weights_of(model).abs().max() < 10


def test_an_interrupt_keeps_what_was_learned(toy):
    model = model_of()

    class Interrupting(Silent):
        def step(self, epoch, loss, tokens_per_second):
            if epoch == 2:
                raise KeyboardInterrupt

    config = TrainingConfig(epochs=9)
    targets = LABELS.encode(toy.truth)
    before = weights_of(model).clone()

    def batches(epoch):
        yield INPUTS.batch(toy.encoded, np.arange(40), labels=targets)

    result = fitted(model, batches, config, Interrupting())
    assert result.stopped == "interrupted"
    assert len(result.history) == 2
    assert not torch.equal(weights_of(model), before)


def test_estimating_moves_nothing(toy):
    from textcnn.training.batches import Precision
    from textcnn.training.resource_limits import estimate

    model = model_of()
    targets = LABELS.encode(toy.truth)
    before, state = weights_of(model).clone(), torch.random.get_rng_state()
    batch = INPUTS.batch(toy.encoded, np.arange(40), labels=targets)
    found = estimate(model, lambda _: [batch] * 3, BranchLoss(LABELS), 10, Precision(None, model))
    assert torch.equal(weights_of(model), before)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(p.grad is None for p in model.parameters())
    assert found.seconds > 0
    assert "MiB for the weights" in found.describe(2)


@pytest.mark.parametrize("at", ["step", "epoch"])
def test_a_reporter_may_end_training_and_the_best_epoch_so_far_is_kept(toy, at):
    class Stopping(Silent):
        epochs = 0

        def step(self, epoch, loss, tokens_per_second):
            if at == "step" and epoch == 2:
                raise StopTraining

        def epoch(self, entry):
            self.epochs += 1
            if at == "epoch" and entry["epoch"] == 2:
                raise StopTraining

    settings = {"epochs": 5, "batch_size": 8}
    model = model_of()
    found = learn(model, INPUTS, toy, toy, LABELS, TrainingConfig(**settings), Stopping(), device=torch.device("cpu"))
    assert (found.fit.stopped, len(found.fit.history)) == ("stopped", 2)
    whole = model_of()  # seeds torch
    best = run(whole, toy, dev=toy, **settings).fit
    assert found.fit.history == best.history[:2]
    if best.best_epoch == found.fit.best_epoch:
        assert torch.equal(weights_of(model), weights_of(whole))


def test_an_interrupt_while_the_best_weights_are_copied_keeps_those_of_the_learner():
    class Learner:
        steps = 0
        kept = ("first", "first")

        def weights(self, into=None):
            if into is None:
                return list(self.kept)
            into[0] = self.kept[0]
            raise KeyboardInterrupt

        def put_weights(self, weights):
            self.kept = tuple(weights)

    learner = Learner()
    best = loop._Best(learner)
    learner.kept = ("second", "second")
    with pytest.raises(KeyboardInterrupt):
        best.consider(3, 0.5)
    best.restore()
    assert (learner.kept, best.epoch) == (("second", "second"), 3)
