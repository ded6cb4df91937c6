"""Whole lifecycles over HTTP with a table that is full: as many as go, and in the shape of a spike. The cluster is whole."""
import http.client
import json
import statistics
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import fill
from rig import complaint

SPIKE = (1, 15, 1, 25, 2, 35, 10)  # lifecycles a second, one phase after the other
SPIKE_PHASE_S = 20
SPIKE_THREADS = 128
# Whose act it is, and what it says.
ACTS = (
    ('sign', 'unit_370102', {}),
    ('contact', 'unit_370102', {'reached': True, 'note': '已联系'}),
    ('reply', 'unit_370102', {'text': '已到现场劝离，并安排夜间巡查。', 'basis': ''}),
    ('visit', 'hotline_3701', {'reached': True, 'solved': True, 'satisfied': True, 'note': '满意'}),
    ('close', 'hotline_3701', {}),
)


def _closed(rig):
    return rig.complaints.row("SELECT count(*) FROM complaint_act WHERE action = 'close'")[0]


def _commands(rig):
    """What has been done here: a filing stands in its complaint, everything after it is an act."""
    return rig.count() + rig.complaints.row('SELECT count(*) FROM complaint_act')[0]


def run(rig, seconds):
    """Lifecycles a second from 64 connections, none of whose requests failed, and that they are closed."""
    before, found = _closed(rig), {}
    with rig.accounted(found, lambda: found['finished']):
        found |= rig.wrk('lifecycle.lua', rig.cluster.gateway, seconds,
                         TOKEN=rig.cluster.credentials['hotline_3701']['token'],
                         UNIT_TOKEN=rig.cluster.credentials['unit_370102']['token'])
    if (closed := _closed(rig) - before) < found['finished']:
        raise RuntimeError(f'{found["finished"]} lifecycles answered, {closed} closed')
    return found | {'rate': found['finished'] / found['seconds']}


def mixed(rig, seconds):
    """Commands a second of the six kinds that a lifecycle has, and that all of them were written down."""
    before = _commands(rig)
    found = run(rig, seconds)
    if (written := _commands(rig) - before) < found['requests']:
        raise RuntimeError(f'{found["requests"]} commands answered, {written} written down')
    return found | {'rate': found['requests'] / found['seconds']}


class _Spike:
    """Lifecycles that begin when it is their time, whatever became of those before."""

    def __init__(self, rig):
        self.address = urlsplit(rig.cluster.gateway).netloc
        self.tokens = {name: one['token'] for name, one in rig.cluster.credentials.items() if 'token' in one}
        self.run = uuid.uuid4().hex[:12]
        self.own = threading.local()
        self.times_ms, self.errors = [], []

    def _post(self, path, principal, body):
        if not hasattr(self.own, 'link'):
            self.own.link = http.client.HTTPConnection(self.address, timeout=30)
        began = time.monotonic()
        self.own.link.request('POST', path, json.dumps(body).encode(),
                              {'Content-Type': 'application/json', 'Authorization': f'Bearer {self.tokens[principal]}'})
        answer = self.own.link.getresponse()
        found = answer.read()
        self.times_ms.append((time.monotonic() - began) * 1000)
        if answer.status not in (200, 201):
            raise RuntimeError(f'{path}: {answer.status} {found[:200]!r}')
        return json.loads(found)

    def lifecycle(self, number):
        """One; what goes wrong is kept."""
        try:
            made = self._post('/v1/complaints', 'hotline_3701', complaint(f'{self.run}-{number}'))
            for act, principal, body in ACTS:
                self._post(f'/v1/complaints/{made["id"]}:{act}', principal, body)
        except (OSError, http.client.HTTPException, RuntimeError) as e:
            self.errors.append(str(e))
            del self.own.link

    def phases(self):
        """All of them; how many lifecycles were begun."""
        number, at = 0, time.monotonic()
        with ThreadPoolExecutor(SPIKE_THREADS) as pool:
            for rate in SPIKE:
                for _ in range(rate * SPIKE_PHASE_S):
                    time.sleep(max(at - time.monotonic(), 0))
                    pool.submit(self.lifecycle, number)
                    number, at = number + 1, at + 1 / rate
        return number


def measure(rig, samples, rounds, seconds, stored):
    """Fills samples with `lifecycle`, one a round, and `spike`, once."""
    fill.templates(rig)
    fill.store(rig, stored - rig.count(), settled=True)
    rig.settle()
    for number in range(rounds):
        samples.setdefault('lifecycle', []).append(run(rig, seconds))
        rig.say(f'round {number + 1}: lifecycle {samples["lifecycle"][-1]["rate"]:.0f}/s')
    samples['spike'] = [spike(rig) | {'stored': rig.count()}]
    rig.say(f'spike: {samples["spike"][0]["errors"]} errors')


def spike(rig):
    """The published peer's shape: errors, and the times of single requests; what did not fail is closed."""
    before, spike_ = _closed(rig), _Spike(rig)
    begun = spike_.phases()
    if (closed := _closed(rig) - before) < begun - len(spike_.errors):
        raise RuntimeError(f'{begun} lifecycles, {len(spike_.errors)} errors, {closed} closed')
    times = statistics.quantiles(spike_.times_ms, n=100)
    return {'rate': begun / len(SPIKE) / SPIKE_PHASE_S, 'lifecycles': begun, 'errors': len(spike_.errors),
            'first_errors': spike_.errors[:3], 'p50_ms': times[49], 'p99_ms': times[98]}
