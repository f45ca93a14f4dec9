"""The end-to-end benchmark counts what the oracle counts, or fails."""

from __future__ import annotations

import io
import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rich.console import Console

from benchmarks import instance as instances
from benchmarks import limits, load, serve, workloads
from benchmarks.errors import CountsDiffer, InstanceFailed, WorkloadInvalid
from benchmarks.instance import Instance, instance
from benchmarks.oracle import Oracle

SMALL: dict[str, Any] = {"rounds": 6, "visitors": 300, "batch": 100, "connections": 3, "hot": 0.9}


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return serve.run(60, seed=5, folder=tmp_path_factory.mktemp("bench"), progress=True, **SMALL)


def test_the_figures_have_the_keys_that_are_promised(result: dict[str, Any]) -> None:
    assert json.loads(json.dumps(result)) == result
    assert result["zones"] == 60
    assert result["pings"] == 1_800
    for found in (result, result["variants"]["interval"]):
        assert found["pings_per_s"] > 0
        assert found["requests"] == 18
        assert found["refused"] == 0
        assert found["bytes_per_ping"] > 60
    assert result["durability"] == "fsync"
    assert {"aiohttp", "msgspec"} <= result["machine"]["versions"].keys()


def test_the_servers_counts_are_the_oracles(result: dict[str, Any]) -> None:
    walks = workloads.walks(60, visitors=300, rounds=6, seed=5, hot=0.9)
    oracle = Oracle(walks.rings())
    changes = [oracle.step(fixes) for fixes in walks.fixes]
    assert result["enter"] == sum(len(entered) for entered, _ in changes) > 0
    assert result["exit"] == sum(len(left) for _, left in changes) > 0


def test_the_table_shows_rates_and_the_machine(result: dict[str, Any]) -> None:
    out = io.StringIO()
    serve.render(result, Console(file=out, width=160))
    shown = out.getvalue()
    assert f"{result['pings_per_s']:,}" in shown
    assert "interval" in shown
    assert result["machine"]["cpu"] in shown


def test_a_server_that_does_not_accept_every_ping_has_no_figure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(serve, "_prepare", lambda *_: None)
    with pytest.raises(InstanceFailed, match="did not accept 100 pings"):
        serve.run(5, durabilities=("fsync",), **SMALL)


def test_counts_that_are_not_the_oracles_end_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "_expected", lambda _: (1_000_000, 0))
    with pytest.raises(CountsDiffer, match="but the oracle has 1000000 and 0"):
        serve.run(5, durabilities=("interval",), **SMALL)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"zones": 0}, "zones"),
        ({"batch": 0}, "batch"),
        ({"repeats": 0}, "repeats"),
        ({"connections": 0}, "connections"),
        ({"connections": 301}, "connections"),
        ({"rounds": 241}, "rounds"),
        ({"folder": Path("/nowhere/at/all")}, "folder"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, Any], field: str) -> None:
    with pytest.raises(WorkloadInvalid) as caught:
        serve.run(**({"zones": 5, **SMALL} | options))
    assert caught.value.field == field


def test_a_server_that_does_not_start_says_why() -> None:
    with (
        pytest.raises(InstanceFailed, match=r"did not start: .*durability"),
        instance(durability="hope"),
    ):
        raise AssertionError


def test_the_instance_answers_or_says_what_it_was_asked() -> None:
    with instance(durability="fsync") as server:
        assert server.call("GET", "/healthz")["status"] == "ok"
        assert server.transitions() == {}
        with pytest.raises(InstanceFailed, match=r"answered 404 to GET /v1/nothing"):
            server.call("GET", "/v1/nothing")
    with pytest.raises(InstanceFailed, match=r"does not answer GET /healthz"):
        server.call("GET", "/healthz")
    assert server.cpu_s() is None


def test_bodies_keep_each_visitor_on_one_connection_and_in_order() -> None:
    walks = workloads.walks(3, visitors=11, rounds=4)
    work = load.requests(walks, connections=3, batch=5, end_ms=1_000_000)
    seen: dict[str, tuple[int, list[tuple[int, float, float]]]] = {}
    for line, requests in enumerate(work):
        for request in requests:
            pings = msgspec.json.decode(request.body)
            assert len(pings) == request.pings <= 5
            for ping in pings:
                where, fixes = seen.setdefault(ping["visitor"], (line, []))
                assert where == line
                fixes.append((ping["fix_ms"], ping["lon"], ping["lat"]))
    assert len(seen) == 11
    times_ms = [1_000_000 - 5_000 * back for back in (3, 2, 1, 0)]
    for number, (_, fixes) in enumerate(seen[name] for name in sorted(seen)):
        expected = [(t, *walks.fixes[at, number].tolist()) for at, t in enumerate(times_ms)]
        assert fixes == expected


OK = dict.fromkeys(("duplicate", "late", "suspect", "discarded"), 0) | {"quarantined": []}


@contextmanager
def answering(*answers: tuple[int, Any]) -> Iterator[Instance]:
    """A server that gives these answers, one a request, then hangs up."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            for status, body in answers:
                size = 0
                for line in self.rfile:
                    name, _, value = line.partition(b":")
                    size = int(value) if name.lower() == b"content-length" else size
                    if line == b"\r\n":
                        break
                self.rfile.read(size)
                data = json.dumps(body).encode()
                head = (
                    f"HTTP/1.1 {status} X\r\nRetry-After: 0\r\nContent-Length: {len(data)}\r\n\r\n"
                )
                self.wfile.write(head.encode() + data)

    with socketserver.TCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        try:
            found = Instance.__new__(Instance)
            found.host, found.port = "127.0.0.1", server.server_address[1]
            found.key, found.pid = "key", 0
            yield found
        finally:
            thread.join()


ONE = [[load.Request(b"[{}]", 1)]]


def test_a_busy_server_is_asked_again_and_that_is_counted() -> None:
    with answering((429, {}), (429, {}), (200, OK | {"accepted": 1})) as server:
        sent = load.send(server, ONE)
    assert sent.refused == 2
    assert len(sent.batch_s) == 1


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ([(500, {"detail": "no"})], "answered 500"),
        ([(200, OK | {"accepted": 0})], "did not accept 1 pings"),
        ([], "broke off"),
    ],
)
def test_a_load_ends_at_the_first_bad_answer(answers: list[tuple[int, Any]], reason: str) -> None:
    with answering(*answers) as server, pytest.raises(InstanceFailed, match=reason):
        load.send(server, ONE)


def test_a_load_that_nothing_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LOAD_S", 0.2)
    monkeypatch.setattr(limits, "REFUSALS_MAX", 10**9)
    with (
        answering(*[(429, {})] * 100_000) as server,
        pytest.raises(InstanceFailed, match=r"did not take the load within 0\.2 s"),
    ):
        load.send(server, ONE)


def test_the_file_system_under_the_data_is_named() -> None:
    assert instances.filesystem(Path("/proc")) == "proc"
    assert instances.filesystem(None)
