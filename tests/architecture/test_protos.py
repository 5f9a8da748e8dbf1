"""The contract's checks bite: a break, an RPC that requires nothing, and stubs that are out of date are refused."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT
from tools import protos
from tools.requires import ProtoError, check_requires

ELEMENT = "proto/artstore/types/v1/element.proto"
STORAGE = "proto/artstore/storage/v1/storage.proto"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the contract that a test may spoil."""
    shutil.copytree(ROOT / "proto", tmp_path / "proto")
    shutil.copyfile(ROOT / "buf.yaml", tmp_path / "buf.yaml")
    return tmp_path


def change(tree: Path, file: str, pattern: str, replacement: str) -> None:
    """Replace the first match of `pattern` in a file of the copy; the test fails if there is none."""
    text, changes = re.subn(pattern, replacement, (tree / file).read_text(), count=1)
    assert changes == 1
    (tree / file).write_text(text)


def commit(tree: Path, *, tag: str | None = None) -> None:
    """Make the copy a repository with one commit."""
    author = ("-c", "user.name=test", "-c", "user.email=test@localhost")
    git(tree, "init", "--quiet")
    git(tree, "add", "proto", "buf.yaml")
    git(tree, *author, "commit", "--quiet", "--message=contract")
    if tag:
        git(tree, "tag", tag)


def git(tree: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=tree, check=True)


def archive(tree: Path) -> bytes:
    """The copy's protos as `git archive` would give them."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        tar.add(tree / "proto", "proto")
    return packed.getvalue()


@pytest.mark.parametrize(
    ("pattern", "replacement", "finding"),
    [
        (r"  string storage_id = 1;\n", "", 'field "1" with name "storage_id" .* was deleted'),
        (r"string storage_id = 1;", "bytes storage_id = 1;", 'changed type from "string" to "bytes"'),
        (r"string storage_id = 1;", "string storage_name = 1;", 'changed name from "storage_id" to "storage_name"'),
        (r"  ELEMENT_MODE_RO = 3;", "  ELEMENT_MODE_READ_ONLY = 3;", 'name from "ELEMENT_MODE_RO"'),
    ],
    ids=["field removed", "type changed", "field renamed", "enum value renamed"],
)
def test_a_break_of_the_contract_is_refused(tree: Path, pattern: str, replacement: str, finding: str) -> None:
    base = archive(tree)
    change(tree, ELEMENT, pattern, replacement)
    with pytest.raises(ProtoError, match=finding):
        protos.compare(tree, base)


def test_an_addition_to_the_contract_is_no_break(tree: Path) -> None:
    base = archive(tree)
    change(tree, ELEMENT, r"(message ElementAddress \{)", r"\1\n  // Where it stands.\n  string site = 100;")
    protos.compare(tree, base)


def test_the_contract_is_compared_with_the_last_tag(tree: Path) -> None:
    commit(tree, tag="v0.1.0")
    assert protos.check_breaking(tree) == "compatible with v0.1.0 (this very commit)"
    change(tree, ELEMENT, r"  string storage_id = 1;\n", "")
    with pytest.raises(ProtoError, match="storage_id"):
        protos.check_breaking(tree)


def test_a_history_without_a_base_says_that_nothing_was_compared(tree: Path) -> None:
    commit(tree)
    assert protos.check_breaking(tree).startswith("NOT COMPARED")


def test_a_missing_comment_fails_the_lint(tree: Path) -> None:
    change(tree, ELEMENT, r"// Its configured name[^\n]*", "")
    with pytest.raises(
        ProtoError, match=r'"ElementInfo" should have|Field "storage_id" should have a non-empty comment'
    ):
        protos.check_lint(tree)


@pytest.mark.parametrize(
    ("pattern", "replacement", "fault"),
    [
        (r"\{\s*option \(artstore\.auth\.v1\.requires\) = \{[^}]*\};\s*\}", ";", "does not declare"),
        (r"callers: \[[^]]*\]", "", "names no caller"),
        (r"callers: \[[^]]*\]", 'callers: ["somebody"]', "unknown caller 'somebody'"),
        (r"scopes: \[[^]]*\]", 'scopes: ["files:burn"]', "unknown scope 'files:burn'"),
        (r"(scopes: \[[^]]*\])", r"\1 anonymous: true", "anonymous"),
    ],
    ids=["no option", "no caller", "unknown caller", "unknown scope", "anonymous with scopes"],
)
def test_an_rpc_that_does_not_say_what_it_requires_is_refused(
    tree: Path, pattern: str, replacement: str, fault: str
) -> None:
    change(tree, STORAGE, pattern, replacement)
    with pytest.raises(ProtoError, match=rf"StorageReadService/GetInfo: .*{fault}"):
        check_requires(protos.descriptors(tree))


def test_stubs_that_are_out_of_date_are_refused(tree: Path) -> None:
    protos.check_stubs(tree)
    change(tree, ELEMENT, r"// Where an element is reached", "// Where to reach an element")
    with pytest.raises(ProtoError, match=re.escape("artstore/types/v1/element_pb2.pyi")):
        protos.check_stubs(tree)
