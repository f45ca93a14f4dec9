"""Rates: a token bucket a caller, in process. Time is given, so that tests need not wait."""

from __future__ import annotations

from collections import OrderedDict

from api import limits
from api.errors import RateLimited


class Buckets:
    """Buckets by caller; the longest idle are forgotten, which only ever favours a caller."""

    def __init__(self) -> None:
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def spend(self, caller: str, *, per_s: float, at_s: float) -> None:
        """Count one request of `caller` at `at_s` (monotonic); `per_s` of 0 allows any.

        Raises RateLimited with the wait until the next is allowed.
        """
        if per_s <= 0:
            return
        full = max(1.0, per_s * limits.BURST_S)
        left, since_s = self._buckets.get(caller, (full, at_s))
        left = min(full, left + max(0.0, at_s - since_s) * per_s)
        if left < 1.0:
            raise RateLimited(retry_after_s=(1.0 - left) / per_s)
        self._buckets[caller] = (left - 1.0, at_s)
        self._buckets.move_to_end(caller)
        if len(self._buckets) > limits.BUCKETS_MAX:
            self._buckets.popitem(last=False)
