"""What the gateway adds by itself, described by hand: errors, events as CloudEvents, who am I, the test clock."""
from openapi_schemas import INSTANT, PATTERNS, UUID, ref

# Status, name, what the caller may do; err.c and WIRE.md have the same table.
PROBLEMS = {
    400: ("InvalidArgument", "The shape is wrong: a field or parameter is missing, unknown, malformed or out of range. "
                             "Do not retry."),
    401: ("Unauthenticated", "No credentials, or none that are known. Do not retry."),
    403: ("PermissionDenied", "The method, division or source is not the caller's. Do not retry."),
    404: ("NotFound", "Absent, or out of the caller's scope. Do not retry."),
    409: ("Conflict", "The state forbids it (`code`, `state` and `allowed` say which, what and why): do not retry. "
                      "With code `in_progress` the same key or matter is being worked on: retry later with the same "
                      "key. With code `cursor_mismatch` the cursor is of another epoch of the stream."),
    412: ("VersionMismatch", "If-Match names another version than the present one. Read again, then decide."),
    413: ("TooLarge", "The body is over its limit (a field over its own is 400). Do not retry."),
    415: ("Unsupported", "The body is not application/json."),
    422: ("Unprocessable", "Well-formed, but it names what is not there (category, division, unit), or, with code "
                           "`conflicting_payload`, the key or the matter is known with other contents. Do not retry."),
    429: ("RateLimited", "Over the caller's rate. Retry after Retry-After."),
    500: ("Internal", "A defect or a broken dependency. A command may be sent again with the same key."),
    503: ("NotExecuted", "Certainly not done. Retry after Retry-After."),
    504: ("OutcomeUnknown", "Done or not done: send it again with the same key."),
}

SECURITY = {"bearer": {"type": "http", "scheme": "bearer", "description": "A token of `lujian keygen`."}}

STREAMS = {"type": "string", "enum": ["registry", "complaints", "supervision"]}
CURSOR = {"type": "string", "pattern": f"^{PATTERNS[5]}$", "maxLength": 64}
DIVISION = {"type": "string", "pattern": f"^({PATTERNS[3]})?$"}
TYPES = {"type": "array", "items": {"type": "string", "pattern": f"^{PATTERNS[6]}$"}, "maxItems": 32}

TEXT = {"type": "string"}
LIST_OF_TEXT = {"type": "array", "items": TEXT}


def problem_responses():
    responses = {}
    for status, (name, what) in PROBLEMS.items():
        headers = {}
        if status in (409, 429, 503):
            headers["Retry-After"] = {"description": "Seconds.", "schema": {"type": "integer", "minimum": 1}}
        if status == 401:
            headers["WWW-Authenticate"] = {"schema": TEXT}
        responses[name] = {"description": what,
                           "content": {"application/problem+json": {"schema": ref("ProblemDetails")}}}
        if headers:
            responses[name]["headers"] = headers
    return responses


def problems(*statuses):
    return {str(status): {"$ref": f"#/components/responses/{PROBLEMS[status][0]}"} for status in sorted(statuses)}


