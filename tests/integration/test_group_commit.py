"""Commands share commits: under 64 clients, fewer than 100 transactions for 1,000 complaints."""
import http.client
import json
import re
import threading
import urllib.parse
import urllib.request

CLIENTS, COMPLAINTS = 64, 4000


def commits(world):
    """Of the committers of all replicas of complaints."""
    total = 0
    for replica in world.cluster.endpoints['services']['complaints']:
        with urllib.request.urlopen(f'{replica["admin"]}/metrics', timeout=10) as metrics:
            total += int(re.search(r'^lujian_commits_total (\d+)$', metrics.read().decode(), re.MULTILINE)[1])
    return total


def test_commits_per_thousand_complaints(world):
    bodies = [json.dumps(world.complaint()).encode() for _ in range(COMPLAINTS)]
    host = urllib.parse.urlsplit(world.url).netloc
    headers = {'Authorization': f'Bearer {world.hotline_3701.token}', 'Content-Type': 'application/json'}
    faults = []

    def client(number):
        connection = http.client.HTTPConnection(host, timeout=60)
        for body in bodies[number::CLIENTS]:
            connection.request('POST', '/v1/complaints', body, headers)
            response = connection.getresponse()
            text = response.read()
            if response.status != 201:
                faults.append((response.status, text))

    clients = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    before = commits(world)
    for each in clients:
        each.start()
    for each in clients:
        each.join()
    assert not faults
    assert (commits(world) - before) * 1000 / COMPLAINTS < 100
