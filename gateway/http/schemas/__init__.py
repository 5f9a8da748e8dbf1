"""The shapes of requests and answers; the schemas of the OpenAPI document are made from them."""
