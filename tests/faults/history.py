"""What was asked of an element and what it answered, and whether what is there afterwards agrees."""

from __future__ import annotations

from dataclasses import dataclass, field

from services.model.files import FileAttributes, FileStatus
from services.model.ids import FileId

ABSENT = "absent"
DESTROYED = "destroyed"
Seen = FileAttributes | str
"""A file as it is served, or `ABSENT` or `DESTROYED`."""


@dataclass
class Story:
    """One file, changed by one client, one change at a time."""

    sha256: str
    tried: list[tuple[FileStatus, str]] = field(default_factory=list)
    """Status and description at each revision that was asked for, the first one first."""
    answered: int = 0
    """How many of them were answered."""

    @property
    def deleted(self) -> bool:
        return self.tried[-1][0] is FileStatus.DELETED


class History:
    """Of all files. A change is `asked` before it is sent, and `answered` after the answer."""

    def __init__(self) -> None:
        self.stories: dict[FileId, Story] = {}

    def asked(self, file_id: FileId, sha256: str, status: FileStatus, description: str) -> None:
        story = self.stories.setdefault(file_id, Story(sha256))
        assert len(story.tried) == story.answered, "one change at a time"
        story.tried.append((status, description))

    def answered(self, file_id: FileId) -> None:
        story = self.stories[file_id]
        story.answered = len(story.tried)

    def settle(self, file_id: FileId, seen: Seen) -> None:
        """Check what became of a file; that is its state from now on, whether it was answered or not."""
        story = self.stories[file_id]
        problem = _problem(story, seen)
        assert not problem, f"{file_id} {problem}; asked {story.tried}, answered {story.answered}, found {seen}"
        if seen == ABSENT:
            del self.stories[file_id]
        elif isinstance(seen, FileAttributes):
            del story.tried[seen.revision :]
            story.answered = seen.revision


def _problem(story: Story, seen: Seen) -> str:
    """What is wrong; empty if nothing is."""
    if seen == ABSENT:
        return "was answered and is not there" if story.answered else ""
    if seen == DESTROYED:
        return "" if story.deleted else "was destroyed and nobody had deleted it"
    assert isinstance(seen, FileAttributes)
    if seen.sha256 != story.sha256:
        return "has other content"
    if not story.answered <= seen.revision <= len(story.tried):
        return "went back to an earlier revision or on to one that nobody asked for"
    if (seen.status, seen.description) != story.tried[seen.revision - 1]:
        return "is not what was asked for"
    return ""
