"""Keys and tokens are replaced while they are in use, and no request is refused: a principal's, a replica's, those that
seal page tokens and callers' identities. What was retired is refused."""
import contextlib
import csv
import io
import secrets
import threading
import time

from lujian.bus.v1 import node_pb2
from lujian.complaints.v1 import complaint_pb2
from lujian_client import Door

from cluster import ini, instances, keys, principals
from cluster.paths import write_whole
from cluster.seeding import Seeding
from conftest import Api, door, heard

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
            and all(heard(replica, owned) for replica in world.cluster.of('complaints')))


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
    return lambda _: world.filed()


def peers(world):
    instances.write_peers(world.cluster.run_dir, [replica.instance for replica in world.cluster.replicas])


def test_replicas_change_their_keys(world):
    """One after the other, so that at the end nobody reaches anything but by the new ones."""
    cluster = world.cluster
    mine = world.credentials['hotline_3701']
    with sending(filed_by_everyone(world), filed_by_everyone(world)) as all_go_on:
        for replica in cluster.of('complaints'):
            all_go_on()
            before = replica.public_key
            path = cluster.run_dir / 'keys' / f'{replica.name}.curve'
            replica.stop()
            path.unlink()
            replica.public_key = replica.instance.public_key = keys.service_key(path)
            peers(world)
            replica.start()
            replica.wait_ready()
            assert replica.public_key != before and heard(replica, mine)
            with contextlib.closing(Door(replica.rpc, before, mine['curve_public'], mine['curve_secret'])) as there:
                assert there.receive(there.send('complaints.ping', node_pb2.PingRequest()), 1) is None
        all_go_on()
    assert world.now(), 'consumers follow by the new keys'


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
