"""What buf does not see: against proto/baseline.binpb no request that was good becomes bad, and nobody loses a method.

A request of the last version must still be taken: limits do not shrink, nothing becomes required, no pattern is
tightened, no role or route goes away."""
import sys

import pytest
from google.protobuf import descriptor_pb2
from google.protobuf.compiler import plugin_pb2

from conftest import PROTO, run_plugin

sys.path.insert(0, str(PROTO / 'plugin'))
import model  # noqa: E402  (the plugin's own modules)


def read_contract(path):
    """A model of the descriptor set."""
    files = descriptor_pb2.FileDescriptorSet.FromString(path.read_bytes()).file
    request = plugin_pb2.CodeGeneratorRequest(proto_file=files)
    request.file_to_generate.extend(file.name for file in files if not file.name.startswith('google/'))
    return model.Contract(request)


def bounds(field):
    """(least, greatest) that the field may be."""
    rule = field.rule
    return (rule.min, rule.max) if rule.min or rule.max else (-2 ** 63, 2 ** 63 - 1)


def field_breaks(old, new):
    """Why a value that was good may be refused now."""
    if new.rule.required and not old.rule.required:
        yield f'{old.place}: became required'
    if new.rule.bytes_max < old.rule.bytes_max or new.rule.items_max < old.rule.items_max:
        yield f'{old.place}: a limit shrank'
    if new.rule.pattern and new.rule.pattern != old.rule.pattern:
        yield f'{old.place}: another pattern'
    if old.rule.multiline and not new.rule.multiline:
        yield f'{old.place}: no longer multiline'
    if old.rule.instant != new.rule.instant:
        yield f'{old.place}: JSON form changed'
    if bounds(new)[0] > bounds(old)[0] or bounds(new)[1] < bounds(old)[1]:
        yield f'{old.place}: bounds became narrower'


def message_breaks(old, new, seen):
    """The same for a message and all that is in it."""
    if old.full_name in seen:
        return
    seen.add(old.full_name)
    numbers = {field.number: field for field in new.fields}
    for field in old.fields:
        now = numbers.pop(field.number, None)
        if now is None:
            continue            # that a field may not go without being reserved, buf sees
        yield from field_breaks(field, now)
        if field.type == model.F.TYPE_MESSAGE and now.type == model.F.TYPE_MESSAGE:
            yield from message_breaks(field.target, now.target, seen)
    for field in numbers.values():
        if field.rule.required:
            yield f'{field.place}: is new and required'


def method_breaks(old, new):
    """The same for a method."""
    for verb in ('get', 'post'):
        if getattr(old.rule, verb) and getattr(old.rule, verb) != getattr(new.rule, verb):
            yield f'{old.place}: its route changed'
    if old.rule.kind != new.rule.kind:
        yield f'{old.place}: command or query changed'
    lost = set(old.rule.roles) - set(new.rule.roles) if new.rule.roles else set()
    if lost or new.rule.roles and not old.rule.roles:
        yield f'{old.place}: a role lost it'


def breaks(old, new):
    """All that breaks a caller of the old contract."""
    methods = {f'{service.wire_name}.{method.snake}': method for service, method in new.methods}
    seen = set()
    for service, method in old.methods:
        now = methods.get(f'{service.wire_name}.{method.snake}')
        if now is None:
            yield f'{method.place}: is gone'
            continue
        yield from method_breaks(method, now)
        yield from message_breaks(method.request, now.request, seen)
    for event in set(e.event for e in old.events) - set(e.event for e in new.events):
        yield f'{event}: is gone'


@pytest.fixture(name='baseline', scope='module')
def _baseline():
    return read_contract(PROTO / 'baseline.binpb')


def test_nothing_breaks(baseline, generated):
    assert list(breaks(baseline, read_contract(generated / 'full.binpb'))) == []


HEAD = 'syntax = "proto3"; package lujian.trial.v1; import "lujian/options.proto";'
OLD = '''message In { string a = 1 [(lujian.field) = {bytes_max: 9}]; repeated int64 n = 2 [(lujian.field) = {items_max: 9}];
  uint32 u = 3 [(lujian.field) = {min: 1, max: 9}]; Deep deep = 4; }
message Deep { string t = 1 [(lujian.field) = {bytes_max: 9, multiline: true}]; int64 at = 2; }
service S { option (lujian.service) = "s";
  rpc Do(In) returns (In) { option (lujian.method) = {kind: METHOD_KIND_QUERY, roles: [ROLE_UNIT, ROLE_HOTLINE]}; } }
message E { option (lujian.event) = "a.b.v1"; string division = 1 [(lujian.field) = {bytes_max: 12, pattern: PATTERN_DIVISION}]; }'''
BREAKS = [
    ('In { string a = 1 [(lujian.field) = {bytes_max: 9}', 'In { string a = 1 [(lujian.field) = {bytes_max: 8}', 'limit shrank'),
    ('{bytes_max: 9}', '{bytes_max: 9, required: true}', 'became required'),
    ('{bytes_max: 9}', '{bytes_max: 9, pattern: PATTERN_KEY}', 'another pattern'),
    ('{items_max: 9}', '{items_max: 8}', 'limit shrank'),
    ('min: 1, max: 9', 'min: 2, max: 9', 'narrower'),
    ('min: 1, max: 9', 'min: 1, max: 8', 'narrower'),
    ('bytes_max: 9, multiline: true', 'bytes_max: 9', 'no longer multiline'),
    ('int64 at = 2;', 'int64 at = 2 [(lujian.field) = {instant: true}];', 'JSON form'),
    ('int64 at = 2;', 'int64 at = 2; string b = 3 [(lujian.field) = {bytes_max: 9, required: true}];', 'is new and required'),
    ('ROLE_UNIT, ROLE_HOTLINE', 'ROLE_UNIT', 'a role lost it'),
    ('METHOD_KIND_QUERY', 'METHOD_KIND_COMMAND', 'command or query'),
    ('rpc Do', 'rpc Done', 'is gone'),
    ('a.b.v1', 'a.b.v2', 'a.b.v1: is gone'),
]


def compile_trial(folder, body):
    """The model of a little contract."""
    folder.mkdir()
    (folder / 'trial.proto').write_text(HEAD + body)
    status, said = run_plugin(folder, folder, 'trial.proto')
    assert status == 0, said
    return read_contract(folder / 'full.binpb')


@pytest.mark.parametrize('before, after, reason', BREAKS, ids=[f'{case[2]} {i}' for i, case in enumerate(BREAKS)])
def test_sees_a_break(tmp_path, before, after, reason):
    assert before in OLD
    old, new = compile_trial(tmp_path / 'old', OLD), compile_trial(tmp_path / 'new', OLD.replace(before, after, 1))
    found = list(breaks(old, new))
    assert len(found) == 1 and reason in found[0], found
    assert not list(breaks(old, old))
