"""A province in one process, for tests of the demo: complaints, supervision and both logs in memory, told over HTTP.

It knows what the demo asks for and no more. Its clocks are the model's, so it proves nothing about the services: it
shows that the demo plays, sees what arrives, and finds what is missing.
"""
import itertools
import re
import threading
import uuid
from datetime import datetime, timedelta

from model.calendar import CHINA
from model.clocks import Clock, Facts
from model.ladder import TERMS as ORDER_TERMS
from model.matter import ACTS, CARDS_ENDED, REACHED_ONLY
from model.owners import ABOVE, contains, level_of, owners_of

STREAMS = ('complaints', 'supervision')
TERMS = {'reply': ('contact', 'return')}


class Refused(Exception):
    """status, code."""


def shown(instant):
    """As the contract has instants."""
    return instant.astimezone(CHINA).isoformat(timespec='milliseconds') if instant else None


class Province:
    """The whole of it, under one lock."""

    def __init__(self, moment=None):
        self.facts = Facts()
        self.changed = threading.Condition(threading.RLock())
        self.offset = (moment - datetime.now(CHINA)) if moment else timedelta(0)
        self.look_at_clock()
        self.owners = owners_of(self.now().date())
        self.logs = {stream: [] for stream in STREAMS}
        self.complaints, self.cards, self.orders = {}, {}, {}
        self.numbers = itertools.count(1)
        self.keys = {}
        self.lose = None            # a function of an event: True loses it from the log's effects

    def look_at_clock(self):
        """A command has one time, read once it has the lock."""
        now = datetime.now(CHINA) + self.offset
        self._now = now.replace(microsecond=now.microsecond // 1000 * 1000)

    def now(self):
        """Civil time of the command that is being done, whole milliseconds."""
        return self._now

    # ------------------------------------------------------------------ logs

    def tell(self, stream, kind, subject, division, correlation, /, **data):
        """Append an event and do what follows from it."""
        log = self.logs[stream]
        event = {'specversion': '1.0', 'id': str(uuid.uuid4()), 'source': f'/37/{stream}', 'type': f'{kind}.v1',
                 'subject': subject, 'time': shown(self.now()), 'position': str(len(log) + 1),
                 'correlationid': correlation, 'data': {'division': division, **data}}
        log.append(event)
        self.changed.notify_all()

    def _act_event(self, case, kind, **data):
        self.tell('complaints', f'complaint.{kind}', case['id'], case['division'], case['id'], complaint_id=case['id'],
                  unit=case['unit'], state=case['state'], version=str(case['version']), **data)
        if kind in REACHED_ONLY and not data['reached']:
            return
        for card in self.cards.values():
            if card['subject'] == case['id'] and card['state'] != 'closed' and \
                    card['clock_kind'] in CARDS_ENDED.get(kind, ()):
                card['state'] = 'closed'
                self._card_event(card, 'closed')

    def _card_event(self, card, kind, **more):
        self.tell('supervision', f'card.{kind}', card['card_id'], card['division'], card['subject'],
                  **{name: card[name] for name in ('card_id', 'color', 'subject', 'clock_kind', 'term', 'unit', 'level',
                                                   'raised_at', 'state')}, **more)

    def _order_event(self, order, kind, **more):
        self.tell('supervision', f'order.{kind}', order['order_id'], order['division'], order['subject'],
                  **{name: order[name] for name in ('order_id', 'level', 'trigger', 'subject', 'unit', 'body',
                                                    'issued_at', 'due_at', 'state')}, **more)

    # ------------------------------------------------------------------ filing and acts

    def file(self, request):
        """POST /v1/complaints."""
        unit, audience = self.owners.owner(request['division'], request.get('category') or 'other',
                                           request['about_enforcement'])
        case = {**request, 'id': str(uuid.uuid4()), 'order_no': f'{next(self.numbers):08d}', 'unit': unit, 'version': 1,
                'category': request.get('category') or 'other', 'state': 'dispatched', 'clocks': {}, 'audience': audience,
                'received_at': request.get('received_at') or shown(self.now()), 'returns': 0, 'redos': 0, 'failed': 0,
                'extended': False, 'limit': False, 'returned_by': None, 'visit': None}
        self.complaints[case['id']] = case
        self._start(case, 'sign', 'return', 'reply')
        self._act_event(case, 'filed', **{name: case[name] for name in (
            'source', 'order_no', 'category', 'about_enforcement', 'received_at')})
        self._act_event(case, 'dispatched', **self._due(case))
        return case

    def _start(self, case, *kinds):
        for kind in kinds:
            if kind in case['clocks']:
                case['clocks'][kind].start(self.now())
            else:
                case['clocks'][kind] = Clock(self.facts, kind, kind, self.now())

    def _end(self, case, *kinds, cancelled=False):
        for kind in kinds:
            if kind in case['clocks']:
                case['clocks'][kind].end(self.now(), cancelled)

    def _due(self, case):
        reply = case['clocks']['reply']
        return {'reply_due_at': shown(reply.due_at), 'reply_term': reply.term}

    def act(self, complaint_id, verb, body):
        """POST /v1/complaints/{id}:verb."""
        case = self.complaints[complaint_id]
        kind = {'sign': 'signed', 'contact': 'contacted', 'reply': 'replied', 'extend': 'extended', 'return': 'returned',
                'dispatch': 'dispatched', 'visit': 'visited', 'redo': 'redone', 'close': 'closed',
                'reopen': 'reopened'}[verb]
        allowed, after = ACTS[kind]
        if case['state'] not in allowed:
            raise Refused(409, 'state_forbids')
        self._refuse(case, verb)
        case['state'] = after or case['state']
        case['version'] += 1
        getattr(self, f'_{verb}')(case, body)
        return case

    def _refuse(self, case, verb):
        if verb == 'return' and case['limit']:
            raise Refused(409, 'return_limit')
        if verb == 'extend' and case['extended']:
            raise Refused(409, 'already_extended')
        if verb == 'redo' and case['redos'] >= 2:
            raise Refused(409, 'redo_limit')

    def _sign(self, case, _body):
        self._end(case, 'sign')
        self._start(case, 'contact')
        self._act_event(case, 'signed')

    def _contact(self, case, body):
        if body['reached']:
            case['state'] = 'handling'
            self._end(case, 'contact')
        self._act_event(case, 'contacted', reached=body['reached'])

    def _reply(self, case, _body):
        reply = case['clocks']['reply']
        self._end(case, 'reply')
        self._end(case, 'contact', 'return', cancelled=True)
        self._start(case, 'visit')
        self._stop_orders(case)
        self._act_event(case, 'replied', in_time=reply.ended < reply.due_at, reply_term=reply.term)

    def _extend(self, case, body):
        case['extended'] = True
        case['clocks']['reply'].extend(body['working_days'])
        self._act_event(case, 'extended', working_days=body['working_days'], **self._due(case))

    def _return(self, case, _body):
        returner = case['unit']
        case['returns'] += 1
        case['limit'] = case['returns'] >= 2
        if case['limit']:
            case['unit'] = self.owners.designated(case['returned_by'], returner)
        case['returned_by'] = returner
        self._end(case, 'return')
        self._end(case, 'sign', 'contact', 'reply', cancelled=True)
        self._start(case, 'dispatch')
        self._act_event(case, 'returned', return_count=case['returns'], return_limit=case['limit'])

    def _dispatch(self, case, body):
        routed = self.owners.owner(case['division'], case['category'], case['about_enforcement'])[0]
        case['unit'] = case['unit'] if case['limit'] else body.get('unit') or routed
        old, home = case['division'], self.owners.units[case['unit']]['division']
        case['division'] = old if contains(home, old) else home
        case['extended'] = False
        self._end(case, 'dispatch')
        self._start(case, 'sign', 'return', 'reply')
        self._act_event(case, 'dispatched', **self._due(case))
        if not contains(old, case['division']):
            self.tell('complaints', 'complaint.moved_out', case['id'], old, case['id'], complaint_id=case['id'],
                      version=str(case['version']))

    def _visit(self, case, body):
        case['visit'] = body
        failed = body['reached'] and not (body['solved'] and body['satisfied'])
        case['failed'] += failed
        if body['reached']:
            case['state'] = 'visited'
            self._end(case, 'visit')
        self._act_event(case, 'visited', failed_visits=case['failed'],
                        **{name: body[name] for name in ('reached', 'solved', 'satisfied')})
        if failed and case['failed'] >= 2:
            self._issue(case, 'unsatisfied', level_of(case['division']), case['division'], case['unit'])

    def _redo(self, case, _body):
        case['redos'] += 1
        case['extended'] = False
        self._start(case, 'reply')
        self._act_event(case, 'redone', redo_count=case['redos'], **self._due(case))

    def _close(self, case, _body):
        self._end(case, 'visit', cancelled=True)
        self._act_event(case, 'closed')

    def _reopen(self, case, _body):
        case['redos'] = case['failed'] = 0
        self._start(case, 'dispatch')
        self._act_event(case, 'reopened')

    # ------------------------------------------------------------------ cards and orders

    def _open_orders(self, case, trigger=None):
        return [order for order in self.orders.values() if order['subject'] == case['id'] and
                order['state'] in ('issued', 'signed', 'replied') and trigger in (None, order['trigger'])]

    def _stop_orders(self, case):
        for order in self._open_orders(case):
            if order['clock']:
                order['clock'].end(self.now())

    def _issue(self, case, trigger, level, division, unit, previous='', due_at=None, step='l1'):
        for order in self._open_orders(case, trigger):
            order['state'] = 'closed'
            if order['clock']:
                order['clock'].end(self.now())
            self._order_event(order, 'closed', reason='superseded')
        clock = None if trigger == 'overdue' else Clock(self.facts, 'order', ORDER_TERMS[step], self.now(), step)
        order = {'order_id': str(uuid.uuid4()), 'level': level, 'trigger': trigger, 'subject': case['id'], 'unit': unit,
                 'division': division, 'body': self.owners.body(division, level), 'issued_at': shown(self.now()),
                 'due_at': shown(clock.due_at if clock else due_at), 'state': 'issued', 'clock': clock, 'stuck': False,
                 'reported': False}
        self.orders[order['order_id']] = order
        self._order_event(order, 'issued', previous=previous)

    def _climb(self, case, order, rung, due_at):
        if rung == 'report':
            order['reported'] = True
            self._order_event(order, 'reported')
        elif ABOVE[order['level']] is None:
            if not order['stuck']:
                order['stuck'] = True
                self._order_event(order, 'cannot_escalate')
        else:
            order['state'] = 'escalated'
            if order['clock']:
                order['clock'].end(self.now())
            self._order_event(order, 'escalated')
            self._issue(case, order['trigger'], ABOVE[order['level']], order['division'], order['unit'],
                        order['order_id'], due_at, rung)

    def order_act(self, order_id, verb, body):
        """POST /v1/orders/{id}:verb."""
        order = self.orders[order_id]
        allowed = {'sign': ('issued',), 'reply': ('issued', 'signed'), 'close': ('issued', 'signed', 'replied')}[verb]
        if order['state'] not in allowed:
            raise Refused(409, 'state_forbids')
        order['state'] = {'sign': 'signed', 'reply': 'replied', 'close': 'closed'}[verb]
        if verb == 'close' and order['clock']:
            order['clock'].end(self.now())
        self._order_event(order, order['state'], **({'reason': 'verdict'} if verb == 'close' else {}))
        return order

    def acknowledge(self, card_id, principal):
        """POST /v1/cards/{id}:acknowledge."""
        card = self.cards[card_id]
        if card['state'] == 'closed':
            raise Refused(409, 'state_forbids')
        card['state'] = 'acknowledged'
        self._card_event(card, 'acknowledged', acknowledged_by=principal)
        return card

    # ------------------------------------------------------------------ time

    def advance(self, seconds):
        """POST /v1/time:advance."""
        self.offset += timedelta(seconds=seconds)
        self.look_at_clock()
        for case in list(self.complaints.values()):
            for clock in list(case['clocks'].values()):
                self._fire(case, clock, 'complaints', case['id'], case['division'], case['unit'])
        for order in list(self.orders.values()):
            if order['clock'] and order['state'] in ('issued', 'signed', 'replied'):
                self._fire(self.complaints[order['subject']], order['clock'], 'supervision', order['order_id'],
                           order['division'], order['unit'])

    def _fire(self, case, clock, stream, subject, division, unit):
        while clock.is_open and (rung := clock.next_rung()) and rung[1] <= self.now():
            clock.last_rung, clock.last_fired = rung[0], self.now()
            after = clock.next_rung()
            self.tell(stream, 'clock.rung_reached', subject, division, '', clock_kind=clock.kind, term=clock.term,
                      rung=rung[0], subject=subject, unit=unit, due_at=shown(rung[1]), fired_at=shown(self.now()),
                      next_due_at=shown(after and after[1]), clock_due_at=shown(clock.due_at))
            self._effect(case, clock, rung[0], after and after[1], subject, division, unit)

    def _effect(self, case, clock, rung, next_due_at, subject, division, unit):
        if clock.kind == 'order':
            order = self.orders[subject]
            if order['state'] in ('issued', 'signed', 'replied'):
                self._climb(case, order, rung, None)
        elif rung in ('yellow', 'red'):
            card = {'card_id': str(uuid.uuid4()), 'color': rung, 'subject': case['id'], 'clock_kind': clock.kind,
                    'term': clock.term, 'division': division, 'unit': unit, 'level': level_of(division),
                    'raised_at': shown(self.now()), 'state': 'open'}
            self.cards[card['card_id']] = card
            self._card_event(card, 'raised')
        elif rung == 'l1':
            self._issue(case, 'overdue', level_of(division), division, unit, due_at=next_due_at)
        else:
            for order in self._open_orders(case, 'overdue'):
                self._climb(case, order, rung, next_due_at)

    # ------------------------------------------------------------------ views

    def view(self, case):
        """A complaint as the API tells it."""
        clocks = [{'id': f'{case["id"]}-{kind}', 'kind': kind, 'term': clock.term, 'started_at': shown(clock.started),
                   'due_at': shown(clock.due_at), 'due_on': clock.due_on.isoformat(), 'provisional': clock.provisional,
                   'state': clock.state(self.now()), 'ended_at': shown(clock.ended)}
                  for kind, clock in case['clocks'].items()]
        kept = ('id', 'order_no', 'source', 'external_id', 'state', 'division', 'unit', 'title', 'text', 'type', 'visit',
                'about_enforcement')
        return {**{name: case[name] for name in kept}, 'version': str(case['version']), 'clocks': clocks}

    @staticmethod
    def view_card(card):
        """A card as the API tells it."""
        return {**card, 'id': card['card_id']}

    @staticmethod
    def view_order(order):
        """An order as the API tells it."""
        return {**{name: value for name, value in order.items() if name != 'clock'}, 'id': order['order_id'],
                'cannot_escalate': order['stuck']}

    def visible(self, event, principal):
        """May a principal receive an event?"""
        jurisdiction = re.sub(r'\D', '', principal.rpartition('_')[2]) or '37'
        data, case = event['data'], self.complaints.get(event['correlationid'] or event['subject'])
        if event['type'] == 'complaint.moved_out.v1' and self.owners.may_see(jurisdiction, case['division']):
            return False
        return self.owners.may_see(jurisdiction, data['division'])
