"""Liquid templates, strict and bounded: what parses can neither loop, nor grow, nor reach out.

Tags: if, unless, case, assign, comment. Filters are those of FILTERS. Anything undefined is an
error, except under `default` and in a condition, where it is false.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from liquid import BoundTemplate, Environment, FalsyStrictUndefined, Mode, RenderContext
from liquid.exceptions import LiquidError, LiquidTypeError
from liquid.filter import with_context

from notifier import formats, limits, text, variables
from notifier.errors import RenderFailed, TemplateRefused
from notifier.variables import Purpose, Reader

TAGS: Final = frozenset({"if", "unless", "case", "assign", "comment", "#"})

FILTERS: Final = frozenset(
    {
        "append", "at_least", "at_most", "capitalize", "ceil", "date", "default", "divided_by",
        "downcase", "floor", "minus", "plural", "plus", "prepend", "round", "strip", "time",
        "times", "truncate", "upcase", "url_encode", "weekday",
    }
)  # fmt: skip

_LITERALS: Final = frozenset({"content", "output", "illegal"})
_FORMS: Final = frozenset({"zero", "one", "two", "few", "many", "other"})


class _Missing(FalsyStrictUndefined):
    """A variable without a value: false in a condition, replaced by `default`, else an error."""

    force_liquid_default = True


class _Bounded(Environment):
    block_nesting_limit = limits.TEMPLATE_NESTING_MAX
    context_depth_limit = limits.TEMPLATE_NESTING_MAX + 2
    loop_iteration_limit = 1
    local_namespace_limit = limits.TEMPLATE_LOCALS_BYTES_MAX
    output_stream_limit = limits.TEMPLATE_OUTPUT_CHARS_MAX


def parse(source: str) -> BoundTemplate:
    """The parsed template, from a cache.

    Raises:
        TemplateRefused: too long, bad syntax, a tag or filter that is not allowed, or a variable
            that does not exist (`code` unknown_variable, with the nearest name in the reason).
    """
    if len(source) > limits.TEMPLATE_CHARS_MAX:
        reason = f"is longer than {limits.TEMPLATE_CHARS_MAX} characters"
        raise TemplateRefused(code="too_long", reason=reason)
    return _parse(source)


def names(source: str) -> frozenset[str]:
    """The variables that a template uses, by their first word: zone, starts_in.

    Raises:
        TemplateRefused: as `parse` does.
    """
    return frozenset(parse(source).analyze().globals)


def render(
    source: str, *, field: str, values: Mapping[str, Any], reader: Reader, purpose: Purpose
) -> str:
    """The template filled with raw values (see `variables`), neither cleaned nor cut.

    Raises:
        RenderFailed: a value is missing or of the wrong type, or a bound was passed; `field` names
            the template in it.
        TemplateRefused: as `parse` does.
    """
    if "{" not in source:
        return source
    template = parse(source)
    try:
        return template.render(variables.scope(values, reader, purpose), _lang=reader.lang)
    except (LiquidError, ValueError, TypeError, ArithmeticError, RecursionError) as error:
        raise RenderFailed(field=field, reason=_reason(error)) from error


@lru_cache(maxsize=limits.TEMPLATES_CACHED_MAX)
def _parse(source: str) -> BoundTemplate:
    try:
        template = _environment().from_string(source)
        found = template.analyze().globals
    except (LiquidError, RecursionError) as error:
        raise TemplateRefused(code="template_syntax", reason=_reason(error)) from error
    for uses in found.values():
        for use in uses:
            kind = variables.resolve(use.segments)
            if isinstance(kind, variables.Unknown):
                meant = f"; did you mean {kind.nearest}?" if kind.nearest else ""
                reason = f"there is no variable {kind.path[:80]}{meant}"
                raise TemplateRefused(code="unknown_variable", reason=reason)
    return template


@lru_cache(maxsize=1)
def _environment() -> Environment:
    env = _Bounded(tolerance=Mode.STRICT, undefined=_Missing, strict_filters=True)
    for name in set(env.tags) - TAGS - _LITERALS:
        del env.tags[name]
    env.add_filter("date", _date)
    env.add_filter("time", _time)
    env.add_filter("weekday", _weekday)
    env.add_filter("plural", _plural)
    env.add_filter("truncate", _truncate)
    for name in set(env.filters) - FILTERS:
        del env.filters[name]
    return env


def _reason(error: BaseException) -> str:
    reason = error.args[0] if error.args and isinstance(error.args[0], str) else str(error)
    return reason[: limits.REASON_CHARS_MAX] or type(error).__name__


def _instant(value: object, filter_name: str) -> variables.Instant:
    if not isinstance(value, variables.Instant):
        raise LiquidTypeError(f"{filter_name} wants an instant such as event.start", token=None)
    return value


def _date(value: object) -> str:
    at = _instant(value, "date")
    return formats.day(at.at_ms, at.reader.lang, at.reader.time_zone)


def _time(value: object) -> str:
    at = _instant(value, "time")
    return formats.time_of_day(at.at_ms, at.reader.lang, at.reader.time_zone)


def _weekday(value: object) -> str:
    at = _instant(value, "weekday")
    return formats.weekday(at.at_ms, at.reader.lang, at.reader.time_zone)


@with_context
def _plural(value: object, *, context: RenderContext, **forms: object) -> str:
    """`{{ n }} {{ n | plural: one: "place", other: "places" }}`, by the language's own rule."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise LiquidTypeError("plural wants a number", token=None)
    if "other" not in forms or not forms.keys() <= _FORMS:
        reason = "plural wants other:, and may have zero:, one:, two:, few: and many:"
        raise LiquidTypeError(reason, token=None)
    category = formats.plural(value, str(context.resolve("_lang")))
    return str(forms.get(category, forms["other"]))


def _truncate(value: object, length: object = 50) -> str:
    if isinstance(length, bool) or not isinstance(length, int) or length < 1:
        raise LiquidTypeError("truncate wants a number of characters", token=None)
    return text.truncate(str(value), length)
