"""The registry and `lujian`: loading, listing, who sees what of principals, and the command line's every command."""
import csv
import io
import json
import os
import re
import select
import signal
import subprocess
import time
import uuid

import psycopg2
import pytest

from cluster import ini, principals
from cluster.instances import binary

ROOT = principals.SEED_DIR.parents[1]
COLUMNS = 'code,parent,name_zh,name_en,leaf,keywords'
RUN_S = 60
WAIT_S = 20


class Cli:
    """`lujian` as one principal."""

    def __init__(self, cluster, who=None, credentials=None):
        self.path = binary(cluster.build, 'lujian')
        self.env = {'PATH': os.environ['PATH'], 'LUJIAN_PEERS': str(cluster.peers), 'LUJIAN_GATEWAY': cluster.gateway,
                    'LUJIAN_CREDENTIALS': str(credentials or principals.credentials_path(cluster.run_dir, who))}

    def run(self, *words, code=0, given=None):
        done = subprocess.run([str(self.path), *map(str, words)], env=self.env, capture_output=True, text=True,
                              input=given if given is not None else '', timeout=RUN_S, check=False)
        assert done.returncode == code, f'{words}: {done.returncode}\n{done.stdout}{done.stderr}'
        return done

    def start(self, *words):
        return subprocess.Popen([str(self.path), *map(str, words)], env=self.env, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def call(self, method, request=None, **options):
        flags = [f'--{name.replace("_", "-")}={value}' for name, value in options.items()]
        return json.loads(self.run('call', method, json.dumps(request or {}), *flags).stdout)

    def refused(self, method, request=None):
        """What standard error says of a call that must fail."""
        return self.run('call', method, json.dumps(request or {}), code=1).stderr

    def events(self, stream, *flags):
        """All events, and the cursor of the head."""
        done = self.run('events', 'tail', stream, '--once', *flags)
        through = re.search(r'looked at up to (\S+)', done.stderr)[1]
        return [json.loads(line) for line in done.stdout.splitlines()], through


@pytest.fixture(scope='module')
def cli(world):
    """Makes command lines: cli('operator')."""
    return lambda who=None, **kept: Cli(world.cluster, who, **kept)


@pytest.fixture
def operator(cli):
    return cli('operator')


@pytest.fixture
def fresh():
    """A code that no other test uses."""
    return f'it_{uuid.uuid4().hex[:10]}'


def folder(tmp_path, **files):
    """A folder of CSV files: bytes as they are, text as UTF-8."""
    for name, content in files.items():
        (tmp_path / f'{name}.csv').write_bytes(content if isinstance(content, bytes) else content.encode())
    return tmp_path


def lines_until(process, wanted):
    """Lines of a process's output until `wanted` says yes to one; that one. The pipe is read past Python's buffers."""
    deadline, left = time.monotonic() + WAIT_S, b''
    while time.monotonic() < deadline:
        line, newline, rest = left.partition(b'\n')
        if newline:
            left = rest
            if wanted(line.decode()):
                return line.decode()
            continue
        if select.select([process.stdout.fileno()], [], [], deadline - time.monotonic())[0]:
            chunk = os.read(process.stdout.fileno(), 65536)
            if not chunk:
                break
            left += chunk
    pytest.fail(f'it never came: {process.stderr.read() if process.poll() is not None else "still running"}')


def becomes(check):
    """Asks again until it is so: what a replica mirrors arrives by an event that cannot be waited for from here."""
    deadline = time.monotonic() + WAIT_S
    while not check():
        assert time.monotonic() < deadline, 'it never became so'
        time.sleep(0.05)


# ---------------------------------------------------------------------------------------------------- load


def test_the_seed_was_loaded_whole_and_loads_again_without_a_change(world, operator):
    told = (world.cluster.run_dir / 'log/load.log').read_text()
    counts = dict(re.findall(r'^(\w+)\.csv: \d+ rows: (\d+) changed, 0 unchanged, 0 faults$', told, re.M))
    assert counts['divisions'] == '2024' and counts['units'] == '4942' and counts['calendar_notices'] == '6'
    _, head = operator.events('registry')
    done = operator.run('load', ROOT / 'deploy/seed')
    assert re.findall(r'(\d+) rows: 0 changed, (\d+) unchanged, 0 faults', done.stdout) == [
        (n, n) for n in ('2024', '81', '4942', '35', '6', '10', '13')]
    assert operator.events('registry', '--from', head) == ([], head)


def test_a_broken_file_costs_its_broken_rows(tmp_path, operator, world, fresh):
    text = (f'\ufeff{COLUMNS}\r\n'
            f'{fresh}_a,,甲,A,1,\r\n'
            f'{fresh}_b,,乙,"B\nB",1,\r\n'             # a newline in a name: read as one row, and refused
            f'{fresh}_c,,丙,C"C,1,\r\n'                # no CSV
            f'{fresh}_d,,丁,"never closed,1,\r\n'
            f'{fresh}_e,,戊,E,maybe,\r\n'
            f'{fresh}_f,nowhere,己,F,1,\r\n'           # well-formed; the registry knows no such parent
            f'{fresh}_g,,庚,"G, ""g""",1,a|b\r\n')
    _, head = operator.events('registry')
    done = operator.run('load', folder(tmp_path, categories=text), code=1)
    faults = re.findall(r'^categories\.csv:(\d+): (\w+)', done.stderr, re.M)
    assert faults == [('3', 'control_character'), ('4', 'broken_row'), ('5', 'broken_row'), ('6', 'bad_type'),
                      ('7', 'unknown_category')]
    assert 'categories.csv: 7 rows: 2 changed, 0 unchanged, 5 faults' in done.stdout
    told, _ = operator.events('registry', '--from', head)
    assert [e['subject'] for e in told] == [f'category:{fresh}_a', f'category:{fresh}_g']
    row = told[1]['data']['row']['category']
    assert (row['name_en'], row['keywords'], row['leaf']) == ('G, "g"', 'a|b', True)
    # What was loaded reaches the others: a complaint may be filed under it.
    becomes(lambda: world.hotline_3701.post('/v1/complaints', world.complaint(category=f'{fresh}_a')).status == 201)


def test_files_that_are_none(tmp_path, operator):
    assert 'none of the files' in operator.run('load', tmp_path, code=1).stderr
    assert 'no folder' in operator.run('load', tmp_path / 'absent', code=1).stderr
    files = {'categories': b'\xff\xfe\x00', 'units': 'code,colour\n', 'routes': '', 'deadline_rules': 'id\n'}
    done = operator.run('load', folder(tmp_path, **files), code=1)
    for expected in ('categories.csv:1: unknown_column: the 1.', 'units.csv:1: unknown_column: colour', 'routes.csv:1: no_header',
                     'deadline_rules.csv:1: column_missing: version'):
        assert expected in done.stderr


def test_a_notice_with_a_broken_day_is_held_back(tmp_path, operator):
    files = {'calendar_notices': 'year,notice,title\n2091,n,t\n2092,n,t\n',
             'calendar_days': 'day,kind,festival,year\n2091-01-01,off,元旦,2091\n2092-01-00,off,元旦,2092\n'}
    done = operator.run('load', folder(tmp_path, **files), code=1)
    assert 'calendar_days.csv:3: bad_pattern: day' in done.stderr
    assert 'calendar_notices.csv:3: held_back' in done.stderr
    assert '2 rows: 1 changed' in done.stdout
    assert operator.call('registry.list_rows', {'kind': 'calendar_notice', 'page_size': 200})['rows'][-1][
        'calendar_notice']['year'] == 2091


def test_a_dissolved_unit_strands_nothing(tmp_path, operator, world):
    """The default unit of its division acts for it, and sees the caller whom it must contact."""
    columns = 'code,division,name,short_name,kind,department,valid_from,valid_to'
    row = '370102-medicare,370102,济南市历下区医疗保障局,历下区医保局,department,medicare,,'
    c = world.filed(category='medical_insurance')
    assert c['unit'] == '370102-medicare'
    operator.run('load', folder(tmp_path, units=f'{columns}\n{row}{world.now()[:10]}\n'))
    try:
        becomes(lambda: world.hotline_3701.post('/v1/complaints', world.complaint(category='medical_insurance')).json['unit']
                != '370102-medicare')
        phone = lambda: world.unit_370102.get(f'/v1/complaints/{c["id"]}').expect(200)['caller']['phone']
        becomes(lambda: all(phone() == '19900001234' for _ in range(8)))  # at both replicas
        world.unit_370102.act(c, 'sign').expect(200)
        assert world.unit_370102.act(c, 'reply', {'text': '已处理'}).expect(200)['state'] == 'replied'
    finally:
        operator.run('load', folder(tmp_path, units=f'{columns}\n{row}\n'))


def test_loading_is_for_operators(tmp_path, cli, fresh):
    path = folder(tmp_path, categories=f'{COLUMNS}\n{fresh},,甲,A,1,\n')
    told = cli('hotline_3701').run('load', path, code=1).stderr
    assert 'permission_denied' in told


def test_two_loads_at_once_both_end_well(tmp_path, operator, fresh):
    parts = []
    for which in range(4):
        sub = tmp_path / str(which)
        sub.mkdir()
        rows = ''.join(f'{fresh}_{which}_{n},,类,C,1,\n' for n in range(700))
        parts.append(operator.start('load', folder(sub, categories=f'{COLUMNS}\n{rows}')))
    for part in parts:
        out, err = part.communicate(timeout=RUN_S)
        assert part.returncode == 0, err
        assert '700 rows: 700 changed' in out
    told, _ = operator.events('registry', '--type', 'reference.changed.v1')
    assert sum(e['subject'].startswith(f'category:{fresh}_') for e in told) == 2800


# ------------------------------------------------------------------------------- listing, and who sees principals


def test_rows_are_listed_in_pages(cli):
    unit = cli('unit_370102')
    seen, token = [], ''
    while True:
        page = unit.call('registry.list_rows', {'kind': 'unit', 'division': '370102', 'page_size': 7, 'page_token': token})
        seen += [row['unit']['code'] for row in page['rows']]
        token = page['next_page_token']
        if not token:
            break
    with (principals.SEED_DIR / 'units.csv').open(encoding='utf-8', newline='') as rows:
        expected = sorted(row['code'] for row in csv.DictReader(rows) if row['division'].startswith('370102'))
    assert seen == expected and len(seen) > 14
    assert 'unknown_kind' in unit.refused('registry.list_rows', {'kind': 'lunch'})
    assert 'unknown_division' in unit.refused('registry.list_rows', {'kind': 'unit', 'division': '110101'})
    forged = unit.refused('registry.list_rows', {'kind': 'unit', 'page_token': 'Zm9yZ2Vk'})
    assert 'invalid_argument' in forged


def test_principals_are_for_operators_and_their_proofs_for_nobody(cli, operator, world):
    rows = operator.call('registry.list_rows', {'kind': 'principal', 'page_size': 200})['rows']
    assert {'operator', 'hotline_3701', 'unit_370102'} <= {row['principal']['id'] for row in rows}
    assert all(row['principal']['token_sha256'] == '' for row in rows)
    assert 'permission_denied' in cli('supervisor_37').refused('registry.list_rows', {'kind': 'principal'})

    mine, _ = cli('supervisor_37').events('registry', '--type', 'reference.changed.v1')
    assert mine and not [e for e in mine if e['subject'].startswith('principal:')]
    all_of_them, _ = operator.events('registry')
    assert [e for e in all_of_them if e['subject'] == 'principal:hotline_3701/k1']
    over_http, _ = world.supervisor_37.events('registry')
    assert over_http and 'token_sha256' not in json.dumps(over_http)


@pytest.fixture
def newcomer(tmp_path, cli, operator, fresh):
    """A principal of keygen's: its command line, and what loads its row, changed or not."""
    keys = tmp_path / 'keys'
    row = operator.run('keygen', '--principal', fresh, '--roles', 'supervisor', '--jurisdiction', '370102',
                       '--name', '历下区, "测试"', '--out', keys).stdout
    table = next(csv.reader(io.StringIO((principals.SEED_DIR / 'principals.template.csv').read_text())))
    found = dict(zip(table, next(csv.reader(io.StringIO(row)))))
    path = tmp_path / 'loaded'
    path.mkdir()

    def load(**changes):
        text = io.StringIO()
        writer = csv.DictWriter(text, table)
        writer.writeheader()
        writer.writerow(found | changes)
        return operator.run('load', folder(path, principals=text.getvalue())).stdout
    return cli(credentials=keys / f'{fresh}.ini'), load


def test_a_principal_comes_and_is_revoked(newcomer):
    mine, load = newcomer
    mine.refused('registry.list_rows', {'kind': 'category'})  # nobody knows this key yet
    assert '1 changed' in load()
    becomes(lambda: subprocess.run([str(mine.path), 'call', 'complaints.list'], env=mine.env, capture_output=True,
                                   timeout=RUN_S, check=False).returncode == 0)
    tail = mine.start('events', 'tail', 'registry')
    lines_until(tail, lambda line: 'reference.changed.v1' in line)
    assert '1 changed' in load(revoked='1')
    out, err = tail.communicate(timeout=WAIT_S)  # an open feed ends by itself
    assert tail.returncode == 1 and ('unauthenticated' in err or 'permission_denied' in err), (out, err)
    becomes(lambda: subprocess.run([str(mine.path), 'call', 'complaints.list'], env=mine.env, capture_output=True,
                                   timeout=RUN_S, check=False).returncode == 1)


def test_the_last_operator_cannot_lock_himself_out(tmp_path, operator, world):
    owned = ini.parse_flat(principals.credentials_path(world.cluster.run_dir, 'operator').read_text())
    row = principals.row(principals.OPERATOR, owned) | {'revoked': '1'}
    text = ','.join(row) + '\n' + ','.join(row.values()) + '\n'
    told = operator.run('load', folder(tmp_path, principals=text), code=1).stderr
    assert 'principals.csv:2: last_operator' in told


# ---------------------------------------------------------------------------------------------- the other commands


def test_status(cli, operator):
    done = operator.run('status')
    for wanted in ('registry-1', 'complaints-1', 'complaints-2', 'supervision-2', 'gateway-1', 'CONSUMER', 'CLOCKS OF',
                   'connections to PostgreSQL at most'):
        assert wanted in done.stdout, done.stdout
    told = json.loads(operator.run('status', '--json').stdout)['replicas']
    assert all(replica['ready'] for replica in told)
    status = {replica['instance']: replica['status'] for replica in told}
    gateway = status['gateway-1']
    assert gateway['instance'] == 'gateway-1' and gateway['connections_max'] > 0
    assert gateway['mirror_position'] == status['complaints-1']['mirror_position']
    assert status['complaints-1']['instance'] == 'complaints-1'
    followed = {c['stream'] for c in status['supervision-1']['consumers']}
    assert {'registry', 'complaints'} <= followed
    assert int(status['registry-1']['head']) > 7000
    refused = cli('unit_370102').run('status', code=1)
    assert 'permission_denied' in refused.stdout


def test_calls_tell_problems_in_both_languages(cli, world):
    hotline, unit = cli('hotline_3701'), cli('unit_370102')
    request = world.complaint()
    made = hotline.call('complaints.file', request, key=f'cli-{request["external_id"]}')
    assert made['state'] == 'dispatched'
    again = hotline.run('call', 'complaints.file', '-', f'--key=cli-{request["external_id"]}',
                        given=json.dumps(request))
    assert json.loads(again.stdout)['id'] == made['id'] and 'answered before' in again.stderr
    assert unit.call('complaints.sign', {'id': made['id']})['state'] == 'signed'
    told = unit.refused('complaints.sign', {'id': made['id']})
    assert re.search('[\u4e00-\u9fff]', told) and 'state: signed' in told and 'allowed:' in told
    assert 'version_mismatch' in unit.run('call', 'complaints.reply', json.dumps({'id': made['id'], 'text': '已处理'}),
                                          '--if-version=1', code=1).stderr
    for wrong in ('{', '{"id":1}', '{"colour":"red"}', '[]', '{"id":"x"}'):
        assert 'the request' in unit.run('call', 'complaints.sign', wrong, code=1).stderr
    unit.run('call', 'complaints.fly', code=2)
    unit.run('call', 'complaints.follow', code=2)


def test_tail_follows_and_goes_on_from_its_cursor(cli, world):
    supervisor = cli('supervisor_370102')
    first = world.filed()
    tail = supervisor.start('events', 'tail', 'complaints', '--scope', '370102', '--type', 'complaint.filed.v1')
    lines_until(tail, lambda line: first['id'] in line)
    second, elsewhere = world.filed(), world.filed(division='370103')
    line = lines_until(tail, lambda text: second['id'] in text)
    event = json.loads(line)
    assert event['specversion'] == '1.0' and event['source'] == '/37/complaints' and event['data']['division'] == '370102'
    tail.send_signal(signal.SIGINT)
    out, err = tail.communicate(timeout=WAIT_S)
    assert tail.returncode == 0 and elsewhere['id'] not in out
    cursor = re.search(r'looked at up to (\S+)', err)[1]
    third = world.filed()
    later, _ = supervisor.events('complaints', '--from', cursor, '--type', 'complaint.filed.v1')
    ids = [e['data']['complaint_id'] for e in later]
    assert third['id'] in ids and not {first['id'], second['id']} & set(ids)

    stream, epoch, position = cursor.split(':')
    told = supervisor.run('events', 'tail', stream, '--from', f'{stream}:{int(epoch) + 1}:{position}', code=1).stderr
    assert 'cursor_mismatch' in told
    supervisor.run('events', 'tail', 'weather', code=2)


def test_keygen(tmp_path, operator):
    operator.run('keygen', '--operator', 'root', '--out', tmp_path / 'keys', '--key-id', 'k7')
    own = ini.parse_flat((tmp_path / 'keys/root.ini').read_text())
    boot = ini.parse_flat((tmp_path / 'keys/bootstrap.ini').read_text())
    assert set(own) == {'principal', 'key_id', 'curve_public', 'curve_secret', 'token'}
    assert boot == {'principal': 'root', 'key_id': 'k7', 'curve_public': own['curve_public'],
                    'token_sha256': principals.keys.token_sha256(own['token'])}
    assert all((tmp_path / 'keys' / name).stat().st_mode & 0o777 == 0o600 for name in ('root.ini', 'bootstrap.ini'))
    assert 'there already' in operator.run('keygen', '--operator', 'root', '--out', tmp_path / 'keys', code=1).stderr
    public = operator.run('keygen', '--service', tmp_path / 'registry-9.curve').stdout.strip()
    assert ini.parse_flat((tmp_path / 'registry-9.curve').read_text())['public'] == public
    operator.run('keygen', code=2)
    operator.run('keygen', '--operator', 'a/b', '--out', tmp_path, code=2)


def test_deadletters_and_rebase(operator, cli):
    assert sorted(operator.run('deadletters', 'list').stdout.splitlines()) == [
        'complaints: none', 'registry: none', 'supervision: none']
    assert operator.run('deadletters', 'list', 'supervision').stdout == 'none\n'
    assert json.loads(operator.run('deadletters', 'list', 'supervision', 'complaints', '--json').stdout) == {
        'dead_letters': []}
    assert operator.run('deadletters', 'replay', 'supervision', 'complaints', 'nobody').stdout == (
        'replayed 0, parked again 0\n')
    assert 'not_found' in operator.run('deadletters', 'replay', 'supervision', 'weather', 'nobody', code=1).stderr
    assert 'permission_denied' in cli('unit_370102').run('deadletters', 'list', 'supervision', code=1).stderr
    replicas = json.loads(operator.run('status', '--json').stdout)['replicas']
    at = {c['stream']: c['cursor'] for r in replicas if r['instance'] == 'supervision-1' for c in r['status']['consumers']}
    # To where it stands: an operator's decision that changes nothing.
    told = operator.run('stream', 'rebase', 'supervision', 'registry', at['registry']).stdout
    assert told == f'supervision now follows registry from {at["registry"]}; it was at {at["registry"]}\n'
    # The dry run: one epoch, so the whole log is the one that was known.
    shown = operator.run('stream', 'rebase', 'supervision', 'registry').stdout
    assert f'lujian stream rebase supervision registry {at["registry"]}\n' in shown and '; 0 positions' in shown
    assert 'does not follow' in operator.run('stream', 'rebase', 'complaints', 'supervision', code=1).stderr
    operator.run('stream', 'rebase', 'supervision', 'weather', code=2)
    assert 'not_found' in operator.run('stream', 'rebase', 'supervision', 'weather', 'weather:1:0', code=1).stderr
    operator.run('stream', 'rebase', 'supervision', 'complaints', 'registry:1:0', code=2)


def test_an_edge_is_rebased_where_it_runs(world):
    """It has no door that an operator could ask: its binary does it, beside the replicas that run."""
    gateway = world.cluster.replica('gateway')
    with psycopg2.connect(world.cluster.database('gateway')) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT epoch, position FROM consumer_cursor WHERE stream = 'registry'")
        at = 'registry:{}:{}'.format(*cursor.fetchone())
        cursor.execute("UPDATE consumer_cursor SET stopped = true WHERE stream = 'registry'")
    connection.close()

    def run(cursor):
        return subprocess.run([binary(world.cluster.build, 'lujian-gateway'), f'--config={gateway.config()}',
                               f'--rebase={cursor}'], env={}, capture_output=True, text=True, timeout=RUN_S, check=False)
    assert run('registry').returncode != 0 and run('weather:1:0').returncode != 0
    done = run(at)
    assert done.returncode == 0 and 'CURSOR-REBASED' in done.stdout + done.stderr, done
    with psycopg2.connect(world.cluster.database('gateway')) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT stopped FROM consumer_cursor WHERE stream = 'registry'")
        assert cursor.fetchone() == (False,)
    connection.close()


def test_time(operator, cli):
    assert 'civil_time' in json.loads(operator.run('time', 'advance', '0').stdout)
    assert 'permission_denied' in cli('unit_370102').run('time', 'advance', '0', code=1).stderr
    operator.run('time', 'advance', '-5', code=2)


def test_whoever_has_no_credentials(tmp_path, cli, operator):
    nobody = cli('operator')
    nobody.env['LUJIAN_CREDENTIALS'] = str(tmp_path / 'absent.ini')
    assert 'absent.ini' in nobody.run('status', code=1).stderr
    del nobody.env['LUJIAN_CREDENTIALS']
    assert 'who are you' in nobody.run('status', code=1).stderr
    stranger = tmp_path / 'keys'
    operator.run('keygen', '--principal', 'stranger', '--roles', 'operator', '--out', stranger)
    nobody.env['LUJIAN_CREDENTIALS'] = str(stranger / 'stranger.ini')
    nobody.run('call', 'registry.list_rows', '{"kind":"category"}', code=1)


def test_help(operator):
    assert 'keygen' in operator.run('--help').stdout
    for command in ('call', 'events', 'load', 'status', 'deadletters', 'stream', 'keygen', 'time'):
        assert operator.run(command, '--help').stdout.startswith(f'lujian {command}')
    operator.run(code=2)
    operator.run('fly', code=2)
    operator.run('load', 'a', 'b', code=2)
    operator.run('load', '--colour', code=2)
