"""Tests, the fastest first: architecture, unit, contract, service, mesh."""
