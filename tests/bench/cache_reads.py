#!/usr/bin/python3
"""Reads a second with and without the cache: two replicas of complaints on one database, one of them without Redis.

    LUJIAN_BUILD=build/dev tests/bench/cache_reads.py [--complaints N] [--seconds S] [--rounds R]

Rounds are interleaved, figures are medians; the ratio is of medians of the same run. Server CPU is that of the replica,
of its PostgreSQL backends and of Redis, for 1,000 reads. `writes` = somebody files and signs all the while.
"""
import argparse
import collections
import json
import os
import random
import shutil
import statistics
import sys
import tempfile
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import zmq

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'scripts'))

from cluster import Cluster  # noqa: E402
from cluster.paths import build_dir  # noqa: E402

sys.path[:0] = [str(ROOT / 'services/sdk/python'), str(build_dir() / 'proto/python')]

from lujian.bus.v1 import envelope_pb2  # noqa: E402
from lujian.complaints.v1 import complaint_pb2  # noqa: E402
from lujian_client import Door  # noqa: E402

IN_FLIGHT = 32
DIVISIONS = ['370102', '370103', '370104', '370105', '370112', '370113', '370114', '370115']
TICKS = os.sysconf('SC_CLK_TCK')
TEXT = '市民反映：该路口每晚有多处流动摊贩占道经营，油烟与噪音影响周边居民休息，希望有关部门现场处置并答复。' * 6


def filing(number):
    return complaint_pb2.FileRequest(
        source='test-bench', external_id=f'b-{number}', channel=complaint_pb2.CHANNEL_PHONE,
        type=complaint_pb2.COMPLAINT_TYPE_COMPLAINT, category='城管执法', title='夜间占道经营', text=TEXT,
        division=DIVISIONS[number % len(DIVISIONS)],
        caller=complaint_pb2.Caller(name='测试市民', phone='19900001234'))


class Bench:
    def __init__(self, cluster, seconds):
        self.cluster, self.seconds = cluster, seconds
        self.replicas = cluster.endpoints['services']['complaints']

    def door(self, principal, index):
        me, there = self.cluster.credentials[principal], self.replicas[index]
        return Door(there['rpc'], there['curve_server_key'], me['curve_public'], me['curve_secret'])

    def fill(self, count):
        local = threading.local()

        def file(number):
            if not hasattr(local, 'door'):
                local.door = self.door('hotline_3701', number % 2)
            return local.door.call('complaints.file', filing(number), complaint_pb2.Complaint).id
        with ThreadPoolExecutor(16) as pool:
            return list(pool.map(file, range(count)))

    def figures(self, index):
        with urllib.request.urlopen(self.replicas[index]['admin'] + '/metrics', timeout=30) as answer:
            text = answer.read().decode()
        found = collections.Counter()
        for line in text.splitlines():
            if line.startswith('lujian_cache_reads_total{'):
                found[line.split('result="')[1].split('"')[0]] += float(line.rpartition(' ')[2])
        return found

    def cpu_s(self, index):
        """Of the replica, of all backends that are called as it is, and of Redis."""
        pids = [self.replicas[index]['pid'], self.cluster.supervisor.child('redis').pid]
        name = f'complaints-{index + 1}'
        with self.cluster.postgres_connection() as connection, connection.cursor() as cursor:
            cursor.execute('SELECT pid FROM pg_stat_activity WHERE application_name LIKE %s', (f'{name}%',))
            pids += [row[0] for row in cursor]
        return sum(_cpu_s(pid) for pid in pids)

    def read(self, index, make):
        """As many as are answered in the time, IN_FLIGHT at once: (a second, latencies, CPU-seconds, hits, reads)."""
        door = self.door('supervisor_37', index)
        door.call(*make(), envelope_or(make))
        before, cpu_before = self.figures(index), self.cpu_s(index)
        sent, latencies = {}, []
        began = time.monotonic()
        until = began + self.seconds
        for _ in range(IN_FLIGHT):
            sent[door.send(*make())] = time.monotonic()
        while sent:
            if not door.socket.poll(10_000):
                raise SystemExit('no answer in 10 s')
            head_bytes, _ = door.socket.recv_multipart()
            now = time.monotonic()
            head = envelope_pb2.ResponseHead.FromString(head_bytes)
            if head.HasField('problem'):
                raise SystemExit(f'{head.problem.code}: {head.problem.detail_en}')
            latencies.append(now - sent.pop(head.id))
            if now < until:
                sent[door.send(*make())] = time.monotonic()
        took = time.monotonic() - began
        cpu = self.cpu_s(index) - cpu_before
        found = self.figures(index) - before
        door.close()
        return len(latencies) / took, latencies, cpu, found['hit'], len(latencies)


