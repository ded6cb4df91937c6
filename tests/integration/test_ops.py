"""What operators see: health, metrics, logs, traces, configuration; and that no caller's data is where it must not be."""
import json
import shutil
import subprocess
import urllib.request

import pytest
from cluster.paths import build_dir

SERVICES = ('registry', 'complaints', 'supervision', 'gateway')


def admin(world, service, path, index=0):
    with urllib.request.urlopen(world.cluster.endpoints['services'][service][index]['admin'] + path, timeout=10) as r:
        return r.status, r.read().decode()


@pytest.mark.parametrize('service', SERVICES)
def test_healthy_and_ready(world, service):
    assert admin(world, service, '/healthz')[0] == 200 and admin(world, service, '/readyz')[0] == 200


@pytest.mark.parametrize('service', SERVICES)
def test_metrics_please_promtool(world, service):
    text = admin(world, service, '/metrics')[1]
    assert 'lujian_' in text
    if not shutil.which('promtool'):
        pytest.skip('promtool is not installed')
    check = subprocess.run(['promtool', 'check', 'metrics'], input=text, capture_output=True, text=True)
    assert check.returncode == 0, check.stdout + check.stderr


@pytest.mark.parametrize('service', SERVICES)
def test_every_key_is_documented(world, service):
    """Each that a configuration of this cluster sets, and each with its name, what it is for, and its type."""
    told = subprocess.run([build_dir() / 'services' / f'lujian-{service}', '--help-config'], capture_output=True, text=True)
    assert told.returncode == 0
    paragraphs = [paragraph.strip().splitlines() for paragraph in told.stdout.split('\n\n')[1:]]
    assert all(len(lines) == 3 and lines[1].strip() for lines in paragraphs), told.stdout
    documented = {lines[0].split()[0] for lines in paragraphs}
    for path in (world.cluster.run_dir / 'conf').glob(f'{service}-*'):
        set_here = {line.partition('=')[0].strip() for line in path.read_text().splitlines() if '=' in line}
        assert set_here and set_here <= documented, path


def test_a_trace_goes_through(world):
    trace = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
    c = world.hotline_3701.post('/v1/complaints', world.complaint(), traceparent=trace).expect(201)
    events, _ = world.supervisor_3701.events('complaints')
    assert {e['traceparent'] for e in events if e['subject'] == c['id']} == {trace}


def test_openapi(world):
    document = world.nobody.get('/openapi.json').expect(200)
    assert document['openapi'].startswith('3.1') and '/v1/complaints' in document['paths']


def test_time_moves_for_operators_only(world):
    world.supervisor_37.post('/v1/time:advance', {'seconds': 1}).expect(403)
    world.operator.post('/v1/time:advance', {'seconds': 1}, Content_Type='text/plain').expect(415)
    for body in ({'seconds': -1}, {'seconds': 'x'}, {'seconds': 1.5}, {'hours': 1}):
        world.operator.post('/v1/time:advance', body).expect(400)
    assert world.operator.request('POST', '/v1/time:advance').expect(200).keys() == {
        'civil_time', 'clock_offset_ms', 'clocks_failing'}


def test_no_callers_data_in_dumps_logs_or_events(world):
    phone, name = '19900007777', '欧阳测试甲'
    c = world.filed(caller={'name': name, 'phone': phone, 'confidential': False, 'wants_reply': True})
    world.unit_370102.act(c, 'sign').expect(200)
    world.now()
    for service in ('complaints', 'supervision', 'registry'):
        dump = subprocess.run(['/usr/lib/postgresql/15/bin/pg_dump', world.cluster.database(service)],
                              capture_output=True, check=True).stdout
        for secret in (phone.encode(), name.encode(), phone.encode().hex().encode()):
            assert secret not in dump, service
    for log in (world.cluster.run_dir / 'log').glob('*.log'):
        text = log.read_text(errors='replace')
        assert phone not in text and name not in text, log
    for stream in ('complaints', 'supervision'):
        text = json.dumps(world.operator.events(stream)[0], ensure_ascii=False)
        assert phone not in text and name not in text


def test_a_request_is_one_log_line(world):
    c = world.filed()
    world.unit_370102.act(c, 'sign').expect(200)
    lines = [json.loads(line) for log in (world.cluster.run_dir / 'log').glob('complaints-*.log')
             for line in log.read_text().splitlines() if 'REQ-DONE' in line]
    signed = [line for line in lines if line.get('method') == 'complaints.sign']
    assert signed and {'ts', 'level', 'service', 'instance', 'principal', 'code'} <= set(signed[-1])
