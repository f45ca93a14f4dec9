"""Who is in a control group and who gets which variant: by a salted hash, always the same."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from rules.campaigns import Campaign, RestraintSettings, Variant


def share(salt: str, purpose: str, visitor: str) -> float:
    """A number in [0, 1), fixed for a salt, a purpose and a visitor, and even over visitors."""
    text = "\x1f".join((salt, purpose, visitor)).encode()
    digest = hashlib.blake2b(text, digest_size=8, person=b"balise").digest()
    return (int.from_bytes(digest, "big") >> 11) / 2**53  # 53 bits, so that it never rounds to 1


def held_out(campaign: Campaign, settings: RestraintSettings, visitor: str) -> str | None:
    """The control group that a visitor is in, "global" or "campaign"; None for neither.

    Nobody is held out from an alert.
    """
    if campaign.kind == "alert":
        return None
    if settings.holdout and share(settings.salt, "global", visitor) < settings.holdout:
        return "global"
    experiment = campaign.experiment
    if experiment is not None and experiment.holdout:
        salt = campaign.id if experiment.salt is None else experiment.salt
        if share(salt, "holdout", visitor) < experiment.holdout:
            return "campaign"
    return None


def variant_of(campaign: Campaign, visitor: str) -> str | None:
    """The variant that a visitor gets; None for the campaign's own message."""
    experiment = campaign.experiment
    if experiment is None or not experiment.variants:
        return None
    salt = campaign.id if experiment.salt is None else experiment.salt
    return _pick(experiment.variants, share(salt, "variant", visitor))


def _pick(variants: Sequence[Variant], at: float) -> str:
    at *= sum(each.weight for each in variants)
    for each in variants:
        at -= each.weight
        if at < 0:
            return each.name
    return variants[-1].name  # what rounding left over
