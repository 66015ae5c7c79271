import matplotlib.image
import pytest

from textcnn import errors as extras
from textcnn.benchmark.document import read_document, verdict, write_document
from textcnn.benchmark.plot import check_plot, save_plot
from textcnn.benchmark.tables import columns, number, rows, summarize, to_markdown
from textcnn.errors import ConfigError, DataError, MissingExtraError


def cell(architecture, ratio, low, high, *, phase="train", length=10, batch_size=1):
    return {
        "phase": phase,
        "length": length,
        "batch_size": batch_size,
        "architecture": architecture,
        "median_ms": 1.0 if ratio is None else ratio,
        "tokens_per_second": 12345.6,
        "ratio": ratio,
        "ratio_low": low,
        "ratio_high": high,
        "batches": 30,
    }


def reference(**where):
    return cell("kim", None, None, None, **where)


def document(cells, epoch=None):
    names = list(dict.fromkeys(each["architecture"] for each in cells))
    return {
        "benchmark": "speed",
        "format_version": 1,
        "command": "textcnn benchmark speed",
        "versions": {"python": "3", "torch": "2"},
        "threads": 2,
        "cpu": "A Processor",
        "cores": 2,
        "other_work": 0.1,
        "platform": "Linux x86_64",
        "commit": None,
        "backend": "reference",
        "protocol": {
            "architectures": names[1:],
            "lengths": list(dict.fromkeys(each["length"] for each in cells)),
            "batch_sizes": list(dict.fromkeys(each["batch_size"] for each in cells)),
            "rules": {"ratio": "baseline / kim"},
        },
        "data": {"name": "reviews.csv", "texts": 9, "tokens": 99, "types": 20, "labels": 2},
        "contestants": [
            {"architecture": name, "settings": {"x": 1}, "encoder_parameters": 1000, "parameters": 2000, "ratio": 1.0}
            for name in names
        ],
        "cells": cells,
        "epoch": epoch,
        "seconds": 1.0,
    }


EPOCH = {
    "texts": 9,
    "tokens": 99,
    "batch_size": 64,
    "batches": 1,
    "results": [
        {"architecture": "kim", "seconds": 2.5, "tokens_per_second": 40, "ratio": None}
        | {"ratio_low": None, "ratio_high": None},
        {
            "architecture": "lstm",
            "seconds": 5,
            "tokens_per_second": 20,
            "ratio": 2,
            "ratio_low": 1.9,
            "ratio_high": 2.1,
        },
    ],
}


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(1.01, 2, "wins"), (0.5, 0.99, "loses"), (0.9, 1.1, "undecided"), (1, 2, "undecided"), (0.5, 1, "undecided")],
)
def test_only_a_whole_interval_decides(low, high, expected):
    assert verdict(cell("lstm", 1, low, high)) == expected


def test_all_wins():
    cells = [reference(), cell("rnn", 2, 1.5, 2.5), cell("lstm", 4, 3.5, 4.5)]
    assert summarize(document(cells)) == (
        "In training steps the CNN is faster in all 2 cells "
        "(in the median 3.00 times, up to 4.00 times, lstm at 10 tokens with batch 1)."
    )


def test_all_losses():
    cells = [reference(phase="infer"), cell("lstm", 0.5, 0.4, 0.6, phase="infer", batch_size=64)]
    assert summarize(document(cells)) == (
        "In inference the CNN is slower in the one cell "
        "(everywhere; down to 0.50 times, lstm at 10 tokens with batch 64)."
    )


def test_losses_wins_and_open_cells_each_have_their_place():
    cells = [
        *(reference(length=length, batch_size=size) for length in (10, 50, 100) for size in (1, 64)),
        *(cell(name, 0.7, 0.6, 0.8, length=10, batch_size=64) for name in ("gru", "lstm")),
        cell("lstm", 0.8, 0.7, 0.9, length=50, batch_size=64),
        cell("gru", 1.0, 0.9, 1.1, length=50, batch_size=64),
        *(cell(name, 2.0, 1.8, 2.2, length=100, batch_size=64) for name in ("gru", "lstm")),
        *(cell("lstm", 3.0, 2.8, 3.2, length=length, batch_size=1) for length in (10, 50, 100)),
        *(cell("gru", 1.0, 0.8, 1.2, length=length, batch_size=1) for length in (10, 100)),
    ]
    assert summarize(document(cells)) == (
        "In training steps the CNN is slower in 3 of 11 cells (gru at 10 tokens with batch 64, lstm at 10-50 tokens "
        "with batch 64; down to 0.70 times, gru at 10 tokens with batch 64), neither faster nor slower in 3 of 11 "
        "cells (gru at 10 and 100 tokens with batch 1 and 50 tokens with batch 64) and faster in the other 5 "
        "(in the median 3.00 times, up to 3.00 times, lstm at 10 tokens with batch 1)."
    )


