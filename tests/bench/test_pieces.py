"""The bench's own arithmetic: ratios, paces, what counts as met, and when two runs agree."""
import pytest

import report
from intake import HalfLoad
from rig import CONNECTIONS


class SlowRig:
    """Answers after so many milliseconds, whatever is asked."""

    def __init__(self, answer_ms):
        self.answer_ms = answer_ms

    def file_http(self, _, DELAY_MS):
        return {'rate': CONNECTIONS / (DELAY_MS + self.answer_ms) * 1000}


@pytest.mark.parametrize('answer_ms', [1, 7, 15])
def test_half_load_is_half_of_the_load(answer_ms):
    half = HalfLoad(SlowRig(answer_ms)).of(6000)
    half.run(1)
    assert half.run(1)['pace'] == pytest.approx(1, abs=0.03)
    half.of(5000)
    assert half.run(1)['pace'] == pytest.approx(1, abs=0.03)


def test_a_ratio_is_the_median_of_each_round_s_own():
    samples = {'a': [{'rate': 10}, {'rate': 30}, {'rate': 80}], 'b': [{'rate': 10}, {'rate': 10}, {'rate': 10_000}]}
    assert report.ratio(samples, 'a', 'b') == 1
    with pytest.raises(ValueError):
        report.ratio({'a': [{'rate': 1}], 'b': []}, 'a', 'b')


def test_what_is_met():
    assert report.at_least('x', 0.5, 0.5).met and not report.at_least('x', 0.49, 0.5).met
    assert report.at_most('x', 20, 20, 'ms').met and not report.at_most('x', 20.1, 20, 'ms').met
    of = [{'pace': 1.04}, {'pace': 0.2}, {'pace': 1.3}]
    assert report.at_pace(report.at_most('x', 1, 20, 'ms'), of).met
    missed = report.at_pace(report.at_most('x', 1, 20, 'ms', 'n'), [{'pace': 0.72}])
    assert missed.met is False and missed.note == 'n; at 0.72 of the pace'


def intake(**changes):
    """Samples of one round in which every goal of the intake is met."""
    def rate(number, **more):
        return [{'rate': number, 'p99_ms': 10} | more]
    return {'limit': rate(10_000), 'bus': rate(6000), 'http': rate(5000), 'peer': rate(800, p99_ms=100),
            'http_half': rate(2500, pace=1), 'limit_again': rate(10_000), 'http_whole': rate(4000, caught_up_s=0.2),
            'mixed': rate(5000), 'one_at_a_time': rate(900)} | changes


@pytest.mark.parametrize('changes, missed', [
    ({}, ''),
    ({'bus': [{'rate': 4999}]}, 'ZeroMQ'),
    ({'http_half': [{'rate': 2500, 'p99_ms': 50.1, 'pace': 1}]}, 'half load'),
    ({'http_half': [{'rate': 1800, 'p99_ms': 10, 'pace': 0.72}]}, 'half load'),
    ({'http_whole': [{'rate': 4000, 'caught_up_s': 30}]}, 'whole cluster'),
    ({'limit_again': [{'rate': 30_000}]}, 'whole cluster'),
    ({'peer': [{'rate': 800, 'p99_ms': 49}]}, 'p99 of the peer'),
])
def test_a_line_is_missed_alone(changes, missed):
    lines = report.lines(intake(**changes))
    assert [missed in line.name for line in lines if line.met is False] == ([True] if missed else [])


def test_two_runs_agree_within_a_fifth():
    lines = report.lines(intake())
    assert report.compare(lines, {line.name: line.number * 1.19 for line in lines})[1]
    assert report.compare(lines, {line.name: line.number / 1.19 for line in lines})[1]
    told, agree = report.compare(lines, {line.name: line.number * (1.21 if line is lines[0] else 1) for line in lines})
    assert not agree and ['APART' in text for text in told] == [True] + [False] * (len(lines) - 1)
    assert not report.compare(lines, {line.name: line.number for line in lines[1:]})[1]
    assert report.compare([report.at_most('x', 0, 0, '')], {'x': 0})[1]
    assert not report.compare([report.at_most('x', 0, 0, '')], {'x': 3})[1]
