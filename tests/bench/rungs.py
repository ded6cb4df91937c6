"""Rungs: clocks that fall due at one instant in a crowd, until all their cards are there; alone, and under intake.

Complaints are copied from some that the service has just filed, so their clocks are armed as it arms them. Civil time is
moved to shortly before the midnight of their next cards, sign red, reply yellow, reply red, and passes that by itself, as in
any night: whoever moves it has what is due counted, again and again until the cluster has settled, which costs a third of a
processor.
"""
import http.client
import json
import math
import statistics
import time
from concurrent.futures import Future, ThreadPoolExecutor
from urllib.parse import urlsplit

import fill
from intake import WARM_S, HalfLoad
from rig import CONNECTIONS

CARD_RUNGS = [1, 2] # yellow, red: as clock.next_rung has them
PAUSE_S = 0.02
FIRED_S = 600
GOAL_UNDER_INTAKE = 2000 # a second: how long the quiet before the crowd has to be, to be as long as the crowd
DAY_MS, ZONE_MS = 24 * 3600 * 1000, 8 * 3600 * 1000
WINDOW_S = 3 # of intake: several have to fit into the crowd
LEAD_S = 5 # before midnight: time enough to settle


class Civil:
    """The cluster's civil time, which only we move."""

    def __init__(self, rig):
        self.address = urlsplit(rig.cluster.gateway).netloc
        self.token = rig.cluster.credentials['operator']['token']
        self.ahead_ms = self._pass(0)

    def now_ms(self):
        """By this machine's clock, which PostgreSQL's is too."""
        return time.time() * 1000 + self.ahead_ms

    def move_to(self, at_ms):
        """Lets time pass until then, or a second less; returns when the cluster has settled."""
        seconds = int((at_ms - self.now_ms()) / 1000)
        if seconds < 0:
            raise RuntimeError('time does not go back')
        self.ahead_ms = self._pass(seconds)

    def move_to_midnight(self):
        """So that what is filed next is filed on one day."""
        self.move_to((self.now_ms() + ZONE_MS) // DAY_MS * DAY_MS + DAY_MS - ZONE_MS + 1000)

    def _pass(self, seconds):
        link = http.client.HTTPConnection(self.address, timeout=90)
        link.request('POST', '/v1/time:advance', json.dumps({'seconds': seconds}),
                     {'Content-Type': 'application/json', 'Authorization': f'Bearer {self.token}'})
        answer = link.getresponse()
        body = json.loads(answer.read())
        link.close()
        if answer.status != 200:
            raise RuntimeError(f'time:advance: {answer.status} {body}')
        return int(body['clock_offset_ms'])


class Crowds:
    """So many running complaints; each of their instants is one crowd."""

    def __init__(self, rig, due):
        self.rig, self.due = rig, due
        self.civil = Civil(rig)
        self._filled = False

    def next_ms(self):
        """When the next crowd is due. Where none is left, or only strangers are, what there is is settled and a new one filed."""
        found = self._filled and self._ahead()
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
        self._filled = True

    def fire(self):
        """One crowd alone."""
        at_ms = self.next_ms()
        self.civil.move_to(at_ms - LEAD_S * 1000)
        return self.pass_midnight(at_ms)

    def pass_midnight(self, at_ms, over=None):
        """Waits for a crowd's instant and its last card; tells `over` when that was. Figures, after the rows are counted."""
        try:
            rungs, cards = self.rig.complaints.row(
                'SELECT count(*), count(*) FILTER (WHERE next_rung = ANY (%s)) FROM clock WHERE next_at <= %s',
                CARD_RUNGS, at_ms)
            log, last = self.rig.head(), self._supervision_head() + cards
            if self.civil.now_ms() > at_ms:
                raise RuntimeError('midnight is over')
            time.sleep((at_ms - self.civil.now_ms()) / 1000)
            while (head := self._supervision_head()) < last:
                if self.civil.now_ms() > at_ms + FIRED_S * 1000:
                    raise RuntimeError(f'{last - head} cards of {cards} missing')
                time.sleep(PAUSE_S)
        finally:
            over_ms = self.civil.now_ms()
            if over:
                over.set_result(over_ms)
        took = (over_ms - at_ms) / 1000
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

    def __init__(self, crowds, delay_ms):
        self.rig, self.civil, self.delay_ms = crowds.rig, crowds.civil, delay_ms
        self.answered, self.windows = 0, 0

    def run(self):
        """One window."""
        began = self.civil.now_ms()
        found = self.rig.wrk('file.lua', self.rig.cluster.gateway, WINDOW_S, DELAY_MS=self.delay_ms)
        self.answered, self.windows = self.answered + found['requests'], self.windows + 1
        return found | {'began': began, 'ended': self.civil.now_ms()}

    def check(self, stored_before):
        """That the rows are there."""
        stored = self.rig.count() - stored_before
        if not self.answered <= stored <= self.answered + self.windows * CONNECTIONS:
            raise RuntimeError(f'{self.answered} answered, {stored} stored')


def _rate(windows):
    return sum(window['requests'] for window in windows) / sum(window['seconds'] for window in windows)


def under_intake(crowds, seconds):
    """A crowd while complaints come in at half load; their p99 meanwhile and before, medians of windows of one length."""
    rig, at_ms = crowds.rig, crowds.next_ms()
    quiet = math.ceil(crowds.due / GOAL_UNDER_INTAKE / WINDOW_S)
    crowds.civil.move_to(at_ms - (LEAD_S + 2 * WARM_S + seconds + quiet * (WINDOW_S + 1)) * 1000)
    rig.file_http(WARM_S)
    half = HalfLoad(rig).of(rig.file_http(seconds)['rate'])
    half.run(WARM_S)
    stream = Stream(crowds, half.pause_ms)
    stored, over, windows = rig.count(), Future(), []
    with ThreadPoolExecutor(1) as pool:
        fired = pool.submit(crowds.pass_midnight, at_ms, over)
        while not over.done():
            windows.append(stream.run())
        found = fired.result()
    stream.check(stored)
    before = [window for window in windows if window['ended'] < at_ms]
    meanwhile = [window for window in windows if window['began'] >= at_ms and window['ended'] <= over.result()]
    # A small crowd may fit into a window.
    meanwhile = meanwhile or [window for window in windows if window['ended'] >= at_ms][:1]
    times = [[window['p99_ms'] for window in of] for of in (before, meanwhile)]
    return found | {'pace': _rate(before) / half.asked, 'intake_rate': [_rate(before), _rate(meanwhile)],
                    'window_p99_ms': times, 'intake_p99_ms': [statistics.median(of) for of in times]}


def measure(rig, samples, rounds, seconds, due):
    """Fills samples with `rungs` and `rungs_intake`, one a round."""
    crowds = Crowds(rig, due)
    for _ in range(rounds):
        samples.setdefault('rungs', []).append(crowds.fire())
        found = under_intake(crowds, seconds)
        samples.setdefault('rungs_intake', []).append(found)
        p99 = found['intake_p99_ms']
        rig.say(f'p99 of intake {p99[0]:.1f} ms, meanwhile {p99[1]:.1f} ms')