def test_baselines_in_the_same_places_share_their_words():
    cells = [reference(), cell("gru", 0.9, 0.8, 0.95), cell("lstm", 0.7, 0.6, 0.8), cell("rnn", 2, 1.5, 3)]
    assert "(gru and lstm at 10 tokens with batch 1; down to 0.70 times" in summarize(document(cells))


def test_phases_and_epoch_share_one_sentence():
    cells = [
        each for phase in ("train", "infer") for each in (reference(phase=phase), cell("lstm", 2, 1.5, 3, phase=phase))
    ]
    sentence = summarize(document(cells, EPOCH))
    assert "; in inference the CNN is faster in the one cell" in sentence
    assert sentence.endswith(
        "; an epoch of 9 of the 9 texts of reviews.csv takes the CNN 2.50 s, lstm 2.00 times that (1.90-2.10)."
    )
    assert ". " not in sentence


@pytest.mark.parametrize(
    ("value", "shown"), [(0.512, "0.51"), (9.994, "9.99"), (9.996, "10.0"), (99.94, "99.9"), (1789, "1,789")]
)
def test_numbers_have_about_three_digits(value, shown):
    assert number(value) == shown


def both_phases():
    return [
        each
        for phase in ("train", "infer")
        for length in (10, 100)
        for size in (1, 64)
        for each in (
            reference(phase=phase, length=length, batch_size=size),
            cell("rnn", 0.5, 0.45, 0.6, phase=phase, length=length, batch_size=size),
            cell("lstm", length / 10, length / 12, length / 8, phase=phase, length=length, batch_size=size),
        )
    ]


def test_a_row_holds_the_time_of_the_cnn_and_the_ratio_of_each_baseline():
    made = document(both_phases())
    assert columns(made) == ["tokens", "batch", "kim ms", "rnn", "lstm"]
    shown = rows(made, "infer")
    assert len(shown) == 4
    assert shown[0] == ["10", "1", "1.00", "0.50 - 0.45-0.60", "1.00 ? 0.83-1.25"]
    assert shown[3] == ["100", "64", "1.00", "0.50 - 0.45-0.60", "10.0 + 8.33-12.5"]


def test_markdown_holds_everything_and_its_tables_are_whole():
    made = document(both_phases(), EPOCH)
    text = to_markdown(made)
    for part in (
        summarize(made),
        "commit unknown",
        "`textcnn benchmark speed`",
        "10.0 (12,346)",
        "| lstm | 5.00 | 20 |",
    ):
        assert part in text
    for block in text.split("\n\n"):
        if block.startswith("|"):
            assert len({line.count("|") for line in block.splitlines()}) == 1
    assert "An epoch" not in to_markdown(document(both_phases()))


def test_a_document_comes_back_as_it_was_and_makes_the_same_report(tmp_path):
    made = document(both_phases(), EPOCH)
    write_document(made, tmp_path / "speed.json")
    assert read_document(tmp_path / "speed.json") == made


@pytest.mark.parametrize("content", ["{", "[]", '{"benchmark": "accuracy", "format_version": 1}', None])
def test_another_file_is_refused(tmp_path, content):
    if content is not None:
        (tmp_path / "speed.json").write_text(content)
    with pytest.raises(DataError, match=r"^speed\.json: expected .*benchmark"):
        read_document(tmp_path / "speed.json")


@pytest.mark.slow
def test_the_plot_is_a_picture_of_sensible_size(tmp_path):
    save_plot(document(both_phases()), tmp_path / "speed.png")
    height, width, _ = matplotlib.image.imread(tmp_path / "speed.png").shape
    assert 1000 <= width <= 3000
    assert 500 <= height <= 2000


@pytest.mark.slow
def test_one_phase_of_one_cell_can_be_drawn(tmp_path):
    save_plot(document([reference(), cell("lstm", 2, 1.5, 3)]), tmp_path / "speed.svg")
    drawn = (tmp_path / "speed.svg").read_text(encoding="utf-8")
    assert "CNN faster" in drawn
    assert "RNN faster" in drawn
    assert "Inference" not in drawn


def test_a_plot_that_cannot_be_made_is_told_before_the_measuring(tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match=r"\.png, \.svg, \.pdf, got 'speed\.doc'"):
        check_plot(tmp_path / "speed.doc")

    def missing(name):
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr(extras.importlib, "import_module", missing)
    with pytest.raises(MissingExtraError, match=r"benchmark --plot needs .* pip install 'textcnn\[plot\]'"):
        check_plot(tmp_path / "speed.png")
