"""The whole contract, with everybody, at both doors, against the table.

First what is refused and what only reads, of one subject, between two looks at all databases: nothing may have changed.
Then what is allowed, each time of a fresh subject in a state that allows it, so that no 409 stands where a 403 belongs.
"""
import json
import uuid
from itertools import chain

import pytest
from cast import cast
from doors import Answer
from matters import ACTS, NOTE, SECRETS
from table import Contract, Table, operations

METHODS = Contract().methods()
TABLE = Table(list(cast()))
FEEDS = ('pull', 'follow', 'credit', 'unfollow')  # test_feeds.py
SECTIONS = [(name, variant) for name in METHODS if name.split('.')[1] not in FEEDS for variant in TABLE.variants(name)
            if TABLE.of(name, variant)]
COMMANDS = [(name, variant) for name, variant in SECTIONS if METHODS[name].command]
GATEWAYS_OWN = {'GET /v1/events', 'GET /v1/events:stream', 'GET /v1/me', 'POST /v1/time:advance', 'GET /openapi.json'}

# What a method is asked beside its id; acts on complaints have theirs in matters.py.
FIELDS = {
    'supervision.acknowledge_card': {}, 'supervision.sign_order': {}, 'supervision.reply_order': {'text': NOTE},
    'supervision.close_order': {'verdict': NOTE}, 'supervision.get_card': {}, 'supervision.get_order': {},
    'supervision.order_clocks': {}, 'complaints.get': {}, 'complaints.clocks': {}, 'registry.load': {'rows': []},
    'ping': {}, 'status': {}, 'time': {}, 'list_dead_letters': {}, 'recompute': {},
    'replay': {'stream': 'weather', 'subject': 'nobody'}, 'rebase': {'stream': 'weather', 'cursor': 'weather:1:0'},
    'apply_recompute': {'calendar_position': 1},
}


def test_the_table_covers_the_contract():
    """A new method, operation or role that nobody has decided about is found here."""
    assert [name for name in METHODS if not TABLE.of(name)] == []
    assert GATEWAYS_OWN | {f'{m.verb} {m.path}' for m in METHODS.values() if m.verb} == operations()
    assert {name for name in TABLE.sections if name[0].isupper()} == GATEWAYS_OWN
    named = {name.split(':')[0] for name in TABLE.sections if not name[0].isupper()}
    assert named <= set(METHODS) | {f'*.{name.split(".")[1]}' for name in METHODS}
    for kind, has_subject in (('complaints', 'id'), ('supervision', 'id')):
        of_subjects = [m.name for m in METHODS.values() if m.service == kind and has_subject in m.request.DESCRIPTOR.fields_by_name]
        assert [name for name in of_subjects if 'about' not in TABLE.variants(name)] == []


@pytest.mark.parametrize('text, fault', [
    ('[a.b]\n200 ok x y\n', 'nothing is said of z'), ('[a.b]\n200 ok x y z\n401 no z\n', 'z stands twice'),
    ('[a.b]\n200 ok x y z q\n', 'q: no such caller'), ('[a.b]\n200 ok x y z\n[a.b]\n', 'stands twice'),
])
def test_a_table_with_holes_is_refused(text, fault):
    with pytest.raises(ValueError, match=fault):
        Table(['x', 'y', 'z'], text)


def fields_of(stage, name, variant, subject):
    """The request about a subject."""
    service, verb = name.split('.')
    if name == 'complaints.file':
        return stage.matters.request()
    if name == 'complaints.list':
        return {'source': 'probe-1', 'external_id': subject.external_id} | ({'division': '370102'} if variant == 'division' else {})
    if name in ('supervision.list_cards', 'supervision.list_orders'):
        return {'subject': subject.complaint} | ({'division': '370102'} if variant == 'division' else {})
    if name == 'registry.list_rows':
        return {'kind': variant} if variant else {'kind': 'unit', 'division': '370102', 'page_size': 200}
    if name in ('complaints.explain', 'supervision.explain_order'):
        return {'id': subject.id, 'clock_id': subject.clock}
    if service == 'complaints' and verb in ACTS:
        return {'id': subject.id} | ACTS[verb][1]
    told = FIELDS[name] if name in FIELDS else FIELDS[verb]
    return ({'id': subject.id} if 'id' in METHODS[name].request.DESCRIPTOR.fields_by_name else {}) | told


def subject_to_read(stage, name, variant):
    """The one that all are asked about who must not change it."""
    kind = 'card' if 'card' in name else 'order' if 'order' in name else 'complaint'
    if METHODS[name].command and kind != 'complaint':
        return stage.subjects[(name, variant)][0]
    return stage.subjects[(kind, 'about' if variant == 'about' else '')][0]


def needle(name, subject):
    """What stands in a list that shows the subject."""
    return '370102-urban' if name == 'registry.list_rows' else subject.id


def ask(stage, method, asked):
    """{(door, caller): Answer} of one method; `asked` has (door, caller, fields, ...) for each."""
    wire = [(caller, stage.wires[caller].send(method, fields)) for door, caller, fields in asked if door == 'wire']
    http = [(caller, stage.pool.submit(stage.http.call, stage.callers[caller], method, fields))
            for door, caller, fields in asked if door == 'http']
    found = {('wire', caller): stage.wires[caller].receive(method, number) for caller, number in wire}
    return found | {('http', caller): future.result() for caller, future in http}


def doors_of(method):
    """Where it can be asked."""
    return ('wire', 'http') if method.verb else ('wire',)


