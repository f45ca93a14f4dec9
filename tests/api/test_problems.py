"""Whatever goes wrong, the answer is a problem document and says nothing it should not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from api import errors, problems
from engine.errors import Conflict, LogRefused, Overloaded
from notifier.errors import StoreUnavailable

CASES: list[tuple[Exception, int, str]] = [
    (errors.Malformed("not JSON", at="line 1"), 400, "malformed"),
    (errors.Invalid.one("lon", "required"), 422, "invalid"),
    (errors.UnsupportedType(found="text/plain", accepted=["a/b"]), 415, "unsupported-type"),
    (errors.TooLarge(what="pings", limit=10), 413, "too-large"),
    (errors.NotAuthenticated("who?"), 401, "not-authenticated"),
    (errors.NotAllowed("no", scope="keys:admin"), 403, "not-allowed"),
    (errors.NotFound(kind="zone", record_id="z"), 404, "not-found"),
    (errors.NotPossible("it has ended"), 409, "not-possible"),
    (errors.RateLimited(retry_after_s=1.2), 429, "rate-limited"),
    (errors.Unavailable("starting"), 503, "unavailable"),
    (Overloaded(queue="ingest", retry_after_s=0.1), 429, "overloaded"),
    (LogRefused(reason="disk full"), 503, "log-refused"),
    (Conflict(kind="zone", record_id="z", newest=3), 412, "conflict"),
    (StoreUnavailable(reason="busy"), 503, "unavailable"),
    (RuntimeError("password=hunter2"), 500, "internal"),
]


def client_app(error: Exception) -> web.Application:
    async def fail(request: web.Request) -> web.Response:
        raise error

    app = web.Application(middlewares=[problems.middleware], client_max_size=10)
    app.router.add_get("/fail", fail)

    async def read(request: web.Request) -> web.Response:
        return web.Response(body=await request.read())

    app.router.add_post("/read", read)
    return app


@pytest.mark.parametrize(
    ("error", "status", "slug"), CASES, ids=[type(c[0]).__name__ for c in CASES]
)
async def test_each_error_has_its_status_and_type(
    aiohttp_client: Any, error: Exception, status: int, slug: str
) -> None:
    client = await aiohttp_client(client_app(error))
    answer = await client.get("/fail")
    body = await answer.json(content_type=problems.CONTENT_TYPE)
    assert answer.status == body["status"] == status
    assert body["type"] == f"urn:balise:problem:{slug}"
    assert body["title"]
    assert body["detail"]
    assert "hunter2" not in str(body)
    if status in (429, 503):
        assert int(answer.headers["Retry-After"]) >= 1


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nowhere", 404), ("POST", "/fail", 405), ("POST", "/read", 413)],
)
async def test_what_the_framework_refuses_is_a_problem_too(
    aiohttp_client: Any, method: str, path: str, status: int
) -> None:
    client = await aiohttp_client(client_app(RuntimeError()))
    answer = await client.request(method, path, data=b"x" * 100)
    assert answer.status == status
    assert (await answer.json(content_type=problems.CONTENT_TYPE))["status"] == status
    if status == 405:
        assert answer.headers["Allow"] == "GET, HEAD"


async def test_a_not_modified_answer_has_no_body(aiohttp_client: Any) -> None:
    client = await aiohttp_client(client_app(errors.NotModified(etag='"3"')))
    answer = await client.get("/fail")
    assert (answer.status, answer.headers["ETag"], await answer.read()) == (304, '"3"', b"")


def test_a_long_list_of_faults_is_cut_and_says_so() -> None:
    faults = [errors.FieldError(field="x", reason="r", index=i) for i in range(500)]
    answer = problems.of_error(errors.Invalid(faults))
    assert answer.body is not None
    assert b"500" in bytes(answer.body)  # type: ignore[arg-type]
    assert len(bytes(answer.body)) < 10_000  # type: ignore[arg-type]


def test_the_reference_page_is_the_one_made_from_the_declarations() -> None:
    page = Path(__file__).parents[2] / "docs" / "reference" / "problems.md"
    assert page.read_text(encoding="utf-8") == problems.markdown(), "run python -m api.problems"


def test_every_kind_of_problem_is_documented_once() -> None:
    kinds = {kind for _, kind in problems.KINDS}
    slugs = [kind.slug for kind in kinds]
    assert len(slugs) == len(set(slugs))
    assert all(f"urn:balise:problem:{slug}`" in problems.markdown() for slug in slugs)


def test_what_the_system_says_of_itself_is_not_told_and_what_to_do_is() -> None:
    for error in (LogRefused(reason="/srv: disk full"), StoreUnavailable(reason="/srv: locked")):
        assert b"/srv" not in _body(problems.of_error(error))
    told = _body(problems.of_error(LogRefused(reason="disk full")))
    assert b"nothing was taken" not in told
    assert b"not acknowledged" in told
    assert b"duplicates are dropped" in told


def _body(answer: web.Response) -> bytes:
    assert isinstance(answer.body, bytes)
    return answer.body
