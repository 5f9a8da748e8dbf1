"""What to look for, and what was found."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from services.model.errors import FieldProblem, raise_for
from services.model.files import FileAttributes, FileStatus, JsonObject, RetentionPolicy
from services.model.paging import PageRequest

MAX_QUERY_LENGTH = 500


class SearchMode(StrEnum):
    """How the query is compared."""

    EXACT = "exact"
    """The whole file name, without regard to case."""
    PARTIAL = "partial"
    """Any part of the file name or the description, without regard to case."""
    FULLTEXT = "fulltext"
    """All words, in name, description or tags, in whatever form Russian or English gives them; "a phrase", -not, or."""


class TagsMatch(StrEnum):
    """How several tags are combined."""

    ALL = "all"
    ANY = "any"


class SortKey(StrEnum):
    """What rows are sorted by; the file id decides between equals."""

    RELEVANCE = "relevance"
    UPLOADED_AT = "uploaded_at"
    FILENAME = "filename"
    SIZE = "size"


class SortOrder(StrEnum):
    """The direction of sorting."""

    ASC = "asc"
    DESC = "desc"


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """All conditions that are set must hold; without `query` it is a filter."""

    query: str = ""
    mode: SearchMode = SearchMode.PARTIAL
    filename: str = ""
    """A part of the file name, without regard to case."""
    extension: str = ""
    """Without the dot, without regard to case."""
    content_type: str = ""
    tags: tuple[str, ...] = ()
    tags_match: TagsMatch = TagsMatch.ALL
    uploaded_by: str = ""
    size_min: int | None = None
    size_max: int | None = None
    uploaded_after: datetime | None = None
    """Inclusive."""
    uploaded_before: datetime | None = None
    """Exclusive."""
    expires_before: datetime | None = None
    """Exclusive."""
    status: FileStatus | None = None
    """As it counts now; None: every one but deleted."""
    retention_policy: RetentionPolicy | None = None
    metadata: JsonObject = field(default_factory=dict)
    """Keys and values that the user's JSON object must contain."""
    sort: SortKey | None = None
    """None: relevance where there is a query, else the time of upload."""
    order: SortOrder | None = None
    """None: descending, but ascending by file name."""
    page: PageRequest = field(default_factory=PageRequest)

    def check(self) -> None:
        """Raise `ValidationFailed` naming what is wrong."""
        self.page.check()
        texts = {"query": self.query, "filename": self.filename, "extension": self.extension,
                 "content_type": self.content_type, "uploaded_by": self.uploaded_by}  # fmt: skip
        problems = [
            FieldProblem(name, f"at most {MAX_QUERY_LENGTH} characters and no NUL")
            for name, text in texts.items()
            if len(text) > MAX_QUERY_LENGTH or "\0" in text
        ]
        if any("\0" in tag for tag in self.tags):
            problems.append(FieldProblem("tags", "must not contain NUL"))
        raise_for(problems)


@dataclass(frozen=True, slots=True)
class SearchHit:
    """A document that matched."""

    file: FileAttributes
    score: float = 0.0
    """How well the name matches, 0 to 1; 0 without a query."""
