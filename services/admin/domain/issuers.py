"""Identity providers of others, and what the people whom they vouch for may do here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.admin.domain.users import SCOPES_OF
from services.model.errors import FieldProblem, ValidationFailed, raise_for
from services.model.identity import SCOPES, UserRole

MAX_SUBJECT = 200
"""Characters of a subject, as the issuer has it."""
_ALIAS = re.compile(r"[a-z][a-z0-9-]{0,31}")
_KNOWN = frozenset({"alias", "issuer", "jwks_url", "audience", "claim_map"})
_OF_WORDS = frozenset({"scope", "scp"})
"""Claims whose text is words separated by spaces (RFC 8693 section 4.2)."""


@dataclass(frozen=True, slots=True)
class TrustedIssuer:
    """One identity provider. Its tokens are exchanged for ours and never travel inward."""

    alias: str
    """What the subjects of its tokens begin with, here."""
    issuer: str
    """The `iss` of its tokens, compared exactly."""
    jwks_url: str
    """The one address that is ever fetched."""
    audience: str
    """The `aud` of tokens that are meant for us."""
    claim_map: Mapping[str, Mapping[str, frozenset[str]]]
    """Claim → value of it → scopes of ours."""

    @property
    def most(self) -> frozenset[str]:
        """All that anybody can come to have by it."""
        return frozenset(scope for values in self.claim_map.values() for each in values.values() for scope in each)

    def scopes(self, claims: Mapping[str, Any]) -> frozenset[str]:
        """What a token with these claims is worth: exactly what is mapped."""
        granted: set[str] = set()
        for claim, values in self.claim_map.items():
            for value in _values(claims, claim):
                granted |= values.get(value, frozenset())
        return frozenset(granted)

    def subject(self, claims: Mapping[str, Any]) -> str | None:
        """Who it is, here; None if that cannot be written."""
        name = str(claims["sub"])
        return f"{self.alias}:{name}" if len(name) <= MAX_SUBJECT and name.isprintable() else None


def parse_issuers(data: object) -> list[TrustedIssuer]:
    """Read a list of objects, as docs/identity.md has it. Raises `ValidationFailed` naming every problem."""
    if not isinstance(data, list):
        raise ValidationFailed.of("issuers", "must be a list")
    problems = [problem for place, each in enumerate(data) for problem in _problems(f"[{place}]", each)]
    raise_for(problems)
    issuers = [_issuer(each) for each in data]
    for name in ("alias", "issuer"):
        values = [getattr(each, name) for each in issuers]
        if len(set(values)) < len(values):
            raise ValidationFailed.of(name, "must not be given twice")
    return issuers


def _issuer(each: Mapping[str, Any]) -> TrustedIssuer:
    claim_map = {
        claim: {value: _expanded(grants) for value, grants in values.items()}
        for claim, values in each["claim_map"].items()
    }
    return TrustedIssuer(each["alias"], each["issuer"], each["jwks_url"], each["audience"], claim_map)


def _expanded(grants: list[str]) -> frozenset[str]:
    """Scopes; a role stands for those that it has."""
    return frozenset(
        scope for grant in grants for scope in (SCOPES_OF[UserRole(grant)] if grant in list(UserRole) else (grant,))
    )


def _problems(place: str, each: object) -> list[FieldProblem]:
    if not isinstance(each, dict):
        return [FieldProblem(place, "must be an object")]
    wrong = [FieldProblem(f"{place}.{name}", "is not known") for name in sorted(set(each) - _KNOWN)]
    wrong += [
        FieldProblem(f"{place}.{name}", "must be a text")
        for name in ("alias", "issuer", "jwks_url", "audience")
        if not isinstance(each.get(name), str) or not each[name]
    ]
    if not _ALIAS.fullmatch(str(each.get("alias"))):
        wrong.append(FieldProblem(f"{place}.alias", "must have 1 to 32 characters: a-z first, then a-z, 0-9, hyphen"))
    return [*wrong, *_map_problems(f"{place}.claim_map", each.get("claim_map"))]


def _map_problems(place: str, claim_map: object) -> list[FieldProblem]:
    if not isinstance(claim_map, dict) or not all(isinstance(values, dict) for values in claim_map.values()):
        return [FieldProblem(place, "must be an object of objects: claim, value, list of scopes or roles")]
    known = {*SCOPES, *UserRole}
    return [
        FieldProblem(f"{place}.{claim}.{value}", f"must be a list of {', '.join(sorted(known))}")
        for claim, values in claim_map.items()
        for value, grants in values.items()
        if not isinstance(grants, list) or not all(isinstance(grant, str) and grant in known for grant in grants)
    ]


def _values(claims: Mapping[str, Any], claim: str) -> set[str]:
    """The values of a claim: its own name first, then as a path by dots (`realm_access.roles`)."""
    found: Any = claims.get(claim)
    if found is None:
        found = claims
        for part in claim.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
    if isinstance(found, str):
        return set(found.split()) if claim in _OF_WORDS else {found}
    return {each for each in found if isinstance(each, str)} if isinstance(found, list) else set()
