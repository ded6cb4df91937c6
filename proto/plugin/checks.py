"""The contract's own rules: each fault is one line that names the place and says what is wrong.

What they guard: every size that a peer decides has a limit; no personal data can get into an event; every route and
key names fields that exist; one name means one thing in C, in JSON and on the wire."""
import re

from model import EVERY_SERVICE, INTEGERS, F
from names import json_of_enum_value

PUBLIC_ROWS = "lujian.registry.v1.ReferenceRow"  # reference rows are public: they may carry names
BYTES_LIMIT = 1024 * 1024
ITEMS_LIMIT = 10000
FIELDS_LIMIT = 64  # FIELDS_PER_MESSAGE_MAX of the scan
ENUM_VALUE_LIMIT = 255
DEPTH_LIMIT = 16  # WIRE_DEPTH_MAX
KIND_QUERY, KIND_COMMAND = 1, 2
SUPPORTED = INTEGERS | {F.TYPE_BOOL, F.TYPE_STRING, F.TYPE_BYTES, F.TYPE_ENUM, F.TYPE_MESSAGE}
ROUTE = re.compile(r"/v1(/[a-z0-9_-]+|/\{[a-z0-9_]+\})+(:[a-z_]+)?")
SNAKE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
EVENT_TYPE = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+\.v[0-9]+")


def faults(contract):
    found = list(_plain_names(contract))
    for enum in contract.enums.values():
        found += _enum(enum)
    recursive = list(_recursion(contract))
    found += recursive
    for message in contract.messages.values():
        if len(message.fields) > FIELDS_LIMIT:
            found.append(f"{message.full_name}: more than {FIELDS_LIMIT} fields")
        for field in message.fields:
            found += _field(field)
    for file in contract.files:
        for service in file.services:
            found += _service(service)
    if not recursive:  # what follows walks messages to their leaves
        for event in contract.events:
            found += _event(event)
    found += _unique("event type", ((event.event, event.full_name) for event in contract.events))
    found += _unique("method name", ((f"{service.wire_name}.{method.snake}", method.place)
                                     for service, method in contract.methods))
    found += _unique("route", _routes(contract))
    return found


def _unique(what, pairs):
    seen = {}
    for name, place in pairs:
        if name in seen:
            yield f"{what} {name} is used by both {seen[name]} and {place}"
        seen.setdefault(name, place)


def _plain_names(contract):
    types = [(item.name, item.full_name) for item in [*contract.messages.values(), *contract.enums.values()]]
    yield from _unique("plain name", types)
    values = [(name, enum.full_name) for enum in contract.enums.values() for name, _ in enum.values]
    yield from _unique("plain name", values)


def _enum(enum):
    by_number = sorted(number for _, number in enum.values)
    if by_number[0] != 0 or by_number[-1] > ENUM_VALUE_LIMIT:
        yield f"{enum.full_name}: values go from 0 to at most {ENUM_VALUE_LIMIT}"
    if len(set(by_number)) != len(by_number):
        yield f"{enum.full_name}: two values share a number"
    for name, number in enum.values:
        plain = json_of_enum_value(enum.name, name)
        if plain is None:
            yield f"{enum.full_name}: {name} does not begin with the enum's name"
        elif (number == 0) != (plain == "unspecified"):
            yield f"{enum.full_name}: 0, and nothing else, is called UNSPECIFIED"


def _field(field):
    rule, place = field.rule, field.place
    if field.proto.proto3_optional:
        yield f"{place}: proto3 optional is not allowed; a message or a oneof of one field says absent"
        return
    if field.type not in SUPPORTED:
        yield f"{place}: this type is not supported; use int32, int64, uint32, uint64, bool, string, bytes, enum, message"
        return
    if not SNAKE.fullmatch(field.name):
        yield f"{place}: a field's name is lower_snake"
    if field.repeated != bool(rule.items_max):
        yield f"{place}: " + ("a repeated field needs items_max" if field.repeated else "items_max is for repeated fields")
    sized = field.type in (F.TYPE_STRING, F.TYPE_BYTES)
    if sized != bool(rule.bytes_max):
        yield f"{place}: " + ("a string or bytes field needs bytes_max" if sized else "bytes_max is for strings and bytes")
    if rule.bytes_max > BYTES_LIMIT or rule.items_max > ITEMS_LIMIT:
        yield f"{place}: limits end at {BYTES_LIMIT} bytes and {ITEMS_LIMIT} items"
    if (rule.pattern or rule.multiline) and field.type != F.TYPE_STRING:
        yield f"{place}: pattern and multiline are for strings"
    if rule.pattern and rule.multiline:
        yield f"{place}: no pattern has several lines"
    if rule.instant and (field.type != F.TYPE_INT64 or field.repeated):
        yield f"{place}: an instant is a single int64"
    if (rule.min or rule.max) and (field.type not in INTEGERS or rule.min > rule.max):
        yield f"{place}: min and max are for integers, and min is not above max"
    if rule.required and (field.oneof or field.type == F.TYPE_BOOL):
        yield f"{place}: a bool or a member of a oneof cannot be required"


