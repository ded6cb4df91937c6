"""Keys and tokens are replaced while they are in use, and no request is refused: a principal's, a replica's, those that
seal page tokens and callers' identities. What was retired is refused."""
import contextlib
import csv
import io
import secrets
import threading
import time

import pytest
from lujian.bus.v1 import node_pb2
from lujian.complaints.v1 import complaint_pb2
from lujian_client import Door

from cluster import ini, instances, keys, principals
from cluster.paths import write_whole
from cluster.seeding import Seeding
from conftest import Api, door, heard, new_world

WHO, SOURCE = 'hotline_rotating', 'rot-1'
WAIT_S = 30.0
MORE = 8                    # requests of each sender after each step


class Sender(threading.Thread):
    """One request after the other without a pause, none of which may fail. `send(number)` does one."""

    def __init__(self, send):
        super().__init__(daemon=True)
        self.send, self.done, self.failure = send, 0, None
        self.changed, self.ending = threading.Condition(), False

    def run(self):
        try:
            while not self.ending:
                self.send(self.done)
                with self.changed:
                    self.done += 1
                    self.changed.notify_all()
        except BaseException as error:  # pylint: disable=broad-except
            with self.changed:
                self.failure = error
                self.changed.notify_all()

    def more(self, count=MORE):
        """Return when so many more were answered well."""
        with self.changed:
            target = self.done + count
            came = self.changed.wait_for(lambda: self.failure or self.done >= target, WAIT_S)
        if self.failure:
            raise self.failure
        assert came, f'{count} more were not answered in {WAIT_S:g} s'


@contextlib.contextmanager
def sending(*sends):
    """Senders that go on until the end of the block; none of them failed."""
    senders = [Sender(send) for send in sends]
    for one in senders:
        one.start()
    try:
        yield lambda: [one.more() for one in senders]
        for one in senders:
            one.more()
    finally:
        for one in senders:
            one.ending = True
        for one in senders:
            one.join(WAIT_S)


def becomes(check):
    """What a replica mirrors arrives by an event that cannot be waited for from here."""
    deadline = time.monotonic() + WAIT_S
    while not check():
        assert time.monotonic() < deadline, 'it never became so'
        time.sleep(0.05)


def load_keys(world, *rows):
    """Tell the registry of keys of the rotating principal: (credentials, revoked)."""
    out = io.StringIO()
    writer = csv.DictWriter(out, principals.COLUMNS, lineterminator='\n')
    writer.writeheader()
    one = principals.Principal(WHO, 'A centre that rotates', ('hotline',), '3701', ('rot-*',))
    for owned, revoked in rows:
        writer.writerow(principals.row(one, owned) | {'revoked': str(int(revoked))})
    folder = world.cluster.run_dir / 'rotation'
    folder.mkdir(exist_ok=True)
    write_whole(folder / 'principals.csv', out.getvalue())
    assert Seeding(world.cluster.run_dir, world.cluster.build).load(folder)


def known(world, owned):
    """Whether every door lets him in."""
    return (Api(world.url, owned['token']).get('/v1/me').status == 200
            and all(heard(replica, owned) for service in ('complaints', 'supervision') for replica in world.cluster.of(service)))


def test_a_principal_changes_his_keys(world):
    old, new = keys.new_credentials(WHO, 'k1'), keys.new_credentials(WHO, 'k2')
    load_keys(world, (old, False))
    becomes(lambda: known(world, old))
    using = {'api': Api(world.url, old['token']), 'doors': [door(one, old) for one in world.cluster.of('complaints')]}

    def over_http(number):
        using['api'].post('/v1/complaints', world.complaint(source=SOURCE, external_id=f'http-{number}')).expect(201)

    def over_zeromq(number):
        there = using['doors'][number % 2]
        body = there.receive(there.send('complaints.file', complaint_pb2.FileRequest(
            source=SOURCE, external_id=f'bus-{number}', channel=complaint_pb2.CHANNEL_WEB,
            type=complaint_pb2.COMPLAINT_TYPE_HELP, title='路灯不亮', text='路灯不亮。', division='370102'),
            key=f'rot-{number}'), WAIT_S)
        assert body is not None, 'no answer'

    with sending(over_http, over_zeromq) as all_go_on:
        all_go_on()
        load_keys(world, (old, False), (new, False))
        becomes(lambda: known(world, new))
        all_go_on()                 # by the old ones, which are as good
        using['api'] = Api(world.url, new['token'])
        using['doors'] = [door(one, new) for one in world.cluster.of('complaints')]
        all_go_on()
        load_keys(world, (old, True), (new, False))
        becomes(lambda: Api(world.url, old['token']).get('/v1/me').status == 401)
        all_go_on()
    becomes(lambda: not any(heard(replica, old) for replica in world.cluster.of('complaints')))
    Api(world.url, old['token']).post('/v1/complaints', world.complaint(source=SOURCE)).expect(401)
    assert known(world, new)


def filed_by_everyone(world):
    """A sending through the gateway to whichever replica of complaints."""
    return lambda _: file_at(world, world.hotline_3701)


def file_at(world, api):
    """A complaint is taken. 200 says so, too: the gateway had asked a sibling again, whose answer it is."""
    answer = api.post('/v1/complaints', world.complaint())
    assert answer.status in (200, 201), f'{answer.status}: {answer.text}'


