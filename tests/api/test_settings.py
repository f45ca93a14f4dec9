"""Settings come from where they say, and a wrong one is named with its source."""

from __future__ import annotations

from pathlib import Path

import pytest

from api import settings
from api.errors import SettingInvalid

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "settings.md"


def test_later_sources_win(tmp_path: Path) -> None:
    (tmp_path / "balise.toml").write_text('host = "127.0.0.2"\nport = 1\nlog_level = "debug"\n')
    found = settings.load(
        data=tmp_path,
        env={"BALISE_PORT": "2", "BALISE_LOG_LEVEL": "error", "BALISE_TEST_DATA": "/x"},
        flags={"log_level": "warning", "host": None},
    )
    assert (found.host, found.port, found.log_level) == ("127.0.0.2", 2, "warning")
    assert found.durability == "fsync"


def test_lists_in_the_environment_are_written_with_commas(tmp_path: Path) -> None:
    found = settings.load(env={"BALISE_TRUSTED_PROXIES": "10.0.0.0/8, ::1"})
    assert found.trusted_proxies == ("10.0.0.0/8", "::1")


def test_paths_in_a_file_are_relative_to_it(tmp_path: Path) -> None:
    file = tmp_path / "b.toml"
    file.write_text('tls_cert = "c.pem"\ntls_key = "/k.pem"\n')
    found = settings.load(config=file, env={})
    assert (found.tls_cert, found.tls_key) == (str(tmp_path / "c.pem"), "/k.pem")


@pytest.mark.parametrize(
    ("text", "name", "reason"),
    [
        ("prot = 1", "prot", "no such setting"),
        ('port = "8080x"', "port", "Expected `int`"),
        ("port = 70000", "port", "<= 65535"),
        ('durability = "never"', "durability", "Invalid enum value 'never'"),
        ("port = ", "config", "Invalid value"),
        ('tls_cert = "c.pem"', "tls_key", "go together"),
        ('host = "0.0.0.0"\nopen_live = true', "open_live", "loopback only"),
        ('open_live = true\npublic_url = "https://x.example"', "open_live", "not with public_url"),
        ('open_live = true\ntrusted_proxies = ["::1"]', "open_live", "not with trusted_proxies"),
        ('public_url = "push.example.org"', "public_url", "expected http"),
        ('trusted_proxies = ["proxy"]', "trusted_proxies", "'proxy' does not appear"),
        ('cors_origins = ["*"]', "cors_origins", "is not scheme://host"),
    ],
)
def test_a_wrong_setting_is_named_with_its_source(
    tmp_path: Path, text: str, name: str, reason: str
) -> None:
    (tmp_path / "balise.toml").write_text(text)
    with pytest.raises(SettingInvalid, match=reason) as caught:
        settings.load(data=tmp_path, env={})
    assert caught.value.name == name


def test_a_config_file_that_is_asked_for_must_exist(tmp_path: Path) -> None:
    with pytest.raises(SettingInvalid, match="No such file"):
        settings.load(config=tmp_path / "none.toml", env={})


@pytest.mark.parametrize(
    ("host", "alone"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("example.org", False),
    ],
)
def test_loopback_is_recognised(host: str, alone: bool) -> None:
    assert settings.is_loopback(host) is alone


def test_the_reference_page_is_the_one_made_from_the_declarations() -> None:
    assert PAGE.read_text(encoding="utf-8") == settings.markdown(), "run python -m api.settings"


def test_every_setting_says_what_it_means() -> None:
    for name in settings.FIELDS:
        assert f"| `{name}` |" in settings.markdown()