def schemas(event_types):
    return {
        "ProblemDetails": {
            "type": "object", "description": "RFC 9457. `code` is stable; texts are for people.",
            "properties": {
                "type": {"type": "string", "format": "uri-reference"},
                "title": TEXT,
                "status": {"type": "integer", "minimum": 400, "maximum": 599},
                "detail": TEXT,
                "code": {"type": "string", "pattern": "^[a-z][a-z0-9_]*$", "description": "Stable reason code."},
                "detail_zh": TEXT, "detail_en": TEXT,
                "basis_zh": {**TEXT, "description": "Legal basis, where there is one."}, "basis_en": TEXT,
                "state": {**TEXT, "description": "The state that forbade it."},
                "allowed": {**LIST_OF_TEXT, "description": "The actions that this state allows."},
                "field": {**TEXT, "description": "Path of the offending field or parameter."},
            },
            "required": ["type", "title", "status", "code"],
        },
        "CloudEvent": {
            "type": "object",
            "description": "CloudEvents 1.0 in JSON. Data are ids, codes, times and states; never personal data.",
            "properties": {
                "specversion": {"const": "1.0"},
                "id": {"type": "string", "pattern": f"^{UUID}$"},
                "source": {**TEXT, "description": "The stream's: /37/complaints. Never an instance."},
                "type": {**TEXT, "examples": event_types},
                "subject": {**TEXT, "description": "The id of the aggregate."},
                "time": INSTANT,
                "position": {"type": "string", "pattern": "^[0-9]+$", "description": "In the stream, contiguous."},
                "partitionkey": TEXT, "correlationid": TEXT, "traceparent": TEXT,
                "datacontenttype": {"const": "application/json"},
                "data": {"type": "object", "properties": {"division": TEXT}, "required": ["division"]},
            },
            "required": ["specversion", "id", "source", "type", "time", "position", "datacontenttype", "data"],
        },
        "EventsPage": {
            "type": "object",
            "properties": {
                "events": {"type": "array", "items": ref("CloudEvent"), "maxItems": 1000},
                "through": {**CURSOR, "description": "Looked at up to here; the head is reached when it equals "
                                                     "`after`, whether or not events came."},
            },
            "required": ["events", "through"],
        },
        "Me": {
            "type": "object", "description": "What am I, what may I see and do.",
            "properties": {"principal": TEXT, "roles": LIST_OF_TEXT, "jurisdiction": TEXT, "jurisdiction_name": TEXT,
                           "units": LIST_OF_TEXT, "sources": LIST_OF_TEXT, "methods": LIST_OF_TEXT,
                           "streams": LIST_OF_TEXT},
            "required": ["principal", "roles", "jurisdiction", "units", "sources", "methods", "streams"],
        },
        "TimeAdvanced": {
            "type": "object",
            "properties": {"civil_time": INSTANT,
                           "clock_offset_ms": {"type": "string", "format": "int64"},
                           "clocks_failing": {"type": "string", "format": "int64"}},
            "required": ["civil_time", "clock_offset_ms", "clocks_failing"],
        },
    }


def _parameter(name, where, schema, description, required=False, **more):
    return {"name": name, "in": where, "required": required, "schema": schema, "description": description, **more}


def _json(schema, description):
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def paths():
    follow = [
        _parameter("stream", "query", STREAMS, "Whose log.", True),
        _parameter("after", "query", CURSOR, "A cursor, exclusive; absent = from the first event."),
        _parameter("division", "query", DIVISION, "Only this division's subtree."),
        _parameter("type", "query", TYPES, "Only these event types, parted by commas or repeated.", style="form",
                   explode=True),
    ]
    return {
        "/v1/events": {"get": {
            "operationId": "events_pull", "tags": ["events"], "summary": "A slice of a stream's log.",
            "parameters": follow + [_parameter("limit", "query", {"type": "integer", "minimum": 1, "maximum": 1000,
                                                                  "default": 100}, "How many events at most.")],
            "responses": {"200": _json(ref("EventsPage"), "What the caller may see of it."),
                          **problems(400, 401, 403, 409, 422, 429, 500, 503, 504)}}},
        "/v1/events:stream": {"get": {
            "operationId": "events_stream", "tags": ["events"],
            "summary": "The log from a cursor on, as server-sent events, one CloudEvent each; the id is the cursor.",
            "parameters": follow + [_parameter("Last-Event-ID", "header", CURSOR, "Wins over `after`.")],
            "responses": {"200": {"description": "An open stream.", "content": {
                "text/event-stream": {"schema": TEXT}}}, **problems(400, 401, 403, 409, 422, 429, 500, 503)}}},
        "/v1/me": {"get": {
            "operationId": "me", "tags": ["access"], "summary": "What am I, what may I see and do.",
            "responses": {"200": _json(ref("Me"), "The caller as the registry knows him."), **problems(401)}}},
        "/v1/time:advance": {"post": {
            "operationId": "time_advance", "tags": ["operation"], "x-roles": ["operator"],
            "summary": "Moves the civil time of a development cluster; answers when every clock has settled.",
            "requestBody": {"required": True, "content": {"application/json": {"schema": {
                "type": "object", "properties": {"seconds": {"type": "integer", "minimum": 0,
                                                                 "maximum": 315360000, "default": 0}},
                "additionalProperties": False}}}},
            "responses": {"200": _json(ref("TimeAdvanced"), "Settled."),
                          **problems(400, 401, 403, 404, 413, 415, 504)}}},
        "/openapi.json": {"get": {
            "operationId": "openapi", "tags": ["operation"], "summary": "This document.", "security": [],
            "responses": {"200": _json({"type": "object"}, "OpenAPI 3.1.")}}},
    }
