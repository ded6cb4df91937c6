"""The soak's own pieces: its plan is its seed's, its stories can be told, its judge finds a leak and no other thing."""
import contextlib
import itertools
import mmap
import os
import random
import threading

import pytest

import fates
import plan
import vitals

HOUR_S = 3600


def some(seed, count=200):
    return list(itertools.islice(plan.faults(seed), count))


def test_a_seed_is_a_plan():
    assert some(7) == some(7)
    assert some(7) != some(8)


def test_every_fault_comes_once_a_deck_and_none_ends_the_spared():
    size = len(plan.deck())
    dealt = some(3, 2 * size)
    for half in (dealt[:size], dealt[size:]):
        told = sorted((fault.kind, fault.target.rpartition('-')[0] or fault.target) for fault in half)
        assert told == sorted(plan.deck())
    assert all(fault.kind == 'stall' for fault in some(4) if fault.target.endswith(f'-{plan.SPARED}'))
    assert any(fault.target.endswith(f'-{plan.SPARED}') for fault in some(4))
    assert all((fault.hold_s > 0) == (fault.kind == 'stall') for fault in dealt)


def test_a_server_ends_when_it_is_killed_or_restarted():
    ends = {(fault.kind, fault.target) for fault in some(5) if fault.ends_server}
    assert ends == {('kill', 'postgres'), ('restart', 'postgres'), ('kill', 'redis')}


def test_a_seed_tells_the_same_stories_and_all_of_them():
    told = [fates.Story(1, 'run', number) for number in range(400)]
    assert [one.name for one in told] == [fates.Story(1, 'other', number).name for number in range(400)]
    assert {one.name for one in told} == set(fates.STORIES)


def test_what_is_sent_again_is_the_same_and_has_the_same_key():
    late = next(one for number in range(400) if (one := fates.Story(1, 'run', number)).name == 'late')
    assert late.command() == late.command() and late.key == late.key
    assert 'received_at' in late.command()[1]


@pytest.mark.parametrize('name', fates.STORIES)
def test_every_command_of_a_story_has_a_key_of_its_own(name):
    one = next(one for number in range(400) if (one := fates.Story(1, 'run', number)).name == name)
    keys, actors = [], []
    while one.steps:
        keys.append(one.key)
        actors.append(one.command()[0])
        one.steps.pop(0)
    assert len(set(keys)) == len(keys) and actors[0] == fates.CENTRE


def life(memory, descriptors=lambda s: 40, seconds=HOUR_S):
    chance = random.Random(1)
    return [(s, memory(s) + chance.uniform(-300, 300), descriptors(s) + chance.randint(0, 3))
            for s in range(0, seconds, int(vitals.EVERY_S))]


def test_the_judge_lets_a_flat_life_pass():
    assert vitals.judge(life(lambda s: 20_000)) == ''
    assert vitals.judge(life(lambda s: 20_000 + min(s, 900) * 20)) == ''        # it fills, and is full
    assert vitals.judge(life(lambda s: 30_000 if 1500 < s < 1600 else 20_000)) == ''     # a peak is no leak


def test_the_judge_finds_a_leak():
    assert 'memory' in vitals.judge(life(lambda s: 20_000 + 4 * s))
    assert 'descriptors' in vitals.judge(life(lambda s: 20_000, lambda s: 40 + s / 60))


def test_a_ring_that_fills_is_no_leak():
    def head(s):
        return 10 * s
    filling = [(s, vitals.beside_ring(20_000 + 0.7 * min(head(s), vitals.RING_EVENTS), head(s)), 40)
               for s in range(0, HOUR_S, int(vitals.EVERY_S))]
    assert vitals.judge(filling) == ''
    assert 'memory' in vitals.judge([(s, kib + 4 * s, count) for s, kib, count in filling])


def test_a_cache_may_fill_up_to_its_ceiling():
    filling = life(lambda s: min(60_000, 20 * s))
    assert vitals.judge(filling, 70_000) == ''
    assert 'ceiling' in vitals.judge(filling, 50_000)
    assert 'descriptors' in vitals.judge(life(lambda s: 20_000, lambda s: 40 + s / 60), 70_000)


