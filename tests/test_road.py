"""The road of a command may only become shorter; the aim is `tools.road.LIMITS`."""

import pytest

from tools import road

BOUNDS = {"train": (560, 89), "classify": (310, 58)}


@pytest.mark.slow
def test_commands_enter_no_more_functions_than_their_bounds(core, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["textcnn"])
    found = road.roads(tmp_path)
    for name, (functions, files) in BOUNDS.items():
        assert ("cli/main.py", "main") in found[name].stops
        assert len(found[name].stops) <= functions, sorted(found[name].stops)
        assert len(found[name].files) <= files, sorted(found[name].files)
