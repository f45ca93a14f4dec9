"""One instance, put together and taken apart in order: data, engine, channels, doors."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import random
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog
from aiohttp import web

from api import limits, outlets
from api.app import create_app
from api.auth import Gate, Role, new_key
from api.errors import SettingInvalid
from api.service import Service
from api.settings import LOG_FOLDER, SNAPSHOT_FOLDER, TOKEN_FILE, Settings
from engine.clock import Clock, SystemClock
from engine.delivery import NOBODY, Delivery
from engine.hold import Hold
from engine.log import FileLog
from engine.motor import Motor
from engine.pipeline import Pipeline
from engine.planner import Planner
from engine.recovery import Progress, recover
from engine.saving import Saver
from engine.snapshots import Snapshots
from engine.store import Store
from engine.warming import warm
from notifier.channels import Channel
from notifier.channels.inbox import Hub
from notifier.dispatcher import Dispatcher

LOCAL_KEY_ID: Final = "key_cli"

_log = structlog.get_logger("balise.server")


class FirstKeys(msgspec.Struct, frozen=True, kw_only=True):
    """The keys of a first run; nobody can show them again."""

    admin: str
    app: str


class Server:
    """An open instance. Use `Server.open`."""

    def __init__(self, *, data: Path, settings: Settings, hold: Hold, service: Service) -> None:
        self.data = data
        self.settings = settings
        self.service = service
        self.local_token = ""
        self.port = 0
        self._hold = hold
        self._runner: web.AppRunner | None = None
        self._dispatcher: Dispatcher | None = None

    @staticmethod
    @asynccontextmanager
    async def open(
        data: Path,
        settings: Settings,
        *,
        clock: Clock | None = None,
        sending: bool = True,
        stepped: bool = False,
        progress: Progress | None = None,
    ) -> AsyncIterator[Server]:
        """Open a data directory, making it where it is missing.

        clock: of the engine. sending: deliver what is decided; without it nothing leaves, and time
        does not pass. stepped: the caller ticks the motor and calls `deliver`. progress: told how
        far the replay of the log has come. Raises DataHeld, DataTooNew, LogDamaged, SnapshotsLost,
        StoreRefused, SettingInvalid.
        """
        clock = clock or SystemClock()
        async with contextlib.AsyncExitStack() as stack:
            hold = await asyncio.to_thread(_hold, data)
            stack.callback(hold.close)
            await asyncio.to_thread(warm)
            store = await asyncio.to_thread(lambda: Store(data, clock=SystemClock()))
            stack.push_async_callback(asyncio.to_thread, store.close)
            hub = Hub()
            channels = outlets.channels(settings, store, hub, SystemClock())
            snapshots = await asyncio.to_thread(Snapshots, data / SNAPSHOT_FOLDER)
            with _uncollected():
                motor = await _motor(
                    stack, data, settings, store, channels, clock, snapshots, progress
                )
            motor.start(ticking=sending and not stepped)
            saver = Saver(motor, snapshots)
            stack.push_async_callback(saver.stop)
            saver.start()
            gate = _gate(settings, store)
            await gate.load()
            service = Service(
                motor=motor, store=store, hub=hub, gate=gate, settings=settings,
                clock=SystemClock(), saver=saver,
            )  # fmt: skip
            service.web_push_key = outlets.web_push_key(channels)
            server = Server(data=data, settings=settings, hold=hold, service=service)
            if sending:
                delivery = Delivery(
                    motor, store.outbox, channels, clock=clock, chance=random.random
                )
                stack.push_async_callback(delivery.stop)
                server._dispatcher = service.dispatcher = delivery.dispatcher
                await delivery.report(
                    lambda: store.outbox.unreported(limits.UNREPORTED_AT_ONCE, nobody=NOBODY)
                )
                if stepped:
                    await delivery.dispatcher.recover()
                else:
                    await delivery.start(await store.outbox.unfinished())
            await server._make_local_token()
            stack.callback((data / TOKEN_FILE).unlink, missing_ok=True)
            stack.push_async_callback(server._close_doors)
            gc.freeze()
            yield server

    async def deliver(self) -> None:
        """Deliver all that is due now, and log what became of it. For a server that is stepped."""
        assert self._dispatcher is not None
        await self._dispatcher.pump()
        await self.service.motor.settled()

    # -- doors --------------------------------------------------------------

    async def listen(self, *, basemap: Any = None) -> None:
        """Take requests, and say in the data directory where. basemap: GeoJSON under the live map.

        Raises SettingInvalid where the address cannot be listened on.
        """
        settings = self.settings
        app = create_app(self.service, basemap=basemap)
        self._runner = web.AppRunner(
            app, access_log=None, shutdown_timeout=limits.SHUTDOWN_S, handler_cancellation=True
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, settings.host, settings.port, ssl_context=_ssl(settings))
        try:
            await site.start()
        except OSError as error:
            reason = f"{settings.host}:{settings.port} cannot be listened on: {error.strerror}"
            raise SettingInvalid(name="port", source="listening", reason=reason) from error
        self.port = self._runner.addresses[0][1]
        self._hold.announce(self.local_address)
        _log.info("server.listening", address=self.address)

    @property
    def address(self) -> str:
        """Where others reach this server."""
        return self.settings.public_url or self.local_address

    @property
    def local_address(self) -> str:
        """Where this machine reaches it."""
        host = self.settings.host
        if host in ("0.0.0.0", "::", ""):  # noqa: S104  # asks whether it listens everywhere
            host = "127.0.0.1"
        scheme = "https" if self.settings.tls_cert else "http"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.port}"

    async def _close_doors(self) -> None:
        self.service.stopping.set()
        if self._runner is not None:
            await self._runner.cleanup()

    # -- keys ---------------------------------------------------------------

    async def make_first_keys(self) -> FirstKeys | None:
        """The keys of a first run, to be shown at once; None where the data has keys already.

        For whoever serves and listens by now: keys that nobody is shown open nothing to anybody.
        """
        gate = self.service.gate
        if gate.keys:
            return None
        made: list[str] = []
        roles: tuple[tuple[Role, str], ...] = (("app", "the app"), ("admin", "first run"))
        for role, name in roles:
            row, key = new_key(name=name, role=role, now_ms=self.service.clock.now_ms())
            await gate.add(row)
            made.append(key)
        return FirstKeys(app=made[0], admin=made[1])

    async def _make_local_token(self) -> None:
        """A key for this machine's command line: in a file of ours, for as long as we run."""
        row, self.local_token = new_key(
            name="command line", role="admin", now_ms=self.service.clock.now_ms()
        )
        self.service.gate.lend(msgspec.structs.replace(row, id=LOCAL_KEY_ID))
        await asyncio.to_thread(_write_secret, self.data / TOKEN_FILE, self.local_token)


