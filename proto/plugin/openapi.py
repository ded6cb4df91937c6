"""openapi.json: OpenAPI 3.1 of the HTTP door, one operation a route."""
import json

import openapi_gateway as gateway
from checks import KIND_COMMAND, path_fields
from model import F
from openapi_schemas import Schemas, described
from tables import ROLES

INFO = {
    "title": "Lujian (鲁鉴)",
    "version": "1",
    "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
    "description":
        "Supervision of administrative law enforcement: hotline complaints, their legal clocks, cards and supervision "
        "orders. Enums are lower_snake, 64-bit integers decimal strings, instants RFC 3339 with +08:00 (any offset is "
        "read). In answers every field is present, an absent object or instant as null; in requests null says absent, "
        "and unknown fields are refused. A command is done at most once per Idempotency-Key for as long as what it "
        "acts on lives; without the header it gets a key of its own. proto/WIRE.md is the manual of the same contract "
        "over ZeroMQ.",
}


def document(contract):
    public = [(service, method) for service, method in contract.methods if method.public]
    schemas = Schemas([method.response for _, method in public], [method.request for _, method in public])
    paths = {}
    for service, method in public:
        for verb, template in (("get", method.rule.get), ("post", method.rule.post)):
            if template:
                paths.setdefault(template, {})[verb] = _operation(service, method, verb, template, schemas)
    paths.update(gateway.paths())
    components = {
        "schemas": {**gateway.schemas(sorted(event.event for event in contract.events)), **schemas.found},
        "responses": gateway.problem_responses(), "securitySchemes": gateway.SECURITY,
    }
    tags = [{"name": name} for name in [*(s.wire_name for s in contract.services), "events", "access", "operation"]]
    whole = {"openapi": "3.1.0", "info": INFO, "security": [{"bearer": []}], "tags": tags,
             "paths": dict(sorted(paths.items())), "components": components}
    return json.dumps(whole, ensure_ascii=False, separators=(",", ":")) + "\n"


def _operation(service, method, verb, template, schemas):
    in_path = path_fields(template)
    command = method.rule.kind == KIND_COMMAND
    operation = {
        "operationId": f"{service.wire_name}_{method.snake}", "tags": [service.wire_name],
        "summary": method.comment.split("\n")[0] or method.name,
        "x-method": f"{service.wire_name}.{method.snake}",
        "x-roles": [ROLES[role].lower() for role in method.rule.roles] or ["any"],
    }
    parameters = [_path_parameter(method, name, schemas) for name in in_path]
    if verb == "get":
        parameters += [_query_parameter(field, schemas) for field in method.request.fields if field.name not in in_path]
    if command:
        parameters += _command_headers(method)
    if parameters:
        operation["parameters"] = parameters
    if verb == "post":
        body = schemas.message(method.request, True, in_path)
        required = any(field.rule.required for field in method.request.fields if field.name not in in_path)
        operation["requestBody"] = {"required": required, "content": {"application/json": {"schema": body}}}
    operation["responses"] = _responses(method, in_path, command, schemas)
    return operation


def _path_parameter(method, name, schemas):
    field = method.request.field(name)
    return described({"name": name, "in": "path", "required": True, "schema": schemas.field(field, True)}, field.comment)


def _query_parameter(field, schemas):
    schema = schemas.field(field, True)
    if field.repeated:
        return described({"name": field.name, "in": "query", "required": False, "schema": schema, "style": "form",
                          "explode": True}, field.comment)
    if field.type == F.TYPE_ENUM:
        schema = {**schema, "not": {"const": "unspecified"}}
    return described({"name": field.name, "in": "query", "required": field.rule.required, "schema": schema},
                     field.comment)


def _command_headers(method):
    headers = [{"name": "Idempotency-Key", "in": "header", "required": False,
                "schema": {"type": "string", "pattern": "^[!-~]+$", "maxLength": 128},
                "description": "The same key with the same contents is done once and answered alike."}]
    if method.rule.subject:
        headers.append({"name": "If-Match", "in": "header", "required": False,
                        "schema": {"type": "string", "pattern": "^(\\*|\"[1-9][0-9]*\")$"},
                        "description": "The ETag that the caller saw; another present version is answered 412."})
    return headers


def _responses(method, in_path, command, schemas):
    success = {"description": method.response.comment.split("\n")[0] or "Done.",
               "content": {"application/json": {"schema": schemas.message(method.response, False)}}}
    headers = {}
    version = method.response.field("version")
    if version and (in_path or command):
        headers["ETag"] = {"description": "The version answered with.", "schema": {"type": "string"}}
    replayed = {"Idempotency-Replayed": {"description": "Present where the key was answered before.",
                                         "schema": {"const": "true"}}}
    responses = {}
    if method.rule.creates:
        created = {**success, "description": "Made.", "headers": {**headers, "Location": {"schema": {"type": "string"}}}}
        responses["201"] = created
        success = {**success, "description": "A replay: made before."}
    if command:
        headers = {**headers, **replayed}
    responses["200"] = {**success, "headers": headers} if headers else success
    statuses = [400, 401, 403, 429, 500, 503, 504]
    statuses += [404] if in_path else []
    statuses += [409, 413, 415, 422] if command else []
    statuses += [422] if not command and method.request.field("division") else []  # it may not exist
    statuses += [412] if method.rule.subject else []
    return {**dict(sorted(responses.items())), **gateway.problems(*statuses)}
