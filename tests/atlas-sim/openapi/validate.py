#!/usr/bin/env python3
"""Holds recorded exchanges against the OpenAPI description of the Atlas Administration API.

usage: validate.py [--every-operation] DESCRIPTION EXCHANGES...

DESCRIPTION is the OpenAPI file; EXCHANGES are files of JSON lines as atlas-sim --exchanges writes
them. Reported are: an accepted request (2xx) that the description refuses, an answer whose status or
body it refuses, and a path it does not know. Tolerated differences are in deviations.py. The exit
code is 1 if there is any violation or nothing was checked; with --every-operation also if an operation
of the description was never seen with a success.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Iterator
from urllib.parse import parse_qsl, urlsplit

import yaml
from jsonschema_path import SchemaPath
from openapi_core import Config, OpenAPI
from openapi_core.datatypes import RequestParameters
from openapi_core.deserializing.media_types.util import json_loads
from openapi_core.templating.paths.finders import APICallPathFinder
from openapi_core.testing import MockRequest, MockResponse
from openapi_core.validation.schemas import oas30_read_schema_validators_factory
from werkzeug.datastructures import ImmutableMultiDict

import deviations

# The API before versioned media types; the description holds the same operations under v2.
UNVERSIONED, VERSIONED = "/api/atlas/v1.0", "/api/atlas/v2"
ANY_VERSION = "application/vnd.atlas.2023-01-01+json"
OAUTH = {"/api/oauth/token": "oauthToken", "/api/oauth/revoke": "oauthRevoke"}
SIGNED = {"digest", "bearer"}
METHODS = {"get", "post", "patch", "put", "delete"}


@dataclass
class Report:
    """What was found."""

    checked: Counter = field(default_factory=Counter)
    succeeded: set[str] = field(default_factory=set)
    skipped: Counter = field(default_factory=Counter)
    tolerated: Counter = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)


def load_description(path: Path) -> dict:
    """The description, with patterns that Python's `re` can read.

    `\\p{L}\\p{N}` inside a class becomes `\\w`, which is the same plus `_`; each such class names
    `_` anyway.
    """
    return readable(yaml.safe_load(path.read_text(encoding="utf-8")))


def readable(part: Any) -> Any:
    """A part of the description with such patterns."""
    if isinstance(part, list):
        return [readable(item) for item in part]
    if not isinstance(part, dict):
        return part
    changed = {name: readable(value) for name, value in part.items()}
    if isinstance(changed.get("pattern"), str):
        changed["pattern"] = changed["pattern"].replace("\\p{L}\\p{N}", "\\w")
    return changed


class Validator:
    """Holds one exchange after the other against a description."""

    def __init__(self, description: dict) -> None:
        self.description = description
        self.host = description["servers"][0]["url"]
        spec = SchemaPath.from_dict(description)
        self.finder = APICallPathFinder(spec)
        readers = {media: json_loads for media in self._media_types()}
        self.openapi = OpenAPI(spec, config=Config(extra_media_type_deserializers=readers))
        self.error_schema = oas30_read_schema_validators_factory.create(
            spec, spec / "components" / "schemas" / "ApiError"
        )
        self.report = Report()

    def operations(self) -> Iterator[tuple[str, dict]]:
        """Every operation with its id."""
        for item in self.description["paths"].values():
            for method, operation in item.items():
                if method in METHODS:
                    yield operation["operationId"], operation

    def _media_types(self) -> set[str]:
        found = set()
        for _, operation in self.operations():
            found.update(operation.get("requestBody", {}).get("content", {}))
            for answer in operation["responses"].values():
                found.update(answer.get("content", {}))
        return found

    def check(self, exchange: dict, where: str) -> None:
        """Checks one exchange and notes what is wrong with it."""
        report = self.report
        if exchange["fault"]:
            report.skipped["injected fault"] += 1
            return
        url = urlsplit(exchange["url"])
        if url.path in OAUTH:
            problems = check_oauth(exchange)
            operation = OAUTH[url.path]
        elif url.path.startswith(UNVERSIONED + "/"):
            operation, problems = self._check_unversioned(exchange)
        else:
            operation, problems = self._check_operation(exchange, url)
        if operation is None:
            report.skipped["unknown path"] += 1
        else:
            report.checked[operation] += 1
            if 200 <= (exchange["status"] or 0) < 300:
                report.succeeded.add(operation)
        head = f"{where}: {exchange['method']} {url.path} -> {exchange['status']}"
        report.violations += [f"{head}: {problem}" for problem in problems]

    def _check_unversioned(self, exchange: dict) -> tuple[str | None, list[str]]:
        """An exchange of v1.0, as if it were one of v2; media types are plain JSON there."""
        if exchange["operation_id"] is None:
            return None, unknown_path(exchange, "v1.0 does not have it")
        problems = []
        given = exchange["response_headers"].get("content-type", "")
        if given and media_type(given) != "application/json":
            problems.append(f"v1.0 answers {given}")
        headers = dict(exchange["request_headers"])
        if media_type(headers.get("accept", "")) == "application/json":
            headers["accept"] = ANY_VERSION
        changed = exchange | {"request_headers": headers}
        changed["url"] = exchange["url"].replace(UNVERSIONED, VERSIONED, 1)
        if 200 <= (exchange["status"] or 0) < 300:
            changed["response_headers"] = exchange["response_headers"] | {"content-type": ANY_VERSION}
        operation, further = self._check_operation(changed, urlsplit(changed["url"]))
        return operation, problems + further

    def _check_operation(self, exchange: dict, url: Any) -> tuple[str | None, list[str]]:
        try:
            found = self.finder.find(exchange["method"].lower(), self.host + url.path)
        except Exception as error:
            return None, unknown_path(exchange, text(error))
        if not all(found.path_result.variables.values()):
            # A template's parameter matches nothing at all here; no server takes it so.
            return None, unknown_path(exchange, "a parameter of the path is empty")
        operation = found.operation["operationId"]
        problems = []
        if exchange["operation_id"] != operation:
            problems.append(f"taken for {exchange['operation_id']}, described as {operation}")
        declared = next(item for id_, item in self.operations() if id_ == operation)
        request = self._request(exchange, url, declared)
        if 200 <= exchange["status"] < 300:
            problems += self._check_request(exchange, request)
        problems += self._check_response(exchange, request, operation, declared)
        return operation, problems

    def _request(self, exchange: dict, url: Any, declared: dict) -> MockRequest:
        """The request; a later version of its media type counts as the declared one."""
        given = exchange["request_headers"].get("content-type", "")
        content = list(declared.get("requestBody", {}).get("content", {}))
        if content and (is_versioned(given) or media_type(given) == "application/json"):
            given = content[0]
        request = MockRequest(
            self.host,
            exchange["method"],
            url.path,
            headers=exchange["request_headers"],
            data=exchange["request_body"].encode() or None,
            content_type=given,
        )
        query = ImmutableMultiDict(parse_qsl(url.query, keep_blank_values=True))
        request.parameters = RequestParameters(
            query=query, header=request.parameters.header, cookie=request.parameters.cookie, path={}
        )
        return request

    def _check_request(self, exchange: dict, request: MockRequest) -> list[str]:
        problems = []
        if exchange["request_headers"].get("authorization") not in SIGNED:
            problems.append("accepted without sign-in")
        if not is_versioned(exchange["request_headers"].get("accept", "")):
            problems.append("accepted without a version")
        try:
            self.openapi.validate_request(request)
        except Exception as error:
            problems.append(f"accepted, but the description refuses the request: {text(error)}")
        return problems

    def _check_response(
        self, exchange: dict, request: MockRequest, operation: str, declared: dict
    ) -> list[str]:
        status = exchange["status"]
        given = exchange["response_body"]
        if not given and status in deviations.EMPTY_BODY:
            self.report.tolerated[f"{status} without a body"] += 1
            return []
        problems = []
        if status == 204:
            # Described with a media type but without a schema: there is nothing to hold a body against.
            problems += ["204 with a body"] if given else []
            problems += [] if "204" in declared["responses"] else ["status 204 is not declared"]
            return problems
        like = str(status)
        if like not in declared["responses"]:
            entry = deviations.undeclared(operation, status)
            if entry is None:
                return [*problems, f"status {status} is not declared"]
            self.report.tolerated[f"{entry.operation} {status}: {entry.source}"] += 1
            like = entry.like
        try:
            body = self._body(exchange, operation)
            if like == "error":
                self.error_schema.validate(body)
            else:
                self._validate(exchange, request, int(like), body)
        except Exception as error:
            problems.append(f"the description refuses the answer: {text(error)}")
        return problems

    def _body(self, exchange: dict, operation: str) -> Any:
        if not exchange["response_body"]:
            return None
        body = unwrap(json.loads(exchange["response_body"]), exchange)
        used: set[str] = set()
        body = deviations.soften(operation, body, used)
        self.report.tolerated.update(used)
        return body

    def _validate(self, exchange: dict, request: MockRequest, status: int, body: Any) -> None:
        response = MockResponse(
            b"" if body is None else json.dumps(body).encode(),
            status_code=status,
            headers=exchange["response_headers"],
            content_type=exchange["response_headers"].get("content-type", ""),
        )
        self.openapi.validate_response(request, response)


def unknown_path(exchange: dict, why: str) -> list[str]:
    """What is wrong with an exchange on a path the description does not know."""
    if exchange["status"] in (401, 404, 405) and exchange["operation_id"] is None:
        return []
    return [f"the description does not know this: {why}"]


def unwrap(body: Any, exchange: dict) -> Any:
    """The body without the envelope that `envelope=true` asked for; the status inside must fit."""
    query = dict(parse_qsl(urlsplit(exchange["url"]).query))
    if query.get("envelope") != "true":
        return body
    if body.pop("status") != exchange["status"]:
        raise ValueError("the envelope names another status")
    return body if "results" in body else body["content"]


def check_oauth(exchange: dict) -> list[str]:
    """The token endpoints, which the description does not hold: RFC 6749 and Atlas's documentation."""
    status, given = exchange["status"], exchange["response_body"]
    if status == 200 and exchange["operation_id"] == "oauthRevoke":
        return ["a revocation is answered with a body"] if given else []
    body = json.loads(given)
    if status == 200:
        right = set(body) == {"access_token", "expires_in", "token_type"}
        right = right and isinstance(body["expires_in"], int) and body["token_type"] == "Bearer"
        return [] if right else ["not a token answer"]
    if status == 429 and isinstance(body.get("error"), int):
        return [] if body.get("errorCode") == "RATE_LIMITED" else ["not a rate limit answer"]
    right = isinstance(body.get("error"), str) and isinstance(body.get("error_description"), str)
    return [] if right and status >= 400 else ["not an OAuth error"]


