"""A destination in motion: simulated visitors on the same path as real ones.

Visitors register, consent and send fixes through the motor's doors; pontoon counters are played by
counting the simulated visitors in each zone that has a capacity.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine import limits
from engine.ingest import Draft, PingDraft
from engine.motor import Motor
from engine.records import Consent, Counter, Device
from engine.walkers import Walkers


class Simulation:
    """Drives one motor with one crowd."""

    def __init__(self, motor: Motor, walkers: Walkers) -> None:
        self._motor = motor
        self._walkers = walkers
        self._counted_ms = limits.NEVER_MS

    async def prepare(self, content: Sequence[Draft], start_ms: int) -> None:
        """Publish the content, register everybody and take their consents."""
        await self._motor.tick(start_ms)
        await self._motor.change(content, author="demo")
        for person in self._walkers.people:
            self._motor.submit_soon(
                Device(
                    device=person.device,
                    visitor=person.visitor,
                    platform=person.platform,
                    languages=(person.language,),
                    push_token=f"simulated-{person.device}",
                    simulated=True,
                )
            )
            self._motor.submit_soon(
                Consent(visitor=person.visitor, purposes=person.consents, at_ms=start_ms)
            )
        await self._count(start_ms)
        await self._motor.tick(start_ms)

    async def step(self, now_ms: int) -> None:
        """Move everybody to `now_ms`, and send the fixes and counts of that instant."""
        fixes = self._walkers.step(now_ms)
        people = self._walkers.people
        await self._motor.ingest(
            PingDraft(
                visitors=[people[i].visitor for i in fixes.walker.tolist()],
                fix_ms=fixes.fix_ms.tolist(),
                lon=fixes.lon.tolist(),
                lat=fixes.lat.tolist(),
                accuracy_m=fixes.accuracy_m.tolist(),
                speed_mps=fixes.speed_mps.tolist(),
                flags=[0] * len(fixes.walker),
            )
        )
        if now_ms - self._counted_ms >= limits.SIMULATED_COUNTER_MS:
            await self._count(now_ms)

    async def _count(self, now_ms: int) -> None:
        """Report what counters see: everybody who is there, with a phone that tells or without."""
        self._counted_ms = now_ms
        pipeline = self._motor.pipeline
        inside = np.zeros(len(pipeline.tracker.zone_ids), np.int64)
        for lon, lat in zip(*(c.tolist() for c in self._walkers.positions()), strict=True):
            inside[pipeline.tracker.zones_at(lon, lat)] += 1
        for zone_id, (_, zone) in pipeline.catalogue.all("zone").items():
            if zone.capacity_persons() is not None:
                persons = int(inside[pipeline.tracker.zone_slot(zone_id)])
                self._motor.submit_soon(
                    Counter(
                        zone=zone_id,
                        persons=persons * limits.PERSONS_A_WALKER,
                        at_ms=now_ms,
                    )
                )
        await self._motor.settled()