def test_a_short_life_is_not_judged():
    assert vitals.medians(life(lambda s: 20_000 * s, seconds=90)) is None


def test_descriptors_of_many_processes_may_grow_by_a_share():
    assert vitals.judge(life(lambda s: 20_000, lambda s: 1500 + s / 36)) == ''
    assert 'descriptors' in vitals.judge(life(lambda s: 20_000, lambda s: 1500 + s / 6))


def test_a_process_is_read():
    memory, descriptors = vitals.read(os.getpid())
    assert memory > 1000 and descriptors >= 3
    assert vitals.read(2 ** 30) is None


@contextlib.contextmanager
def forked():
    """A child that has what we have, and waits."""
    ours, its = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(its)
        os.read(ours, 1)
        os._exit(0)
    try:
        yield pid
    finally:
        os.close(its)
        os.close(ours)
        os.waitpid(pid, 0)


def test_of_several_processes_what_they_share_counts_once():
    me = os.getpid()
    alone, _ = vitals.read_all([me])
    kept = bytearray(b'x') * (64 << 20)
    with forked() as child:
        both, descriptors = vitals.read_all([me, child])
        assert 60_000 < both - alone < 80_000
        assert descriptors > vitals.read(me)[1]
        assert vitals.read_all([child, 2 ** 30]) and vitals.read_all([2 ** 30, me]) is None
    assert kept


def test_what_processes_share_for_good_is_not_theirs():
    """Of PostgreSQL's shared buffers each process shows what it has touched so far."""
    before, _ = vitals.read(os.getpid())
    with mmap.mmap(-1, 64 << 20) as shared:
        shared.write(b'x' * (64 << 20))
        assert vitals.read(os.getpid())[0] - before < 16_000


def sampled(lives):
    """What was sampled of these lives: {(name, pid): samples}."""
    made = vitals.Vitals(dict, lambda name: 0)
    made.lives = {key: [(*sample, sample[1]) for sample in samples] for key, samples in lives.items()}
    return made


def test_who_ought_to_have_been_judged_and_was_not_is_a_fault():
    flat = life(lambda s: 20_000)
    lines, faults = sampled({('a-1', 1): flat}).report({'a-1': HOUR_S})
    assert len(lines) == 1 and faults == []
    assert sampled({}).report({'a-1': HOUR_S}) == ([], ['a-1: lived for 60.0 min and was not judged'])
    _, faults = sampled({('a-1', 1): flat, ('b-1', 2): flat[:60]}).report({'a-1': HOUR_S, 'b-1': vitals.ENOUGH_S})
    assert faults == ['b-1: lived for 6.7 min and was not judged']
    assert sampled({('a-1', 1): flat[:60]}).report({'a-1': vitals.ENOUGH_S - 1}) == ([], [])


def test_one_judged_life_is_enough():
    _, faults = sampled({('a', 1): life(lambda s: 20_000)[:60], ('a', 2): life(lambda s: 20_000)}).report({'a': HOUR_S})
    assert faults == []
    _, faults = sampled({('a', 1): life(lambda s: 20_000 + 4 * s), ('a', 2): life(lambda s: 20_000)}).report({'a': HOUR_S})
    assert len(faults) == 1 and 'memory' in faults[0]


@pytest.fixture
def quick(monkeypatch):
    """Samples follow each other at once."""
    monkeypatch.setattr(vitals, 'EVERY_S', 0.001)


def test_processes_are_sampled_until_the_end(quick):
    seen = threading.Event()
    sampling = vitals.Vitals(lambda: {'me': [os.getpid()]}, lambda name: seen.set() or 0).start()
    assert seen.wait(60)
    sampling.stop()
    assert list(sampling.lives) == [('me', os.getpid())]


def test_what_ends_the_sampling_ends_the_run(quick):
    asked = threading.Event()

    def gone():
        asked.set()
        raise LookupError('no such thing')
    sampling = vitals.Vitals(gone, lambda name: 0).start()
    assert asked.wait(60)
    with pytest.raises(LookupError, match='no such thing'):
        sampling.stop()
