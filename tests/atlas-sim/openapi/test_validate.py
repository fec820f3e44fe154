#!/usr/bin/env python3
"""Proves that validate.py refuses what it should: a check that cannot fail is worth nothing.

Each test takes one good exchange, breaks one thing, and expects exactly one complaint.
usage: python3 -m unittest test_validate.py
"""

from __future__ import annotations

import copy
import json
import subprocess
import sys
import tempfile
import unittest
import warnings
from pathlib import Path

import yaml

from validate import Validator, load_description

HERE = Path(__file__).parent
MEDIA = "application/vnd.atlas.2023-01-01+json"
NEWER = "application/vnd.atlas.2025-03-12+json"
ID = "507f1f77bcf86cd799439011"

DESCRIPTION = f"""
openapi: 3.0.1
info: {{title: a small part, version: "1"}}
servers: [{{url: "https://cloud.mongodb.com"}}]
paths:
  /api/atlas/v2/orgs/{{orgId}}/things:
    parameters:
      - {{name: orgId, in: path, required: true, schema: {{type: string, pattern: "^([a-f0-9]{{24}})$"}}}}
    post:
      operationId: createThing
      parameters:
        - {{name: pageNum, in: query, schema: {{type: integer, minimum: 1}}}}
      requestBody:
        required: true
        content: {{"{MEDIA}": {{schema: {{$ref: "#/components/schemas/Thing"}}}}}}
      responses:
        "200": {{description: OK, content: {{"{MEDIA}": {{schema: {{$ref: "#/components/schemas/Thing"}}}}}}}}
        "401": {{$ref: "#/components/responses/error"}}
    delete:
      operationId: deleteThing
      responses:
        "204": {{description: gone, content: {{"{MEDIA}": {{}}}}}}
components:
  responses:
    error:
      description: refused
      content: {{application/json: {{schema: {{$ref: "#/components/schemas/ApiError"}}}}}}
  schemas:
    Thing:
      type: object
      required: [id, name]
      properties:
        id: {{type: string, readOnly: true}}
        name: {{type: string, maxLength: 5, pattern: "^[\\\\p{{L}}\\\\p{{N}}_ ]*$"}}
        count: {{type: integer, minimum: 1}}
        made: {{type: string, format: date-time}}
    ApiError:
      type: object
      required: [error, errorCode]
      properties:
        error: {{type: integer}}
        errorCode: {{type: string}}
"""

GOOD = {
    "method": "POST",
    "url": f"http://127.0.0.1:1/api/atlas/v2/orgs/{ID}/things?pageNum=1",
    "request_headers": {"accept": NEWER, "content-type": NEWER, "authorization": "digest"},
    "request_body": '{"name": "über"}',
    "status": 200,
    "response_headers": {"content-type": f"{MEDIA};charset=utf-8"},
    "response_body": '{"id": "1", "name": "x", "made": "2026-01-01T00:00:00Z"}',
    "operation_id": "createThing",
    "fault": False,
    "challenge": False,
}


def exchange(**changes: object) -> dict:
    """The good exchange with changes; headers are merged."""
    made = copy.deepcopy(GOOD)
    for name, value in changes.items():
        if isinstance(value, dict):
            made[name].update(value)
        else:
            made[name] = value
    return made


def refused(status: int, body: str) -> dict:
    """An exchange that was refused."""
    return exchange(status=status, response_body=body, response_headers={"content-type": "application/json"})


