"""One or two replicas: what is asked over the wire, what the admin pages say, how they start and stop."""
import os
import re
import signal
import subprocess

import pytest
from conftest import PERSONAL, Notes, Sql, complaint_pb2, log_pb2, node_pb2, note, unique, wait_for

from cluster.paths import build_dir

NOTE = build_dir() / 'services' / 'lujian-note'
TWO = pytest.mark.parametrize('cluster', [{'complaints': 2}], indirect=True)


@TWO
def test_two_replicas_are_one_service(cluster):
    first, second = (cluster.client(one) for one in cluster.replicas)
    filed = first.file('e1', key='k1')
    made = filed.complaint()
    assert filed.head.created and made.version == 1
    got = second.call('complaints.get', complaint_pb2.GetRequest(id=made.id)).complaint()
    assert got.external_id == 'e1'
    again = second.file('e1', key='k1')
    assert again.head.replayed and again.complaint().id == made.id and not again.head.created
    other = second.file('e1', key='k1', title='另一条')
    assert (other.error, other.code) == ('UNPROCESSABLE', 'conflicting_payload')
    assert second.file('e1', key='k2').head.replayed  # by its natural key


@TWO
def test_a_feed_at_one_replica_tells_what_the_other_did(cluster):
    first, second = (cluster.client(one) for one in cluster.replicas)
    feed = second.send('complaints.follow', log_pb2.FollowRequest(credit=100))
    made = first.file('e1').complaint()

    def event():
        answer = second.receive(feed)
        assert answer.error == 'OK', answer.head
        return [e for e in log_pb2.FollowResponse.FromString(answer.body).events if e.subject == made.id]
    assert wait_for(event)[0].division == '370102'
    pulled = log_pb2.PullResponse.FromString(second.call('complaints.pull', log_pb2.PullRequest()).body)
    assert [e.subject for e in pulled.events] == [made.id] and pulled.through == 'complaints:1:1'


def test_scope_of_pull_and_feed(cluster):
    centre, unit = cluster.client(cluster.replicas[0]), cluster.client(cluster.replicas[0], 'county')
    centre.file('e1').complaint()
    answer = unit.call('complaints.pull', log_pb2.PullRequest(division='3702'))
    assert (answer.error, answer.code) == ('PERMISSION_DENIED', 'division_not_yours')
    answer = unit.call('complaints.pull', log_pb2.PullRequest(division='99'))
    assert answer.error == 'UNPROCESSABLE'
    answer = unit.call('complaints.follow', log_pb2.FollowRequest(division='3702', credit=1))
    assert answer.error == 'PERMISSION_DENIED'
    answer = unit.call('complaints.pull', log_pb2.PullRequest(after='complaints:7:1'))
    assert answer.error == 'CURSOR_MISMATCH'
    answer = unit.call('complaints.credit', log_pb2.CreditRequest(feed=4711))
    assert answer.error == 'NOT_FOUND'


def test_a_revoked_reader_stops_receiving(cluster):
    centre, county = cluster.client(cluster.replicas[0]), cluster.client(cluster.replicas[0], 'county')
    feed = county.send('complaints.follow', log_pb2.FollowRequest(credit=100))
    assert county.receive(feed).error == 'OK'
    cluster.write_facts('complaints', revoked=('county',))
    end = wait_for(lambda: (answer := county.receive(feed)).error != 'OK' and answer)
    assert end.error in ('UNAUTHENTICATED', 'PERMISSION_DENIED')
    assert county.call('complaints.ping').error == 'UNAUTHENTICATED'
    assert centre.call('complaints.ping').error == 'OK'


def test_who_is_unknown_does_not_get_in(cluster):
    from cluster import keys  # pylint: disable=import-outside-toplevel
    cluster.pairs['stranger'] = keys.curve_pair()
    stranger = cluster.client(cluster.replicas[0], 'stranger')
    stranger.send('complaints.ping', None)
    assert stranger.receive(timeout_s=1.5) is None


