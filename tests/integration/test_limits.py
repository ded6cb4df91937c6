"""A cluster with a low rate and no movable time: over the rate is 429 with Retry-After, and time stands as everywhere else."""
import time

import pytest

from conftest import new_world

RATE = {'rate-per-second': '2', 'rate-burst': '10'}


@pytest.fixture(scope='module')
def strict():
    with new_world(1, extra={'complaints': RATE, 'gateway': {'clock-offset-file': ''}}) as made:
        yield made


def test_over_the_rate(strict):
    answers = [strict.supervisor_3701.get('/v1/complaints') for _ in range(30)]
    refused = [answer for answer in answers if answer.status == 429]
    assert answers[0].status == 200 and len(refused) >= 10
    problem = refused[0].expect(429, 'rate_limited')
    assert 1 <= int(refused[0].headers['Retry-After']) <= 10 and problem['detail_zh']
    # Another principal has a bucket of his own, and who waits as he was told is heard again.
    strict.supervisor_37.get('/v1/complaints').expect(200)
    time.sleep(int(refused[0].headers['Retry-After']))
    strict.supervisor_3701.get('/v1/complaints').expect(200)


def test_time_cannot_be_moved(strict):
    strict.operator.post('/v1/time:advance', {'seconds': 1}).expect(404, 'not_found')
