"""What it takes to have the cluster there: memory of services that idle, and the time of `scripts/up` on data that exist."""
import json
import os
import re
import subprocess
import time
from pathlib import Path

from rig import ROOT

from cluster.paths import build_dir

IDLE_S = 5 # behind the start, so that what a start needs is over


def _script(name, folder, *arguments):
    """scripts/up or scripts/down as a person calls them, on binaries that are built; the seconds that it took."""
    began = time.monotonic()
    subprocess.run([str(ROOT / 'scripts' / name), '--run', str(folder), *arguments], check=True, stdout=subprocess.DEVNULL,
                   env=os.environ | {'LUJIAN_BUILD': str(build_dir())})
    return time.monotonic() - began


def memory_kib(pid):
    """{all that is resident, its private part}: VmRSS counts pages of binaries and libraries that processes share."""
    status = Path(f'/proc/{pid}/status').read_text()
    return {name: int(re.search(rf'^{field}:\s+(\d+) kB$', status, re.MULTILINE)[1])
            for name, field in (('resident', 'VmRSS'), ('private', 'RssAnon'))}


def _services(folder):
    """{service: memory of its process}."""
    told = json.loads((folder / 'cluster.json').read_text())
    return {name: memory_kib(replicas[0]['pid']) for name, replicas in told['services'].items()}


def measure(rig, samples, rounds):
    """Fills samples with `footprint`, one a round. The first start, which makes the data, is not one of them."""
    folder = rig.home / 'up'
    rig.settle()
    try:
        first_s = _script('up', folder)
        for number in range(rounds):
            _script('down', folder)
            up_s = _script('up', folder)
            time.sleep(IDLE_S)
            found = {'up_s': up_s, 'first_up_s': first_s, 'services': _services(folder)}
            samples.setdefault('footprint', []).append(found)
            rig.say(f'round {number + 1}: up in {up_s:.1f} s, ' + ', '.join(
                f'{name} {memory["resident"] / 1024:.1f} MiB' for name, memory in found['services'].items()))
    finally:
        _script('down', folder, '--purge')
