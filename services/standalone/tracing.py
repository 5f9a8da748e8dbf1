"""Envoy's part in traces: OpenTelemetry's own variables, as every process reads them, said in Envoy's words.

https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote, urlsplit

ENDPOINT: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"
HEADERS: Final = "OTEL_EXPORTER_OTLP_HEADERS"
CERTIFICATE: Final = "OTEL_EXPORTER_OTLP_CERTIFICATE"
SAMPLER: Final = "OTEL_TRACES_SAMPLER"
RATIO: Final = "OTEL_TRACES_SAMPLER_ARG"

NEVER: Final = "always_off"
SAMPLERS: Final = frozenset(
    {"always_on", NEVER, "traceidratio", "parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio"}
)
"""The door begins most traces, so that its decision is the one that the processes follow (`parentbased_…`)."""

_EXTENSION = "envoy.tracers.opentelemetry"
_SAMPLER_TYPE = "type.googleapis.com/envoy.extensions.tracers.opentelemetry.samplers.v3"


def problems(environment: Mapping[str, str]) -> list[str]:
    """What is wrong with the variables; nothing where there is no collector."""
    found = []
    endpoint = environment.get(ENDPOINT)
    if not endpoint:
        return []
    if _place(endpoint) is None:
        found.append(f"{ENDPOINT} must be http://host:port or https://host:port")
    if _sampler(environment) not in SAMPLERS:
        found.append(f"{SAMPLER} must be one of {', '.join(sorted(SAMPLERS))}")
    if _ratio(environment) is None:
        found.append(f"{RATIO} must be a number from 0 to 1")
    return found


def tracing(environment: Mapping[str, str]) -> dict[str, Any] | None:
    """The `tracing` of Envoy's HTTP connection manager; None: none. The variables have no `problems`."""
    endpoint = environment.get(ENDPOINT)
    if not endpoint or _sampler(environment) == NEVER:
        return None
    return {
        "provider": {
            "name": _EXTENSION,
            "typed_config": {
                "@type": "type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig",
                "service_name": "artstore-envoy",
                "grpc_service": _collector(endpoint, environment),
                **_sampling(environment),
            },
        },
        # The method and nothing of the address: names, links and whatever else a user writes there are in no trace.
        "operation": "%REQ(:METHOD)%",
        "max_path_tag_length": 0,
        "custom_tags": [{"tag": "request_id", "request_header": {"name": "x-request-id"}}],
    }


def _collector(endpoint: str, environment: Mapping[str, str]) -> dict[str, Any]:
    place = _place(endpoint)
    assert place is not None, "the variables have problems"
    secure, target = place
    authority = environment.get(CERTIFICATE)
    credentials = {"ssl_credentials": {"root_certs": {"filename": authority}} if authority else {}}
    return {
        "google_grpc": {
            "target_uri": target,
            "stat_prefix": "otlp",
            **({"channel_credentials": credentials} if secure else {}),
        },
        "initial_metadata": [{"key": key, "value": value} for key, value in _headers(environment)],
        "timeout": "5s",
    }


def _sampling(environment: Mapping[str, str]) -> dict[str, Any]:
    """Without a sampler Envoy follows the caller's decision, and traces all who bring none."""
    sampler, ratio = _sampler(environment), _ratio(environment)
    if sampler == "parentbased_always_on":
        return {}
    if sampler == "always_on":
        return {"sampler": _extension("always_on", "AlwaysOnSamplerConfig", {})}
    share = 0 if sampler == "parentbased_always_off" or ratio is None else round(ratio * 1_000_000)
    percentage = {"sampling_percentage": {"numerator": share, "denominator": "MILLION"}}
    root = _extension("trace_id_ratio_based", "TraceIdRatioBasedSamplerConfig", percentage)
    if not sampler.startswith("parentbased"):
        return {"sampler": root}
    return {"sampler": _extension("parent_based", "ParentBasedSamplerConfig", {"wrapped_sampler": root})}


def _extension(name: str, kind: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": f"{_EXTENSION}.samplers.{name}", "typed_config": {"@type": f"{_SAMPLER_TYPE}.{kind}", **values}}


def _sampler(environment: Mapping[str, str]) -> str:
    return environment.get(SAMPLER) or "parentbased_always_on"


def _ratio(environment: Mapping[str, str]) -> float | None:
    """None where it is no ratio."""
    try:
        ratio = float(environment.get(RATIO) or 1)
    except ValueError:
        return None
    return ratio if 0 <= ratio <= 1 else None


def _place(endpoint: str) -> tuple[bool, str] | None:
    """Whether it speaks TLS, and host:port; None where it is no such URL."""
    try:
        url = urlsplit(endpoint)
        port = url.port or 4317
    except ValueError:
        return None
    if url.scheme not in ("http", "https") or not url.hostname:
        return None
    return url.scheme == "https", f"[{url.hostname}]:{port}" if ":" in url.hostname else f"{url.hostname}:{port}"


def _headers(environment: Mapping[str, str]) -> list[tuple[str, str]]:
    pairs = (pair.partition("=") for pair in environment.get(HEADERS, "").split(",") if "=" in pair)
    return [(unquote(key.strip()).lower(), unquote(value.strip())) for key, _, value in pairs]
