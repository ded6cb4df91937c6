"""Complaints in bulk: what the service has just written, copied within its own database, without events to follow."""
import math
from concurrent.futures import ThreadPoolExecutor

from rig import HERE, Database

TEMPLATES = 1024 # as many as limit.sql takes
BATCH, CLIENTS = 500, 2


def templates(rig):
    """Files complaints over HTTP and makes them the templates: fresh ones, so that their clocks run from now."""
    wanted = rig.count() + TEMPLATES
    while rig.count() < wanted:
        rig.file_http(1)
    rig.complaints.run('DROP SCHEMA IF EXISTS bench CASCADE')
    rig.complaints.run((HERE / 'limit.sql').read_text())


def store(rig, count, settled):
    """At least so many copies; of settled ones no clock is running."""
    batches = math.ceil(max(count, 0) / BATCH / CLIENTS)

    def run():
        own = Database(rig.complaints.uri)
        for _ in range(batches):
            own.row('SELECT bench.store(%s, %s, false)', BATCH, settled)
        own.close()

    with ThreadPoolExecutor(CLIENTS) as pool:
        for done in [pool.submit(run) for _ in range(CLIENTS)]:
            done.result()
    rig.complaints.run('VACUUM ANALYZE complaint, clock, complaint_act, idempotency')
    rig.say(f'{rig.count():,} complaints stored')
