"""The check of known vulnerabilities says what it found, and never takes silence for an all-clear."""

import json
import stat

import pytest

from tools.robustness.vulnerabilities import NONE, SOME, UNKNOWN, audit

CLEAN = {"name": "a", "version": "1.0", "vulns": []}
BAD = {
    "name": "b",
    "version": "2.0",
    "vulns": [{"id": "X-1", "fix_versions": ["2.1"]}, {"id": "X-2", "fix_versions": []}],
}
SKIPPED = {"name": "c", "skip_reason": "not on the index"}


def program(folder, output, code):
    path = folder / "pip-audit"
    path.write_text(f"#!/bin/sh\n{output}\nexit {code}\n", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def printing(*packages):
    return f"cat <<'END'\n{json.dumps({'dependencies': packages, 'fixes': []})}\nEND"


@pytest.mark.parametrize(
    ("output", "exit_code", "code", "said"),
    [
        (printing(CLEAN), 0, NONE, ["1 packages, 0 known vulnerabilities"]),
        (
            printing(CLEAN, BAD, SKIPPED),
            1,
            SOME,
            [
                "not checked: c: not on the index",
                "b 2.0: X-1, mended in 2.1",
                "b 2.0: X-2, mended in no version yet",
                "2 packages, 2 known vulnerabilities",
            ],
        ),
        (printing(SKIPPED), 0, UNKNOWN, ["not checked: c: not on the index", "nothing was checked"]),
        ("echo 'ERROR: no route to host' >&2", 1, UNKNOWN, ["nothing was checked: .*no route to host"]),
        ("", 0, UNKNOWN, ["nothing was checked: .*no output"]),
    ],
    ids=["none", "some", "all skipped", "no network", "no output"],
)
def test_what_is_said(tmp_path, output, exit_code, code, said):
    import re

    found, lines = audit(program(tmp_path, output, exit_code), "folder")
    assert found == code
    assert len(lines) == len(said)
    assert all(re.search(part, line) for part, line in zip(said, lines, strict=True)), lines


def test_without_the_program_nothing_was_checked(tmp_path):
    code, lines = audit(str(tmp_path / "none"), "folder")
    assert (code, len(lines)) == (UNKNOWN, 1)
