"""A search: its trials follow from the seed, its budget holds, its model is the best trial's, trained again."""

import json
import time
from dataclasses import replace
from itertools import count

import pytest
from typer.testing import CliRunner

import textcnn
from textcnn import errors as extras
from textcnn.config import Config
from textcnn.errors import ConfigError, MissingExtraError
from textcnn.progress import Silent
from textcnn.runs.pretrained import decided
from textcnn.tuning import tune
from textcnn.tuning.plot import draw
from textcnn.tuning.space import LINE, Space, combine
from textcnn.tuning.study import Trials
from textcnn_cli.main import app

# These are not searched, so that trials are small.
SMALL = {"embedding_dim": 8, "num_filters": 4, "epochs": 2, "batch_size": 8, "ngram_buckets": 500}
HELD = {**SMALL, "dev_fraction": 0.4}
NOISE = ("dull", "warm", "odd", "fine")
PAIRS = [
    (f"{word} film {NOISE[n % 4]} number {n}", label)
    for n in range(20)
    for word, label in (("good" if n % 3 else "so", "pos"), ("bad" if n % 4 else "so", "neg"))
]
MANY = [(text, [label, "film"] if n % 3 else [label]) for n, (text, label) in enumerate(PAIRS)]
IDENTITY = {"data": "a", "dev rows": "b", "settings": "c"}


class Heard(Silent):
    def __init__(self):
        self.said = []

    def say(self, message):
        self.said.append(message)


def ticking(step):
    """A clock that goes on by ``step`` seconds whenever it is read."""
    ticks = count()
    return lambda: step * next(ticks)


def weights(predictor):
    return {name: value.numpy().tobytes() for name, value in predictor.artifact.model.state_dict().items()}


def space(**given):
    config = Config.from_flat({"wide": True, **given})
    config = decided(config, config.model.dim, 0)
    config = replace(config, model=replace(config.model, wide_scale=config.model.scale))
    return Space.build(given, config, epochs=6)


@pytest.fixture(scope="module")
def found():
    return tune(PAIRS, HELD, 1e6, Silent(), num_trials=5)


def test_the_ranges_are_those_of_the_paper():
    ranges = space().searched
    assert (ranges["kernel_width"].low, ranges["kernel_width"].high) == (1, 10)
    assert (ranges["num_filters"].low, ranges["num_filters"].high) == (50, 600)
    assert (ranges["dropout"].low, ranges["dropout"].high) == (0.0, 0.5)
    assert ranges["max_norm"].values == (None, 3.0)
    assert (ranges["epochs"].low, ranges["epochs"].high) == (2, 9)
    assert {"embedding_dim", "learning_rate", "word_dropout", "wide_scale"} <= ranges.keys()


@pytest.mark.parametrize("architecture", ["kim", "bag", "lstm"])
def test_the_default_lies_in_the_space_and_is_the_first_trial(architecture):
    found = space(architecture=architecture)
    assert found.default.keys() == found.searched.keys()
    params = found.start(0, {})
    assert params == found.default
    assert Config.from_flat(found.settings(params)).training.learning_rate == 2e-3
    for name, distribution in found.distributions().items():
        distribution.to_internal_repr(params[name])
        assert distribution._contains(distribution.to_internal_repr(params[name])), name
    if architecture == "kim":
        assert found.settings(params)["kernel_sizes"] == [3, 4, 5]
    else:
        assert "kernel_width" not in found.searched


def test_what_the_user_has_set_is_not_searched():
    found = space(dropout=0.3, kernel_sizes=[2], embedding_dim=9, preset="fast")
    assert not {"dropout", "kernel_width", "embedding_dim", "num_filters"} & found.searched.keys()
    assert found.settings({"epochs": 3}) | {"dropout": 0.3, "kernel_sizes": [2], "embedding_dim": 9} == found.settings(
        {"epochs": 3}
    )


def test_a_line_of_single_widths_then_combinations_near_the_best():
    values = {0: 0.99, 1: 0.5, 2: 0.6, 3: 0.8, 4: 0.7, 5: 0.1}
    sizes = [space().settings(space().start(n, values))["kernel_sizes"] for n in range(8)]
    assert sizes[1:] == [*([width] for width in LINE), [4, 5, 6], [5, 5, 5, 5]]
    assert space().start(8, values) is None
    assert combine(1, "near") == [1, 2]


def test_the_model_is_the_best_trial_trained_again(found):
    tuning = found.summary["tuning"]
    assert tuning["trials"]["finished"] + tuning["trials"]["pruned"] == 5
    best = tuning["best"]
    assert best["value"] == max(value for value in found.values if value is not None) >= found.values[0]
    assert len(set(found.values)) > 1
    history = found.run.predictor.artifact.training["history"]
    assert max(entry["dev_accuracy"] for entry in history) == best["value"]
    assert len(history) == found.run.summary["best_epoch"]
    plain = textcnn.train(PAIRS, **best["settings"])
    assert weights(plain) == weights(found.run.predictor)


