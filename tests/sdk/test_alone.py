"""liblujian without a cluster: what its header promises, at doors that do what no replica does when it is asked to."""
import collections
import re

import pytest
from lujian.bus.v1 import envelope_pb2
from lujian.complaints.v1 import complaint_pb2

from cluster.paths import build_dir
from conftest import result, run
from fake_door import FakeDoor, FeedDoor, answered, refused

WAIT_S = 60


# ---- what it is made of

def own_objects():
    """The library's, one a source."""
    return sorted((build_dir() / 'services/sdk/c/CMakeFiles/lujian_objects.dir').glob('*.o'))


def test_no_output_no_thread_no_signal_no_end_of_the_process(installed):
    """Of what could print there is write(2), where the cursor goes into its file."""
    forbidden = re.compile(
        r'_*(v?[fd]?printf|f?puts|f?putc|putchar|fwrite|writev|perror|v?syslog|v?warnx?|v?errx?|stdout|stderr'
        r'|pthread_\w+|thrd_create|fork|signal|sigaction|sigprocmask|raise|kill|abort|exit|quick_exit|assert_fail)'
        r'(_chk)?')
    known = 'printf', 'vfprintf', '__fprintf_chk', 'dprintf', 'puts', '_exit', '__assert_fail'
    assert all(map(forbidden.fullmatch, known))
    wanted = {path.name: set(re.findall(r' U (\w+)', run('nm', '--undefined-only', path))) for path in own_objects()}
    assert [name for name, symbols in wanted.items() if 'write' in symbols] == ['cursor.c.o']
    linked = run('nm', '-D', '--undefined-only', installed.prefix / 'lib/liblujian.so')
    names = set().union(*wanted.values(), re.findall(r' [Uw] (\w+)', linked))
    assert names >= {'zmq_send', 'malloc'} and not list(filter(forbidden.fullmatch, names))


def test_no_global_state(installed):
    """Nothing of it can be written to but tables of pointers, which the loader fills in and then makes read-only."""
    for path in (*own_objects(), installed.prefix / 'lib/liblujian.a'):
        sections = re.findall(r'\] (\.\S+) +(?:PROGBITS|NOBITS) +\w+ \w+ (\w+) \w+ +(\w+)', run('readelf', '-SW', path))
        assert '.text' in {name for name, _, _ in sections}
        written = {name for name, size, flags in sections if 'W' in flags and int(size, 16)}
        assert {name for name in written if not name.startswith('.data.rel.ro')} == set(), path
        assert ' C ' not in run('nm', path)
    shared = installed.prefix / 'lib/liblujian.so'
    assert 'GNU_RELRO' in run('readelf', '-lW', shared)
    # What the compiler's own start of every shared object has.
    kept = re.findall(r'^(\S+) *\|.*\|(\.t?data|\.t?bss)$', run('nm', '-f', 'sysv', shared), re.M)
    assert {name for name, _ in kept} <= {'__dso_handle', '__TMC_END__', 'completed.0'}


# ---- filing

class Deaf(FakeDoor):
    """Of numbers in `unheard` the first request has no answer; those in `undone` are never done again."""

    def __init__(self, unheard, undone, wrong):
        super().__init__(self._file)
        self.unheard, self.undone, self.wrong = unheard, undone, wrong
        self.asked = collections.defaultdict(list)  # {number: its requests}

    def _file(self, head, body):
        number = complaint_pb2.FileRequest.FromString(body).external_id
        again = bool(self.asked[number])
        self.asked[number].append((head.key, body))
        if number in self.unheard and not again:
            return None
        if number in self.undone:
            return refused(head.id, envelope_pb2.ERROR_CODE_NOT_EXECUTED, 'busy')
        if number in self.wrong:
            return refused(head.id, envelope_pb2.ERROR_CODE_UNPROCESSABLE, 'wrong')
        return answered(head.id, complaint_pb2.Complaint(order_no=number), replayed=again, created=not again)


