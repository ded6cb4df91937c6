"""Rungs: clocks that fall due at one instant in a crowd, until all their cards are there; alone, and under intake.

Complaints are copied from some that the service has just filed, so their clocks are armed as it arms them. Civil time is
moved to the instant of their next cards, sign red, reply yellow, reply red, two working days from one to the next.
"""
import collections
import http.client
import json
import math
import time
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from urllib.parse import urlsplit

import fill
from intake import half_load_ms
from rig import CONNECTIONS

CARD_RUNGS = [1, 2] # yellow, red: as clock.next_rung has them
PAUSE_S = 0.02
FIRED_S = 600
GOAL_UNDER_INTAKE = 2000 # a second: how long the quiet before the crowd has to be, to be as long as the crowd
DAY_MS, ZONE_MS = 24 * 3600 * 1000, 8 * 3600 * 1000
EVE_MS = 20 * 60 * 1000 # intake begins so long before the crowd's midnight, on a day whose own rungs come later


class Civil:
    """The cluster's civil time, which only we move."""

    def __init__(self, rig):
        self.address = urlsplit(rig.cluster.gateway).netloc
        self.token = rig.cluster.credentials['operator']['token']
        self.ahead_ms = 0
        self._pass(0)

    def now_ms(self):
        """By this machine's clock, which PostgreSQL's is too."""
        return time.time() * 1000 + self.ahead_ms

    def move_to(self, at_ms):
        """Lets time pass until then; returns when the cluster has settled, or does not within the gateway's minute."""
        self._pass(max(math.ceil((at_ms - self.now_ms()) / 1000), 0))

    def move_to_midnight(self):
        """So that what is filed next is filed on one day."""
        self.move_to((self.now_ms() + ZONE_MS) // DAY_MS * DAY_MS + DAY_MS - ZONE_MS)

    def _pass(self, seconds):
        link = http.client.HTTPConnection(self.address, timeout=90)
        link.request('POST', '/v1/time:advance', json.dumps({'seconds': seconds}),
                     {'Content-Type': 'application/json', 'Authorization': f'Bearer {self.token}'})
        answer = link.getresponse()
        body = json.loads(answer.read())
        link.close()
        if answer.status == 200:
            self.ahead_ms = datetime.fromisoformat(body['civil_time']).timestamp() * 1000 - time.time() * 1000
        elif answer.status == 504: # moved, and busy with it
            self.ahead_ms += seconds * 1000
        else:
            raise RuntimeError(f'time:advance: {answer.status} {body}')


class Crowds:
    """So many running complaints; each of their instants is one crowd."""

    def __init__(self, rig, due):
        self.rig, self.due = rig, due
        self.civil = Civil(rig)

    def next_ms(self):
        """When the next crowd is due. Where none is left, what is over is settled and a new one filed."""
        found = self._ahead()
        if not found:
            self._refill()
            found = self._ahead()
        self.rig.settle()
        return found[0]

    def _ahead(self):
        found = self.rig.complaints.row('SELECT next_at, count(*) FROM clock WHERE next_rung = ANY (%s) AND next_at > %s '
                                        'GROUP BY 1 ORDER BY 1 LIMIT 1', CARD_RUNGS, self.civil.now_ms())
        return found if found and found[1] >= self.due else None

    def _refill(self):
        # The ladders of those before would climb into the next crowd.
        self.rig.complaints.run('UPDATE clock SET ended_at = started_at, next_rung = NULL, next_at = NULL '
                                'WHERE next_at IS NOT NULL')
        self.civil.move_to_midnight()
        fill.templates(self.rig)
        fill.store(self.rig, self.due, settled=False)

    def fire(self, at_ms, over=None):
        """Moves time to a crowd's instant; tells `over` when its last card is there. Figures, after the rows are counted."""
        rungs, cards = self.rig.complaints.row('SELECT count(*), count(*) FILTER (WHERE next_rung = ANY (%s)) FROM clock '
                                               'WHERE next_at <= %s', CARD_RUNGS, at_ms)
        log, last = self.rig.head(), self._supervision_head() + cards
        with ThreadPoolExecutor(1) as pool:
            began = time.monotonic()
            moved = pool.submit(self.civil.move_to, at_ms)
            try:
                while (head := self._supervision_head()) < last:
                    if moved.done():
                        moved.result() # tells why time was not moved
                    if time.monotonic() > began + FIRED_S:
                        raise RuntimeError(f'{last - head} cards of {cards} missing')
                    time.sleep(PAUSE_S)
                took = time.monotonic() - began
            finally:
                if over:
                    over.set_result(time.monotonic())
            moved.result()
        found = {'rate': cards / took, 'seconds': round(took, 3), 'rungs': rungs, 'cards': cards,
                 'firing_rate': self._counted(at_ms, log, rungs, cards)}
        self.rig.say(f'{cards:,} cards in {took:.1f} s: {found["rate"]:.0f}/s; rungs fired {found["firing_rate"]:.0f}/s')
        return found

    def _counted(self, at_ms, log, rungs, cards):
        """Rungs fired a second, from the first to the last; once all of them and their cards have been counted."""
        told, first, last = self.rig.complaints.row(
            "SELECT count(*), min(time), max(time) FROM event WHERE position > %s AND type = 'clock.rung_reached.v1'", log)
        raised = self.rig.supervision.row('SELECT count(*) FROM card WHERE raised_at >= %s', at_ms)[0]
        if (told, raised) != (rungs, cards):
            raise RuntimeError(f'{rungs} rungs due and {cards} cards; {told} rungs told of and {raised} cards raised')
        return told / max(last - first, 1) * 1000

    def _supervision_head(self):
        """The cards are the only thing that it tells of at such an instant, one event each."""
        return self.rig.supervision.row('SELECT coalesce(max(position), 0) FROM event')[0]


class Stream:
    """Complaints at half load, one window of wrk after the other."""

    def __init__(self, rig, seconds, delay_ms):
        self.rig, self.seconds, self.delay_ms = rig, seconds, delay_ms
        self.answered, self.windows = 0, 0

    def run(self):
        """One window."""
        found = self.rig.wrk('file.lua', self.rig.cluster.gateway, self.seconds, DELAY_MS=self.delay_ms, HISTOGRAM=1,
                             token=self.rig.cluster.credentials['hotline_3701']['token'])
        self.answered, self.windows = self.answered + found['requests'], self.windows + 1
        return found | {'ended': time.monotonic()}

    def check(self, stored_before):
        """That the rows are there."""
        stored = self.rig.count() - stored_before
        if not self.answered <= stored <= self.answered + self.windows * CONNECTIONS:
            raise RuntimeError(f'{self.answered} answered, {stored} stored')


def p99_ms(windows):
    """Of all requests of these windows together."""
    bars = collections.Counter()
    for window in windows:
        for microseconds, count in window['histogram']:
            bars[microseconds] += count
    left = sum(bars.values()) * 0.99
    for microseconds in sorted(bars):
        left -= bars[microseconds]
        if left <= 0:
            return microseconds / 1000
    raise ValueError('no requests')


def _rate(windows):
    return sum(window['requests'] for window in windows) / sum(window['seconds'] for window in windows)


def under_intake(crowds, seconds):
    """A crowd while complaints come in at half load; their p99 meanwhile, and over as many windows just before."""
    rig, at_ms = crowds.rig, crowds.next_ms()
    crowds.civil.move_to(at_ms - EVE_MS)
    stream = Stream(rig, seconds, half_load_ms(rig.file_http(seconds)['rate']))
    stored, over = rig.count(), Future()
    before = [stream.run() for _ in range(math.ceil(crowds.due / GOAL_UNDER_INTAKE / seconds))]
    meanwhile = []
    with ThreadPoolExecutor(1) as pool:
        fired = pool.submit(crowds.fire, at_ms, over)
        while not over.done():
            meanwhile.append(stream.run())
        found = fired.result()
    stream.check(stored)
    # The last window has quiet in it.
    meanwhile = [window for window in meanwhile if window['ended'] <= over.result()] or meanwhile[:1]
    before = before[-len(meanwhile):]
    return found | {'windows': len(meanwhile), 'intake_rate': [_rate(before), _rate(meanwhile)],
                    'intake_p99_ms': [p99_ms(before), p99_ms(meanwhile)]}


def measure(rig, samples, rounds, seconds, due):
    """Fills samples with `rungs`, one a round, and `rungs_intake`, once."""
    crowds = Crowds(rig, due)
    for _ in range(rounds):
        samples.setdefault('rungs', []).append(crowds.fire(crowds.next_ms()))
    samples['rungs_intake'] = [under_intake(crowds, seconds)]
    p99 = samples['rungs_intake'][0]['intake_p99_ms']
    rig.say(f'p99 of intake {p99[0]:.1f} ms, meanwhile {p99[1]:.1f} ms')