def test_the_same_seed_makes_the_same_trials_another_seed_others(found):
    again = tune(PAIRS, HELD, 1e6, Silent(), num_trials=5)
    assert again.values == found.values
    assert weights(again.run.predictor) == weights(found.run.predictor)


def asked(seed, number, storage=None):
    """Parameters of trials that all reach 0.5."""
    trials = Trials(space(), seed, IDENTITY, storage)
    made = []
    while len(trials) < number:
        trial = trials.ask()
        made.append(trial.params)
        trials.tell(trial, 0.5, "COMPLETE", seconds=1.0, cost=1.0)
    return made


def test_resumed_trials_are_those_of_one_run(tmp_path):
    whole = asked(3, 12)
    parts = [*asked(3, 5, tmp_path / "trials.db"), *asked(3, 12, tmp_path / "trials.db")]
    assert parts == whole
    assert asked(4, 12)[8:] != whole[8:]
    assert len({json.dumps(params) for params in whole}) >= 11  # a line search may meet its combination again


def test_a_storage_continues_a_search(found, tmp_path):
    storage = tmp_path / "trials.db"
    tune(PAIRS, HELD, 1e6, Silent(), num_trials=2, storage=storage)
    reporter = Heard()
    again = tune(PAIRS, HELD, 1e6, reporter, num_trials=5, storage=storage)
    assert f"2 trials are in {storage}" in reporter.said
    assert again.values == found.values
    assert weights(again.run.predictor) == weights(found.run.predictor)
    with pytest.raises(ConfigError, match=r"trials\.db' holds trials of other data and dev rows; choose another"):
        tune([("more", "pos"), *PAIRS], HELD, 1e6, Silent(), num_trials=2, storage=storage)
    with pytest.raises(ConfigError, match=r"trials\.db' holds trials of other settings; choose another"):
        tune(PAIRS, {**HELD, "dropout": 0.1}, 1e6, Silent(), num_trials=2, storage=storage)


@pytest.mark.parametrize("seconds", [60, 120])
def test_the_budget_holds_by_a_clock_that_only_goes_on_when_it_is_read(seconds):
    clock = ticking(0.25)
    reporter = Heard()
    found = tune(PAIRS, {**SMALL, "embedding_dim": 4}, seconds, reporter, clock=clock)
    tuning = found.summary["tuning"]
    assert tuning["seconds"] <= 1.1 * seconds
    assert tuning["seconds"] >= 0.7 * seconds
    assert sum(tuning["trials"].values()) >= 2
    assert found.run.stopped in ("done", "stopped")


def test_where_an_epoch_takes_most_of_the_budget_its_weights_are_kept():
    reporter = Heard()
    found = tune(PAIRS, {**SMALL, "batch_size": 1}, 17, reporter, clock=ticking(0.25))
    assert found.values == [found.summary["tuning"]["best"]["value"]]
    assert any(line.startswith("no time to train the trial again: its weights are kept") for line in reporter.said)
    history = found.run.predictor.artifact.training["history"]
    assert [entry["dev_accuracy"] for entry in history] == found.values
    plain = textcnn.train(PAIRS, **found.summary["tuning"]["best"]["settings"])
    assert len(history) == 1
    assert plain.classes_ == found.run.predictor.classes_


def test_a_budget_too_short_for_an_epoch_is_told():
    with pytest.raises(ConfigError, match="time_budget of 2 s was too short: no trial has finished an epoch; give"):
        tune(PAIRS, {**SMALL, "batch_size": 1}, 2, Silent(), clock=ticking(0.2))


def test_a_multi_label_search_goes_by_micro_f1():
    found = tune(MANY, SMALL, 1e6, Silent(), num_trials=1, dev=MANY[:8])
    assert found.summary["tuning"]["metric"] == "micro_f1"
    assert found.run.predictor.labels.multi_label
    assert found.summary["dev"]["n"] == 8


def test_interrupting_a_trial_ends_the_search_and_keeps_its_best(monkeypatch):
    from textcnn.tuning import budget

    calls = count()

    def interrupt(self, epoch, loss, tokens_per_second):
        if next(calls) == 25:
            raise KeyboardInterrupt

    monkeypatch.setattr(budget.TrialReporter, "step", interrupt)
    found = tune(PAIRS, SMALL, 1e6, Silent())
    assert found.run.stopped == "interrupted"
    assert len(found.values) < 5
    assert found.run.predictor.predict(["good film"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"time_budget": 0}, "time_budget must be seconds above 0, got 0"),
        ({"time_budget": float("nan")}, "time_budget must be seconds above 0, got nan"),
        ({"num_trials": 0}, "trials must be 1 or more, got 0"),
        ({"processes": 0}, "processes must be 1 or more with a number of trials.* got 0 and 1 trials"),
        (
            {"processes": 2, "num_trials": None},
            "processes must be 1 or more with a number of trials.* got 2 and None trials",
        ),
        ({"data": [("a", "x"), ("b", "y")]}, "dev_fraction 0.1 of 2 rows is no row"),
    ],
)
def test_faults_of_the_user(arguments, message):
    given = {"data": PAIRS, "time_budget": 1e6, "num_trials": 1} | arguments
    with pytest.raises(textcnn.errors.TextCNNError, match=message):
        tune(given.pop("data"), SMALL, given.pop("time_budget"), Silent(), **given)


