"""The units: systemd understands them and finds little to fear, and the services run under what they forbid."""
import errno
import re
import shutil
import socket
import subprocess
from pathlib import Path

import pytest
from conftest import ROOT, SERVICES, confined
from integration.conftest import World

UNITS = ROOT / 'deploy/systemd'
THRESHOLD = 20              # tenths: a score above 2.0 is too much
DRAIN_S, FLUSH_S = 15, 2    # drain-timeout-ms by default; LINGER of the door


@pytest.fixture(scope='module')
def installed(tmp_path_factory, cluster):
    """The units as on a host, with an instance of each; the binaries are those of this build."""
    folder = tmp_path_factory.mktemp('units')
    shutil.copytree(UNITS / 'lujian-.service.d', folder / 'lujian-.service.d')
    shutil.copy(UNITS / 'lujian.target', folder)
    for service in SERVICES:
        text = (UNITS / f'lujian-{service}@.service').read_text()
        (folder / f'lujian-{service}@1.service').write_text(text.replace('/usr/bin', str(cluster.build / 'services')))
    return folder


def analyze(folder, *words):
    """systemd-analyze over that folder; (status, what it says)."""
    done = subprocess.run(['systemd-analyze', '--no-pager', *words], cwd=folder, capture_output=True, text=True,
                          env={'PATH': '/usr/bin:/bin', 'SYSTEMD_UNIT_PATH': f'{folder}:', 'LC_ALL': 'C.UTF-8'}, check=False)
    return done.returncode, done.stdout + done.stderr


def names(folder):
    return [path.name for path in sorted(folder.glob('lujian-*@1.service'))]


def test_systemd_understands_every_line(installed):
    assert len(names(installed)) == len(SERVICES)
    assert analyze(installed, 'verify', *(f'./{name}' for name in names(installed)), './lujian.target') == (0, '')


@pytest.mark.parametrize('service', SERVICES)
def test_exposure_is_low(installed, service):
    status, told = analyze(installed, 'security', '--offline=true', f'--threshold={THRESHOLD}', f'./lujian-{service}@1.service')
    score = re.search(r'Overall exposure level for .*: ([0-9.]+)', told)
    assert status == 0 and 10 * float(score[1]) < THRESHOLD, told


def test_the_shared_settings_are_what_makes_it_low(installed, tmp_path):
    """Without the drop-in the same unit is refused: the scores above are of what stands in it."""
    shutil.copy(installed / 'lujian-gateway@1.service', tmp_path)
    status, _ = analyze(tmp_path, 'security', '--offline=true', f'--threshold={THRESHOLD}', './lujian-gateway@1.service')
    assert status != 0


def test_a_stop_waits_for_the_drain():
    text = (UNITS / 'lujian-.service.d/50-hardening.conf').read_text()
    assert int(re.search(r'^TimeoutStopSec=(\d+)s$', text, re.MULTILINE)[1]) > DRAIN_S + FLUSH_S


def test_users_and_folders():
    users = {line.split()[1] for line in (UNITS / 'sysusers.conf').read_text().splitlines() if line.startswith('u ')}
    assert users == {f'lujian-{service}' for service in SERVICES}
    for tool, conf in (('systemd-sysusers', 'sysusers.conf'), ('systemd-tmpfiles', 'tmpfiles.conf')):
        # Read as they would be applied, applied to nothing.
        words = ['--dry-run'] if tool == 'systemd-sysusers' else ['--cat-config']
        done = subprocess.run([tool, *words, str(UNITS / conf)], capture_output=True, text=True, check=False)
        assert done.returncode == 0 and 'Unknown' not in done.stderr, done.stderr


# ------------------------------------------------------------------ under it

ASK = """import ctypes, os, socket
libc = ctypes.CDLL(None, use_errno=True)
def said(result):
    return ctypes.get_errno() if result in (-1, 2**64 - 1) else 0
libc.mmap.restype = ctypes.c_uint64
try:
    socket.socket(socket.AF_BLUETOOTH, socket.SOCK_RAW)
    family = 0
except OSError as error:
    family = error.errno
print(family, said(libc.mmap(None, 4096, 7, 0x22, -1, 0)), said(libc.unshare(0x10000000)), said(libc.chroot(b'/')),
      said(libc.mount(b'none', b'/tmp', b'tmpfs', 0, None)), os.sysconf('SC_PAGESIZE'))
"""


def test_what_is_forbidden_is_refused():
    """The confinement that the services are tested under is one."""
    done = subprocess.run([*confined('gateway'), '/usr/bin/python3', '-c', ASK], capture_output=True, text=True, check=True)
    refused = [int(word) for word in done.stdout.split()[:-1]]
    assert refused[0] == errno.EAFNOSUPPORT and set(refused[1:]) == {errno.EPERM}, refused


def test_services_work_under_it(cluster):
    """A complaint over HTTP is stored, routed and told to its supervisor; what each replica asked for it was given."""
    world = World(cluster)
    made = world.filed()
    world.unit_370102.act(made, 'sign').expect(200)
    world.unit_370102.act(made, 'reply', {'text': '已处理'}).expect(200)
    told, _ = world.supervisor_370102.events('complaints')
    assert {event['type'] for event in told if event['subject'] == made['id']} >= {
        'complaint.filed.v1', 'complaint.signed.v1', 'complaint.replied.v1'}
    for replica in cluster.replicas:
        status = Path(f'/proc/{replica.pid}/status').read_text()
        assert re.search(r'^NoNewPrivs:\t1$', status, re.MULTILINE) and re.search(r'^Seccomp:\t2$', status, re.MULTILINE)
        assert re.search(r'^CapEff:\t0+$', status, re.MULTILINE), status
        limits = Path(f'/proc/{replica.pid}/limits').read_text()
        assert re.search(r'^Max core file size +0 +0 ', limits, re.MULTILINE), limits
        with socket.create_connection((replica.instance.host, replica.instance.admin_port), timeout=10):
            pass


def test_they_drain_under_it(cluster):
    for replica in cluster.replicas:
        starts = replica.child.starts
        replica.terminate()
        ended = replica.wait_ended(starts)
        assert ended.code == 0, (replica.name, ended, replica.log_tail())
        replica.wait_restarted(starts)


def test_they_write_nothing(cluster, read_only):
    if not read_only:
        pytest.skip('this machine permits no mount namespace: nothing was read-only in the tests above')
    for replica in cluster.replicas:
        mounts = Path(f'/proc/{replica.pid}/mounts').read_text().splitlines()
        assert all('ro' in line.split()[3].split(',') for line in mounts), replica.name
