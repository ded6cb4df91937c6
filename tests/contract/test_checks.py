"""The plugin refuses a contract that breaks our rules, and says where and why."""
import pytest

from conftest import run_plugin

HEAD = '''// A contract made to be refused.
syntax = "proto3";
package lujian.trial.v1;
import "lujian/options.proto";
'''
ID = 'string id = 1 [(lujian.field) = {required: true, bytes_max: 36, pattern: PATTERN_UUID}];'
DIVISION = 'string division = 1 [(lujian.field) = {bytes_max: 12, pattern: PATTERN_DIVISION}];'


def service(method, request='message In { ' + ID + ' }', name='trial', rest=''):
    """A service of one method Do that takes In."""
    return (f'{request} message Out {{ int64 version = 1; }} service S {{ option (lujian.service) = "{name}"; '
            f'rpc Do(In) returns (Out) {{ option (lujian.method) = {{{method}}}; }} }} {rest}')


def event(fields, type_='thing.done.v1', rest=''):
    """An event with a division and these fields."""
    return f'message Done {{ option (lujian.event) = "{type_}"; {DIVISION} {fields} }} {rest}'


REFUSED = [
    # limits
    ('message M { string a = 1; }', 'M.a: a string or bytes field needs bytes_max'),
    ('message M { bytes a = 1; }', 'M.a: a string or bytes field needs bytes_max'),
    ('message M { repeated int64 a = 1; }', 'M.a: a repeated field needs items_max'),
    ('message M { repeated string a = 1 [(lujian.field) = {items_max: 3}]; }', 'M.a: a string or bytes field needs'),
    ('message M { int64 a = 1 [(lujian.field) = {bytes_max: 3}]; }', 'M.a: bytes_max is for strings and bytes'),
    ('message M { int64 a = 1 [(lujian.field) = {items_max: 3}]; }', 'M.a: items_max is for repeated fields'),
    ('message M { string a = 1 [(lujian.field) = {bytes_max: 1048577}]; }', 'M.a: limits end at'),
    ('message M { repeated int64 a = 1 [(lujian.field) = {items_max: 10001}]; }', 'M.a: limits end at'),
    # rules on fields that cannot have them
    ('message M { int64 a = 1 [(lujian.field) = {pattern: PATTERN_KEY}]; }', 'M.a: pattern and multiline are for'),
    ('message M { string a = 1 [(lujian.field) = {bytes_max: 9, pattern: PATTERN_KEY, multiline: true}]; }',
     'M.a: no pattern has several lines'),
    ('message M { uint32 a = 1 [(lujian.field) = {instant: true}]; }', 'M.a: an instant is a single int64'),
    ('message M { bool a = 1 [(lujian.field) = {required: true}]; }', 'M.a: a bool or a member of a oneof'),
    ('message M { string a = 1 [(lujian.field) = {bytes_max: 9, max: 3}]; }', 'M.a: min and max are for integers'),
    ('message M { int64 a = 1 [(lujian.field) = {min: 3, max: 2}]; }', 'M.a: min and max are for integers'),
    # shapes that our tools do not take
    ('message M { optional int64 a = 1; }', 'M.a: proto3 optional is not allowed'),
    ('message M { map<int64, int64> a = 1; }', 'M: a map field is not allowed'),
    ('message M { message N {} }', 'M: a nested type is not allowed'),
    ('message M { double a = 1; }', 'M.a: this type is not supported'),
    ('message M { fixed64 a = 1; }', 'M.a: this type is not supported'),
    ('message M { int64 camelCase = 1; }', "M.camelCase: a field's name is lower_snake"),
    ('message M { M a = 1; }', 'lujian.trial.v1.M: recursive'),
    ('message M { N a = 1; } message N { M b = 1; }', ': recursive through lujian.trial.v1.M -> lujian.trial.v1.N'),
    ('message M { lujian.FieldRule a = 1; }', 'M.a: lujian.FieldRule is not part of the contract'),
    (''.join(f'message M{i} {{ M{i + 1} a = 1; }} ' for i in range(17)) + 'message M17 {}', 'nested deeper than 16'),
    ('message M {' + ''.join(f' int64 f{i} = {i};' for i in range(1, 66)) + ' }', 'M: more than 64 fields'),
    # names
    ('enum E { E_UNSPECIFIED = 0; E_A = 1; } message E2 {} message Channel {}',
     'plain name Channel is used by both', ('lujian/complaints/v1/complaint.proto',)),
    ('enum CardColor2 { CARD_COLOR2_UNSPECIFIED = 0; CARD_COLOR_RED = 1; }', 'CARD_COLOR_RED does not begin with'),
    ('enum E { E_UNSPECIFIED = 0; E_A = 256; }', 'E: values go from 0 to at most 255'),
    ('enum E { E_UNSPECIFIED = 0; E_A = -1; }', 'E: values go from 0'),
    ('enum E { E_NONE = 0; }', 'E: 0, and nothing else, is called UNSPECIFIED'),
    ('enum E { option allow_alias = true; E_UNSPECIFIED = 0; E_A = 1; E_B = 1; }', 'E: two values share a number'),
    # events
    (event('string a = 2 [(lujian.field) = {bytes_max: 9, personal: true, pattern: PATTERN_KEY}];'),
     'Done.a: an event cannot hold a personal field'),
    (event('string a = 2 [(lujian.field) = {bytes_max: 9}];'), 'Done.a: a string of an event needs a pattern'),
    (event('bytes a = 2 [(lujian.field) = {bytes_max: 9}];'), 'Done.a: an event cannot hold bytes'),
    (event('N n = 2;', rest='message N { string a = 1 [(lujian.field) = {bytes_max: 9, personal: true}]; }'),
     'Done.n.a: an event cannot hold a personal field'),
    (event('N n = 2;', rest='message N { string a = 1 [(lujian.field) = {bytes_max: 9}]; }'),
     'Done.n.a: a string of an event needs a pattern'),
    (event('', 'done'), 'Done: an event type looks like'),
    ('message Done { option (lujian.event) = "thing.done.v1"; }', "Done: an event's data have a field division"),
    (event('', rest='message Gone { option (lujian.event) = "thing.done.v1"; ' + DIVISION + ' }'),
     'event type thing.done.v1 is used by both'),
    # methods and routes
    (service(''), 'S.Do: a method needs kind'),
    (service('kind: METHOD_KIND_QUERY', name='Trial'), 'S: option (lujian.service) names it'),
    (service('kind: METHOD_KIND_QUERY, roles: [ROLE_UNSPECIFIED]'), "S.Do: ROLE_UNSPECIFIED is nobody's role"),
    (service('kind: METHOD_KIND_QUERY, get: "/v1/t/{nix}"'), 'S.Do: /v1/t/{nix} names nix, which is no string of In'),
    (service('kind: METHOD_KIND_QUERY, get: "/v2/t"'), 'S.Do: /v2/t is not a route'),
    (service('kind: METHOD_KIND_QUERY, get: "/v1/t/{id}/"'), 'is not a route'),
    (service('kind: METHOD_KIND_COMMAND, get: "/v1/t"'), 'S.Do: a query is a GET, a command a POST'),
    (service('kind: METHOD_KIND_QUERY, post: "/v1/t"'), 'S.Do: a query is a GET, a command a POST'),
    (service('kind: METHOD_KIND_QUERY, get: "/v1/t", internal: true'), 'S.Do: an internal method has no route'),
    (service('kind: METHOD_KIND_QUERY, get: "/v1/t"', 'message In { N n = 1; } message N {}'),
     'S.Do: n cannot be a query parameter'),
    (service('kind: METHOD_KIND_QUERY, get: "/v1/t/{id}"',
             'message In { string id = 1 [(lujian.field) = {bytes_max: 9, pattern: PATTERN_KEY}]; }'),
     'id stands in a path, so it is required'),
    (service('kind: METHOD_KIND_COMMAND, subject: "nix"'), 'S.Do: nix is not a required string of In'),
    (service('kind: METHOD_KIND_COMMAND, natural_key: ["id", "nix"]'), 'S.Do: nix is not a required string of In'),
    (service('kind: METHOD_KIND_QUERY, subject: "id"'), 'creates, subject and natural_key are for commands'),
    (service('kind: METHOD_KIND_COMMAND, subject: "id"', name='*'),
     'a method of every service has no route'),
    (service('kind: METHOD_KIND_QUERY').replace('returns (Out)', 'returns (stream Out)'), "S.Do: streams are the bus's"),
    (service('kind: METHOD_KIND_QUERY, get: "/v1/t"',
             rest='service T { option (lujian.service) = "other"; rpc Do(In) returns (Out) { option (lujian.method) = '
                  '{kind: METHOD_KIND_QUERY, get: "/v1/t"}; } }'), 'route GET /v1/t is used by both'),
    (service('kind: METHOD_KIND_QUERY',
             rest='service T { option (lujian.service) = "trial"; rpc Do(In) returns (Out) { option (lujian.method) = '
                  '{kind: METHOD_KIND_QUERY}; } }'), 'method name trial.do is used by both'),
]


@pytest.mark.parametrize('case', REFUSED, ids=[case[1] for case in REFUSED])
def test_refuses(case, tmp_path):
    body, message, *more = case
    (tmp_path / 'trial.proto').write_text(HEAD + body)
    (tmp_path / 'out').mkdir()
    status, said = run_plugin(tmp_path, tmp_path / 'out', 'trial.proto', 'lujian/options.proto',
                              'lujian/clock/v1/clock.proto', *(more[0] if more else ()))
    assert status != 0
    assert message in said
    assert 'Traceback' not in said


def test_accepts_what_is_left(tmp_path):
    body = event('', rest=service('kind: METHOD_KIND_COMMAND, post: "/v1/t/{id}:do", subject: "id"'))
    (tmp_path / 'trial.proto').write_text(HEAD + body)
    (tmp_path / 'out').mkdir()
    status, said = run_plugin(tmp_path, tmp_path / 'out', 'trial.proto', 'lujian/options.proto')
    assert status == 0, said
    table = (tmp_path / 'out/trial.lj.c').read_text()
    assert '.subject = &lujian__trial__v1__in__field_descriptors[0]' in table
    assert '.type = "thing.done.v1"' in table
