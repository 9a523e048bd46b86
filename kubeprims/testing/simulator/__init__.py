"""A deterministic simulation: virtual time, schedules that come from seeds, faults, and failures made short.

    >>> from kubeprims.testing import simulator
    >>> report = simulator.run(simulator.InformerScenario(), range(3))
    >>> report.schedules, report.failures
    (3, [])

:class:`InformerScenario` plays an informer against a model of the API server, and takes a handler of yours
(:class:`Subject`). :class:`ElectionScenario` plays candidates against a lock. What they stand on knows nothing of
either: :class:`World` is time on one thread, a :class:`Scenario` makes schedules and plays them, :func:`run` counts
what was played and makes failures short.
"""

from __future__ import annotations

from kubeprims.testing.simulator.assembly import Assembly
from kubeprims.testing.simulator.campaign import Failure, Outcome, Report, Scenario, replay, run, shrunk
from kubeprims.testing.simulator.election import ElectionScenario, LongElectionScenario
from kubeprims.testing.simulator.election_candidate import Contender
from kubeprims.testing.simulator.election_schedule import ElectionFault, ElectionFaultKind
from kubeprims.testing.simulator.faults import Fault, FaultKind
from kubeprims.testing.simulator.informers import InformerScenario, Subject
from kubeprims.testing.simulator.schedule import Manner, Pace
from kubeprims.testing.simulator.shrinking import shrink
from kubeprims.testing.simulator.world import Halt, World

__all__ = [
    "Assembly",
    "Contender",
    "ElectionFault",
    "ElectionFaultKind",
    "ElectionScenario",
    "Failure",
    "Fault",
    "FaultKind",
    "Halt",
    "InformerScenario",
    "LongElectionScenario",
    "Manner",
    "Outcome",
    "Pace",
    "Report",
    "Scenario",
    "Subject",
    "World",
    "replay",
    "run",
    "shrink",
    "shrunk",
]
