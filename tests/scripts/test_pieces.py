"""The small pieces: INI files, keys, ports, principals, which process a pid means."""
import csv
import json
import os
import socket
import subprocess
import threading

import pytest

from cluster import identity, ini, keys, leftovers, paths, ports, principals


def test_ini_reads_back_what_it_wrote_curve_keys_included():
    values = {'public': '#=%s.-:+=^!/*?&<>()[]{}@%$#0123456789abcd', 'database': 'postgresql://a:b@h/d?x=1&y=2'}
    assert ini.parse_flat(ini.flat(values)) == values


@pytest.mark.parametrize('value', ['two\nlines', 'nul\0', 'a ; comment', ';comment', ' padded', 'x' * 200])
def test_ini_refuses_what_would_read_back_otherwise(value):
    with pytest.raises(ValueError):
        ini.line('key', value)


def test_ini_refuses_a_key_that_is_none():
    with pytest.raises(ValueError):
        ini.line('a b', '1')


def test_ports_avoid_the_ephemeral_range_and_each_other():
    first, last = ports.ephemeral_range()
    one, other = ports.Ports(), ports.Ports()
    taken = [one.take() for _ in range(50)] + [other.take() for _ in range(50)]
    assert len(set(taken)) == 100
    assert not any(first <= port <= last for port in taken)
    one.close()
    other.close()


def test_a_port_in_use_is_not_taken(monkeypatch):
    with socket.socket() as held:
        held.bind(('127.0.0.1', 0))
        held.listen()
        busy = held.getsockname()[1]
        monkeypatch.setattr(ports, 'candidates', lambda: [busy])
        with pytest.raises(OSError):
            ports.Ports().take()


def test_a_claimed_port_is_not_taken_twice(monkeypatch):
    one, other = ports.Ports(), ports.Ports()
    port = one.take()
    monkeypatch.setattr(ports, 'candidates', lambda: [port])
    with pytest.raises(OSError):
        other.take()
    one.close()
    assert other.take() == port
    other.close()


def test_write_whole_never_shows_a_part(tmp_path):
    target, stop, broken = tmp_path / 'file', threading.Event(), []
    texts = [json.dumps({'n': n, 'pad': 'x' * 100_000}) for n in range(2)]
    paths.write_whole(target, texts[0])

    def read():
        while not stop.is_set():
            if target.read_text() not in texts:
                broken.append(1)
    reader = threading.Thread(target=read)
    reader.start()
    for n in range(100):
        paths.write_whole(target, texts[n % 2])
    stop.set()
    reader.join()
    assert not broken
    assert os.listdir(tmp_path) == ['file']
    assert target.stat().st_mode & 0o777 == 0o600


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    target = tmp_path / 'file'
    paths.write_whole(target, 'old')
    monkeypatch.setattr(os, 'replace', lambda *_: (_ for _ in ()).throw(OSError('full')))
    with pytest.raises(OSError):
        paths.write_whole(target, 'new')
    assert (target.read_text(), os.listdir(tmp_path)) == ('old', ['file'])


def test_a_remembered_process_is_not_another_with_its_pid():
    with subprocess.Popen(['sleep', '60']) as child:
        remembered = identity.remember(child.pid)
        handle = identity.open_handle(remembered)
        os.close(handle)
        assert identity.open_handle({**remembered, 'started': remembered['started'] + 1}) is None
        assert identity.open_handle({**remembered, 'boot': 'another'}) is None
        child.kill()
        child.wait()
    assert identity.open_handle(remembered) is None


def test_a_zombie_is_not_alive():
    child = subprocess.Popen(['sleep', '60'])
    remembered = identity.remember(child.pid)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not identity.is_alive(remembered)
    child.wait()


def test_sweep_ends_only_the_very_processes(tmp_path):
    with subprocess.Popen(['sleep', '60']) as ours, subprocess.Popen(['sleep', '60']) as stranger:
        remembered = {'ours-1': identity.remember(ours.pid),
                      'gone-1': {**identity.remember(stranger.pid), 'started': 1}}
        (tmp_path / 'children.json').write_text(json.dumps(remembered))
        reaper = threading.Thread(target=ours.wait)
        reaper.start()
        assert leftovers.sweep(tmp_path) == ['ours-1']
        reaper.join()
        assert stranger.poll() is None
        stranger.kill()
    assert not (tmp_path / 'children.json').exists()


def test_keys_are_made_once_and_kept_secret(tmp_path):
    path = tmp_path / 'keys' / 'complaints-1.curve'
    public = keys.service_key(path)
    assert (len(public), keys.service_key(path)) == (40, public)
    column = keys.key_file(tmp_path / 'keys' / 'caller-v1.key')
    assert len(bytes.fromhex(column)) == 32
    for made in path.parent.iterdir():
        assert made.stat().st_mode & 0o777 == 0o600


def test_the_bootstrap_holds_no_secret(tmp_path):
    owned = principals.credentials(tmp_path, 'operator')
    keys.bootstrap(tmp_path / 'bootstrap.ini', owned)
    text = (tmp_path / 'bootstrap.ini').read_text()
    assert owned['token'] not in text and owned['curve_secret'] not in text
    known = ini.parse_flat(text)
    assert known == {'principal': 'operator', 'key_id': 'k1', 'curve_public': owned['curve_public'],
                     'token_sha256': keys.token_sha256(owned['token'])}


def test_principals_csv_has_the_columns_of_the_seed(tmp_path):
    folder = principals.write_csv(tmp_path, principals.STANDING)
    with (folder / 'principals.csv').open(newline='') as rows:
        table = {row['id']: row for row in csv.DictReader(rows)}
    with (paths.SEED_DIR / 'principals.template.csv').open() as template:
        assert tuple(template.readline().strip().split(',')) == principals.COLUMNS
    assert set(table) == {'operator', 'hotline_3701', 'hotline_3702', 'unit_370102', 'supervisor_370102',
                          'supervisor_3701', 'supervisor_37'}
    assert (table['hotline_3701']['sources'], table['hotline_3701']['roles']) == ('jinan-12345|test-*', 'hotline|importer')
    assert (table['hotline_3702']['sources'], table['hotline_3702']['roles']) == ('qingdao-12345', 'hotline')
    for name, row in table.items():
        owned = principals.credentials(tmp_path, name)
        assert row['token_sha256'] == keys.token_sha256(owned['token'])
        assert owned['token'] not in row.values()


def test_the_demo_cast_has_a_centre_per_city_and_units_and_supervisors_per_division():
    played = {one.id: one for one in principals.everyone('demo')}
    divisions = principals.seeded_divisions()
    cities = [code for code in divisions if len(code) == 4]
    assert len(cities) == 16 and '3712' not in divisions
    assert {f'hotline_{city}' for city in cities} <= set(played)
    assert {f'{role}_{code}' for role in ('unit', 'supervisor') for code in divisions} <= set(played)
    assert played['hotline_3703'].sources == ('3703-12345',)
    assert played['hotline_3701'].roles == ('hotline', 'importer')
    sources = [source for one in played.values() for source in one.sources]
    assert len(sources) == len(set(sources))