class Refusals(unittest.TestCase):
    """One broken thing, one complaint."""

    def setUp(self) -> None:
        warnings.filterwarnings("ignore")
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write(DESCRIPTION)
            file.flush()
            self.validator = Validator(load_description(Path(file.name)))

    def complaints(self, given: dict) -> list[str]:
        """What the validator says of an exchange."""
        self.validator.check(given, "test")
        return self.validator.report.violations

    def assert_refused(self, given: dict, words: str) -> None:
        """The exchange is refused once, in these words."""
        complaints = self.complaints(given)
        self.assertEqual(len(complaints), 1, complaints)
        self.assertIn(words, complaints[0])

    def test_the_good_exchange_passes(self) -> None:
        self.assertEqual(self.complaints(exchange()), [])
        self.assertEqual(self.validator.report.checked["createThing"], 1)

    def test_an_answer_without_a_required_field(self) -> None:
        self.assert_refused(exchange(response_body='{"name": "x"}'), "'id' is a required property")

    def test_an_answer_with_a_wrong_type(self) -> None:
        self.assert_refused(exchange(response_body='{"id": 1, "name": "x"}'), "not of type 'string'")

    def test_an_answer_with_a_bad_date(self) -> None:
        body = '{"id": "1", "name": "x", "made": "2026-01-01 00:00"}'
        self.assert_refused(exchange(response_body=body), "date-time")

    def test_an_answer_that_is_not_json(self) -> None:
        self.assert_refused(exchange(response_body="<html>"), "refuses the answer")

    def test_an_answer_of_another_media_type(self) -> None:
        headers = {"content-type": "application/json"}
        self.assert_refused(exchange(response_headers=headers), "application/json")

    def test_an_answer_of_a_version_that_is_not_the_operations(self) -> None:
        self.assert_refused(exchange(response_headers={"content-type": NEWER}), "2025-03-12")

    def test_an_undeclared_status(self) -> None:
        self.assert_refused(refused(409, '{"error": 409, "errorCode": "X"}'), "409 is not declared")

    def test_a_tolerated_status_still_needs_an_error_body(self) -> None:
        self.assert_refused(refused(400, '{"error": 400}'), "'errorCode' is a required property")

    def test_a_declared_error_needs_its_body(self) -> None:
        self.assert_refused(refused(401, '{"error": "x", "errorCode": "X"}'), "not of type 'integer'")

    def test_an_accepted_request_without_a_required_field(self) -> None:
        self.assert_refused(exchange(request_body="{}"), "'name' is a required property")

    def test_an_accepted_request_against_the_pattern(self) -> None:
        self.assert_refused(exchange(request_body='{"name": "a:b"}'), "does not match")

    def test_an_accepted_request_of_another_media_type(self) -> None:
        headers = {"content-type": "text/plain"}
        self.assert_refused(exchange(request_headers=headers), "text/plain")

    def test_an_accepted_request_with_a_bad_query(self) -> None:
        url = GOOD["url"].replace("pageNum=1", "pageNum=0")
        self.assert_refused(exchange(url=url), "Invalid query parameter: pageNum")

    def test_an_accepted_request_with_a_bad_path(self) -> None:
        url = GOOD["url"].replace(ID, "X")
        self.assert_refused(exchange(url=url), "Invalid path parameter: orgId")

    def test_an_accepted_request_without_sign_in(self) -> None:
        self.assert_refused(exchange(request_headers={"authorization": "none"}), "without sign-in")

    def test_an_accepted_request_without_a_version(self) -> None:
        self.assert_refused(exchange(request_headers={"accept": "*/*"}), "without a version")

    def test_an_operation_taken_for_another(self) -> None:
        self.assert_refused(exchange(operation_id="other"), "taken for other")

    def test_a_path_that_is_served_but_not_described(self) -> None:
        url = GOOD["url"].replace("things", "secrets")
        self.assert_refused(exchange(url=url), "does not know this")

    def test_v1_is_held_against_the_same_description(self) -> None:
        plain = {"accept": "application/json", "content-type": "application/json"}
        given = exchange(
            url=GOOD["url"].replace("/v2/", "/v1.0/"),
            request_headers=plain,
            response_headers={"content-type": "application/json"},
        )
        self.assertEqual(self.complaints(given), [])
        self.assertEqual(self.validator.report.checked["createThing"], 1)
        self.assert_refused(given | {"response_body": '{"name": "x"}'}, "'id' is a required property")
        self.validator.report.violations.clear()
        versioned = given | {"response_headers": {"content-type": MEDIA}}
        self.assert_refused(versioned, "v1.0 answers")
        self.validator.report.violations.clear()
        not_there = given | {"operation_id": None, "status": 404}
        self.assertEqual(self.complaints(not_there), [])

    def test_a_204_with_a_body(self) -> None:
        given = exchange(method="DELETE", status=204, operation_id="deleteThing", request_body="")
        self.assert_refused(given, "204 with a body")
        self.validator.report.violations.clear()
        given["response_body"] = ""
        self.assertEqual(self.complaints(given), [])

    def test_tolerance_of_a_field_ends_at_its_operation(self) -> None:
        body = '{"id": "1", "name": "x", "count": 0}'
        self.assert_refused(exchange(response_body=body), "0 is less than the minimum of 1")

    def test_an_envelope_that_lies(self) -> None:
        url = GOOD["url"] + "&envelope=true"
        right = json.dumps({"status": 200, "content": json.loads(GOOD["response_body"])})
        self.assertEqual(self.complaints(exchange(url=url, response_body=right)), [])
        wrong = right.replace("200", "201")
        self.assert_refused(exchange(url=url, response_body=wrong), "another status")

    def test_a_token_answer_with_a_field_missing(self) -> None:
        url = "http://127.0.0.1:1/api/oauth/token"
        given = exchange(url=url, operation_id="oauthToken", response_body='{"access_token": "x"}')
        self.assert_refused(given, "not a token answer")

    def test_injected_faults_are_not_judged(self) -> None:
        self.assertEqual(self.complaints(exchange(fault=True, response_body="<html>")), [])
        self.assertEqual(sum(self.validator.report.checked.values()), 0)


class ExitCode(unittest.TestCase):
    """What the caller sees."""

    def run_with(self, exchanges: list[dict], *flags: str) -> int:
        """The exit code for these exchanges."""
        with tempfile.TemporaryDirectory() as folder:
            description = Path(folder, "description.yaml")
            description.write_text(DESCRIPTION, encoding="utf-8")
            lines = Path(folder, "lines.jsonl")
            lines.write_text("".join(json.dumps(one) + "\n" for one in exchanges), encoding="utf-8")
            command = [sys.executable, str(HERE / "validate.py"), *flags, str(description), str(lines)]
            return subprocess.run(command, capture_output=True, check=False).returncode

    def test_a_good_file_passes(self) -> None:
        self.assertEqual(self.run_with([exchange()]), 0)

    def test_a_violation_fails(self) -> None:
        self.assertEqual(self.run_with([exchange(), exchange(response_body="{}")]), 1)

    def test_nothing_checked_fails(self) -> None:
        self.assertEqual(self.run_with([]), 1)
        self.assertEqual(self.run_with([exchange(fault=True)]), 1)

    def test_an_operation_never_seen_fails_if_asked(self) -> None:
        self.assertEqual(self.run_with([exchange()], "--every-operation"), 1)


class Fixture(unittest.TestCase):
    """The small description itself."""

    def test_it_is_yaml(self) -> None:
        self.assertEqual(yaml.safe_load(DESCRIPTION)["openapi"], "3.0.1")


if __name__ == "__main__":
    unittest.main()
