"""The settings of the standalone run."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.standalone import config
from services.standalone.errors import StandaloneError


def test_the_defaults() -> None:
    settings = config.load({"HOME": "/home-of-somebody"})
    assert (settings.port, settings.bind, settings.postgres_dsn) == (8443, "127.0.0.1", None)
    assert settings.base_url == "https://localhost:8443"


def test_root_has_its_home_in_var_lib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert config.load({"HOME": "/ignored"}).home == Path("/var/lib/artstore")


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"HOME": "/users/anna"}, "/users/anna/.local/share/artstore"),
        ({"HOME": "/users/anna", "XDG_DATA_HOME": "/data/anna"}, "/data/anna/artstore"),
        ({"HOME": "/users/anna", "XDG_DATA_HOME": "relative"}, "/users/anna/.local/share/artstore"),
        ({"ARTSTORE_HOME": "/srv/documents"}, "/srv/documents"),
    ],
)
def test_others_have_it_among_their_data(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], expected: str
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert config.load(environment).home == Path(expected)


def test_a_relative_home_is_made_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert config.load({"ARTSTORE_HOME": "here"}).home == tmp_path / "here"


def test_every_problem_is_named_and_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    wrong = {"ARTSTORE_PORT": "70000", "ARTSTORE_BIND": "localhost", "ARTSTORE_POSTGRES_DSN": "mysql://u:hunter2@h/d"}
    with pytest.raises(StandaloneError) as caught:
        config.load(wrong)
    for name in ("ARTSTORE_HOME", "ARTSTORE_PORT", "ARTSTORE_BIND", "ARTSTORE_POSTGRES_DSN"):
        assert name in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_who_may_call_and_how_often() -> None:
    plain = config.load({"HOME": "/h"})
    assert (plain.cors_origins, plain.auth_rate, plain.rate) == ((), 5, 5000)
    told = config.load(
        {
            "HOME": "/h",
            "ARTSTORE_CORS_ORIGINS": "https://app.example.org, http://localhost:3000",
            "ARTSTORE_AUTH_RATE": "1",
            "ARTSTORE_RATE": "10",
        }
    )
    assert told.cors_origins == ("https://app.example.org", "http://localhost:3000")
    assert (told.auth_rate, told.rate) == (1, 10)


@pytest.mark.parametrize("origin", ["*", "app.example.org", "https://app.example.org/", "https://a, null", "ftp://a"])
def test_an_origin_is_one_that_a_browser_sends(origin: str) -> None:
    with pytest.raises(StandaloneError, match="ARTSTORE_CORS_ORIGINS"):
        config.load({"HOME": "/h", "ARTSTORE_CORS_ORIGINS": origin})


@pytest.mark.parametrize("rate", ["0", "-1", "x", "1000001"])
@pytest.mark.parametrize("name", ["ARTSTORE_AUTH_RATE", "ARTSTORE_RATE"])
def test_a_rate_is_a_number_of_requests(name: str, rate: str) -> None:
    with pytest.raises(StandaloneError, match=name):
        config.load({"HOME": "/h", name: rate})


@pytest.mark.parametrize("port", ["0", "65536", "-1", "٣", "84 43", "x"])
def test_a_port_is_a_number_in_range(port: str) -> None:
    with pytest.raises(StandaloneError, match="ARTSTORE_PORT"):
        config.load({"HOME": "/h", "ARTSTORE_PORT": port})


@pytest.mark.parametrize(
    ("bind", "base_url"),
    [
        ("0.0.0.0", "https://localhost:8443"),  # noqa: S104 - nothing is bound
        ("::1", "https://localhost:8443"),
        ("127.0.0.5", "https://127.0.0.5:8443"),
        ("192.0.2.7", "https://192.0.2.7:8443"),
        ("2001:db8::7", "https://[2001:db8::7]:8443"),
    ],
)
def test_the_address_is_one_that_is_listened_on(bind: str, base_url: str) -> None:
    assert config.load({"HOME": "/h", "ARTSTORE_BIND": bind}).base_url == base_url
