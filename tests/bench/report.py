"""What a run found: the table for people, JSON for machines, and a plot of the rounds."""
import json
import platform
import statistics
import subprocess
from pathlib import Path

PACE_TOLERANCE = 0.05 # of a load that a goal names


class Line:
    """One line of the table: a figure, what it came to, what was wanted; `met` is None where nothing was."""

    def __init__(self, name, value, goal='', met=None, note=''):
        self.name, self.value, self.goal, self.met, self.note = name, value, goal, met, note


def median(samples, key='rate'):
    """Of the rounds."""
    return statistics.median(sample[key] for sample in samples)


def ratio(samples, name, base, key='rate'):
    """The median of the ratios of one round each: what the machine did to both in a round drops out."""
    return statistics.median(a[key] / b[key] for a, b in zip(samples[name], samples[base], strict=True))


def at_least(name, value, goal, note=''):
    """A line that is met from its goal up."""
    return Line(name, f'{value:.2f}', f'>= {goal:g}', value >= goal, note)


def at_most(name, value, goal, unit, note=''):
    """A line that is met up to its goal."""
    return Line(name, f'{value:.1f} {unit}', f'<= {goal:g} {unit}', value <= goal, note)


def _intake(samples, rate):
    return [
        Line('the limit: batches of 64 on two connections, no network', rate['limit']),
        at_least('intake over ZeroMQ / limit, 64 in flight, consumers stopped', ratio(samples, 'bus', 'limit'), 0.5,
                 rate['bus']),
        at_least('intake over HTTP / limit, 64 connections, consumers stopped', ratio(samples, 'http', 'limit'), 0.4,
                 rate['http']),
        at_most('p99 of that at half load', median(samples['http_half'], 'p99_ms'), 50, 'ms', rate['http_half']),
        at_least('the same with the whole cluster running / limit', median(samples['http_whole']) / median(samples['limit']),
                 0.2, f'{rate["http_whole"]}, caught up {median(samples["http_whole"], "caught_up_s"):.1f} s after'),
        at_least('intake over HTTP / the peer', ratio(samples, 'http', 'peer'), 6, f'the peer: {rate["peer"]}'),
        at_least('p99 of the peer / ours', 1 / ratio(samples, 'http', 'peer', 'p99_ms'), 5,
                 f'{median(samples["peer"], "p99_ms"):.0f} ms / {median(samples["http"], "p99_ms"):.0f} ms'),
        at_least('commands a second of mixed kinds / one-at-a-time commits', ratio(samples, 'mixed', 'one_at_a_time'), 5,
                 f'{rate["mixed"]} / {rate["one_at_a_time"]}'),
    ]


def _lifecycle(samples, _):
    return [
        at_least('whole lifecycles a second over HTTP, table filled', median(samples['lifecycle']), 150,
                 f'{samples["spike"][0]["stored"]:,} complaints stored at the end'),
        at_most('requests failed in a spike of 1, 15, 1, 25, 2, 35, 10 lifecycles/s', samples['spike'][0]['errors'], 0, '',
                f'{samples["spike"][0]["lifecycles"]} lifecycles, p99 of a request {samples["spike"][0]["p99_ms"]:.0f} ms'),
    ]


def _delivery(samples, rate):
    of = samples['delivery']
    note = (f'{rate["delivery"]}, p50 {median(of, "p50_ms"):.1f} ms; p99 from the event\'s own time '
            f'{median(of, "civil_p99_ms"):.1f} ms')
    line = at_most(f'p99 from commit to hand, {of[0]["subscribers"]} subscribers, 500 events/s', median(of, 'p99_ms'), 20,
                   'ms', note)
    # At another pace the figure is another one.
    line.met = line.met and abs(median(of) / 500 - 1) <= PACE_TOLERANCE
    return [line]


def _pull(samples, _):
    scopes = {name.removeprefix('pull_'): of for name, of in samples.items() if name.startswith('pull_')}
    looked = max(one['looked_max'] for of in scopes.values() for sample in of for one in (sample, sample['base']))
    log = scopes['none'][0]['log']
    found = [at_most('positions that a filtered pull looks at', looked, 10_000, '', f'a log of {log:,} events')]
    for name, of in scopes.items():
        base = [sample['base'] for sample in of]
        found.append(Line(f'its median, {median(of, "events"):.0f} events for {name}', f'{median(of, "p50_ms"):.1f} ms',
                          note=f'{_tail(of)}; over 10,000 events {median(base, "p50_ms"):.1f} ms, {_tail(base)}'))
    return found


def _tail(of):
    return f'p99 {median(of, "p99_ms"):.1f}, max {max(sample["max_ms"] for sample in of):.1f} ms'


