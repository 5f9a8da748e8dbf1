"""Documents that are made from the code are complete, and a difference is found."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from services.chassis.describe import rows
from tools import documents, metrics, settings


def test_the_documents_in_the_tree_are_up_to_date() -> None:
    assert documents.differences() == []


def test_a_difference_is_found_and_mended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(documents, "ROOT", tmp_path)
    assert documents.differences() != []
    assert documents.main(["check"]) == 1
    assert documents.main(["write"]) == 0
    assert documents.main(["check"]) == 0
    with (tmp_path / ".env.example").open("a") as file:
        file.write("#SE_LEFT_OVER=1\n")
    assert any("SE_LEFT_OVER" in line for line in documents.differences())


def test_every_setting_is_in_both_documents() -> None:
    variables = {row.variable for classes in settings.CLASSES.values() for row in rows(*classes)}
    assert variables <= set(re.findall(r"^\| `(\w+)` \|", settings.document(), re.MULTILINE))
    assert variables <= set(re.findall(r"^#(\w+)=", settings.example(), re.MULTILINE))


def test_the_example_changes_nothing_when_it_is_sourced(tmp_path: Path) -> None:
    example = tmp_path / "env"
    example.write_text(settings.example())
    command = ["sh", "-c", f"set -a; . {example}; env"]
    done = subprocess.run(command, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=True)
    assert not re.search(r"^(ARTSTORE|AM|SE|IM|QM|GW|OTEL)_", done.stdout, re.MULTILINE)


def test_every_metric_of_the_chassis_and_of_services_is_in_the_document() -> None:
    shown = set(re.findall(r"^\| `([^`]+)` \|", metrics.document(), re.MULTILINE))
    for name in ("grpc_requests_total", "http_requests_total", "event_loop_lag_seconds"):
        assert f"{{prefix}}_{name}" in shown
    assert {"se_operations_total", "app_dependency_health", "process_cpu_seconds_total"} <= shown


def test_metrics_are_defined_only_where_they_are_looked_for() -> None:
    makers = re.compile(
        r"^from prometheus_client import .*\b(Counter|Gauge|Histogram|Summary|Info|Enum)\b", re.MULTILINE
    )
    elsewhere = [
        str(path.relative_to(documents.ROOT))
        for folder in ("services", "gateway", "clients")
        for path in (documents.ROOT / folder).rglob("*.py")
        if path.name not in ("metrics.py", "lag.py") and makers.search(path.read_text())
    ]
    assert elsewhere == []
