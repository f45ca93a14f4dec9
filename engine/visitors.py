"""Who the visitors are: slots, consents, devices and profiles, all from the log."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import msgspec
import numpy as np

from engine.records import Consent, Device, Profile, Purpose
from geofence.columns import I32
from rules.facts import VisitorFacts

CONSENT_BIT: dict[Purpose, int] = {"location": 1, "push": 2, "analytics": 4}


class VisitorState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One visitor as known from the log. Absent consent is no consent.

    known: something was told of the visitor besides fixes.
    """

    id: str
    consents: int = 0
    devices: dict[str, Device] = {}
    profile: Profile | None = None
    consented_ms: int = 0
    known: bool = False

    def allows(self, purpose: Purpose) -> bool:
        return bool(self.consents & CONSENT_BIT[purpose])

    @property
    def languages(self) -> tuple[str, ...]:
        """Languages of the device registered last."""
        for device in reversed(self.devices.values()):
            if device.languages:
                return device.languages
        return ()

    @property
    def simulated(self) -> bool:
        return any(device.simulated for device in self.devices.values())

    def facts(self) -> VisitorFacts | None:
        """The visitor as rules see it; None for one of whom nothing was told."""
        if not self.known:
            return None
        profile = self.profile
        if profile is None:
            return VisitorFacts(id=self.id, consents=self.consents, languages=self.languages)
        return VisitorFacts(
            id=self.id,
            consents=self.consents,
            languages=self.languages,
            segments=frozenset(profile.segments),
            attributes=dict(profile.attributes),
            stay_first=_date(profile.stay_from),
            stay_last=_date(profile.stay_until),
        )


class VisitorBook:
    """Visitors by slot; a slot is given at first sight and never to another visitor."""

    def __init__(self) -> None:
        self._slots: dict[str, int] = {}
        self._visitors: list[VisitorState] = []
        self._device_visitor: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._visitors)

    def slot(self, visitor: str) -> int:
        """The visitor's slot, given now if there was none."""
        found = self._slots.get(visitor)
        if found is None:
            found = self._slots[visitor] = len(self._visitors)
            self._visitors.append(VisitorState(id=visitor))
        return found

    def slots(self, visitors: tuple[str, ...]) -> I32:
        """Slots of many visitors."""
        try:
            return np.fromiter(map(self._slots.__getitem__, visitors), np.int32, len(visitors))
        except KeyError:  # somebody is new
            return np.fromiter(map(self.slot, visitors), np.int32, len(visitors))

    def find(self, visitor: str) -> VisitorState | None:
        slot = self._slots.get(visitor)
        return None if slot is None else self._visitors[slot]

    def find_slot(self, visitor: str) -> int | None:
        return self._slots.get(visitor)

    def at(self, slot: int) -> VisitorState:
        return self._visitors[slot]

    def device(self, device: str) -> Device | None:
        """A device that is registered and not retired."""
        slot = self._device_visitor.get(device)
        return None if slot is None else self._visitors[slot].devices.get(device)

    def put_device(self, device: Device) -> int:
        """Register, update or retire a device; returns its visitor's slot.

        A device that moves to another visitor leaves the one before.
        """
        slot = self.slot(device.visitor)
        before = self._device_visitor.pop(device.device, None)
        if before is not None:
            self._change(before, devices=self._without(before, device.device))
        devices = self._without(slot, device.device)
        if not device.retired:
            devices[device.device] = device
            self._device_visitor[device.device] = slot
        self._change(slot, devices=devices)
        return slot

    def consent(self, consent: Consent) -> int:
        """Set the purposes named; returns the visitor's slot."""
        slot = self.slot(consent.visitor)
        consents = self._visitors[slot].consents
        for purpose, allowed in consent.purposes.items():
            bit = CONSENT_BIT[purpose]
            consents = consents | bit if allowed else consents & ~bit
        self._change(slot, consents=consents, consented_ms=consent.at_ms)
        return slot

    def put_profile(self, profile: Profile) -> int:
        slot = self.slot(profile.visitor)
        self._change(slot, profile=profile)
        return slot

    def erase(self, visitor: str) -> int | None:
        """Forget all of a visitor; the slot stays empty for ever. Returns it, None if unknown."""
        slot = self._slots.pop(visitor, None)
        if slot is not None:
            for device in self._visitors[slot].devices:
                self._device_visitor.pop(device, None)
            self._visitors[slot] = VisitorState(id="")
        return slot

    def owner(self, device: str) -> int | None:
        """The slot of the visitor whose device that is."""
        return self._device_visitor.get(device)

    def _without(self, slot: int, device: str) -> dict[str, Device]:
        return {name: d for name, d in self._visitors[slot].devices.items() if name != device}

    def _change(self, slot: int, **fields: Any) -> None:
        """Put another state in the place of a slot's; a snapshot may hold on to the one before."""
        self._visitors[slot] = msgspec.structs.replace(self._visitors[slot], known=True, **fields)

    def freeze(self) -> list[VisitorState]:
        """Every slot's state as it is now."""
        return list(self._visitors)

    @staticmethod
    def thaw(visitors: Sequence[VisitorState]) -> VisitorBook:
        """The book that `freeze` was asked of."""
        book = VisitorBook()
        book._visitors = list(visitors)
        book._slots = {each.id: slot for slot, each in enumerate(visitors) if each.id}
        book._device_visitor = {
            device: slot for slot, each in enumerate(visitors) for device in each.devices
        }
        return book


def _date(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)