def test_what_a_batch_leaves_unknown_is_sent_again_as_it_was(alone):
    """That it is not done the second time says nothing of the first. What was decided is not asked again."""
    with Deaf(unheard=('n-2', 'n-3'), undone=('n-3',), wrong=('n-1',)) as door:
        *members, last = alone.run('asan', 'batch', 3000, 'n', 4, 4, 2, LUJIAN_DOORS=door.doors)
    members = [result(line) for line in members]
    assert last == 'run OUTCOME_UNKNOWN after OUTCOME_UNKNOWN OUTCOME_UNKNOWN'
    assert [member['error'] for member in members] == ['OK', 'UNPROCESSABLE', 'OK', 'OUTCOME_UNKNOWN']
    assert [member['replayed'] for member in members] == ['0', '0', '1', '0']
    asked = [door.asked[f'n-{i}'] for i in range(4)]
    assert [len(requests) for requests in asked[:3]] == [1, 1, 2] and len(asked[3]) > 2
    for member, requests in zip(members, asked):
        assert len(set(requests)) == 1 and requests[0][0] == member['key']


# ---- following

def test_an_edge_that_a_call_consumed_is_told_all_the_same(alone):
    with FeedDoor(refusals=1) as door, alone.start('manners', 'edge', LUJIAN_DOORS=door.doors) as process:
        if process.stdout.readline() == 'open\n':
            door.tell()
        out, err = process.communicate(timeout=WAIT_S)
    assert (process.returncode, out) == (0, 'good\n'), err


@pytest.mark.parametrize('kept', ['', 'supervision:1:7'])
def test_a_feed_is_asked_for_as_its_options_say(alone, kept):
    """`after` counts where no cursor is kept."""
    with FeedDoor(count=1) as door:
        assert alone.run('manners', 'asks', kept, 'supervision:1:4', '3701', 'card.raised.v1', 'order.issued.v1',
                         LUJIAN_DOORS=door.doors) == ['good']
    asked = door.asked[0]
    assert (asked.after, asked.division) == (kept or 'supervision:1:4', '3701')
    assert list(asked.types) == ['card.raised.v1', 'order.issued.v1'] and asked.credit == 100


@pytest.mark.parametrize('every, before', [
    (0, [0, 1, 2, 3, 4]), (1, [0, 1, 2, 3, 4]), (3, [0, 0, 0, 3, 3]), (9, [0, 0, 0, 0, 0])])
def test_the_cursor_is_saved_as_often_as_it_was_asked_for(alone, every, before):
    """That of every third event that is done with, and of all when the feed is closed; one in hand is not done with."""
    for how, left in (('done', 5), ('leave', 4)):
        with FeedDoor(count=5) as door:
            told = alone.run('manners', 'saves', every, 5, how, LUJIAN_DOORS=door.doors)
        assert told == [f'{i} {kept}' for i, kept in enumerate(before, 1)] + [f'left {left}', 'good']


# ---- in somebody's process

def test_a_signal_ends_the_wait_for_an_event_and_no_filing(alone):
    def answer(head, body):
        asked = complaint_pb2.FileRequest.FromString(body) if head.method == 'complaints.file' else None
        return answered(head.id, complaint_pb2.Complaint()) if asked and asked.external_id == 'answer' else None

    with FakeDoor(answer) as door:
        assert alone.run('manners', 'signals', LUJIAN_DOORS=door.doors) == ['good']


def test_a_context_of_the_caller_s_is_used_and_left_to_him(alone):
    with FeedDoor(count=1) as door:
        assert alone.run('manners', 'context', LUJIAN_DOORS=door.doors) == ['good']


def test_two_handles_in_two_threads(alone):
    def answer(head, body):
        asked = complaint_pb2.FileRequest.FromString(body)
        if asked.title == 'refuse':
            return refused(head.id, envelope_pb2.ERROR_CODE_UNPROCESSABLE, 'no', asked.external_id)
        return answered(head.id, complaint_pb2.Complaint(order_no=asked.external_id))

    with FakeDoor(answer) as door:
        assert alone.run('manners', 'threads', 1000, LUJIAN_DOORS=door.doors) == ['good']