def envelope_or(make):
    return complaint_pb2.Complaint if make()[0].endswith('.get') else complaint_pb2.ListResponse


def _cpu_s(pid):
    try:
        fields = Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS


def scenarios(ids):
    hot = random.sample(ids, 100)
    return {
        'one of 100': lambda: ('complaints.get', complaint_pb2.GetRequest(id=random.choice(hot))),
        'one of all': lambda: ('complaints.get', complaint_pb2.GetRequest(id=random.choice(ids))),
        'page of a county': lambda: ('complaints.list', complaint_pb2.ListRequest(division=random.choice(DIVISIONS))),
        'page of the city': lambda: ('complaints.list', complaint_pb2.ListRequest(division='3701')),
    }


class Writing(threading.Thread):
    """Files, and signs what it filed, at a pace."""

    def __init__(self, bench, a_second):
        super().__init__(daemon=True)
        self.bench, self.pause_s, self.over, self.done = bench, 1 / a_second, threading.Event(), 0

    def run(self):
        centre, number = self.bench.door('hotline_3701', 1), 10_000_000
        while not self.over.wait(self.pause_s):
            centre.call('complaints.file', filing(number := number + 1), complaint_pb2.Complaint)
            self.done += 1
        centre.close()


def measure(bench, ids, rounds, writes):
    table = []
    writing = Writing(bench, writes) if writes else None
    if writing:
        writing.start()
    for name, make in scenarios(ids).items():
        runs = {0: [], 1: []}
        for turn in range(rounds):
            for index in ((0, 1) if turn % 2 == 0 else (1, 0)):
                runs[index].append(bench.read(index, make))
        row = {'read': name, 'writes_per_s': writes}
        for index, label in ((0, 'with'), (1, 'without')):
            row[label] = {
                'reads_per_s': statistics.median(run[0] for run in runs[index]),
                'p50_ms': statistics.median(statistics.median(run[1]) for run in runs[index]) * 1e3,
                'cpu_s_per_1000': statistics.median(run[2] / run[4] * 1e3 for run in runs[index]),
            }
        row['hit_rate'] = sum(run[3] for run in runs[0]) / sum(run[4] for run in runs[0])
        row['ratio'] = row['with']['reads_per_s'] / row['without']['reads_per_s']
        table.append(row)
        show(row)
    if writing:
        writing.over.set()
        writing.join()
    return table


HEAD = f'{"read":18} {"writes/s":>8} {"with/s":>9} {"without/s":>9} {"ratio":>6} {"hits":>6} ' \
       f'{"p50 ms":>13} {"CPU s/1000":>15}'


def show(row):
    on, off = row['with'], row['without']
    print(f'{row["read"]:18} {row["writes_per_s"]:8} {on["reads_per_s"]:9.0f} {off["reads_per_s"]:9.0f} '
          f'{row["ratio"]:6.2f} {row["hit_rate"]:6.1%} {on["p50_ms"]:6.2f} {off["p50_ms"]:6.2f} '
          f'{on["cpu_s_per_1000"]:7.3f} {off["cpu_s_per_1000"]:7.3f}', flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--complaints', type=int, default=4000)
    parser.add_argument('--seconds', type=float, default=2.0)
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--writes', type=int, default=50, help='filings a second in the second half')
    parser.add_argument('--json', type=Path, help='where the figures are written too')
    chosen = parser.parse_args()
    random.seed(3701)
    home = Path(tempfile.mkdtemp(prefix='lujian-cache-'))
    home.chmod(0o711)
    try:
        with BenchCluster(home / 'run', {'complaints': 2}, extra={'complaints-2': {'redis': ''}}) as cluster:
            cluster.wait_ready()
            bench = Bench(cluster, chosen.seconds)
            ids = bench.fill(chosen.complaints)
            print(f'{len(ids)} complaints, {IN_FLIGHT} reads in flight, medians of {chosen.rounds} rounds\n{HEAD}')
            table = measure(bench, ids, chosen.rounds, 0) + measure(bench, ids, chosen.rounds, chosen.writes)
            if chosen.json:
                chosen.json.write_text(json.dumps(table, indent=2) + '\n')
    finally:
        shutil.rmtree(home, ignore_errors=True)


class BenchCluster(Cluster):
    def postgres_connection(self):
        import psycopg2
        return psycopg2.connect(self.postgres.uri())


if __name__ == '__main__':
    main()