def test_a_storage_that_is_something_else(tmp_path):
    (tmp_path / "notes.txt").write_text("my notes, many of them\n" * 100)
    with pytest.raises(ConfigError, match=r"storage must be a new file or an SQLite one of `tune`, got '.*notes\.txt'"):
        Trials(space(), 0, IDENTITY, tmp_path / "notes.txt")
    assert (tmp_path / "notes.txt").read_text().startswith("my notes")
    with pytest.raises(ConfigError, match=r"storage '.*a\.db' cannot be opened"):
        Trials(space(), 0, IDENTITY, tmp_path / "notes.txt" / "a.db")


def test_without_optuna_the_extra_is_named(monkeypatch):
    def absent(name):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(extras.importlib, "import_module", absent)
    with pytest.raises(MissingExtraError, match=r"tune needs the package 'optuna'.*pip install 'textcnn\[tune\]'"):
        tune(PAIRS, SMALL, 10, Silent())


def test_too_few_trials_say_nothing_and_the_picture_says_so():
    found = tune(PAIRS, SMALL, 1e6, Silent(), num_trials=1)
    assert found.summary["tuning"]["importances"] == {}
    left, _ = draw(found).axes
    assert [text.get_text() for text in left.texts] == ["too few trials"]


def test_importances_are_shares_and_find_what_mattered():
    trials = Trials(space(), 0, IDENTITY, None)
    for _ in range(100):
        trial = trials.ask()
        trials.tell(trial, -abs(trial.params["dropout"] - 0.2), "COMPLETE", seconds=1.0, cost=1.0)
    shares = trials.importances()
    assert sum(shares.values()) == pytest.approx(1)
    assert max(shares, key=shares.get) == "dropout"
    assert abs(trials.best().params["dropout"] - 0.2) < 0.05


def test_from_the_command_line_in_real_seconds(tmp_path):
    from matplotlib import image

    lines = ["text,label", *(f"{text},{label}" for text, label in PAIRS)]
    (tmp_path / "train.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    settings = [f"--set={name}={value}" for name, value in SMALL.items()]
    command = ["tune", str(tmp_path / "train.csv"), "--time-budget", "9", "-o", str(tmp_path / "model"), *settings]
    began = time.perf_counter()
    found = CliRunner().invoke(app, [*command, "--plot", str(tmp_path / "p.png"), "--json"])
    seconds = time.perf_counter() - began
    assert found.exit_code == 0, found.output
    assert len(found.stdout.splitlines()) == 1
    summary = json.loads(found.stdout)
    assert seconds <= 1.1 * 9 + 1  # this budget is short beside what it takes to draw and save
    assert summary["tuning"]["trials"]["finished"] >= 3
    assert summary["tuning"]["time_budget"] == 9
    assert "trial 0: accuracy " in found.stderr
    picture = image.imread(tmp_path / "p.png")
    assert picture.shape[:2] == (630, 1650)
    assert picture.std() > 0.05
    written = json.loads((tmp_path / "model" / "training.json").read_text(encoding="utf-8"))
    assert written["tuning"]["best"] == summary["tuning"]["best"]
    assert "seconds" not in written["tuning"]
    assert textcnn.load(tmp_path / "model").classes_ == ["neg", "pos"]


def test_a_picture_of_no_known_kind_is_told_before_the_search(tmp_path):
    command = ["tune", "nowhere.csv", "--time-budget", "9", "--plot", "p.bmp", "-o", str(tmp_path / "model")]
    found = CliRunner().invoke(app, command)
    assert "a plot must be a file that ends in .png, .svg, .pdf, got 'p.bmp'" in str(found.exception)


def test_vectors_are_kept_in_every_trial(tmp_path):
    rows = [f"{word} {' '.join(['0.1', '-0.2', '0.3'])}" for word in ("good", "bad", "film")]
    (tmp_path / "vectors.txt").write_text("\n".join(rows) + "\n", encoding="utf-8")
    settings = {name: value for name, value in HELD.items() if name != "embedding_dim"}
    found = tune(PAIRS, {**settings, "vectors": str(tmp_path / "vectors.txt")}, 1e6, Silent(), num_trials=2)
    assert found.run.predictor.artifact.config.embedding_dim == 3
    assert found.run.summary["vectors"]["covered_types"] == 3
    assert "embedding_dim" not in found.summary["tuning"]["best"]["settings"]


def test_an_ensemble_is_not_searched():
    with pytest.raises(ConfigError, match="tune searches for one network, got ensemble 3"):
        tune((["a", "b"], ["x", "y"]), {"ensemble": 3}, 5.0, Silent())
