"""Bounds of the benchmarks, each with its reason."""

from __future__ import annotations

from typing import Final

START_S: Final = 120.0
"""A server's start with cold kernels compiles for about a minute."""

STOP_S: Final = 60.0
"""A server's end writes what waits; longer is a hang."""

SETUP_REQUEST_S: Final = 300.0
"""An import of 100,000 zones takes a minute."""

LOAD_S: Final = 600.0
"""All pings of a run; a server that needs longer has no figure to show."""

REFUSALS_MAX: Final = 1_000
"""Answers of 429 before a load gives up: some minutes of a server that stays busy."""

SETTLE_S: Final = 60.0
"""How long the work that follows the last answer (visits into SQLite) may go on."""

AGE_S_MAX: Final = 1_200
"""Fixes are given times of the last minutes; older ones would be closed by silence (30 min)."""

CONSENTS_A_REQUEST: Final = 5_000
"""Consents sent together; the server takes at most twice as many."""

ZONES_A_REQUEST: Final = 20_000
"""Zones imported together: about 25 MB of the 64 MB that an import may have."""

CONNECTIONS_MAX: Final = 1_000
"""One load process; more would measure the load process itself."""

DEVICES_MAX: Final = 100_000
"""Of an alert: as many messages as the stand-in for FCM keeps to be counted."""
