"""What belongs to one principal is of no use to another: idempotency keys, page tokens, clocks, natural keys."""
import uuid

import pytest
from matters import SECRETS

LISTS = ['complaints.list', 'supervision.list_cards', 'supervision.list_orders', 'registry.list_rows']


def both(stage, caller, name, fields, key=None):
    """The answers of HTTP and of ZeroMQ."""
    method, who = stage.methods[name], stage.callers[caller]
    return stage.http.call(who, method, fields, key), stage.wires[caller].call(method, fields, key)


def codes(answers):
    return {(answer.status, answer.code) for answer in answers}


def field(answer, name):
    """Of a success."""
    return answer.body[name] if isinstance(answer.body, dict) else getattr(answer.body, name)


def test_a_key_is_its_principals(stage):
    """The same key in another's hand is a key of his own: refused as he would be without, and nothing of it replayed."""
    subject, key = stage.matters.filed(), f'probe-{uuid.uuid4()}'
    sign = {'id': subject.id}
    done = stage.http.call(stage.callers['unit.own'], stage.methods['complaints.sign'], sign, key)
    assert done.status == 200
    for caller, expected in (('unit.none', (404, 'not_found')), ('unit.other', (403, 'unit_not_yours')),
                             ('hotline.own', (403, 'permission_denied')), ('unit.parent', (409, 'state_forbids'))):
        answers = both(stage, caller, 'complaints.sign', sign, key)
        assert codes(answers) == {expected}, caller
        assert not [what for answer in answers for what in SECRETS if what in answer.said]
    replayed = both(stage, 'unit.own', 'complaints.sign', sign, key)
    assert codes(replayed) == {(200, 'ok')} and 'Idempotency-Replayed: true' in replayed[0].said and 'replayed: true' in replayed[1].said
    # The same key for another matter of his is a mistake that tells nothing of the first.
    other = both(stage, 'unit.own', 'complaints.sign', {'id': stage.matters.filed().id}, key)
    assert codes(other) == {(422, 'conflicting_payload')} and all(subject.id not in answer.said for answer in other)


def test_a_replay_is_authorised_anew(stage):
    """A key answered before shows the matter as its caller may see it now: not at all once it has left him."""
    subject, key = stage.matters.filed(), f'probe-{uuid.uuid4()}'
    back = {'id': subject.id, 'reason': '属地有误'}
    assert codes([stage.http.call(stage.callers['unit.own'], stage.methods['complaints.return'], back, key)]) == {(200, 'ok')}
    assert codes(both(stage, 'unit.own', 'complaints.return', back, key)) == {(200, 'ok')}
    stage.matters.told('hotline.parent', 'complaints.dispatch', {'id': subject.id, 'unit': '370103-default'})
    answers = both(stage, 'unit.own', 'complaints.return', back, key)
    assert codes(answers) == {(404, 'not_found')} and not [what for a in answers for what in SECRETS if what in a.said]


def test_a_natural_key_is_its_sources(stage):
    """Who may not file for a source does not learn which numbers it has."""
    request = stage.matters.request()
    stage.matters.told('hotline.parent', 'complaints.file', request)
    for fields in (request, request | {'title': '另一件'}):
        assert codes(both(stage, 'hotline.other', 'complaints.file', fields)) == {(403, 'source_not_yours')}
        assert codes(both(stage, 'hotline.none', 'complaints.file', fields)) == {(403, 'division_not_yours')}
    assert codes(both(stage, 'hotline.parent', 'complaints.file', request)) == {(200, 'ok')}
    assert codes(both(stage, 'hotline.parent', 'complaints.file', request | {'title': '另一件'})) == {(422, 'conflicting_payload')}


