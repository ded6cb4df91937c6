"""The C tables of each proto file: plain names, field rules, methods, events.

X.lj.c includes X.pb-c.c, because rules and methods point into protobuf-c's static descriptor arrays."""
from model import EVERY_SERVICE, F
from names import c_lower, c_type, c_upper, json_of_enum_value, snake

KINDS = {1: "METHOD_QUERY", 2: "METHOD_COMMAND"}
ROLES = {1: "HOTLINE", 2: "UNIT", 3: "SUPERVISOR", 4: "OPERATOR", 5: "IMPORTER", 6: "EDGE", 7: "SERVICE"}
PATTERNS = {1: "UUID", 2: "CODE", 3: "DIVISION", 4: "DATE", 5: "CURSOR", 6: "EVENT_TYPE", 7: "HEX", 8: "KEY"}


def files(contract):
    for file in contract.files:
        yield file.stem + ".lj.h", header(contract, file)
        yield file.stem + ".lj.c", source(contract, file)


def c_string(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def method_symbol(service, method):
    return f"{service.wire_name}_{method.snake}_method"


def event_symbol(event):
    return f"{event.snake}_event"


def real_services(file):
    return [service for service in file.services if service.wire_name != EVERY_SERVICE]


def header(contract, file):
    guard = file.stem.replace("/", "_").upper() + "_LJ_H"
    lines = [f"/* Generated from {file.name}; plain names of its messages, and their rules. */",
             f"#ifndef {guard}", f"#define {guard}", "",
             f'#include "{file.stem}.pb-c.h"', '#include "wire/rules.h"', ""]
    ours = {other.name for other in contract.files}
    lines += [f'#include "{name.removesuffix(".proto")}.lj.h"' for name in file.imports if name in ours]
    for enum in file.enums:
        lines += ["", f"typedef {c_type(enum.full_name)} {enum.name};"]
        lines += [f"#define {name} {c_upper(enum.full_name)}__{name}" for name, _ in enum.values]
        lines += [f"extern const char *const {snake(enum.name)}_names[]; /* JSON names by value; \"\" = a gap */"]
    for message in file.messages:
        upper = message.snake.upper()
        lines += ["", f"typedef {c_type(message.full_name)} {message.name};",
                  f"#define {upper}_INIT {c_upper(message.full_name)}__INIT",
                  f"extern const struct message_rules {message.snake}_rules;"]
        for field in message.fields:
            if field.oneof:
                case = f"{field.oneof}_{field.name}".upper()
                lines.append(f"#define {upper}_{case} {c_upper(message.full_name)}__{case}")
        if message.event:
            lines.append(f"extern const struct event_info {event_symbol(message)}; /* {message.event} */")
    for service in real_services(file):
        lines += [""]
        lines += [f"extern const struct method_info {method_symbol(service, method)};"
                  for method in contract.methods_of(service)]
        lines += [f"extern const struct method_info *const {service.wire_name}_methods[]; /* NULL-terminated */"]
    return "\n".join(lines + ["", "#endif", ""])


def source(contract, file):
    includes = {file.stem}
    for service in real_services(file):
        for method in contract.methods_of(service):
            includes |= {method.request.file.stem, method.response.file.stem}
    lines = [f"/* Generated from {file.name}: rules, methods and events. */",
             f'#include "{file.stem}.pb-c.c"', ""]
    lines += [f'#include "{stem}.lj.h"' for stem in sorted(includes)]
    for enum in file.enums:
        lines += [""] + enum_names(enum)
    for message in file.messages:
        lines += [""] + message_rules(message)
        if message.event:
            lines += ["", f"const struct event_info {event_symbol(message)} = {{",
                      f"    .type = {c_string(message.event)}, .data = &{message.snake}_rules", "};"]
    for service in real_services(file):
        methods = contract.methods_of(service)
        for method in methods:
            lines += [""] + method_info(service, method)
        lines += ["", f"const struct method_info *const {service.wire_name}_methods[] = {{"]
        lines += [f"    &{method_symbol(service, method)}," for method in methods] + ["    NULL", "};"]
    return "\n".join(lines + [""])


def enum_names(enum):
    by_number = {number: json_of_enum_value(enum.name, name) for name, number in enum.values}
    names = [c_string(by_number.get(number, "")) for number in range(max(by_number) + 1)]
    return [f"const char *const {snake(enum.name)}_names[] = {{", "    " + ", ".join(names + ["NULL"]), "};"]


def holds_personal(message):
    return any(field.rule.personal or field.type == F.TYPE_MESSAGE and holds_personal(field.target)
               for field in message.fields)


def field_rule(field):
    rule = field.rule
    parts = [f".{name} = {value}" for name, value in
             (("bytes_max", rule.bytes_max), ("items_max", rule.items_max)) if value]
    parts += [f".{name} = INT64_C({value})" for name, value in (("min", rule.min), ("max", rule.max)) if value]
    if rule.pattern:
        parts.append(f".pattern = WIRE_PATTERN_{PATTERNS[rule.pattern]}")
    parts += [f".{name} = true" for name in ("required", "personal", "instant", "multiline") if getattr(rule, name)]
    if field.type == F.TYPE_MESSAGE:
        parts.append(f".message = &{field.target.snake}_rules")
    if field.type == F.TYPE_ENUM:
        parts.append(f".enum_names = {snake(field.target.name)}_names")
    return "    { " + ", ".join(parts or ["0"]) + f" }}, /* {field.name} */"


def message_rules(message):
    table = f"{message.snake}_field_rules"
    lines = []
    if message.fields:
        lines = [f"static const struct field_rule {table}[] = {{"]
        lines += [field_rule(field) for field in message.fields] + ["};"]
    lines += [f"const struct message_rules {message.snake}_rules = {{", f"    .name = {c_string(message.name)},",
              f"    .descriptor = &{c_lower(message.full_name)}__descriptor,",
              f"    .fields = {table if message.fields else 'NULL'},",
              f"    .any_personal = {str(holds_personal(message)).lower()},", "};"]
    return lines


def method_info(service, method):
    rule, request = method.rule, method.request
    symbol = method_symbol(service, method)
    descriptors = f"{c_lower(request.full_name)}__field_descriptors"
    lines = []
    if rule.natural_key:
        fields = [f"&{descriptors}[{request.index(name)}]" for name in rule.natural_key]
        lines = [f"static const ProtobufCFieldDescriptor *const {symbol}_natural_key[] = {{",
                 "    " + ", ".join(fields + ["NULL"]), "};"]
    roles = " | ".join(f"ROLE_BIT_{ROLES[role]}" for role in rule.roles) or "0"
    lines += [f"const struct method_info {symbol} = {{",
              f"    .name = {c_string(f'{service.wire_name}.{method.snake}')},",
              f"    .service = {c_string(service.wire_name)},", f"    .kind = {KINDS[rule.kind]},",
              f"    .roles = {roles},",
              f"    .request = &{request.snake}_rules,", f"    .response = &{method.response.snake}_rules,"]
    if rule.get:
        lines.append(f"    .http_get = {c_string(rule.get)},")
    if rule.post:
        lines.append(f"    .http_post = {c_string(rule.post)},")
    lines += [f"    .{name} = true," for name in ("creates", "internal") if getattr(rule, name)]
    if rule.subject:
        lines.append(f"    .subject = &{descriptors}[{request.index(rule.subject)}],")
    if rule.natural_key:
        lines.append(f"    .natural_key = {symbol}_natural_key,")
    summary = method.comment.split("\n")[0]
    return lines + [f"    .summary = {c_string(summary)},", "};"]
