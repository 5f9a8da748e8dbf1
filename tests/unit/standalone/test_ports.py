"""Inner ports are free, remembered, and nobody else's."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from services.standalone import files, ports
from services.standalone.errors import StandaloneError
from services.standalone.ports import Reservations

NAMES = ("admin-main", "admin-ops", "query-main")


@pytest.fixture
def reservations() -> Iterator[Reservations]:
    made = Reservations()
    yield made
    made.release()


def listening(port: int = 0) -> socket.socket:
    server = socket.socket()
    server.bind(("127.0.0.1", port))
    server.listen()
    return server


def test_they_are_different_and_remembered(tmp_path: Path, reservations: Reservations) -> None:
    first = ports.assign(NAMES, tmp_path / "ports.json", reservations)
    assert len(set(first.values())) == len(NAMES)
    reservations.release()
    assert ports.assign(NAMES, tmp_path / "ports.json", reservations) == first


def test_one_that_somebody_took_is_replaced_and_the_others_stay(tmp_path: Path, reservations: Reservations) -> None:
    path = tmp_path / "ports.json"
    first = ports.assign(NAMES, path, reservations)
    reservations.release()
    with closing(listening(first["admin-main"])):
        second = ports.assign(NAMES, path, reservations)
    assert second["admin-main"] not in first.values()
    assert {name: second[name] for name in NAMES[1:]} == {name: first[name] for name in NAMES[1:]}
    assert files.read_json(path) == second


def test_two_runs_are_never_given_the_same(tmp_path: Path, reservations: Reservations) -> None:
    first = ports.assign(NAMES, tmp_path / "one.json", reservations)
    files.write_json(tmp_path / "two.json", dict(first))
    other = Reservations()
    try:
        # Nothing listens on them yet: only the claim tells.
        second = ports.assign(NAMES, tmp_path / "two.json", other)
    finally:
        other.release()
    assert set(first.values()) & set(second.values()) == set()


@pytest.mark.parametrize("content", ["", "[]", '{"admin-main": "x"}', '{"admin-main": 22}', '{"admin-main": 70000}'])
def test_a_damaged_memory_is_no_obstacle(tmp_path: Path, reservations: Reservations, content: str) -> None:
    (tmp_path / "ports.json").write_text(content)
    assigned = ports.assign(NAMES, tmp_path / "ports.json", reservations)
    assert all(ports.FIRST <= port <= ports.LAST for port in assigned.values())


def test_a_public_port_that_is_taken_names_the_setting() -> None:
    with closing(listening()) as server, pytest.raises(StandaloneError, match="ARTSTORE_PORT"):
        ports.public_addresses("127.0.0.1", server.getsockname()[1])


def test_a_foreign_address_names_the_setting() -> None:
    with pytest.raises(StandaloneError, match="ARTSTORE_BIND"):
        ports.public_addresses("192.0.2.7", 18443)


def test_localhost_is_served_in_both_families_where_there_are_both() -> None:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        free = probe.getsockname()[1]
    try:
        with closing(socket.socket(socket.AF_INET6)) as six:
            six.bind(("::1", 0))
        expected = ["127.0.0.1", "::1"]
    except OSError:
        expected = ["127.0.0.1"]
    assert ports.public_addresses("127.0.0.1", free) == expected
