"""The one place where tests poll.

A test waits for a fact by an event, a condition or a join wherever the code offers one. What happens in another
process, or in the kernel, offers none: for that there is :func:`eventually`, and nothing else.
"""

from __future__ import annotations

from kubeprims.testing.waiting import eventually

__all__ = ["eventually"]
