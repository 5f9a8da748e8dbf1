"""A typed client for each service: model in, model out, model errors raised; deadlines and retries are in here."""
