"""What stands behind each promise of :mod:`guarantees.pains`, in the order of the pains."""

from __future__ import annotations

from guarantees.guards_of_answers import ANSWERS
from guarantees.guards_of_runs import RUNS
from guarantees.guards_of_surroundings import SURROUNDINGS

GUARDS = (*ANSWERS, *RUNS, *SURROUNDINGS)
