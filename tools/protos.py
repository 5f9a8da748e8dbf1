"""The contract's tools: stubs, images and the checks on them.

`python -m tools.protos check` is what `nox -s proto` runs; `python -m tools.protos write` writes the stubs,
`python -m tools.protos descriptors` what Envoy must know of them.
Nothing is fetched: protoc and buf come from the development requirements, `google/*` from googleapis-common-protos.
"""

from __future__ import annotations

import argparse
import filecmp
import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Final

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from grpc_tools import protoc

from tools.requires import ProtoError, check_requires

ROOT: Final = Path(__file__).resolve().parent.parent
BIN: Final = Path(sys.executable).parent
STUBS: Final = Path("proto/gen")
THIRD_PARTY: Final = Path("build/third_party_proto")

THIRD_PARTY_FILES: Final = (
    "google/api/annotations.proto",
    "google/api/http.proto",
    "google/rpc/error_details.proto",
    "google/rpc/status.proto",
)
"""What our protos may import beside `google/protobuf/*`, which protoc and buf bring themselves."""


def copy_third_party(tree: Path) -> None:
    """Copy the third-party protos into `tree`'s ignored build folder, where buf and protoc look for them."""
    for name in THIRD_PARTY_FILES:
        source = Path(str(files("google").joinpath(name.removeprefix("google/"))))
        target = tree / THIRD_PARTY / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


def proto_files(tree: Path) -> list[str]:
    """Every proto of ours, as protoc wants it named: relative to the import root `proto`."""
    root = tree / "proto"
    return sorted(path.relative_to(root).as_posix() for path in (root / "artstore").rglob("*.proto"))


def run_protoc(tree: Path, *outputs: str) -> None:
    """Compile every proto of `tree`; raises `ProtoError` where protoc refuses one."""
    well_known = Path(protoc.__file__).parent / "_proto"
    includes = [f"-I{path}" for path in (tree / "proto", tree / THIRD_PARTY, well_known)]
    command = [sys.executable, "-m", "grpc_tools.protoc", *includes, *outputs, *proto_files(tree)]
    done = subprocess.run(command, cwd=tree, check=False, capture_output=True, text=True)
    if done.returncode:
        raise ProtoError(f"protoc refuses the contract:\n{done.stderr}")


def generate(tree: Path, into: Path) -> None:
    """Write the stubs of `tree`'s protos into the folder `into`, as the package `artstore`."""
    copy_third_party(tree)
    run_protoc(
        tree,
        f"--plugin=protoc-gen-mypy={BIN / 'protoc-gen-mypy'}",
        f"--plugin=protoc-gen-mypy_grpc={BIN / 'protoc-gen-mypy_grpc'}",
        f"--python_out={into}",
        f"--grpc_python_out={into}",
        f"--mypy_out=quiet:{into}",
        f"--mypy_grpc_out=quiet:{into}",
    )
    package = into / "artstore"
    (package / "py.typed").touch()
    for folder in (package, *(path for path in package.rglob("*") if path.is_dir())):
        (folder / "__init__.py").touch()
    for stub in list(package.rglob("*_pb2_grpc.py")):
        if "Servicer" not in stub.read_text():  # protoc writes an empty module for a file without services
            stub.unlink()
            stub.with_suffix(".pyi").unlink(missing_ok=True)


def differences(left: Path, right: Path) -> Iterator[str]:
    """Yield the paths, relative to both, whose content differs or that only one side has."""
    names = {path.relative_to(side) for side in (left, right) for path in side.rglob("*") if path.is_file()}
    for name in sorted(name for name in names if "__pycache__" not in name.parts):
        one, other = left / name, right / name
        if not (one.exists() and other.exists() and filecmp.cmp(one, other, shallow=False)):
            yield name.as_posix()


def write_stubs(tree: Path = ROOT) -> None:
    """Replace the committed stubs by fresh ones."""
    with tempfile.TemporaryDirectory() as folder:
        generate(tree, Path(folder))
        shutil.rmtree(tree / STUBS, ignore_errors=True)
        shutil.copytree(folder, tree / STUBS)


def check_stubs(tree: Path = ROOT) -> None:
    """Raise `ProtoError` unless the committed stubs are exactly what the protos give."""
    with tempfile.TemporaryDirectory() as folder:
        generate(tree, Path(folder))
        stale = list(differences(Path(folder), tree / STUBS))
    if stale:
        raise ProtoError("stubs differ from the protos; run `nox -s stubs`:\n  " + "\n  ".join(stale))


