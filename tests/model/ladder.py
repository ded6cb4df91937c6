"""Orders: what supervision must have issued, from reached rungs and failed visits, and its log checked against that."""
from .clocks import Clock
from .matter import check_rung, require

LEVELS = {2: 'province', 4: 'city'}
ABOVE = {'county': 'city', 'city': 'province', 'province': None}


def level_of(division):
    return LEVELS.get(len(division), 'county')


class Orders:
    """The supervision log of one complaint, in order."""

    def __init__(self, facts, matter):
        self.facts, self.matter = facts, matter
        self.by_id = {}
        self.clocks = {}  # of orders of triggers other than overdue
        self.cards = {}

    def apply(self, kind, event):
        getattr(self, f'_on_{kind}')(event.data, event.time)

    def _open(self, trigger):
        return [o for o in self.by_id.values() if o['trigger'] == trigger and o['state'] not in ('closed', 'escalated')]

    def _on_card_raised(self, data, at):
        key = (data['clock_kind'], data['term'], data['color'])
        require(key not in self.cards, f'{self.matter.id}: card {key} twice')
        require(data['level'] == level_of(data['division']), f'{self.matter.id}: card of level {data["level"]}')
        self.cards[key] = data['card_id']

    def _on_card_acknowledged(self, data, at):
        require(data['card_id'] in self.cards.values(), f'{self.matter.id}: acknowledged, never raised')

    def _on_card_closed(self, data, at):
        require(data['card_id'] in self.cards.values(), f'{self.matter.id}: closed, never raised')

    def _on_order_issued(self, data, at):
        require(data['order_id'] not in self.by_id, f'{self.matter.id}: order {data["order_id"]} twice')
        require(not self._open(data['trigger']), f'{self.matter.id}: two open orders of {data["trigger"]}')
        if data['previous']:
            previous = self.by_id[data['previous']]
            require(previous['state'] == 'escalated', f'{self.matter.id}: climbed from {previous["state"]}')
            require(data['level'] == ABOVE[previous['level']], f'{self.matter.id}: climbed to {data["level"]}')
        else:
            require(data['level'] == level_of(data['division']), f'{self.matter.id}: first order at {data["level"]}')
        self.by_id[data['order_id']] = dict(data, at=at, reported=False)
        if data['trigger'] != 'overdue':
            self.clocks[data['order_id']] = Clock(self.facts, 'order', f'order_{data["level"]}', at)

    def _state(self, data, state):
        require(data['order_id'] in self.by_id, f'{self.matter.id}: {state} of an order never issued')
        order = self.by_id[data['order_id']]
        require(order['state'] not in ('closed', 'escalated'), f'{self.matter.id}: {state} after {order["state"]}')
        order['state'] = state

    def _on_order_signed(self, data, at):
        self._state(data, 'signed')

    def _on_order_replied(self, data, at):
        self._state(data, 'replied')

    def _on_order_closed(self, data, at):
        self._state(data, 'closed')
        self._end_clock(data, at)
        self.by_id[data['order_id']]['closed'] = (at, data['reason'])

    def _on_order_escalated(self, data, at):
        self._state(data, 'escalated')
        self._end_clock(data, at)

    def _on_order_cannot_escalate(self, data, at):
        order = self.by_id[data['order_id']]
        require(ABOVE[order['level']] is None, f'{self.matter.id}: {order["level"]} could have escalated')

    def _on_order_reported(self, data, at):
        self.by_id[data['order_id']]['reported'] = True

    def _end_clock(self, data, at):
        if data['order_id'] in self.clocks:
            self.clocks[data['order_id']].end(at)

    def stopped_by(self, at):
        """The matter was replied to or closed at `at`: orders' own clocks end."""
        for order_id, clock in self.clocks.items():
            if self.by_id[order_id]['at'] <= at:
                clock.end(at)

    def rung_reached(self, data):
        require(data['subject'] in self.clocks, f'{self.matter.id}: a rung of an order without a clock')
        check_rung(self.clocks[data['subject']], data)

    # -- the whole, when both logs were read --

    def expected_overdue(self):
        """Per term of the reply clock: how many orders its ladder makes, and whether it ends in a report."""
        terms = {}
        for term, rung, fired_at in self.matter.ladder:
            terms.setdefault(term, []).append((rung, fired_at))
        return terms

    def check(self):
        expected = sorted(self.matter.cards)
        found = sorted((kind, term, color) for kind, term, color in self.cards)
        require(found == expected, f'{self.matter.id}: cards {found}, not {expected}')
        self._check_overdue()
        firsts = [o for o in self.by_id.values() if o['trigger'] == 'unsatisfied' and not o['previous']]
        require(len(firsts) == len(self.matter.unsatisfied),
                f'{self.matter.id}: {len(firsts)} orders for {len(self.matter.unsatisfied)} failed visits')

    def _check_overdue(self):
        orders = sorted((o for o in self.by_id.values() if o['trigger'] == 'overdue'), key=lambda o: o['at'])
        for rungs in self.expected_overdue().values():
            require(orders and not orders[0]['previous'], f'{self.matter.id}: no order for l1')
            order = orders.pop(0)
            for rung, fired_at in rungs[1:]:
                if order['state'] == 'closed' and order['closed'][0] <= fired_at:
                    break  # the verdict came first: the rest of the ladder is dropped
                if rung == 'report':
                    require(order['reported'], f'{self.matter.id}: not reported')
                elif ABOVE[order['level']]:
                    require(orders and orders[0]['previous'] == order['order_id'], f'{self.matter.id}: no order for {rung}')
                    order = orders.pop(0)
        require(not orders, f'{self.matter.id}: {len(orders)} orders that no rung calls for')
