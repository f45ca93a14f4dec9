"""Log lines: structlog on stderr, with secrets taken out before anything is written."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Final, Literal

import structlog

SECRET_NAMES: Final = ("authorization", "cookie", "key", "token", "secret", "password")
_SECRET = re.compile(
    r"balise_[a-z]+_[\w-]{20,}|baliser_[\w-]{20,}|eyJ[\w-]+\.[\w-]+\.[\w-]+|(?<=Bearer )\S+"
)
REMOVED: Final = "[removed]"


class _Level:
    """From which level on lines are written; asked before a line of every request is made."""

    number = logging.INFO


def is_debug() -> bool:
    """Whether debug lines are written."""
    return _Level.number <= logging.DEBUG


class _Stderr:
    """Writes lines to whatever stderr is when they are written."""

    def __init__(self, *_: object) -> None:
        pass

    def msg(self, line: str) -> None:
        sys.stderr.write(line + "\n")

    debug = info = warning = error = critical = msg


def configure(*, level: str, form: Literal["auto", "json", "console"]) -> None:
    """Send structlog's and logging's lines to stderr, from `level` up."""
    number = _Level.number = logging.getLevelNamesMapping()[level.upper()]
    pretty = form == "console" or (form == "auto" and sys.stderr.isatty())
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            without_secrets,
            structlog.dev.ConsoleRenderer(colors=pretty and sys.stderr.isatty())
            if pretty
            else structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=_Stderr,
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(level=max(number, logging.WARNING), stream=sys.stderr, force=True)


def without_secrets(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace credentials, by the names of fields and by their look."""
    for name, value in event.items():
        if name.lower() in SECRET_NAMES or name.lower().endswith(("_token", "_key", "_secret")):
            event[name] = REMOVED
        elif isinstance(value, str):
            event[name] = _SECRET.sub(REMOVED, value)
    return event
