"""The mixed load: stories told by clients over HTTP and ZeroMQ, readers that list and look, supervisors who watch.

Everything goes on through every fault: what is not definite is asked again, and an answer that is neither what was asked
for nor a reason to ask again ends the run.
"""
import collections
import functools
import random
import threading
import time
import uuid

from api import Api, Unreachable
from doors import Doors
from storm import Storm
from fates import Story
from watch import STREAMS, FeedWatcher, PullWatcher, SseWatcher

WEB, BUS = 6, 3             # clients
EACH_S = 8.0                # a batch of six a client in so long: 6 to 7 complaints a second
READERS = 4
READ_PAUSE_S = 0.2
WATCHERS = (                # how, whose, where, which stream
    (SseWatcher, 'supervisor_370102', '370102', 'complaints'), (SseWatcher, 'supervisor_3701', '3701', 'supervision'),
    (PullWatcher, 'supervisor_3701', '3701', 'complaints'), (PullWatcher, 'supervisor_37', '37', 'supervision'),
    (FeedWatcher, 'supervisor_37', '37', 'complaints'), (FeedWatcher, 'supervisor_370102', '370102', 'supervision'),
)


class Load(Storm):
    """Stories, and how often each act of each complaint was acknowledged."""

    def __init__(self, cluster, account, seed):
        super().__init__(cluster, account, web=WEB, bus=BUS, make=functools.partial(Story, seed), each_s=EACH_S)

    def _done(self, task, step):
        super()._done(task, step)
        with self.changed:
            self.account.acts[task.id, step] += 1


def apis(cluster):
    """One for each gateway."""
    return [Api(replica.instance.http) for replica in cluster.of('gateway')]


def watchers(cluster):
    """Six supervisors, half of them at a gateway that is struck."""
    doors = Doors(cluster.build, lambda: cluster.endpoints)
    gates = apis(cluster)
    made = []
    for number, (how, who, where, stream) in enumerate(WATCHERS):
        own = cluster.credentials[who]
        if how is FeedWatcher:
            at = (functools.partial(_door, doors, own),)
        else:
            at = (gates[number % len(gates)], own['token'])
        made.append(how(*at, who, where, stream))
    return made


def _door(doors, own, stream, look):
    return doors.open(stream, own, look)


class Readers:
    """Principals who list, look into what they find, ask why a clock stands as it does, and acknowledge cards."""

    def __init__(self, cluster, seed):
        self.gates = apis(cluster)
        self.tokens = {who: own['token'] for who, own in cluster.credentials.items()}
        self.asked = collections.Counter()
        self.failure = None
        self._counting = threading.Lock()
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(random.Random(f'{seed}/reader/{number}'),), daemon=True)
                         for number in range(READERS)]

    def start(self):
        """Begin; itself."""
        for thread in self._threads:
            thread.start()
        return self

    def stop(self):
        """Read no more."""
        self._stopped.set()
        for thread in self._threads:
            thread.join(120)
        if self.failure:
            raise self.failure

    def _run(self, chance):
        looks = (self._list_complaints, self._list_cards, self._list_orders, self._pull)
        try:
            while not self._stopped.wait(READ_PAUSE_S):
                try:
                    chance.choice(looks)(chance, chance.choice(self.gates))
                except Unreachable:
                    if not self._stopped.is_set():
                        raise
        except BaseException as error:  # pylint: disable=broad-except
            self.failure = self.failure or error

    def _get(self, api, who, path, **query):
        answer = api.get(self.tokens[who], path, **query)
        assert answer.status == 200, f'{who} {path} {query}: {answer}'
        with self._counting:
            self.asked[path.split('/')[2]] += 1
        return answer.body

    def _pages(self, chance, api, who, what, **query):
        """Some pages; each goes on where the one before ended, and nothing comes twice."""
        token, seen = None, set()
        for _ in range(chance.randint(1, 4)):
            page = self._get(api, who, f'/v1/{what}', page_size=chance.choice((1, 7, 50, 200)), page_token=token, **query)
            ids = [one['id'] for one in page[what]]
            assert seen.isdisjoint(ids) and len(set(ids)) == len(ids), f'{what}: a page tells again what was told'
            seen.update(ids)
            yield from page[what]
            token = page['next_page_token']
            if not token:
                return

    def _list_complaints(self, chance, api):
        who, where = chance.choice((('hotline_3701', '3701'), ('unit_370102', '370102'), ('supervisor_37', '37')))
        state = chance.choice((None, 'dispatched', 'replied', 'closed'))
        found = list(self._pages(chance, api, who, 'complaints', division=where, state=state))
        assert all(one['division'].startswith(where) for one in found)
        assert all(state is None or one['state'] == state for one in found)
        if not found:
            return
        one = chance.choice(found)
        now = self._get(api, who, f'/v1/complaints/{one["id"]}')
        assert int(now['version']) >= int(one['version']), 'an older version than was listed'
        clock = chance.choice(now['clocks'])
        days = self._get(api, who, f'/v1/complaints/{one["id"]}/clocks/{clock["id"]}:explain')['days']
        assert days or clock['state'] != 'running'

    def _list_cards(self, chance, api):
        color = chance.choice((None, 'yellow', 'red'))
        found = list(self._pages(chance, api, 'supervisor_370102', 'cards', division='370102', color=color))
        assert all(color is None or one['color'] == color for one in found)
        fresh = [one for one in found if one['state'] == 'open']
        if fresh and chance.random() < 0.3:
            card = chance.choice(fresh)['id']
            answer = api.post(self.tokens['supervisor_370102'], f'/v1/cards/{card}:acknowledge', {}, f'ack-{uuid.uuid4()}')
            assert answer.status == 200 or (answer.status == 409 and answer.code != 'in_progress'), f'acknowledge: {answer}'

    def _list_orders(self, chance, api):
        found = list(self._pages(chance, api, 'supervisor_3701', 'orders', division='3701'))
        assert all(one['division'].startswith('3701') for one in found)

    def _pull(self, chance, api):
        stream, after = chance.choice(STREAMS), None
        for _ in range(chance.randint(1, 3)):
            page = self._get(api, 'supervisor_370102', '/v1/events', stream=stream, after=after, limit=chance.choice((1, 100)))
            places = [int(one['position']) for one in page['events']]
            assert places == sorted(set(places)), 'positions out of order'
            after = page['through']


def reached(watcher, head, timeout_s):
    """Whether a watcher has been shown everything up to a position in time."""
    return watcher.wait_through(head, time.monotonic() + timeout_s)
