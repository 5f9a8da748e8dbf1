"""The whole of ArtStore on one machine, with its own PostgreSQL, certificates and Envoy."""