def _footprint(samples, _):
    of = samples['footprint']
    resident, private = ({name: statistics.median(sample['services'][name][kind] for sample in of) / 1024
                          for name in of[0]['services']} for kind in ('resident', 'private'))
    return [
        at_most('resident memory of an idle service, the largest', max(resident.values()), 20, 'MiB',
                ', '.join(f'{name} {resident[name]:.1f} ({private[name]:.1f} private)' for name in resident)),
        at_most('scripts/up without build and initdb', median(of, 'up_s'), 6, 's',
                f'the first, with initdb and the seed: {of[0]["first_up_s"]:.1f} s'),
    ]


def _rungs(samples, rate):
    crowd = samples['rungs_intake'][0]
    before, meanwhile = crowd['intake_p99_ms']
    return [
        at_least('rungs fired a second with their cards', median(samples['rungs']), 5000,
                 f'{samples["rungs"][0]["cards"]:,} due at once'),
        at_least('the same under intake at half load', crowd['rate'], 2000,
                 f'{crowd["cards"]:,} due at once, {crowd["intake_rate"][1]:,.0f} complaints/s'),
        at_most('p99 of intake meanwhile / before', meanwhile / before, 2, '',
                f'{meanwhile:.1f} ms / {before:.1f} ms, at worst {max(crowd["window_p99_ms"][1]):.1f} ms'),
    ]


def _scale(samples, rate):
    return [at_least(f'intake over HTTP with {samples["many"][0]["stored"]:,} stored / {samples["few"][0]["stored"]:,}',
                     ratio(samples, 'many', 'few'), 0.7, f'{rate["many"]} / {rate["few"]}')]


# (a series that the part has measured if it was run, its lines), in the order of the table.
TABLE = (
    ('limit', _intake),
    ('lifecycle', _lifecycle),
    ('delivery', _delivery),
    ('rungs', _rungs),
    ('pull_none', _pull),
    ('footprint', _footprint),
    ('many', _scale),
)


def lines(samples):
    """The table of the parts that were run."""
    rate = {name: f'{median(of):,.0f}/s' for name, of in samples.items() if 'rate' in of[0]}
    return [line for series, make in TABLE if series in samples for line in make(samples, rate)]


def cpu_lines(samples):
    """Processor seconds for a thousand complaints, by part."""
    found = []
    for name, of in samples.items():
        if 'cpu_s_per_1000' not in of[0]:
            continue
        parts = sorted({part for sample in of for part in sample['cpu_s_per_1000']})
        medians = {part: statistics.median(sample['cpu_s_per_1000'][part] for sample in of) for part in parts}
        found.append(f'  {name:<14}' + '  '.join(f'{part} {spent:.3f}' for part, spent in medians.items() if spent >= 0.001))
    return found


def show(found):
    """The table, what the comparison of the catalogs says, and the processors."""
    print()
    for line in found['lines']:
        verdict = {True: 'met', False: 'MISSED', None: ''}[line.met]
        print(f'{line.name:<66}{line.value:>10}  {line.goal:<10}{verdict:<8}{line.note}')
    if 'catalog' in found:
        print('\nbytes a complaint, and its indexes (their number): the limit | ours')
    for row in found.get('catalog', []):
        cells = [f'{size} + {index} ({count})' for size, index, count in
                 zip(row['bytes_a_complaint'], row['index_bytes_a_complaint'], row['indexes'], strict=True)]
        print(f'  {row["table"]:<14}{cells[0]:>20} | {cells[1]}')
    if spent := cpu_lines(found['samples']):
        print('\nprocessor seconds for 1,000 complaints')
        print('\n'.join(spent))


def write(found, folder):
    """bench.json and bench.svg."""
    folder.mkdir(parents=True, exist_ok=True)
    told = found | {'lines': [vars(line) for line in found['lines']],
                    'machine': {'kernel': platform.release(), 'processors': _processors()}}
    (folder / 'bench.json').write_text(json.dumps(told, indent=1, ensure_ascii=False) + '\n')
    _plot(found['samples'], folder)


def _processors():
    return [line.split(':')[1].strip() for line in Path('/proc/cpuinfo').read_text().splitlines() if line[:10] == 'model name']


def _plot(samples, folder):
    rows = [[name, *(f'{sample["rate"]:.1f}' for sample in of)] for name, of in samples.items() if 'rate' in of[0]]
    if not rows:
        return
    (folder / 'bench.dat').write_text(''.join(
        f'{column} {name} {rate}\n' for column, (name, *rates) in enumerate(rows) for rate in rates))
    script = [
        'set terminal svg size 900,420 dynamic', f'set output "{folder / "bench.svg"}"',
        'set title "a second, a point a round"', 'set logscale y', 'set grid y', 'unset key',
        f'set xrange [-0.5:{len(rows) - 0.5}]',
        'set xtics (' + ', '.join(f'"{row[0]}" {i}' for i, row in enumerate(rows)) + ') rotate by 35 right noenhanced',
        f'plot "{folder / "bench.dat"}" using 1:3 with points pointtype 7 pointsize 0.7',
    ]
    subprocess.run(['gnuplot'], input='\n'.join(script), text=True, check=True)