@pytest.mark.parametrize('name', LISTS)
def test_a_page_token_is_its_principals_and_its_filters(stage, name):
    fields = {'page_size': 1} | ({'kind': 'unit'} if name.startswith('registry') else {})
    mine = {'registry.list_rows': 'unit.own'}.get(name, 'supervisor.own')
    others = ('supervisor.parent', 'unit.own', 'operator.own', 'mixed.own', 'unit.other', 'supervisor.none')
    tokens = [field(answer, 'next_page_token') for answer in both(stage, mine, name, fields)]
    assert all(tokens) and codes(both(stage, mine, name, fields | {'page_token': tokens[0]})) == {(200, 'ok')}
    for token in tokens:
        for caller in others:
            if caller != mine:
                assert codes(both(stage, caller, name, fields | {'page_token': token})) == {(400, 'page_token_invalid')}, caller
        narrowed = fields | {'division': '370102', 'page_token': token}
        assert codes(both(stage, mine, name, narrowed)) == {(400, 'page_token_invalid')}
        forged = token[:-2] + ('AA' if token[-2:] != 'AA' else 'BA')
        assert codes(both(stage, mine, name, fields | {'page_token': forged})) == {(400, 'page_token_invalid')}
        other_list = next(each for each in LISTS if each != name and not each.startswith('registry'))
        assert codes(both(stage, 'supervisor.own', other_list, {'page_size': 1, 'page_token': token})) == {(400, 'page_token_invalid')}


@pytest.mark.parametrize('kind, name', [('complaint', 'complaints.explain'), ('order', 'supervision.explain_order')])
def test_a_clock_is_its_matters(stage, kind, name):
    """The clock of a matter that is hidden, named under one that is not, is not there; nor is one that never was."""
    open_matter, hidden = stage.subjects[(kind, '')][0], stage.subjects[(kind, 'about')][0]
    for clock in (hidden.clock, str(uuid.uuid4())):
        assert codes(both(stage, 'unit.own', name, {'id': open_matter.id, 'clock_id': clock})) == {(404, 'not_found')}
        assert codes(both(stage, 'unit.own', name, {'id': hidden.id, 'clock_id': clock})) == {(404, 'not_found')}
    assert codes(both(stage, 'unit.own', name, {'id': hidden.id, 'clock_id': open_matter.clock})) == {(404, 'not_found')}


def test_a_version_is_not_told_to_who_may_not_act(stage):
    """If-Match is looked at after authority: its 412 would tell that there is something."""
    sign, subject = stage.methods['complaints.sign'], stage.subjects[('complaint', '')][0]
    for caller, expected in (('unit.none', 404), ('unit.other', 403), ('hotline.own', 403)):
        who = stage.callers[caller]
        assert stage.wires[caller].call(sign, {'id': subject.id}, if_version=999).status == expected
        assert stage.http.request(who.owned['token'], 'POST', f'/v1/complaints/{subject.id}:sign', {},
                                  {'If-Match': '"999"'}).status == expected


@pytest.mark.parametrize('caller', ['hotline.own', 'unit.own', 'supervisor.parent', 'operator.own', 'service.own', 'service.nowhere'])
def test_only_an_edge_speaks_for_others(stage, caller):
    get, subject = stage.methods['complaints.get'], stage.subjects[('complaint', '')][0]
    for whom in ('operator', stage.callers['supervisor.own'].id, stage.callers[caller].id, 'nobody-at-all'):
        told = stage.wires[caller].call(get, {'id': subject.id}, on_behalf=whom)
        assert (told.status, told.code) == (403, 'on_behalf'), whom


def test_an_edge_speaks_for_those_who_are_there(stage):
    """And with their rights, not its own: whom it names is looked up, and who was sent away is nobody."""
    get, subject, edge = stage.methods['complaints.get'], stage.subjects[('complaint', '')][0], stage.wires['edge.none']
    for whom, expected in (('supervisor.own', (200, 'ok')), ('supervisor.none', (404, 'not_found')), ('importer.own', (403, 'permission_denied')),
                           ('revoked', (401, 'unauthenticated')), ('unknown', (401, 'unauthenticated'))):
        told = edge.call(get, {'id': subject.id}, on_behalf=stage.callers[whom].id)
        assert (told.status, told.code) == expected, whom