def cards_seen(world):
    """A look, through the gateway, at what whichever replica of supervision has."""
    return lambda _: world.supervisor_370102.get('/v1/cards', division='370102', page_size=1).expect(200)


def new_key(cluster, replica):
    """A replica is given another key, as deploy/systemd/README.md has it: the file, then the peers of all, then a restart.
    Returns the key that it had and the one that it has."""
    path = cluster.run_dir / 'keys' / f'{replica.name}.curve'
    before = pair_of(path)
    path.unlink()
    replica.public_key = replica.instance.public_key = keys.service_key(path)
    now = pair_of(path)
    instances.write_peers(cluster.run_dir, [one.instance for one in cluster.replicas])
    doors = [one for one in cluster.replicas if one.service != 'gateway' and one is not replica]
    becomes(lambda: all(heard(one, now) for one in doors))
    replica.restart()
    assert now['curve_public'] != before['curve_public']
    return before, now


def pair_of(path):
    """The key pair of a replica, as heard() takes it."""
    kept = ini.parse_flat(path.read_text())
    return {'curve_public': kept['public'], 'curve_secret': kept['secret']}


@pytest.mark.parametrize('service', ('complaints', 'supervision', 'registry'))
def test_replicas_change_their_keys(world, service):
    """One after the other, so that at the end nobody reaches anything but by the new ones. The registry has no sibling here:
    while it is away nobody needs it."""
    mine = world.credentials['hotline_3701']
    with sending(filed_by_everyone(world), filed_by_everyone(world), cards_seen(world)) as all_go_on:
        for replica in world.cluster.of(service):
            all_go_on()
            before, _ = new_key(world.cluster, replica)
            assert heard(replica, mine)
            with contextlib.closing(Door(replica.rpc, before['curve_public'], mine['curve_public'],
                                         mine['curve_secret'])) as there:
                assert there.receive(there.send(f'{service}.ping', node_pb2.PingRequest()), 1) is None
        all_go_on()
    assert world.now(), 'consumers follow by the new keys'
    fresh = keys.new_credentials(WHO, service)
    load_keys(world, (fresh, False))
    becomes(lambda: known(world, fresh))
    load_keys(world, (fresh, True))


@pytest.fixture(name='two_gateways')
def _two_gateways():
    """A cluster whose edge has two replicas, as behind a proxy."""
    with new_world({'gateway': 2}) as made:
        yield made


def test_gateways_change_their_keys(two_gateways):
    """Each while the other serves; by the key that it had nobody is let in any more."""
    world, cluster = two_gateways, two_gateways.cluster
    mine = world.credentials['hotline_3701']
    doors = [cluster.replica(service) for service in ('registry', 'complaints', 'supervision')]
    near, far = (Api(replica.instance.http, mine['token']) for replica in cluster.of('gateway'))
    using = {'api': far}

    def over_http(_):
        file_at(world, using['api'])

    with sending(over_http, over_http) as all_go_on:
        for replica, itself in zip(cluster.of('gateway'), (near, far)):
            all_go_on()
            before, now = new_key(cluster, replica)
            file_at(world, itself)
            using['api'] = itself
            all_go_on()
            assert all(heard(one, now) for one in doors) and not heard(cluster.replica('complaints'), before)


def test_what_seals_page_tokens_and_callers_changes(world):
    """The new key first opens everywhere, then seals everywhere, while a reader turns pages and complaints are filed."""
    cluster = world.cluster
    folder = cluster.run_dir / 'keys' / 'complaints'
    for _ in range(3):
        early = world.filed()
    page = {'token': ''}

    def turns(_):
        query = {'page_token': page['token']} if page['token'] else {}
        told = world.hotline_3701.get('/v1/complaints', page_size=1, **query).expect(200)
        page['token'] = told['next_page_token']

    def rolling(caller_keys):
        for replica in cluster.of('complaints'):
            all_go_on()
            replica.restart(extra=replica.instance.extra | {'caller-keys': caller_keys})
    old, new = (folder / 'page.key').read_text(), secrets.token_hex(keys.KEY_BYTES) + '\n'
    keys.key_file(folder / 'caller-v2.key')
    with sending(turns, filed_by_everyone(world)) as all_go_on:
        write_whole(folder / 'page-other.key', new)
        rolling('caller-v1,caller-v2')
        sealed_by_old = page['token'] or world.hotline_3701.get('/v1/complaints', page_size=1).json['next_page_token']
        write_whole(folder / 'page.key', new)
        write_whole(folder / 'page-other.key', old)
        rolling('caller-v2,caller-v1')
        all_go_on()
    late = world.filed()
    for made in (early, late):
        caller = world.hotline_3701.get(f'/v1/complaints/{made["id"]}').expect(200)['caller']
        assert caller['phone'] == '19900001234', 'an identity does not open any more'
    world.hotline_3701.get('/v1/complaints', page_size=1, page_token=sealed_by_old).expect(200)
    # Retired: what it sealed is a forgery by now.
    (folder / 'page-other.key').unlink()
    for replica in cluster.of('complaints'):
        replica.restart()
    world.hotline_3701.get('/v1/complaints', page_size=1, page_token=sealed_by_old).expect(400, 'page_token_invalid')
