"""The cluster as its operator sees it: `lujian` on the command line, and what monitoring scrapes."""
import json
import os
import re
import subprocess
import urllib.request

from cluster import principals
from cluster.instances import binary

RUN_S = 60


def lujian(cluster, *words):
    """What the command prints; it has to succeed."""
    env = {'PATH': os.environ['PATH'], 'LUJIAN_PEERS': str(cluster.peers), 'LUJIAN_GATEWAY': cluster.gateway,
           'LUJIAN_CREDENTIALS': str(principals.credentials_path(cluster.run_dir, 'operator'))}
    done = subprocess.run([str(binary(cluster.build, 'lujian')), *words], env=env, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=RUN_S, check=False)
    assert done.returncode == 0, f'{words}: {done.returncode}\n{done.stdout}{done.stderr}'
    return done.stdout


def alarms(cluster):
    """{(instance, code, subject)} of all replicas that answer, but for what is a matter of the date: a year that nobody has
    announced."""
    told = json.loads(lujian(cluster, 'status', '--json'))['replicas']
    return {(one['instance'], alarm['code'], alarm['subject']) for one in told for alarm in one['status']['alarms']
            if alarm['code'] != 'clocks_provisional'}


def metric(replica, name):
    """The value of a sample, written as /metrics writes its name and labels."""
    with urllib.request.urlopen(f'{replica.admin}/metrics', timeout=10) as page:
        found = re.search(f'^{re.escape(name)} (.*)$', page.read().decode(), re.MULTILINE)
    return float(found[1])
