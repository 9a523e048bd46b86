"""Puts the benchmarks, which no wheel has, within reach of their tests."""

from __future__ import annotations

import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]

# At the end: with PYTHONSAFEPATH the checkout is off the path so that the installed package is what is tested, and it
# must stay the first kubeprims to be found.
sys.path.append(str(ROOT))