def _recursion(contract):
    """Depth first; a message that is met again on its own path is recursive."""
    done = set()

    def walk(message, path):
        if message.full_name in path:
            yield f"{message.full_name}: recursive through " + " -> ".join(path[path.index(message.full_name):])
            return
        if message.full_name in done:
            return
        if len(path) >= DEPTH_LIMIT:
            yield f"{message.full_name}: nested deeper than {DEPTH_LIMIT}"
            return
        for field in message.fields:
            if field.type == F.TYPE_MESSAGE:
                yield from walk(field.target, path + [message.full_name])
        done.add(message.full_name)

    for message in contract.messages.values():
        yield from walk(message, [])


def _event(event):
    if not EVENT_TYPE.fullmatch(event.event):
        yield f"{event.full_name}: an event type looks like thing.happened.v1"
    division = event.field("division")
    if not division or division.type != F.TYPE_STRING:
        yield f"{event.full_name}: an event's data have a field division"
    yield from _event_data(event, event.full_name, False)


def _event_data(message, path, public_rows):
    public_rows = public_rows or message.full_name == PUBLIC_ROWS
    for field in message.fields:
        place = f"{path}.{field.name}"
        if field.rule.personal:
            yield f"{place}: an event cannot hold a personal field"
        if field.type == F.TYPE_STRING and not field.rule.pattern and not public_rows:
            yield f"{place}: a string of an event needs a pattern: free text may hold personal data"
        if field.type == F.TYPE_BYTES:
            yield f"{place}: an event cannot hold bytes: nobody knows what is in them"
        if field.type == F.TYPE_MESSAGE:
            yield from _event_data(field.target, place, public_rows)


def _service(service):
    if service.wire_name != EVERY_SERVICE and not SNAKE.fullmatch(service.wire_name):
        yield f"{service.full_name}: option (lujian.service) names it, lower_snake"
    for method in service.methods:
        rule, place = method.rule, method.place
        if method.streaming:
            yield f"{place}: streams are the bus's business, not protobuf's"
        if rule.kind not in (KIND_QUERY, KIND_COMMAND):
            yield f"{place}: a method needs kind: METHOD_KIND_QUERY or METHOD_KIND_COMMAND"
        if 0 in rule.roles:
            yield f"{place}: ROLE_UNSPECIFIED is nobody's role"
        if rule.internal and (rule.get or rule.post):
            yield f"{place}: an internal method has no route"
        if rule.get and rule.kind != KIND_QUERY or rule.post and rule.kind != KIND_COMMAND:
            yield f"{place}: a query is a GET, a command a POST"
        if service.wire_name == EVERY_SERVICE and (rule.get or rule.post or rule.subject or rule.natural_key):
            yield f"{place}: a method of every service has no route, subject or natural key of its own"
        if (rule.creates or rule.subject or rule.natural_key) and rule.kind != KIND_COMMAND:
            yield f"{place}: creates, subject and natural_key are for commands"
        yield from _named_fields(method)
        for template in filter(None, (rule.get, rule.post)):
            yield from _route(method, template)


def _named_fields(method):
    named = [method.rule.subject] if method.rule.subject else []
    for name in named + list(method.rule.natural_key):
        field = method.request.field(name)
        if not field or field.type != F.TYPE_STRING or field.repeated or not field.rule.required:
            yield f"{method.place}: {name} is not a required string of {method.request.name}"
        elif method.request.file is not method.service.file:
            yield f"{method.place}: {method.request.name} with subject or natural key belongs into {method.service.file.name}"


def path_fields(template):
    return re.findall(r"\{([a-z0-9_]+)\}", template)


def _route(method, template):
    if not ROUTE.fullmatch(template):
        yield f"{method.place}: {template} is not a route"
        return
    in_path = path_fields(template)
    for name in in_path:
        field = method.request.field(name)
        if not field or field.type != F.TYPE_STRING or field.repeated:
            yield f"{method.place}: {template} names {name}, which is no string of {method.request.name}"
        elif not field.rule.required or not field.rule.pattern:
            yield f"{method.place}: {template}: {name} stands in a path, so it is required and has a pattern"
    if method.rule.get == template:
        for field in method.request.fields:
            if field.name not in in_path and field.type in (F.TYPE_MESSAGE, F.TYPE_BYTES):
                yield f"{method.place}: {field.name} cannot be a query parameter"


def _routes(contract):
    for _, method in contract.methods:
        for verb, template in (("GET", method.rule.get), ("POST", method.rule.post)):
            if template:
                yield f"{verb} " + re.sub(r"\{[^}]*\}", "{}", template), method.place
