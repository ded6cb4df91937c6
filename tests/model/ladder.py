"""Cards and orders: what supervision must have made of reached rungs and failed visits, and its log checked against that."""
from datetime import timedelta

from .clocks import Clock, require, shown
from .owners import ABOVE, contains, level_of

OPEN = ('issued', 'signed', 'replied')
OVERDUE, UNSATISFIED = 'overdue', 'unsatisfied'
TERMS = {'l1': 'order_county', 'l2': 'order_city', 'l3': 'order_province'}  # of the ladder's steps, whatever the level


class Order:
    """An order as supervision's log tells it."""

    def __init__(self, data, at, cause):
        self.data, self.at = data, at
        self.id, self.level, self.trigger = data['order_id'], data['level'], data['trigger']
        self.cause = cause          # the FailedVisit; None for the overdue ladder
        self.state = 'issued'
        self.address = (data['division'], data['unit'])     # where it is by now
        self.left = None            # the division that the newest move made it leave
        self.step = 'l1'            # its place in the ladder; counted for triggers other than overdue
        self.climbed_by = None      # the rung that issued the next
        self.closed = None          # (time, reason)
        self.next = None            # the order that it climbed to
        self.stuck = self.reported = False
        self.clock = None           # of triggers other than overdue
        self.steps = []             # rungs of its own clock that it owes an effect

    @property
    def is_open(self):
        """May anything still become of it?"""
        return self.state in OPEN


