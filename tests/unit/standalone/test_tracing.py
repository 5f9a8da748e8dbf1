"""OpenTelemetry's variables, said in Envoy's words."""

from __future__ import annotations

from typing import Any

import pytest

from services.standalone.tracing import problems, tracing

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4317"}


def provider(**more: str) -> dict[str, Any]:
    found = tracing({**ENDPOINT, **more})
    assert found is not None
    config: dict[str, Any] = found["provider"]["typed_config"]
    return config


def test_without_a_collector_there_is_nothing_to_say_and_nothing_to_complain_of() -> None:
    variables = {"ARTSTORE_TRACE_FILE": "spans.jsonl", "OTEL_TRACES_SAMPLER": "nonsense"}
    assert tracing(variables) is None
    assert problems(variables) == []


def test_who_samples_nothing_has_no_spans_of_the_door() -> None:
    assert tracing({**ENDPOINT, "OTEL_TRACES_SAMPLER": "always_off"}) is None


def test_nothing_of_an_address_is_in_a_span() -> None:
    found = tracing(ENDPOINT)
    assert found is not None
    assert (found["max_path_tag_length"], found["operation"]) == (0, "%REQ(:METHOD)%")


@pytest.mark.parametrize(
    ("endpoint", "target", "secure"),
    [
        ("http://localhost:4317", "localhost:4317", False),
        ("http://collector", "collector:4317", False),
        ("https://otlp.example.org:443/", "otlp.example.org:443", True),
        ("http://[::1]:4317", "[::1]:4317", False),
    ],
)
def test_the_collector_is_where_the_url_says(endpoint: str, target: str, secure: bool) -> None:
    service = provider(OTEL_EXPORTER_OTLP_ENDPOINT=endpoint)["grpc_service"]["google_grpc"]
    assert service["target_uri"] == target
    assert ("channel_credentials" in service) is secure


def test_its_authority_and_its_headers_go_along() -> None:
    service = provider(
        OTEL_EXPORTER_OTLP_ENDPOINT="https://c:1",
        OTEL_EXPORTER_OTLP_CERTIFICATE="/ca.pem",
        OTEL_EXPORTER_OTLP_HEADERS="Api-Key=a%20b, tenant=7",
    )["grpc_service"]
    assert service["google_grpc"]["channel_credentials"] == {"ssl_credentials": {"root_certs": {"filename": "/ca.pem"}}}
    assert service["initial_metadata"] == [{"key": "api-key", "value": "a b"}, {"key": "tenant", "value": "7"}]


@pytest.mark.parametrize(
    ("sampler", "ratio", "outer", "millionths"),
    [
        ("", "", None, None),
        ("parentbased_always_on", "0.5", None, None),
        ("always_on", "", "always_on", None),
        ("traceidratio", "0.1", "trace_id_ratio_based", 100_000),
        ("parentbased_traceidratio", "0.25", "parent_based", 250_000),
        ("parentbased_always_off", "", "parent_based", 0),
    ],
)
def test_the_door_decides_as_the_processes_would(
    sampler: str, ratio: str, outer: str | None, millionths: int | None
) -> None:
    found = provider(OTEL_TRACES_SAMPLER=sampler, OTEL_TRACES_SAMPLER_ARG=ratio).get("sampler")
    if outer is None or found is None:
        assert found is outer
        return
    assert found["name"] == f"envoy.tracers.opentelemetry.samplers.{outer}"
    root = found["typed_config"].get("wrapped_sampler", found)
    assert root["typed_config"].get("sampling_percentage", {}).get("numerator") == millionths


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4317"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:no"),
        ("OTEL_TRACES_SAMPLER", "sometimes"),
        ("OTEL_TRACES_SAMPLER_ARG", "1.5"),
        ("OTEL_TRACES_SAMPLER_ARG", "half"),
    ],
)
def test_what_is_wrong_is_named(variable: str, value: str) -> None:
    (problem,) = problems({**ENDPOINT, variable: value})
    assert variable in problem
