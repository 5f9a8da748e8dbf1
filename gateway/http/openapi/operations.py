"""What can be asked under the base of the API: one entry for each method of each path."""

from __future__ import annotations

from gateway.http.openapi.accounts import ACCOUNTS
from gateway.http.openapi.auth import AUTH
from gateway.http.openapi.elements import ELEMENTS
from gateway.http.openapi.keeping import KEEPING
from gateway.http.openapi.keys import KEYS
from gateway.http.openapi.maintenance import MAINTENANCE
from gateway.http.openapi.parts import Json, answer, errors, header, json_of, operation, path_id, query_of, ref
from gateway.http.openapi.totp import TOTP
from gateway.http.openapi.users import SESSIONS, USERS
from gateway.http.openapi.work import WORK
from gateway.http.schemas.files import ContentQuery, File, FilePage, FileUpdate, UploadMetadata
from gateway.http.schemas.search import FilesQuery, SearchAnswer, SearchBody

_PUBLIC: Json = {"security": []}
_FILE_ID = path_id("file_id", "The document's id.")
_BINARY: Json = {"*/*": {"schema": {"type": "string", "format": "binary"}}}
_REVISION = {"ETag": "The revision."}
_IF_MATCH = header("If-Match", 'Only if the document has this revision: "3".')
_REPR_DIGEST = header("Repr-Digest", "sha-256=:<base64>: (RFC 9530); with another content nothing is kept.")
_CONTENT_HEADERS = {
    "ETag": "The SHA-256 of the content.",
    "Last-Modified": "When it was uploaded.",
    "Content-Disposition": "attachment, with the file name (RFC 6266).",
    "Repr-Digest": "SHA-256 of the whole document (RFC 9530).",
    "Accept-Ranges": "bytes",
}
_CONDITIONS = [
    header("If-None-Match", "304 if the document still has this entity tag."),
    header("If-Modified-Since", "304 if it was uploaded no later."),
    header("If-Match", "412 unless the document has this entity tag."),
    header("If-Unmodified-Since", "412 if it was uploaded later."),
]
_UPLOAD_ERRORS = errors(400, 401, 403, 409, 413, 415, 422, 507)
_BODILESS = answer("As for GET, without a body.")
_CREATED = answer(
    "Stored, durable, and found by the next search.", json_of(File), {**_REVISION, "Location": "Of the document."}
)


FILES: Json = {
    "/files": {
        "get": operation(
            "files", "listFiles", "Documents, filtered and paged",
            parameters=query_of(FilesQuery),
            responses={"200": answer("A page.", json_of(FilePage)), **errors(400, 401, 403)},
        )
    },
    "/files/upload": {
        "post": operation(
            "files", "uploadFile", "Store a document (form)",
            description="Two parts in this order: `metadata`, then `file`, whose name and type are kept.",
            parameters=[_REPR_DIGEST],
            requestBody={
                "required": True,
                "content": {
                    "multipart/form-data": {
                        "schema": {
                            "type": "object",
                            "required": ["metadata", "file"],
                            "properties": {
                                "metadata": ref(UploadMetadata),
                                "file": {"type": "string", "format": "binary"},
                            },
                        },
                        "encoding": {"metadata": {"contentType": "application/json"}},
                    }
                },
            },
            responses={"201": _CREATED, **_UPLOAD_ERRORS},
        )
    },
    "/files/content": {
        "put": operation(
            "files", "putContent", "Store a document (the bare bytes)",
            description="The header Content-Type is kept as the document's type.",
            parameters=[*query_of(ContentQuery), _REPR_DIGEST],
            requestBody={"required": True, "content": _BINARY},
            responses={"201": _CREATED, **_UPLOAD_ERRORS},
        )
    },
    "/files/{file_id}": {
        "get": operation(
            "files", "getFile", "A document's metadata",
            parameters=[_FILE_ID, header("If-None-Match", "304 if it still has this revision.")],
            responses={
                "200": answer("The metadata.", json_of(File), _REVISION),
                "304": answer("Unchanged."),
                **errors(400, 401, 403, 404),
            },
        ),
        "patch": operation(
            "files", "updateFile", "Change description, tags or metadata",
            parameters=[_FILE_ID, _IF_MATCH],
            requestBody={"required": True, "content": json_of(FileUpdate)},
            responses={
                "200": answer("The new metadata.", json_of(File), _REVISION),
                **errors(400, 401, 403, 404, 409, 412, 413, 415, 422),
            },
        ),
        "delete": operation(
            "files", "deleteFile", "Delete a document (temporary ones only)",
            description="Repeatable. The metadata stay, with the status `deleted`.",
            parameters=[_FILE_ID, _IF_MATCH],
            responses={"204": answer("Deleted."), **errors(400, 401, 403, 404, 409, 412)},
        ),
    },
    "/files/{file_id}/download": {
        "get": operation(
            "files", "downloadFile", "A document's content",
            parameters=[
                _FILE_ID,
                header("Range", "One range of bytes: bytes=0-99, bytes=100-, bytes=-10."),
                header("If-Range", "Range counts only if the document still has this entity tag."),
                *_CONDITIONS,
            ],
            responses={
                "200": answer("All of it.", _BINARY, _CONTENT_HEADERS),
                "206": answer("The range.", _BINARY, {**_CONTENT_HEADERS, "Content-Range": "bytes first-last/size"}),
                "304": answer("The client has it already."),
                **errors(400, 401, 403, 404, 409, 410, 412, 416),
            },
        ),
        "head": operation(
            "files", "headFile", "What a download would say, without the bytes",
            parameters=[_FILE_ID, *_CONDITIONS],
            responses={
                "200": answer("It can be had.", headers={**_CONTENT_HEADERS, "Content-Length": "Bytes."}),
                "304": answer("The client has it already."),
                **{str(status): _BODILESS for status in (400, 401, 403, 404, 410, 412, 503)},
            },
        ),
    },
    "/search": {
        "post": operation(
            "files", "search", "Find documents",
            requestBody={"required": True, "content": json_of(SearchBody)},
            responses={"200": answer("A page.", json_of(SearchAnswer)), **errors(400, 401, 403, 413, 415)},
        )
    },
}  # fmt: skip

_HEALTH: Json = {"application/json": {"schema": {"type": "object", "required": ["status"]}}}

SYSTEM: Json = {
    "/health/live": {
        "get": operation(
            "system", "live", "The edge runs", **_PUBLIC, responses={"200": answer("It does.", _HEALTH), **errors()}
        )
    },
    "/health/ready": {
        "get": operation(
            "system", "ready", "The edge and the services behind it", **_PUBLIC,
            responses={
                "200": answer("`ok`, or `degraded` while some service is away.", _HEALTH),
                **errors(),
                "503": answer("`fail`: nothing can be served.", _HEALTH),
            },
        )
    },
}  # fmt: skip

PATHS: Json = {
    **AUTH, **SESSIONS, **TOTP, **KEYS, **ACCOUNTS, **USERS, **FILES, **ELEMENTS, **MAINTENANCE, **KEEPING, **WORK,
    **SYSTEM,
}  # fmt: skip