class Orders:
    """The supervision log of one complaint, in order, after the complaints' log was read whole."""

    def __init__(self, matter, lag, cut=timedelta(0)):
        self.matter, self.lag, self.cut = matter, lag, cut
        self.facts, self.owners = matter.facts, matter.owners
        self.by_id = {}
        self.cards = {}             # (clock kind, term, color): card id
        self.card_keys = {}
        self.closed_cards = set()
        self.acknowledged = set()   # (card id, principal)

    def require(self, condition, text):
        """As require(), naming the complaint."""
        require(condition, lambda: f'{self.matter.id}: {text() if callable(text) else text}')

    def apply(self, kind, event):
        """An event of supervision's log: card_raised, order_issued, ..."""
        getattr(self, f'_on_{kind}')(event.data, event.time)

    # ------------------------------------------------------------------ cards

    @staticmethod
    def _key(data):
        return data['clock_kind'], data['term'], data['color']

    def calls_for(self, data):
        """Whether the rung of a card was reached."""
        return self._key(data) in self.matter.cards

    def _on_card_raised(self, data, at):
        key = self._key(data)
        self.require(key not in self.cards, f'card {key} twice')
        self.cards[key] = data['card_id']
        self.card_keys[data['card_id']] = key
        expected = self.matter.cards.get(key)
        self.require(expected is not None, f'card {key}, where no rung was reached')
        self.require(data['level'] == level_of(expected.division), f'card {key} of level {data["level"]}')
        self.require((data['division'], data['unit']) == (expected.division, expected.unit),
                     f'card {key} under {data["division"]}, {data["unit"]}')
        self.require(data['state'] == 'open', f'card {key} raised in state {data["state"]}')
        self.require(data['raised_at'] == at and at >= expected.fired_at - self.cut,
                     lambda: f'card {key} raised at {shown(at)}, its rung was reached at {shown(expected.fired_at)}')

    def _on_card_acknowledged(self, data, _at):
        card = data['card_id']
        self.require(card in self.card_keys, f'acknowledged card {card}, never raised')
        self.require(card not in self.closed_cards, f'acknowledged card {self.card_keys[card]}, closed before')
        self.require(data['state'] == 'acknowledged', f'card {self.card_keys[card]} acknowledged, but {data["state"]}')
        seen = (card, data['acknowledged_by'])
        self.require(seen not in self.acknowledged, f'card {self.card_keys[card]} acknowledged twice by {seen[1]}')
        self.acknowledged.add(seen)

    def _on_card_closed(self, data, _at):
        card = data['card_id']
        self.require(card in self.card_keys, f'closed card {card}, never raised')
        self.require(card not in self.closed_cards, f'card {self.card_keys[card]} closed twice')
        self.require(data['state'] == 'closed', f'card {self.card_keys[card]} closed, but {data["state"]}')
        self.closed_cards.add(card)

    # ------------------------------------------------------------------ orders

    def _open(self, trigger):
        return [order for order in self.by_id.values() if order.trigger == trigger and order.is_open]

    def _on_order_issued(self, data, at):
        self.require(data['order_id'] not in self.by_id, f'order {data["order_id"]} twice')
        self.require(not self._open(data['trigger']), f'two open orders of trigger {data["trigger"]}')
        previous = self._climbed(data) if data['previous'] else None
        self.require(data['state'] == 'issued', f'an order issued in state {data["state"]}')
        order = Order(data, at, self._cause(data, previous, at))
        self.by_id[order.id] = order
        if previous:
            previous.next = order
            order.step = previous.climbed_by or order.step
        else:
            self.require(order.level == level_of(data['division']), f'the first order is of level {order.level}')
        self._check_body(order, data)
        if order.cause:
            self._start_clock(order)

    def _check_body(self, order, data):
        body = self.owners.body(data['division'], order.level)
        self.require(data['body'] == body, f'order of {order.level} is for {data["body"]}, not {body}')

    def _climbed(self, data):
        previous = self.by_id.get(data['previous'])
        self.require(previous is not None, f'order {data["order_id"]} climbed from one never issued')
        self.require(previous.state == 'escalated' and previous.next is None, f'climbed from {previous.state}')
        self.require(data['level'] == ABOVE[previous.level], f'climbed from {previous.level} to {data["level"]}')
        return previous

    def _cause(self, data, previous, at):
        if data['trigger'] == OVERDUE:
            return None
        self.require(data['trigger'] == UNSATISFIED, f'an order of trigger {data["trigger"]}')
        if previous:
            cause = previous.cause
        else:
            before = sum(order.cause is not None and not order.data['previous'] for order in self.by_id.values())
            self.require(before < len(self.matter.unsatisfied), 'an order of trigger unsatisfied without a failed visit')
            cause = self.matter.unsatisfied[before]
        address = previous.address if previous else (cause.division, cause.unit)
        self.require((data['division'], data['unit']) == address,
                     f'order under {data["division"]}, {data["unit"]}')
        self.require(at >= cause.at, lambda: f'order at {shown(at)}, the visit failed at {shown(cause.at)}')
        return cause

    def _start_clock(self, order):
        order.clock = Clock(self.facts, 'order', TERMS[order.step], order.at, order.step)
        self.require(order.data['due_at'] == order.clock.due_at,
                     lambda: f'order due {shown(order.data["due_at"])}: {order.clock}')
        if order.cause.stopped_at:
            order.clock.until = max(order.cause.stopped_at + self.lag, order.at)

    def _move(self, data, state):
        order = self.by_id.get(data['order_id'])
        self.require(order is not None, f'{state}: order {data["order_id"]} was never issued')
        self.require(order.is_open, f'{state}: an order that is {order.state}')
        self.require(data['state'] == state, f'{state}: told state {data["state"]}')
        order.state = state
        return order

    def _on_order_signed(self, data, _at):
        self._move(data, 'signed')

    def _on_order_replied(self, data, _at):
        self._move(data, 'replied')

    def _on_order_closed(self, data, at):
        order = self._move(data, 'closed')
        order.closed = (at, data['reason'])
        if order.clock:
            order.clock.end(at)

    def _on_order_escalated(self, data, at):
        order = self._move(data, 'escalated')
        if order.clock:
            self.require(order.steps, f'order of {order.level} escalated before its term had run out')
            order.climbed_by = order.steps.pop(0)
            order.clock.end(at)

    def _on_order_cannot_escalate(self, data, _at):
        order = self.by_id.get(data['order_id'])
        self.require(order is not None and order.is_open, f'order {data["order_id"]} cannot escalate, and is not open')
        self.require(ABOVE[order.level] is None, f'an order of {order.level} could have escalated')
        self.require(not order.stuck, f'order {order.id} cannot escalate, told twice')
        self.require(data['state'] == order.state, f'cannot escalate, told state {data["state"]}, not {order.state}')
        order.stuck = True

    def _on_order_reported(self, data, _at):
        order = self.by_id.get(data['order_id'])
        self.require(order is not None and order.is_open, f'order {data["order_id"]} reported, and is not open')
        self.require(not order.reported, f'order {order.id} reported twice')
        self.require(data['state'] == order.state, f'reported, told state {data["state"]}, not {order.state}')
        order.reported = True

    def _on_order_readdressed(self, data, _at):
        """The matter has a new owner: its open orders go there, and climb on."""
        order = self.by_id.get(data['order_id'])
        self.require(order is not None and order.is_open, f'order {data["order_id"]} readdressed, and is not open')
        address = (data['division'], data['unit'])
        self.require(address != order.address and address in self.matter.addresses,
                     f'order {order.id} readdressed to {address}, where the matter did not go')
        self.require(data['previous_unit'] == order.address[1], f'readdressed from {data["previous_unit"]}')
        self.require(data['state'] == order.state, f'readdressed, told state {data["state"]}, not {order.state}')
        self._check_body(order, data)
        order.left = None if contains(order.address[0], address[0]) else order.address[0]
        order.address = address

    def _on_order_moved_out(self, data, _at):
        order = self.by_id.get(data['order_id'])
        self.require(order is not None and order.left == data['division'],
                     f'order {data["order_id"]} moved out of {data["division"]}, which it had not left')
        order.left = None

    def rung_reached(self, data):
        """A rung of an order's own clock."""
        order = self.by_id.get(data['subject'])
        self.require(order is not None and order.clock is not None,
                     f'a rung of order {data["subject"]}, which has no clock')
        try:
            order.clock.reach(data)
        except AssertionError as fault:
            self.require(False, str(fault))
        if order.is_open:
            order.steps.append(data['rung'])

    # ------------------------------------------------------------------ the whole, when both logs were read

    def check(self, now):
        """Every card and order that the acts call for is there, and became what it had to."""
        self._check_cards()
        self._check_overdue()
        firsts = [order for order in self.by_id.values() if order.cause and not order.data['previous']]
        self.require(len(firsts) == len(self.matter.unsatisfied),
                     f'{len(firsts)} orders for {len(self.matter.unsatisfied)} failed visits')
        for order in self.by_id.values():
            if order.clock:
                self._check_own_clock(order, now)
            self.require(order.state != 'escalated' or order.next, f'order {order.id} escalated, to none that was issued')
            self.require(order.left is None, f'order {order.id} left {order.left}, which nobody there was told')
            self.require(not order.is_open or order.address == self.matter.addresses[-1],
                         f'open order {order.id} is at {order.address}, its matter at {self.matter.addresses[-1]}')

    def _check_cards(self):
        missing = sorted(set(self.matter.cards) - set(self.cards))
        self.require(not missing, f'no card for {missing}')
        for key, expected in self.matter.cards.items():
            closed = self.cards[key] in self.closed_cards
            self.require(closed == expected.closed, f'card {key} is {"" if closed else "not "}closed')

    def _check_own_clock(self, order, now):
        """Each rung of an order's own clock made it climb, marked it or had it reported, unless it was closed."""
        runs = order.clock.is_open and order.clock.until is None
        missed = order.clock.missed_rung(now) if runs and order.is_open else None
        self.require(missed is None, lambda: f'{missed[0]} of order {order.id} was due {shown(missed[1])} and is not '
                     'in the log')
        if not order.is_open:
            return
        steps = set(order.steps)
        self.require(not steps or ABOVE[order.level] is None, f'order of {order.level} did not climb')
        self.require(order.stuck == bool(steps & {'l2', 'l3'}), f'order {order.id}: cannot escalate {order.stuck}')
        self.require(order.reported == ('report' in steps), f'order {order.id}: reported {order.reported}')

    def _check_overdue(self):
        """The rungs of each term of the reply clock against one chain of orders."""
        chains = [order for order in self.by_id.values() if order.trigger == OVERDUE and not order.data['previous']]
        terms = {}
        for rung in self.matter.ladder:
            terms.setdefault(rung.term, []).append(rung)
        for rungs in terms.values():
            self.require(chains, 'no order for l1')
            self._walk(chains.pop(0), rungs)
        self.require(not chains, f'{len(chains)} orders that no rung calls for')

    def _walk(self, order, rungs):
        """From the first order of a chain up, a step a rung."""
        stuck = reported = False
        self._check_issued(order, rungs[0])
        for rung in rungs[1:]:
            if self._dropped(order, rung):
                continue
            if rung.rung == 'report':
                reported = True
            elif ABOVE[order.level] is None:
                stuck = True
            else:
                self.require(order.next is not None, f'no order for {rung.rung}')
                order = order.next
                self._check_issued(order, rung)
        self.require(order.next is None, f'an order above {order.level} that no rung calls for')
        self.require(order.stuck == stuck, f'order {order.id}: cannot escalate {order.stuck}, not {stuck}')
        self.require(order.reported == reported, f'order {order.id}: reported {order.reported}, not {reported}')

    def _dropped(self, order, rung):
        """The verdict came first: what follows in the ladder makes nothing. Within `lag` either may have been first."""
        if order.closed is None:
            return False
        if order.closed[0] <= rung.fired_at:
            return True
        if order.closed[0] > rung.fired_at + self.lag:
            return False
        return order.next is None and not order.stuck and not order.reported

    def _check_issued(self, order, rung):
        told = order.data
        self.require((told['division'], told['unit']) == (rung.division, rung.unit),
                     f'order for {rung.rung} under {told["division"]}, {told["unit"]}')
        self.require((told['due_at'] or None) == rung.next_due_at,
                     lambda: f'order for {rung.rung} due {shown(told["due_at"])}, not {shown(rung.next_due_at)}')
        self.require(order.at >= rung.fired_at,
                     lambda: f'order at {shown(order.at)}, {rung.rung} was reached at {shown(rung.fired_at)}')
