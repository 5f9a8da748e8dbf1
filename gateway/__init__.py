"""The REST edge: turns `/api/v1` into calls of the services and their errors into the one error format.

It translates and decides nothing: rules live in the service that owns the data. Only Envoy calls it.
"""
