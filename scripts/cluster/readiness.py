"""Whether replicas are ready. Readiness is told by nothing but an answer of /readyz, so it is asked for."""
import http.client
import time

from .errors import ClusterError, failure

POLL_S = 0.05
ASK_S = 2.0
DEATHS_MAX = 3
REASON_BYTES_MAX = 300


def ask(host, port, path='/readyz'):
    """(ready, reason) of the admin page; a replica in another namespace is asked by its address like any other."""
    connection = http.client.HTTPConnection(host, port, timeout=ASK_S)
    try:
        connection.request('GET', path)
        answer = connection.getresponse()
        text = answer.read(REASON_BYTES_MAX).decode('utf-8', 'replace').strip()
        return answer.status == 200, f'{answer.status} {text}'
    except (OSError, http.client.HTTPException) as error:
        return False, f'no answer ({error})'
    finally:
        connection.close()


def wait(replicas, timeout_s):
    """Return when all are ready. Raises for the first that keeps dying, or for those not ready in time."""
    deadline = time.monotonic() + timeout_s
    deaths = {replica.name: replica.child.deaths for replica in replicas}
    waiting = list(replicas)
    while True:
        reasons = {}
        for replica in waiting:
            if replica.child.deaths - deaths[replica.name] >= DEATHS_MAX:
                last = replica.child.exits[-1]
                raise failure(f'{replica.name} ended {DEATHS_MAX} times before it was ready, '
                              f'the last time with {last.code}', replica.log)
            ready, reason = replica.readiness()
            if not ready:
                reasons[replica] = reason
        waiting = list(reasons)
        if not waiting:
            return
        if time.monotonic() > deadline:
            raise _late(reasons, timeout_s)
        time.sleep(POLL_S)


def _late(reasons, timeout_s):
    told = [str(failure(f'{replica.name} is not ready: {reason}', replica.log)) for replica, reason in reasons.items()]
    return ClusterError(f'not ready after {timeout_s:g} s:\n' + '\n'.join(told))
