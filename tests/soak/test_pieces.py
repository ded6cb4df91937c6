"""The soak's own pieces: its plan is its seed's, its stories can be told, its judge finds a leak and no other thing."""
import itertools
import random

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


def test_a_process_is_read():
    import os
    memory, descriptors = vitals.read(os.getpid())
    assert memory > 1000 and descriptors >= 3
    assert vitals.read(2 ** 30) is None