def media_type(value: str) -> str:
    """The media type without parameters."""
    return value.split(";")[0].strip().lower()


def is_versioned(value: str) -> bool:
    """Whether the media type names a version of the API."""
    media = media_type(value)
    return media.startswith("application/vnd.atlas.") and media.endswith("+json")


def text(error: BaseException) -> str:
    """The error with its causes; schema errors name the place."""
    parts = []
    current: BaseException | None = error
    while current is not None:
        parts.append(f"{type(current).__name__}: {str(current)[:200]}".splitlines()[0])
        for inner in getattr(current, "schema_errors", None) or []:
            place = "/".join(map(str, inner.absolute_path))
            parts.append(f"at {place or 'top'}: {inner.message[:200]}")
        current = current.__cause__
    return "; ".join(parts)


def read(files: list[Path]) -> Iterator[tuple[str, dict]]:
    """Every exchange with its file and line."""
    for file in files:
        with file.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                yield f"{file.name}:{number}", json.loads(line)


def print_report(validator: Validator, every_operation: bool) -> bool:
    """Prints the report; tells whether all is well."""
    report = validator.report
    for violation in report.violations:
        print(f"VIOLATION {violation}")
    for reason, count in sorted(report.tolerated.items()):
        print(f"tolerated {count:5} {reason}")
    for reason, count in sorted(report.skipped.items()):
        print(f"skipped   {count:5} {reason}")
    for operation, count in sorted(report.checked.items()):
        print(f"checked   {count:5} {operation}")
    known = {operation for operation, _ in validator.operations()} | set(OAUTH.values())
    missing = sorted(known - report.succeeded)
    if missing:
        print(f"never seen with a success: {', '.join(missing)}")
    total = sum(report.checked.values())
    print(
        f"{total} exchanges of {len(report.checked)} operations checked, "
        f"{sum(report.skipped.values())} skipped, {len(report.violations)} violations"
    )
    return total > 0 and not report.violations and not (every_operation and missing)


def main() -> int:
    """Runs the check."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--every-operation", action="store_true")
    parser.add_argument("description", type=Path)
    parser.add_argument("exchanges", type=Path, nargs="+")
    arguments = parser.parse_args()
    # OAuth is not judged by the library; sign-in is looked at in _check_request.
    warnings.filterwarnings("ignore", message="Unsupported scheme type")
    validator = Validator(load_description(arguments.description))
    for where, exchange in read(arguments.exchanges):
        validator.check(exchange, where)
    return 0 if print_report(validator, arguments.every_operation) else 1


if __name__ == "__main__":
    sys.exit(main())