async def _motor(
    stack: contextlib.AsyncExitStack,
    data: Path,
    settings: Settings,
    store: Store,
    channels: list[Channel],
    clock: Clock,
    snapshots: Snapshots,
    progress: Progress | None,
) -> Motor:
    """A motor as the log left it, which the stack will stop."""
    log = await asyncio.to_thread(
        FileLog,
        data / LOG_FOLDER,
        durability=settings.durability,
        interval_ms=settings.durability_interval_ms,
    )
    pipeline = Pipeline()
    planner = Planner(pipeline, tuple(channel.name for channel in channels))
    try:
        recovered = await recover(
            log=log,
            store=store,
            pipeline=pipeline,
            planner=planner,
            snapshots=snapshots,
            progress=progress,
        )
    except BaseException:
        await asyncio.to_thread(log.close)
        raise
    cut = log.info().cut
    if cut is not None:
        _log.warning("log.tail_cut", path=cut.path, bytes=cut.size_bytes, reason=cut.reason)
    _log.info("log.replayed", entries=recovered.entries, snapshot=recovered.snapshot)
    motor = Motor(
        log=log,
        store=store,
        pipeline=pipeline,
        planner=planner,
        clock=clock,
        sync_interval_ms=settings.durability_interval_ms,
    )
    stack.push_async_callback(motor.stop)
    return motor


def _gate(settings: Settings, store: Store) -> Gate:
    # Credentials live by real time, however fast the engine's clock runs.
    return Gate(
        store.credentials,
        clock=SystemClock(),
        access_token_s=settings.access_token_s,
        refresh_token_days=settings.refresh_token_days,
        session_hours=settings.session_hours,
    )


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """What recovery makes stays: the collector need not walk a million visitors, now or ever."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
        gc.set_threshold(limits.GC_ALLOCATIONS)


def _hold(data: Path) -> Hold:
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Hold(data)


def _write_secret(path: Path, secret: str) -> None:
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(handle, secret.encode())
    finally:
        os.close(handle)


def _ssl(settings: Settings) -> ssl.SSLContext | None:
    if not settings.tls_cert:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(settings.tls_cert, settings.tls_key)
    except (OSError, ssl.SSLError) as error:
        raise SettingInvalid(
            name="tls_cert", source=settings.tls_cert, reason=str(error)
        ) from error
    return context
