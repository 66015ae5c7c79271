"""What stands behind each promise of :mod:`tools.robustness.guards.pains`, in the order of the pains."""

from __future__ import annotations

from tools.robustness.guards.guards_of_answers import ANSWERS
from tools.robustness.guards.guards_of_runs import RUNS
from tools.robustness.guards.guards_of_surroundings import SURROUNDINGS

GUARDS = (*ANSWERS, *RUNS, *SURROUNDINGS)