def test_status_and_time(cluster):
    operator = cluster.client(cluster.replicas[0], 'operator')
    cluster.client(cluster.replicas[0]).file('e1').complaint()
    status = node_pb2.StatusResponse.FromString(operator.call('complaints.status').body)
    assert (status.service, status.instance, status.epoch, status.head) == ('complaints', 'complaints-1', 1, 1)
    assert status.connections_max > 0 and status.mirror_position > 0 and not status.draining
    with open(cluster.home / 'clock-offset', 'r+b') as file:
        file.write((3_600_000).to_bytes(8, 'little'))
    moved = node_pb2.TimeResponse.FromString(operator.call('complaints.time').body)
    assert moved.clock_offset_ms == 3_600_000
    assert 3_590_000 < moved.civil_time - status.civil_time < 3_700_000
    with cluster.sql() as cursor:
        assert Sql.one(cursor, 'SELECT civil_offset_ms FROM log_stream') == 3_600_000


def test_page_tokens_are_the_callers_and_the_filters_own(cluster):
    centre, operator = (cluster.client(cluster.replicas[0], who) for who in ('hotline', 'operator'))
    ask = lambda client, **query: client.call('complaints.list', complaint_pb2.ListRequest(**query))
    page = complaint_pb2.ListResponse.FromString(ask(centre, division='3701').body)
    token = page.next_page_token
    again = ask(centre, division='3701', page_token=token, page_size=7)
    assert complaint_pb2.ListResponse.FromString(again.body).complaints[0].order_no == 'page++'
    for client, query in ((operator, {'division': '3701'}), (centre, {'division': '370102'}), (centre, {})):
        answer = ask(client, page_token=token, **query)
        assert (answer.error, answer.code) == ('INVALID_ARGUMENT', 'page_token_invalid')
    for forged in ('x', token[:-1], token + 'A', token[:-1] + ('A' if token[-1] != 'A' else 'B'), 'A' * 512):
        assert ask(centre, division='3701', page_token=forged).code == 'page_token_invalid'


