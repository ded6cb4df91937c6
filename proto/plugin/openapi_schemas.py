"""JSON schemas of messages, as the JSON door reads and writes them.

A message has two faces: in an answer every field is present; in a request only what is required must be, and nothing
unknown may be. A message that occurs in both gets two schemas, the request's with the suffix Input."""
from model import F
from names import json_of_enum_value

INT64 = {F.TYPE_INT64, F.TYPE_UINT64}
UINT32_MAX = 2 ** 32 - 1
UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
PATTERNS = {
    1: UUID,
    2: "[A-Za-z0-9][A-Za-z0-9._:@/|*-]*",
    3: "[0-9]{2}([0-9]{2}([0-9]{2}([0-9]{3}([0-9]{3})?)?)?)?",
    4: "[0-9]{4}-[0-9]{2}-[0-9]{2}",
    5: "[a-z][a-z0-9_]*:(0|[1-9][0-9]*):(0|[1-9][0-9]*)",
    6: "[a-z][a-z0-9_]*(\\.[a-z][a-z0-9_]*)+\\.v[0-9]+",
    7: "([0-9a-f]{2})+",
    8: "[!-~]+",
}
INSTANT = {"type": "string", "format": "date-time"}


def ref(name):
    return {"$ref": f"#/components/schemas/{name}"}


def nullable(schema):
    if "$ref" in schema:
        return {"oneOf": [schema, {"type": "null"}]}
    return {**schema, "type": [schema["type"], "null"]}


def described(schema, comment):
    return {**schema, "description": " ".join(comment.split("\n"))} if comment else schema


def text(rule, may_be_empty):
    schema = {"type": "string"}
    if rule.pattern:
        schema["pattern"] = f"^({PATTERNS[rule.pattern]})?$" if may_be_empty else f"^{PATTERNS[rule.pattern]}$"
    elif not may_be_empty:
        schema["minLength"] = 1
    # A limit of bytes: as a limit of characters it is necessary, not sufficient.
    return {**schema, "maxLength": rule.bytes_max, "x-bytes-max": rule.bytes_max}


def number(field):
    rule = field.rule
    bounds = {"minimum": rule.min, "maximum": rule.max} if rule.min or rule.max else {}
    if field.type in INT64:
        schema = {"type": "string", "format": "int64" if field.type == F.TYPE_INT64 else "uint64",
                  "pattern": "^-?[0-9]+$"}
        return {**schema, "x-minimum": rule.min, "x-maximum": rule.max} if bounds else schema
    if field.type == F.TYPE_UINT32:
        return {"type": "integer", "minimum": 0, "maximum": UINT32_MAX, **bounds}
    return {"type": "integer", "format": "int32", **bounds}


class Schemas:
    """Collects the schemas of what is asked for, and of all that they refer to."""

    def __init__(self, responses, requests):
        """The messages that occur in answers and in requests: those in both need two names."""
        self._in_both = _reachable(responses) & _reachable(requests)
        self.found = {}

    def enum(self, enum):
        if enum.name not in self.found:
            names = [json_of_enum_value(enum.name, name) for name, _ in enum.values]
            self.found[enum.name] = described({"type": "string", "enum": names}, enum.comment)
        return ref(enum.name)

    def message(self, message, request, without=()):
        """A reference to the message's schema; `without` are the fields that a path carries."""
        name = message.name + ("Input" if request and message.full_name in self._in_both else "")
        if name not in self.found:
            self.found[name] = {}  # its place in the order; the contract has no recursion
            self.found[name] = described(self._object(message, request, without), message.comment)
        return ref(name)

    def _object(self, message, request, without):
        fields = [field for field in message.fields if field.name not in without]
        schema = {"type": "object", "properties": {
            field.name: described(self.field(field, request), field.comment) for field in fields}}
        required = [field.name for field in fields if not request or field.rule.required]
        if required:
            schema["required"] = required
        if request:
            schema["additionalProperties"] = False
            if fields and all(field.oneof == fields[0].oneof and field.oneof for field in fields):
                schema["maxProperties"] = 1
        return schema

    def field(self, field, request):
        if field.repeated:
            schema = {"type": "array", "items": self._single(field, request, False), "maxItems": field.rule.items_max}
            return {**schema, "minItems": 1} if field.rule.required and request else schema
        schema = self._single(field, request, not field.rule.required)
        absent_is_null = field.oneof or field.type == F.TYPE_MESSAGE or field.rule.instant
        return nullable(schema) if absent_is_null and not request else schema

    def _single(self, field, request, may_be_empty):
        rule = field.rule
        if field.type == F.TYPE_MESSAGE:
            return self.message(field.target, request)
        if field.type == F.TYPE_ENUM:
            schema = self.enum(field.target)
            return {**schema, "not": {"const": "unspecified"}} if rule.required and request else schema
        if field.type == F.TYPE_STRING:
            return text(rule, may_be_empty)
        if field.type == F.TYPE_BYTES:
            return {"type": "string", "contentEncoding": "base64"}
        if field.type == F.TYPE_BOOL:
            return {"type": "boolean"}
        return dict(INSTANT) if rule.instant else number(field)


def _reachable(messages):
    names = set()
    todo = list(messages)
    while todo:
        message = todo.pop()
        if message.full_name not in names:
            names.add(message.full_name)
            todo += [field.target for field in message.fields if field.type == F.TYPE_MESSAGE]
    return names
