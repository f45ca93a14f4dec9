"""Settings: declared once here, typed, documented in place; the docs page is made from this.

Sources, the later winning: defaults, `balise.toml` in the data directory (or `--config FILE`),
`BALISE_<NAME>` in the environment, flags of the command line.
"""

from __future__ import annotations

import ipaddress
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from api import limits
from api.errors import SettingInvalid

ENV_PREFIX = "BALISE_"
FILE_NAME = "balise.toml"
LOG_FOLDER = "log"
SNAPSHOT_FOLDER = "snapshots"
TOKEN_FILE = "cli.token"  # noqa: S105  # a file's name
PATHS = ("tls_cert", "tls_key", "fcm_service_account", "vapid_private_key", "webhook_secrets")
LISTS = ("trusted_proxies", "cors_origins", "outgoing_networks")


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every setting of a server, with its default."""

    host: Annotated[
        str,
        Meta(
            min_length=1,
            description="Address to listen on. Anything but loopback deserves TLS, here or in a "
            "proxy in front.",
        ),
    ] = "127.0.0.1"
    port: Annotated[
        int, Meta(ge=0, le=65535, description="TCP port; 0 takes any that is free.")
    ] = 8080
    tls_cert: Annotated[
        str, Meta(description="PEM file with the certificate chain. With `tls_key`: HTTPS.")
    ] = ""
    tls_key: Annotated[str, Meta(description="PEM file with the certificate's private key.")] = ""
    public_url: Annotated[
        str,
        Meta(
            description="The address by which phones and browsers reach this server "
            "(`https://push.example.org`); links are made from it. Empty: as listened on.",
        ),
    ] = ""
    trusted_proxies: Annotated[
        tuple[str, ...],
        Meta(
            description="Addresses or networks of proxies whose `X-Forwarded-For` and "
            "`X-Forwarded-Proto` are believed. Nobody else's are.",
        ),
    ] = ()
    cors_origins: Annotated[
        tuple[str, ...],
        Meta(
            description="Origins whose pages may call the API from a browser. Empty: none; "
            "`*` is not taken.",
        ),
    ] = ()
    durability: Annotated[
        Literal["fsync", "interval"],
        Meta(
            description="`fsync`: an acknowledged ping survives a power failure (writes are "
            "grouped). `interval`: it survives the process, and a power failure loses at most "
            "`durability_interval_ms`.",
        ),
    ] = "fsync"
    durability_interval_ms: Annotated[
        int, Meta(ge=10, le=60_000, description="Time between syncs under `interval`, ms.")
    ] = 1000
    body_bytes_max: Annotated[
        int,
        Meta(
            ge=1024,
            le=limits.BODY_BYTES_CEILING,
            description="Largest request body, bytes. Imports have their own.",
        ),
    ] = limits.BODY_BYTES_MAX
    import_bytes_max: Annotated[
        int,
        Meta(
            ge=1024,
            le=limits.IMPORT_BYTES_CEILING,
            description="Largest body of an import, bytes.",
        ),
    ] = limits.IMPORT_BYTES_MAX
    device_requests_per_s: Annotated[
        float,
        Meta(
            ge=0, description="Requests a second that one device may make, in the long run; 0: any."
        ),
    ] = 10.0
    key_requests_per_s: Annotated[
        float,
        Meta(ge=0, description="Requests a second that one API key may make; 0: any."),
    ] = 0.0
    address_requests_per_s: Annotated[
        float,
        Meta(
            ge=0,
            description="Requests a second from one network address to the routes that take no "
            "secret of their own (registration, token refresh, log-in); 0: any.",
        ),
    ] = 20.0
    access_token_s: Annotated[
        int, Meta(ge=60, le=86_400, description="Life of a device's access token, seconds.")
    ] = 3600
    refresh_token_days: Annotated[
        int, Meta(ge=1, le=3650, description="Life of a device's refresh token since its last use.")
    ] = 90
    session_hours: Annotated[
        int, Meta(ge=1, le=720, description="Life of a console session, hours.")
    ] = 12
    open_live: Annotated[
        bool,
        Meta(
            description="Let anybody who reaches the server watch the live page. For "
            "demonstrations: it is refused unless the server listens on loopback only, and with "
            "`public_url` or `trusted_proxies`.",
        ),
    ] = False
    four_eyes: Annotated[
        bool,
        Meta(
            description="Launching a campaign takes somebody with `campaigns:approve` who is not "
            "the one who edited it last, and editing a live one sends it back into review. "
            "Broadcasting an alert takes `campaigns:approve`.",
        ),
    ] = False
    fcm_service_account: Annotated[
        str,
        Meta(
            description="JSON file of the Firebase service account that pushes are sent with. "
            "Empty: no FCM; the inbox and the log channel remain.",
        ),
    ] = ""
    fcm_endpoint: Annotated[
        str,
        Meta(description="Base address of FCM, where another than Google's is meant (a stand-in)."),
    ] = ""
    vapid_private_key: Annotated[
        str,
        Meta(
            description="PEM file of the key that web pushes are signed with, as "
            "`balise keys vapid` makes it. Empty: no Web Push.",
        ),
    ] = ""
    vapid_subject: Annotated[
        str,
        Meta(
            description="Where a push service can complain: `mailto:ops@example.org` or "
            "`https://example.org`. Web Push needs it.",
        ),
    ] = ""
    webhook_url: Annotated[
        str,
        Meta(
            description="https address that is posted every message, signed after Standard "
            "Webhooks. Empty: no webhook.",
        ),
    ] = ""
    webhook_secrets: Annotated[
        str,
        Meta(
            description="File with the webhook's signing secrets, one a line, as "
            "`balise keys webhook` makes them; with two, messages are signed with both.",
        ),
    ] = ""
    outgoing_networks: Annotated[
        tuple[str, ...],
        Meta(
            description="Networks of your own that web pushes and webhooks may go to "
            "(`10.1.0.0/16`). Empty: public addresses only.",
        ),
    ] = ()
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="What is logged.")
    ] = "info"
    log_format: Annotated[
        Literal["auto", "json", "console"],
        Meta(
            description="Form of log lines on stderr; `auto` is console on a terminal, else JSON."
        ),
    ] = "auto"

    @property
    def https(self) -> bool:
        """Whether visitors reach this server by HTTPS."""
        return bool(self.tls_cert) or self.public_url.startswith("https:")

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        return is_loopback(self.host)


FIELDS: Mapping[str, Any] = get_type_hints(Settings, include_extras=True)


def load(
    *,
    data: Path | None = None,
    config: Path | None = None,
    env: Mapping[str, str] | None = None,
    flags: Mapping[str, Any] | None = None,
) -> Settings:
    """Read all sources. `flags` of None count as absent.

    Raises SettingInvalid naming the setting and the source that is at fault.
    """
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    file = config or (data / FILE_NAME if data is not None else None)
    if file is not None and (config is not None or file.exists()):
        _take(values, sources, _from_file(file), str(file))
    for name, value in _from_env(os.environ if env is None else env).items():
        _take(values, sources, {name: value}, ENV_PREFIX + name.upper())
    given = {name: value for name, value in (flags or {}).items() if value is not None}
    for name, value in given.items():
        _take(values, sources, {name: value}, "--" + name.replace("_", "-"))
    settings = Settings(**values)
    _check(settings, sources)
    return settings


def _take(
    values: dict[str, Any], sources: dict[str, str], found: Mapping[str, Any], source: str
) -> None:
    for name, value in found.items():
        if name not in FIELDS:
            raise SettingInvalid(name=name, source=source, reason="there is no such setting")
        try:
            values[name] = msgspec.convert(value, FIELDS[name], strict=not isinstance(value, str))
        except msgspec.ValidationError as error:
            reason = str(error).removesuffix(" - at `$`")
            raise SettingInvalid(name=name, source=source, reason=reason) from error
        sources[name] = source


def _from_file(path: Path) -> dict[str, Any]:
    """A TOML file's settings; paths in it are relative to the file."""
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingInvalid(
            name="config", source=str(path), reason=error.strerror or ""
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingInvalid(name="config", source=str(path), reason=str(error)) from error
    for name in PATHS:
        if isinstance(found.get(name), str) and found[name]:
            found[name] = str(path.parent / found[name])
    return found


def _from_env(env: Mapping[str, str]) -> dict[str, Any]:
    """What the environment sets; lists are written with commas."""
    found: dict[str, Any] = {}
    for name in FIELDS:
        value = env.get(ENV_PREFIX + name.upper())
        if value is not None:
            if name in LISTS:
                found[name] = [part.strip() for part in value.split(",") if part.strip()]
            else:
                found[name] = value
    return found


def _check(settings: Settings, sources: Mapping[str, str]) -> None:
    """What one field's type cannot say."""

    def refuse(name: str, reason: str) -> SettingInvalid:
        return SettingInvalid(name=name, source=sources.get(name, "default"), reason=reason)

    if bool(settings.tls_cert) != bool(settings.tls_key):
        absent = "tls_key" if settings.tls_cert else "tls_cert"
        raise refuse(absent, "tls_cert and tls_key go together")
    if settings.open_live and not settings.loopback:
        raise refuse("open_live", f"not while listening on {settings.host}: loopback only")
    if settings.open_live and (settings.public_url or settings.trusted_proxies):
        name = "public_url" if settings.public_url else "trusted_proxies"
        raise refuse("open_live", f"not with {name}: others would reach it through the proxy")
    if settings.public_url:
        parts = urlsplit(settings.public_url)
        if parts.scheme not in ("http", "https") or not parts.netloc or parts.query:
            raise refuse("public_url", "expected http(s)://host[:port][/path]")
    for proxy in settings.trusted_proxies:
        try:
            ipaddress.ip_network(proxy)
        except ValueError as error:
            raise refuse("trusted_proxies", str(error)) from error
    for network in settings.outgoing_networks:
        try:
            ipaddress.ip_network(network)
        except ValueError as error:
            raise refuse("outgoing_networks", str(error)) from error
    if settings.vapid_private_key and not settings.vapid_subject:
        raise refuse("vapid_subject", "push services want to know whom to ask: mailto: or https:")
    if bool(settings.webhook_url) != bool(settings.webhook_secrets):
        absent = "webhook_secrets" if settings.webhook_url else "webhook_url"
        raise refuse(absent, "webhook_url and webhook_secrets go together")
    for origin in settings.cors_origins:
        parts = urlsplit(origin)
        if parts.scheme not in ("http", "https") or not parts.netloc or parts.path:
            raise refuse("cors_origins", f"{origin!r} is not scheme://host[:port]")


def without_tls(settings: Settings) -> Settings:
    """The same for a server that this process alone talks to."""
    return msgspec.structs.replace(settings, tls_cert="", tls_key="", public_url="")


def is_loopback(host: str) -> bool:
    """Whether an address or name stands for this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def markdown() -> str:
    """The reference page: every setting, its type, default and meaning."""
    lines = [
        "# Settings",
        "",
        "<!-- Made from api/settings.py by `python -m api.settings`; a test holds it. -->",
        "",
        "Sources, the later winning: defaults, `balise.toml` in the data directory (or the file of",
        "`--config`), `BALISE_<NAME>` in the environment (lists with commas), flags of",
        "`balise serve`. An unknown setting in the file, or an invalid one anywhere, stops the",
        "start with a sentence.",
        "",
        "| setting | type | default | meaning |",
        "|---|---|---|---|",
    ]
    info = msgspec.inspect.type_info(Settings)
    assert isinstance(info, msgspec.inspect.StructType)
    for field in info.fields:
        schema = msgspec.json.schema(FIELDS[field.name])
        default = msgspec.json.encode(field.default).decode()
        kind = " or ".join(f"`{v}`" for v in schema.get("enum", ())) or schema["type"]
        meaning = schema["description"].replace("|", "\\|")
        lines.append(f"| `{field.name}` | {kind} | `{default}` | {meaning} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    page = Path(__file__).parent.parent / "docs" / "reference" / "settings.md"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(markdown(), encoding="utf-8")