def test_admin_pages(cluster):
    one = cluster.replicas[0]
    client = cluster.client(one)
    for index in range(5):
        client.file(f'e{index}').complaint()
    client.call('complaints.nothing')
    assert one.page('/healthz') == (200, 'ok\n')
    assert one.page('/readyz') == (200, 'ready\n')
    assert one.page('/nothing')[0] == 404
    wait_for(lambda: re.search(r'^lujian_log_head 5$', one.page('/metrics')[1], re.M))
    status, text = one.page('/metrics')
    assert status == 200
    checked = subprocess.run(['promtool', 'check', 'metrics'], input=text, text=True, capture_output=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert 'lujian_requests_total{method="complaints.file",code="ok"} 5' in text
    assert 'lujian_requests_total{method="unknown",code="unsupported"} 1' in text
    assert re.search(r'^lujian_commits_total [1-5]$', text, re.M)


def test_one_line_a_request_and_nobody_in_it(cluster):
    one = cluster.replicas[0]
    trace = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    filed = cluster.client(one).file('e1', title=PERSONAL[2], text=PERSONAL[2], traceparent=trace)
    filed.complaint()
    line, = wait_for(lambda: [row for row in one.lines('REQ-DONE') if row['method'] == 'complaints.file'])
    assert line['principal'] == 'hotline' and line['code'] == 'ok' and line['traceparent'] == trace
    assert line['us'] > 0 and line['batch'] == 1 and line['bytes_in'] > 0 and len(line['key']) == 16
    cluster.client(one).call('complaints.file', note('e2', title='x' * 2000), 'k')  # refused by its shape
    text = one.log.read_text()
    assert not [word for word in PERSONAL if word in text]
    assert 'key-e1' not in text
    events = log_pb2.PullResponse.FromString(cluster.client(one).call('complaints.pull', log_pb2.PullRequest()).body)
    assert events.events[0].traceparent == trace


def test_a_replica_that_drains_says_so_and_ends_well(cluster):
    one = cluster.replicas[0]
    client = cluster.client(one)
    client.file('e1').complaint()
    feed = client.send('complaints.follow', log_pb2.FollowRequest(credit=10))
    assert client.receive(feed).error == 'OK'
    os.kill(one.child.pid, signal.SIGTERM)
    end = wait_for(lambda: (answer := client.receive(feed)).error != 'OK' and answer)
    assert (end.error, end.code) == ('NOT_EXECUTED', 'draining')
    refused = client.file('e2')
    assert (refused.error, refused.code) == ('NOT_EXECUTED', 'draining')
    cluster.supervisor.wait(lambda: one.child.exits, 20, 'the end')
    assert one.child.exits[0].code == 0


def test_configuration_is_documented_and_checked(home):
    run = lambda *args, **env: subprocess.run([NOTE, *args], capture_output=True, text=True, check=False, timeout=60,
                                              env={'PATH': os.environ['PATH'], **env})
    told = run('--help-config')
    assert told.returncode == 0
    for name in ('instance', 'database', 'door', 'pulse', 'admin', 'curve-key-file', 'peers', 'keys-dir',
                 'clock-offset-file', 'redis', 'dev', 'workers', 'committers'):
        assert re.search(rf'^{name}  \(LUJIAN_', told.stdout, re.M), name
    for paragraph in told.stdout.split('\n\n')[1:]:
        assert len(paragraph.strip().splitlines()) == 3, paragraph  # a name, a help, a type
    assert re.search(r'^cache-timeout-ms  .*\n.*\n    number 1 to 1000, default "20"$', told.stdout, re.M)
    assert run().returncode == 2
    assert run('--instance=x', '--workers=0').returncode == 2
    assert run('--nothing=1').returncode == 2


def test_development_stays_on_loopback(home):
    notes = Notes(home)
    try:
        one = notes.replicas[0]
        run = lambda *args, **env: subprocess.run(
            [NOTE, f'--config={one.config}', '--migrate', *args], capture_output=True, text=True, check=False,
            timeout=60, env={'PATH': os.environ['PATH'], **env})
        refused = run('--door=tcp://0.0.0.0:0')
        assert refused.returncode == 2 and 'LUJIAN_DEV=1' in refused.stderr
        assert run('--door=tcp://0.0.0.0:0', '--clock-offset-file=').returncode == 0
        assert run('--door=tcp://0.0.0.0:0', '--clock-offset-file=', '--dev=1').returncode == 2
        assert run('--door=tcp://0.0.0.0:0', LUJIAN_DEV='1').returncode == 0
        assert run().returncode == 0  # twice: there is nothing left to migrate
    finally:
        notes.close()


def test_a_replica_waits_for_its_database(home):
    notes = Notes(home)
    try:
        one = notes.replicas[0]
        notes.migrate('complaints')
        notes.write_facts('complaints')
        notes.supervisor.stop('postgres')
        one.launch()
        wait_for(lambda: one.log.exists() and one.lines('WAITING-FOR-DATABASE'), what='the wait')
        assert one.stop() == 0
        one.launch()
        wait_for(lambda: len(one.lines('WAITING-FOR-DATABASE')) > 1, what='the wait')
        notes.postgres.start()
        wait_for(lambda: one.readiness()[0], 60, 'readiness')
        notes.client(one).file(unique()).complaint()
    finally:
        notes.close()


@pytest.mark.parametrize('cluster', [{'complaints': 1, 'supervision': 1}], indirect=True)
def test_connections_are_counted(cluster):
    """What the replica says that it may hold is what it holds, each connection named after its purpose."""
    for one in cluster.replicas:
        operator = cluster.client(one, 'operator')
        told = node_pb2.StatusResponse.FromString(operator.call(f'{one.service}.status').body).connections_max
        with Sql(cluster.postgres.uri()) as cursor:
            cursor.execute('SELECT application_name FROM pg_stat_activity WHERE application_name LIKE %s',
                           (f'{one.name}%',))
            held = sorted(row[0].removeprefix(f'{one.name} ') for row in cursor.fetchall())
        # The feeds' reader connects when a feed lags behind what is in memory.
        assert len(held) == len(set(held)) and told == len(set(held) | {'feeds'}), held
