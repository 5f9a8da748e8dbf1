"""The token endpoint speaks RFC 6749, the keys can be had, and both outlive what they can."""

from __future__ import annotations

import pytest

from services.model.errors import InternalError, ServiceUnavailable
from tests.doubles.behind_the_edge import CLIENT_ID, CLIENT_SECRET, Behind
from tests.doubles.keys import ISSUER
from tests.service.gateway.edge import Edge, error_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOKEN = "/api/v1/auth/token"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
IN_BODY = {"grant_type": "client_credentials", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}


async def test_credentials_in_the_header_give_a_token_that_works(edge: Edge) -> None:
    answer = await edge.call(
        "POST", TOKEN, token=None, data={"grant_type": "client_credentials"}, auth=(CLIENT_ID, CLIENT_SECRET)
    )
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["pragma"] == "no-cache"
    token = answer.json()
    assert (token["token_type"], token["expires_in"], token["scope"]) == ("Bearer", 1800, "files:read")
    assert (await edge.call("GET", "/api/v1/files", token=token["access_token"])).status_code == 200


async def test_credentials_in_the_body_give_a_token(edge: Edge) -> None:
    assert (await edge.call("POST", TOKEN, token=None, data=IN_BODY)).status_code == 200


async def test_a_wrong_secret_is_401_invalid_client_with_a_challenge(edge: Edge) -> None:
    answer = await edge.call(
        "POST", TOKEN, token=None, data={"grant_type": "client_credentials"}, auth=(CLIENT_ID, "wrong")
    )
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert answer.headers["www-authenticate"].startswith("Basic ")
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"grant_type=client_credentials&grant_type=client_credentials", FORM["Content-Type"]),
        (b'{"grant_type": "client_credentials"}', "application/json"),
        (b"grant_type=client_credentials", ""),
        (b"grant_type=%ff", FORM["Content-Type"]),
        (b"\xff=1", FORM["Content-Type"]),
        (b"&".join(b"p%d=1" % n for n in range(65)), FORM["Content-Type"]),
        (b"grant_type=" + b"x" * (17 << 10), FORM["Content-Type"]),
    ],
)
async def test_a_form_that_is_wrong_is_invalid_request(
    edge: Edge, behind: Behind, body: bytes, content_type: str
) -> None:
    answer = await edge.call("POST", TOKEN, token=None, content=body, headers={"Content-Type": content_type})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert answer.json()["error_description"]
    assert answer.headers["x-request-id"]
    assert "IssueToken" not in behind.calls


async def test_an_empty_parameter_counts_as_left_out(edge: Edge) -> None:
    form = b"grant_type=client_credentials&client_id=sa_test&client_secret=right&scope=&scope="
    assert (await edge.call("POST", TOKEN, token=None, content=form, headers=FORM)).status_code == 200


async def test_another_grant_is_refused_in_the_words_of_the_rfc(edge: Edge) -> None:
    answer = await edge.call("POST", TOKEN, token=None, data={**IN_BODY, "grant_type": "password"})
    assert (answer.status_code, answer.json()["error"]) == (400, "unsupported_grant_type")


async def test_while_admin_is_away_it_says_when_to_ask_again(edge: Edge, behind: Behind) -> None:
    behind.failures["IssueToken"] = ServiceUnavailable("away", retry_after=3)
    answer = await edge.call("POST", TOKEN, token=None, data=IN_BODY)
    assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable")
    assert answer.headers["retry-after"] == "3"


async def test_a_fault_is_not_explained(edge: Edge, behind: Behind) -> None:
    behind.failures["IssueToken"] = InternalError("secret inside")
    answer = await edge.call("POST", TOKEN, token=None, data=IN_BODY)
    assert (answer.status_code, answer.json()["error"]) == (500, "server_error")
    assert "secret inside" not in answer.text


async def test_a_secret_is_never_logged(edge: Edge, behind: Behind) -> None:
    behind.failures["IssueToken"] = InternalError("broken")
    await edge.call("POST", TOKEN, token=None, data={**IN_BODY, "client_secret": "s3cr3t-in-body"})
    await edge.call("POST", TOKEN, token=None, data={"grant_type": "client_credentials"}, auth=(CLIENT_ID, "s3cr3t"))
    assert "broken" in edge.process.log
    assert "s3cr3t" not in edge.process.log