def buf(tree: Path, *arguments: str) -> None:
    """Run buf on `tree`; raises `ProtoError` with its findings."""
    done = subprocess.run([BIN / "buf", *arguments], cwd=tree, check=False, capture_output=True, text=True)
    if done.returncode:
        raise ProtoError(f"buf {arguments[0]}:\n{done.stdout}{done.stderr}")


def check_lint(tree: Path = ROOT) -> None:
    """Raise `ProtoError` unless the protos keep buf's STANDARD and COMMENTS rules."""
    copy_third_party(tree)
    buf(tree, "lint")


def git(tree: Path, *arguments: str) -> bytes | None:
    """What git prints, or None where it refuses (no tag, no such branch, a shallow clone without the commit)."""
    done = subprocess.run(["git", *arguments], cwd=tree, check=False, capture_output=True)
    return done.stdout if done.returncode == 0 else None


def breaking_base(tree: Path = ROOT) -> str | None:
    """The commit that today's contract must stay compatible with, or None where the history has none.

    The last tag that this history reaches, else where it left the upstream branch.
    """
    if tag := git(tree, "describe", "--tags", "--abbrev=0"):
        return tag.decode().strip()
    for branch in ("origin/HEAD", "origin/main"):
        if base := git(tree, "merge-base", "HEAD", branch):
            return base.decode().strip()
    return None


def check_breaking(tree: Path = ROOT) -> str:
    """Raise `ProtoError` if the contract broke since its base; return a line on what it was compared with."""
    base = breaking_base(tree)
    if base is None:
        return "NOT COMPARED: this history has neither a tag nor an upstream branch to be compatible with"
    archive = git(tree, "archive", base, "proto")
    if archive is None:
        return f"NOT COMPARED: {base} is not in this clone, or has no proto folder"
    compare(tree, archive)
    return f"compatible with {base}" + (" (this very commit)" if is_head(tree, base) else "")


def is_head(tree: Path, revision: str) -> bool:
    """Whether `revision` is the commit that is checked out, so that only uncommitted changes could differ from it."""
    return git(tree, "rev-parse", f"{revision}^{{commit}}") == git(tree, "rev-parse", "HEAD")


def compare(tree: Path, base_archive: bytes) -> None:
    """Raise `ProtoError` if `tree`'s protos break those in the tar `base_archive`.

    Both sides are read with today's third parties and rules, so that only our own protos can differ.
    """
    copy_third_party(tree)
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        unpack(base_archive, base)
        shutil.copyfile(tree / "buf.yaml", base / "buf.yaml")
        copy_third_party(base)
        # Images on both sides: a workspace of two modules cannot be compared with one image.
        before, now = base / "before.binpb", base / "now.binpb"
        buf(base, "build", "-o", str(before))
        buf(tree, "build", "-o", str(now))
        buf(tree, "breaking", str(now), "--against", str(before))


def unpack(archive: bytes, into: Path) -> None:
    """Write the plain files of a tar made by `git archive`."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar.getmembers():
            content = tar.extractfile(member) if member.isfile() else None
            if content is not None:
                (into / member.name).parent.mkdir(parents=True, exist_ok=True)
                (into / member.name).write_bytes(content.read())


def descriptors(tree: Path = ROOT) -> FileDescriptorSet:
    """The protos of `tree` and all that they import, as descriptors."""
    copy_third_party(tree)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "set.binpb"
        run_protoc(tree, "--include_imports", f"--descriptor_set_out={path}")
        return FileDescriptorSet.FromString(path.read_bytes())


def write_descriptors(tree: Path = ROOT) -> Path:
    """Write what Envoy transcodes by, from the stubs at hand; return where."""
    from services.chassis import contract  # loads the stubs, which may just be what is to be written

    path = tree / "build/descriptors.binpb"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(contract.descriptor_set(contract.public_services()).SerializeToString())
    return path


def main() -> int:
    """Run the named command; print what was done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["check", "write", "descriptors"])
    command = parser.parse_args().command
    if command == "descriptors":
        print(f"wrote {write_descriptors()}")
        return 0
    if command == "write":
        write_stubs()
        print(f"wrote {STUBS}")
        return 0
    try:
        check_lint()
        print("proto: lint (STANDARD, COMMENTS) ok")
        print(f"proto: breaking (FILE): {check_breaking()}")
        check_requires(descriptors())
        print("proto: every RPC declares what it requires")
        check_stubs()
        print(f"proto: {STUBS} is what the protos give")
    except ProtoError as error:
        print(f"proto: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
