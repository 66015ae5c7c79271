"""The budget by a clock that the test winds: when a trial stops, and when training again ends."""

import pytest

from textcnn.progress import StopTraining
from textcnn.tuning.budget import SLACK, AgainReporter, Budget, PrunedError, TrialReporter


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def never(value, epoch):
    return False


def run(reporter, clock, scores, *, steps=10, step_seconds=1.0):
    """Epochs of some steps each; gives the second at which the trial was stopped, or none."""
    for epoch, score in enumerate(scores):
        for _ in range(steps):
            clock.now += step_seconds
            try:
                reporter.step(epoch, 0.0, 0.0)
            except StopTraining:
                return clock.now - 100
        reporter.epoch({"epoch": epoch + 1, "dev_accuracy": score})
    return None


def test_what_is_left_does_not_hold_what_comes_after_training():
    clock = Clock()
    budget = Budget(200, clock=clock)
    assert (budget.spent(), budget.left()) == (0, 196)
    clock.now += 50
    assert (budget.spent(), budget.left()) == (50, 146)
    assert Budget(10, began=95, clock=lambda: 100).left() == 4


def watch(clock, best=None, prune=never):
    return TrialReporter(Budget(100, clock=clock), "dev_accuracy", best, prune)  # 2 seconds are kept for the end


def test_a_trial_stops_where_it_could_not_be_trained_again():
    clock = Clock()
    reporter = watch(clock)
    stopped = run(reporter, clock, [0.5, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6])
    assert (reporter.best_epoch, reporter.cost, reporter.value, reporter.cut) == (2, 20, 0.6, True)
    assert stopped == pytest.approx(98 / (1 + SLACK), abs=1)


def test_an_epoch_that_there_is_no_time_to_come_to_again_does_not_count():
    """The last epoch is better than those before, and ends, with its evaluation, too late."""
    clock = Clock()
    reporter = watch(clock)
    run(reporter, clock, [0.1, 0.2, 0.3, 0.4])
    clock.now += 20
    with pytest.raises(StopTraining):
        reporter.epoch({"epoch": 5, "dev_accuracy": 0.9})
    assert (reporter.best_epoch, reporter.cost, reporter.value, reporter.cut) == (4, 40, 0.4, True)


def test_a_trial_leaves_the_time_to_train_the_best_one_again():
    clock = Clock()
    assert run(watch(clock, 60.0), clock, [0.5] * 20) == 98 - SLACK * 60
    assert run(watch(Clock(), 1.0), clock, [0.5]) is None


def test_a_trial_without_an_epoch_stops_too():
    clock = Clock()
    reporter = watch(clock)
    assert run(reporter, clock, [0.5], steps=1000) == 98
    assert reporter.best_epoch == 0


def test_a_first_epoch_counts_even_if_it_cannot_be_trained_again():
    clock = Clock()
    reporter = watch(clock)
    with pytest.raises(StopTraining):
        run(reporter, clock, [0.5, 0.6], steps=70)
    assert (clock.now, reporter.best_epoch, reporter.value, reporter.cut) == (170, 1, 0.5, True)


def test_the_pruner_is_told_every_epoch():
    told = []

    def prune(value, epoch):
        told.append((value, epoch))
        return epoch == 2

    clock = Clock()
    reporter = TrialReporter(Budget(1000, clock=clock), "dev_accuracy", None, prune)
    with pytest.raises(PrunedError):
        run(reporter, clock, [0.5, 0.4, 0.3])
    assert told == [(0.5, 1), (0.4, 2)]
    assert reporter.value == 0.5


def test_training_again_ends_at_the_best_epoch_or_a_little_behind_the_deadline():
    clock = Clock()
    budget = Budget(100, clock=clock)
    reporter = AgainReporter(budget, best_epoch=2)
    reporter.epoch({"epoch": 1})
    with pytest.raises(StopTraining):
        reporter.epoch({"epoch": 2})
    clock.now += 102
    reporter.step(1, 0.0, 0.0)
    clock.now += 2
    reporter.step(0, 0.0, 0.0)  # without an epoch there is no model
    with pytest.raises(StopTraining):
        reporter.step(1, 0.0, 0.0)
