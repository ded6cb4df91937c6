"""Following with liblujian: cursors kept in files and elsewhere, feeds that outlive replicas, poll(2), the example.

These come before the tests that file complaints by the hundred: time goes on here, and each of them would raise cards.
Nine days hold working days enough for every rung that is waited for, on whatever day they begin.
"""
import subprocess

import pytest

from conftest import end_clean, fresh


@pytest.fixture(scope='module', name='raised')
def _raised(world):
    """Cards and orders in the log: complaints that nobody signed, days later."""
    for _ in range(6):
        world.filed()
    world.advance(days=9)
    return expected(world)


def expected(world):
    """What supervision has told the centre: [(position, id, type)]."""
    events, _ = world.hotline_3701.events('supervision')
    return [(int(event['position']), event['id'], event['type']) for event in events]


def seen(lines):
    """The events among a program's lines."""
    rows = [line.split() for line in lines if line[:1].isdigit()]
    return [(int(row[0]), row[1], row[2]) for row in rows]


def test_a_feed_goes_on_from_its_file(vendor, world, raised, tmp_path):
    cursor, all_seen = tmp_path / 'cursor', []
    assert len(raised) >= 12
    for build, count in (('asan', 5), ('shared', 1), ('asan', 4)):
        lines = vendor.run(build, 'follow', 30000, cursor, count, 'done', service='supervision')
        assert lines[-1].startswith('OK') and len(seen(lines)) == count
        assert cursor.read_text().strip() == lines[-2].split()[3]
        all_seen += seen(lines)
    cards = [line.split() for line in lines if ' card.' in line]
    assert all(card[4] == '1' and len(card[5]) == 36 and len(card[6]) == 36 for card in cards)
    # With an event in hand when it died, that one comes again, and nothing else.
    lines = vendor.run('asan', 'follow', 30000, cursor, 1, 'crash', service='supervision')
    again = seen(lines)
    all_seen += seen(vendor.run('asan', 'follow', 30000, cursor, len(raised) - len(all_seen), 'done',
                                service='supervision'))
    assert all_seen == raised and again == all_seen[10:11]
    assert list(tmp_path.iterdir()) == [cursor]  # nothing is left beside it
    # At the head nothing comes.
    assert vendor.run('asan', 'follow', 300, cursor, 1, 'done', service='supervision')[0].startswith('AGAIN')


def test_a_feed_outlives_its_replica(vendor, world, raised, tmp_path):
    with vendor.start('asan', 'follow', 60000, tmp_path / 'cursor', len(raised) + 1, 'done',
                      service='supervision') as process:
        lines = [process.stdout.readline() for _ in raised]
        for index in (1, 2):  # the one that it follows is among them
            replica = world.cluster.replica('supervision', index)
            life = replica.child.starts
            replica.kill()
            replica.wait_restarted(life)
        world.filed()
        world.advance(days=9)
        out, err = process.communicate(timeout=120)
    end_clean(subprocess.CompletedProcess('follow', process.returncode, out, err))
    lines += out.splitlines()
    assert seen(lines) == expected(world)[:len(raised) + 1]


def test_poll_tells_of_every_event(vendor, world, raised):
    """Written once the feed is at the head, too: each then is an edge of its own."""
    with vendor.start('asan', 'poll', 60000, len(expected(world)) + 6, service='supervision') as process:
        lines = [process.stdout.readline() for _ in expected(world)]
        for _ in range(3):
            world.filed()
        world.advance(days=9)
        out, err = process.communicate(timeout=120)
    end_clean(subprocess.CompletedProcess('poll', process.returncode, out, err))
    lines += out.splitlines()
    assert 'left=0' in lines[-1] or 'left=-' in lines[-1], lines[-1]
    told = seen(lines)
    assert told == expected(world)[:len(told)]


def test_cursors_that_do_not_fit(vendor, raised, tmp_path):
    cursor = tmp_path / 'cursor'
    cursor.write_text(f'supervision:99:{raised[0][0]}\n')
    assert vendor.run('asan', 'follow', 30000, cursor, 1, 'crash', service='supervision')[0].startswith(
        'CURSOR_MISMATCH code=cursor_mismatch')
    for damaged in ('no cursor at all\n', ''): # never from the beginning again
        cursor.write_text(damaged)
        assert vendor.run('asan', 'follow', 30000, cursor, 1, 'crash', service='supervision')[0].startswith(
            'open INVALID_ARGUMENT')
    assert vendor.run('asan', 'follow', 30000, tmp_path / 'no/such/folder', 1, 'crash',
                      service='supervision')[-1].startswith('OK')
    assert vendor.run('asan', 'follow', 30000, tmp_path / 'no/such/folder', 2, 'crash',
                      service='supervision')[-1].startswith('SYSTEM code=cursor')


def test_the_example(vendor, installed, world, raised, tmp_path):
    source = installed.prefix / 'share/doc/lujian/example.c'
    program = installed.program('example', source, *installed.pkg_config('--cflags', '--libs', 'lujian'))
    env = vendor.environment()
    number = fresh()

    def example(*argv):
        return subprocess.run([program, *argv], env=env, capture_output=True, text=True, timeout=60, check=False)

    first, second = (example('file', number, '370102', '占道', '路口有摊贩') for _ in range(2))
    assert first.returncode == 0 and second.stdout == first.stdout.replace('\n', ' replayed\n'), first.stderr
    refused = example('file', number, '370102', '别的', '路口有摊贩')
    assert refused.returncode == 1 and 'UNPROCESSABLE conflicting_payload' in refused.stderr
    followed = [example('follow', tmp_path / 'cursor', '2') for _ in range(2)]
    lines = ''.join(one.stdout for one in followed).splitlines()
    cards = [event for event in expected(world) if event[2] in ('card.raised.v1', 'order.issued.v1', 'order.escalated.v1')]
    assert [line.split()[1] for line in lines] == [event[2] for event in cards[:4]]
    assert [line.split()[0].rpartition(':')[2] for line in lines] == [str(event[0]) for event in cards[:4]]
    assert all('card of' in line or 'order of' in line for line in lines)
