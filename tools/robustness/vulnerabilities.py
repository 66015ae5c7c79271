"""Known vulnerabilities of what is installed, as pip-audit finds them; a database that is out of reach is no all-clear.

    python -m tools.robustness.vulnerabilities PIP_AUDIT [FOLDER]

PIP_AUDIT is the program, from an environment of its own; FOLDER the site-packages to look at, else this interpreter's.
Exit code 0: none is known; 1: some are; 3: nothing was checked.
"""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
from typing import Any

NONE, SOME, UNKNOWN = 0, 1, 3
SECONDS = 600  # for the whole check


def report(document: dict[str, Any]) -> tuple[int, list[str]]:
    """Exit code and lines, of what pip-audit has written as JSON."""
    packages = document["dependencies"]
    checked = [one for one in packages if "skip_reason" not in one]
    skipped = [f"not checked: {one['name']}: {one['skip_reason']}" for one in packages if "skip_reason" in one]
    found = [
        f"{one['name']} {one['version']}: {fault['id']}, mended in "
        f"{', '.join(fault['fix_versions']) or 'no version yet'}"
        for one in checked
        for fault in one["vulns"]
    ]
    if not checked:
        return UNKNOWN, [*skipped, "nothing was checked"]
    return (SOME if found else NONE), [*skipped, *found, f"{len(checked)} packages, {len(found)} known vulnerabilities"]


def audit(program: str, folder: str) -> tuple[int, list[str]]:
    """Run pip-audit over a folder of packages."""
    command = [program, "--path", folder, "--format", "json", "--progress-spinner", "off"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)
        return report(json.loads(done.stdout))
    except (OSError, subprocess.TimeoutExpired) as err:
        why = str(err)
    except (ValueError, KeyError):
        why = (done.stderr.strip() or "no output").splitlines()[-1]
    return UNKNOWN, [f"nothing was checked: the database of advisories did not answer ({why[:300]})"]


def main() -> int:
    """Say it."""
    program, *folder = sys.argv[1:]
    code, lines = audit(program, folder[0] if folder else sysconfig.get_path("purelib"))
    print("\n".join(lines))
    return code


if __name__ == "__main__":
    sys.exit(main())