def verdict(name, subject, expected, answer):
    """What is wrong with an answer, '' where nothing is."""
    code = answer.code
    if code == 'ok' and expected[1] in ('seen', 'unseen'):
        code = 'seen' if needle(name, subject) in f'{answer.said}{answer.body}' else 'unseen'
    return '' if (answer.status, code) == expected else f'{answer.status} {code}, not {expected[0]} {expected[1]}'


def leaked(answer, subject):
    """What a refusal tells of the subject."""
    if answer.status < 400:
        return []
    return [what for what in (*SECRETS, subject.external_id, '370102-urban', '3701-default') if what in answer.said]


@pytest.fixture(scope='module')
def still(stage):
    """All databases before anybody was refused."""
    stage.matters.settle()
    return stage.fingerprints()


def refused_or_reading(method, answers):
    """The callers that must not change anything."""
    return [caller for caller, (status, _) in answers.items() if status >= 400 or not method.command]


@pytest.mark.parametrize('name, variant', SECTIONS, ids=lambda value: value)
def test_who_is_refused_and_who_reads(stage, still, name, variant):
    method, answers = METHODS[name], TABLE.of(name, variant)
    subject = subject_to_read(stage, name, variant)
    asked = [(door, caller, fields_of(stage, name, variant, subject)) for caller in refused_or_reading(method, answers)
             for door in doors_of(method)]
    found = ask(stage, method, asked)
    wrong = [f'{door} {caller}: {fault}' for (door, caller), answer in found.items()
             if (fault := verdict(name, subject, answers[caller], answer))]
    assert wrong == []
    assert [(who, what) for who, answer in found.items() if (what := leaked(answer, subject))] == []


OF_SUBJECTS = [(name, variant) for name, variant in SECTIONS if 'id' in METHODS[name].request.DESCRIPTOR.fields_by_name]


@pytest.mark.parametrize('name, variant', OF_SUBJECTS, ids=lambda value: value)
def test_what_is_hidden_is_as_what_is_not_there(stage, still, name, variant):
    """To the letter: who may not know of a matter learns nothing by its id."""
    method, subject = METHODS[name], subject_to_read(stage, name, variant)
    fields = fields_of(stage, name, variant, subject)
    absent = fields | {'id': str(uuid.uuid4())}
    blind = [caller for caller, (status, _) in TABLE.of(name, variant).items() if status == 404]
    hidden = ask(stage, method, [(door, caller, fields) for caller in blind for door in doors_of(method)])
    nothing = ask(stage, method, [(door, caller, absent) for caller in blind for door in doors_of(method)])
    assert blind and {who: told(answer) for who, answer in hidden.items()} == {who: told(answer) for who, answer in nothing.items()}


def told(answer: Answer):
    """The problem without what changes from answer to answer."""
    return answer.status, answer.body or json.loads(answer.said)


def test_refused_calls_changed_nothing(stage, still):
    stage.matters.settle()
    now = stage.fingerprints()
    assert {table for table in now if now[table] != still[table]} == set()


def fresh_subjects(stage, name, variant, count):
    """Each in a state in which the act goes through."""
    service, verb = name.split('.')
    if service == 'supervision':
        found = stage.subjects[(name, variant)][1:]
        assert len(found) == count
        return found
    if verb in ACTS:
        return stage.matters.many([(variant == 'about', ACTS[verb][2])] * count)
    return [stage.subjects[('complaint', '')][0]] * count


@pytest.mark.parametrize('name, variant', COMMANDS, ids=lambda value: value)
def test_who_may(stage, name, variant):
    method, answers = METHODS[name], TABLE.of(name, variant)
    whom = [(door, caller) for caller in stage.allowed(name, variant) for door in doors_of(method)]
    subjects = fresh_subjects(stage, name, variant, len(whom))
    asked = [(*who, fields_of(stage, name, variant, subject)) for who, subject in zip(whom, subjects)]
    # Loads go one after another: of two at a time one is told to come again.
    found = {who: answer for part in ([[one] for one in asked] if name == 'registry.load' else [asked])
             for who, answer in ask(stage, method, part).items()}
    wrong = [f'{door} {caller}: {fault} {answer.said}' for (door, caller), answer in found.items()
             if (fault := verdict(name, subjects[0], answers[caller], answer))]
    assert wrong == [] and len(found) == len(whom) > 0


@pytest.mark.parametrize('operation', sorted(GATEWAYS_OWN - {'GET /v1/events', 'GET /v1/events:stream'}))
def test_what_the_gateway_answers_by_itself(stage, operation):
    verb, path = operation.split()
    body = {'seconds': 0} if verb == 'POST' else None
    found = {caller: stage.pool.submit(stage.http.request, stage.callers[caller].owned['token'], verb, path, body)
             for caller in stage.callers}
    answers = {caller: (future.result().status, future.result().code) for caller, future in found.items()}
    assert answers == TABLE.sections[operation]


def test_what_is_not_for_outsiders_has_no_route(stage):
    """Operators' methods are the bus's alone: over HTTP nothing answers to their names, for nobody."""
    inside = [name for name in METHODS if not METHODS[name].verb and name.split('.')[1] not in ('pull', 'follow')]
    paths = chain.from_iterable((f'/v1/{s}:{v}', f'/v1/{s}/{v}', f'/v1/{v}') for s, v in (name.split('.') for name in inside))
    token = stage.callers['operator.own'].owned['token']
    known = {path for path in paths for verb in ('GET', 'POST')
             if stage.http.request(token, verb, path, {} if verb == 'POST' else None).status not in (400, 404, 405)}
    assert inside and known == set()
