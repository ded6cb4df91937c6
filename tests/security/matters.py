"""Subjects: complaints, cards and orders, each in the state in which the act that is asked for would go through."""
import itertools
from dataclasses import dataclass

from cast import SOURCE

# What no answer to a refused call, no log and no event may hold.
TITLE, TEXT, PLACE, NOTE = '探针标题甲乙', '探针正文丙丁', '探针地址戊己', '探针附言庚辛'
NAME, PHONE = '探针市民', '19900007777'
SECRETS = (TITLE, TEXT, PLACE, NOTE, NAME, PHONE)

CENTRE, UNIT = 'hotline.parent', 'unit.parent'  # they may act on a matter about an organ, too
FAILED_VISIT = {'reached': True, 'solved': False, 'satisfied': False, 'note': NOTE}

# What each act carries, and what goes before it so that its state allows it.
ACTS = {
    'dispatch': (CENTRE, {}, ('return',)),
    'sign': (UNIT, {}, ()),
    'contact': (UNIT, {'reached': True, 'note': NOTE}, ('sign',)),
    'reply': (UNIT, {'text': NOTE, 'basis': NOTE}, ('sign',)),
    'extend': (UNIT, {'working_days': 1, 'reason': NOTE}, ()),
    'return': (UNIT, {'reason': NOTE}, ()),
    'visit': (CENTRE, FAILED_VISIT, ('sign', 'reply')),
    'redo': (CENTRE, {'reason': NOTE}, ('sign', 'reply', 'visit')),
    'close': (CENTRE, {'note': NOTE}, ('sign', 'reply')),
    'reopen': (CENTRE, {'reason': NOTE}, ('sign', 'reply', 'close')),
}
TO_AN_ORDER = ('sign', 'reply', 'visit', 'redo', 'reply', 'visit')


@dataclass(frozen=True)
class Subject:
    """What is acted on: `id` is the complaint's, card's or order's own."""
    id: str
    complaint: str
    external_id: str
    clock: str = ''


class Matters:
    """Makes them, many at a time, over HTTP."""

    def __init__(self, http, methods, callers, pool, run):
        self._http, self._methods, self._callers, self._pool = http, methods, callers, pool
        self._external_ids = (f'{run}-{number}' for number in itertools.count(1))

    def told(self, caller, method, fields, status=(200, 201)):
        """What the caller is told of a call that must go well."""
        answer = self._http.call(self._callers[caller], self._methods[method], fields)
        assert answer.status in status, f'{caller} {method}: {answer.said}'
        return answer.body

    def request(self, about=False, source=SOURCE):
        """A filing request, new at every call."""
        return {'source': source, 'external_id': next(self._external_ids), 'channel': 'phone', 'type': 'complaint',
                'category': '城管执法', 'title': TITLE, 'text': TEXT, 'place': PLACE, 'division': '370102',
                'about_enforcement': about, 'caller': {'name': NAME, 'phone': PHONE, 'wants_reply': True}}

    def filed(self, about=False, acts=()):
        """A complaint to which these acts were done."""
        request = self.request(about)
        made = self.told(CENTRE, 'complaints.file', request)
        for act in acts:
            who, fields, _ = ACTS[act]
            made = self.told(who, f'complaints.{act}', {'id': made['id'], **fields})
        return Subject(made['id'], made['id'], request['external_id'], made['clocks'][0]['id'])

    def many(self, wanted):
        """Complaints for (about, acts) each, in that order."""
        return list(self._pool.map(lambda each: self.filed(*each), wanted))

    def settle(self):
        """Answers when every consumer has caught up."""
        answer = self._http.request(self._callers['operator.own'].owned['token'], 'POST', '/v1/time:advance', {'seconds': 0})
        assert answer.status == 200, answer.said

    def cards(self, complaints):
        """Their red cards of signing, once civil time has gone far enough."""
        def one(of):
            cards = self.told('supervisor.parent', 'supervision.list_cards', {'subject': of.complaint})['cards']
            card, = (card for card in cards if card['clock_kind'] == 'sign')
            return Subject(card['id'], of.complaint, of.external_id)
        return list(self._pool.map(one, complaints))

    def orders(self, complaints):
        """Their orders, from two failed visits; with the clock of each."""
        def one(of):
            order, = self.told('supervisor.parent', 'supervision.list_orders', {'subject': of.complaint})['orders']
            clock, = self.told('supervisor.parent', 'supervision.order_clocks', {'id': order['id']})['clocks']
            return Subject(order['id'], of.complaint, of.external_id, clock['id'])
        self.settle()
        return list(self._pool.map(one, complaints))
