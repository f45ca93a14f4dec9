"""Rulings that are not final yet: waiting for rivals, or held until quiet hours end."""

from __future__ import annotations

from rules import limits
from rules.rulings import Ruling


class Window:
    """One visitor's arbitration window and those that compete in it."""

    __slots__ = ("closes_ms", "rulings")

    def __init__(self, closes_ms: int) -> None:
        self.closes_ms = closes_ms
        self.rulings: list[Ruling] = []


class WaitingRoom:
    """Arbitration windows by visitor slot, in the order in which they opened."""

    __slots__ = ("windows",)

    def __init__(self) -> None:
        self.windows: dict[int, Window] = {}

    def add(self, ruling: Ruling, closes_ms: int) -> Ruling | None:
        """Let a ruling wait; the window closes at `closes_ms` if this opens it.

        Returns the worst of a full window, which gave way.
        """
        window = self.windows.get(ruling.visitor)
        if window is None:
            window = self.windows[ruling.visitor] = Window(closes_ms)
        window.rulings.append(ruling)
        if len(window.rulings) <= limits.WAITING_PER_VISITOR_MAX:
            return None
        worst = max(window.rulings, key=lambda each: each.rank)
        window.rulings.remove(worst)
        return worst

    def due(self, now_ms: int) -> list[list[Ruling]]:
        """Windows that close by now, each sorted by rank; they leave the room."""
        closing = []
        for visitor, window in self.windows.items():
            if window.closes_ms > now_ms:
                break  # all windows are equally long, so the rest closes later
            closing.append(visitor)
        return [
            sorted(self.windows.pop(visitor).rulings, key=lambda each: each.rank)
            for visitor in closing
        ]

    def of(self, slot: int) -> list[Ruling]:
        """What waits of a campaign slot."""
        return [r for each in self.windows.values() for r in each.rulings if r.c.slot == slot]

    def drop(self, ruling: Ruling) -> None:
        """Take a ruling out, if it is here."""
        window = self.windows.get(ruling.visitor)
        if window is not None and ruling in window.rulings:
            window.rulings.remove(ruling)

    def forget(self, visitor: int) -> None:
        """Drop what waits for a visitor."""
        self.windows.pop(visitor, None)


class HeldRoom:
    """Rulings held over quiet hours: one a visitor, campaign and zone, the newest."""

    __slots__ = ("held",)

    def __init__(self) -> None:
        self.held: dict[tuple[int, int, int], Ruling] = {}

    def add(self, ruling: Ruling) -> Ruling | None:
        """Hold a ruling; returns the one whose place it takes."""
        key = (ruling.visitor, ruling.c.slot, ruling.zone)
        replaced = self.held.pop(key, None)
        self.held[key] = ruling
        return replaced

    def due(self, now_ms: int) -> list[Ruling]:
        """Rulings whose quiet hours are over; they leave the room, in the order they came."""
        if not self.held:
            return []
        over: dict[int, bool] = {}
        for ruling in self.held.values():
            slot = ruling.c.slot
            if slot not in over:
                quiet = ruling.c.quiet
                over[slot] = quiet is None or not quiet.now(now_ms)
        keys = [key for key in self.held if over[key[1]]]
        return [self.held.pop(key) for key in keys]

    def of(self, slot: int) -> list[Ruling]:
        """What is held of a campaign slot."""
        return [each for each in self.held.values() if each.c.slot == slot]

    def drop(self, ruling: Ruling) -> None:
        """Take a ruling out, if it is here."""
        key = (ruling.visitor, ruling.c.slot, ruling.zone)
        if self.held.get(key) is ruling:
            del self.held[key]

    def forget(self, visitor: int) -> None:
        """Drop what is held for a visitor."""
        for key in [key for key in self.held if key[0] == visitor]:
            del self.held[key]