async def test_get_is_405_in_the_common_format(edge: Edge) -> None:
    answer = await edge.call("GET", TOKEN, token=None)
    assert (answer.status_code, error_of(answer)["code"]) == (405, "METHOD_NOT_ALLOWED")


@pytest.mark.parametrize("path", ["/api/v1/auth/jwks", "/.well-known/jwks.json"])
async def test_the_keys_are_public(edge: Edge, behind: Behind, path: str) -> None:
    answer = await edge.call("GET", path, token=None)
    assert answer.json() == await behind.keys.jwks()
    assert all("d" not in key for key in answer.json()["keys"])


async def test_the_metadata_name_the_public_addresses(edge: Edge) -> None:
    found = (await edge.call("GET", "/.well-known/oauth-authorization-server", token=None)).json()
    assert found["issuer"] == ISSUER
    assert found["token_endpoint"] == f"{ISSUER}/api/v1/auth/token"
    assert found["jwks_uri"] == f"{ISSUER}/api/v1/auth/jwks"
    assert "files:read" in found["scopes_supported"]


async def test_keys_and_reading_go_on_without_admin(edge: Edge, behind: Behind) -> None:
    before = await edge.call("GET", "/api/v1/auth/jwks", token=None)
    await edge.servers.stop("admin")
    try:
        assert (await edge.call("GET", "/api/v1/auth/jwks", token=None)).json() == before.json()
        assert (await edge.call("GET", "/api/v1/files", token=edge.token(sub="somebody-new"))).status_code == 200
    finally:
        await edge.restart("admin")


REVOKE, INTROSPECT = "/api/v1/auth/revoke", "/api/v1/auth/introspect"


async def test_several_resources_at_once_are_an_invalid_target(edge: Edge, behind: Behind) -> None:
    form = b"grant_type=client_credentials&resource=urn:artstore:storage:a&resource=urn:artstore:storage:b"
    answer = await edge.call("POST", TOKEN, token=None, content=form, headers=FORM)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_target")


async def test_a_revocation_is_answered_without_a_body(edge: Edge) -> None:
    answer = await edge.call("POST", REVOKE, token=None, data={"token": "opaque", "token_type_hint": "refresh_token"})
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["cache-control"] == "no-store"


async def test_an_access_token_is_an_unsupported_token_type(edge: Edge) -> None:
    answer = await edge.call("POST", REVOKE, token=None, data={"token": "a.b.c"})
    assert (answer.status_code, answer.json()["error"]) == (400, "unsupported_token_type")


async def test_a_revocation_while_admin_is_away_says_when_to_ask_again(edge: Edge, behind: Behind) -> None:
    behind.failures["RevokeToken"] = ServiceUnavailable("away", retry_after=3)
    answer = await edge.call("POST", REVOKE, token=None, data={"token": "opaque"})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "3")


async def test_introspection_tells_all_of_an_active_token_and_nothing_of_others(edge: Edge) -> None:
    operator = edge.token("admin:read")
    answer = await edge.call("POST", INTROSPECT, token=operator, data={"token": "known"})
    assert answer.json() == {
        "active": True, "token_type": "Bearer", "scope": "files:read", "client_id": "sa_x", "sub": "sa_x",
        "aud": ["artstore"], "iss": ISSUER, "jti": "one", "iat": 1795224600, "exp": 1795226400, "subject_active": False,
    }  # fmt: skip
    assert answer.headers["cache-control"] == "no-store"
    other = await edge.call("POST", INTROSPECT, token=operator, data={"token": "other"})
    assert other.json() == {"active": False}
    assert (await edge.call("POST", INTROSPECT, data={"token": "known"})).status_code == 403


async def test_introspection_needs_somebody_to_ask_and_something_to_ask_about(edge: Edge) -> None:
    assert (await edge.call("POST", INTROSPECT, token=None, data={"token": "known"})).status_code == 401
    answer = await edge.call("POST", INTROSPECT, data={"x": "y"})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert (await edge.call("POST", INTROSPECT, content=b"{}")).json()["error"] == "invalid_request"


async def test_a_new_key_is_seen_at_once(edge: Edge, behind: Behind) -> None:
    behind.keys.add("two")
    found = (await edge.call("GET", "/api/v1/auth/jwks", token=None)).json()
    assert "two" in [key["kid"] for key in found["keys"]]
