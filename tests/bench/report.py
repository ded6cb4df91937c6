"""What a run found: the table for people, JSON for machines, and a plot of the rounds."""
import json
import platform
import statistics
import subprocess
from pathlib import Path

PACE_TOLERANCE = 0.05 # of a load that a goal names: at another pace the figure is another one
LAG_S = 1 # after the load's end, within which followers are to be at the head
AGREE = 0.2 # within which the medians of two runs are to be


class Line:
    """One line of the table: a figure, what it came to, what was wanted; `met` is None where nothing was. `number` is what
    another run's is compared with; None where that says nothing."""

    def __init__(self, name, value, number, goal='', met=None, note=''):
        self.name, self.value, self.number = name, value, number
        self.goal, self.met, self.note = goal, met, note

    def only_if(self, condition, why_not):
        """A figure that counts only where something else was so."""
        if not condition:
            self.met, self.note = False, f'{self.note}; {why_not}'
        return self


def median(samples, key='rate'):
    """Of the rounds."""
    return statistics.median(sample[key] for sample in samples)


def ratio(samples, name, base, key='rate'):
    """The median of the ratios of one round each: what the machine did to both in a round drops out."""
    return statistics.median(a[key] / b[key] for a, b in zip(samples[name], samples[base], strict=True))


def at_least(name, value, goal, note=''):
    """A line that is met from its goal up."""
    return Line(name, f'{value:.2f}', value, f'>= {goal:g}', value >= goal, note)


def at_most(name, value, goal, unit, note=''):
    """A line that is met up to its goal."""
    return Line(name, f'{value:.1f} {unit}'.strip(), value, f'<= {goal:g} {unit}'.strip(), value <= goal, note)


def at_pace(line, of):
    """A line that counts only where the load was what its name says."""
    pace = median(of, 'pace')
    return line.only_if(abs(pace - 1) <= PACE_TOLERANCE, f'at {pace:.2f} of the pace')


def _intake(samples, rate):
    behind_s = max(sample['caught_up_s'] for sample in samples['http_whole'])
    return [
        Line('the limit: batches of 64 on two connections, no network', rate['limit'], median(samples['limit'])),
        at_least('intake over ZeroMQ / limit, 64 in flight, consumers stopped', ratio(samples, 'bus', 'limit'), 0.5,
                 rate['bus']),
        at_least('intake over HTTP / limit, 64 connections, consumers stopped', ratio(samples, 'http', 'limit'), 0.4,
                 rate['http']),
        at_pace(at_most('p99 of that at half load', median(samples['http_half'], 'p99_ms'), 50, 'ms', rate['http_half']),
                samples['http_half']),
        at_least('the same with the whole cluster running / limit', ratio(samples, 'http_whole', 'limit_again'), 0.2,
                 f'{rate["http_whole"]}, caught up {behind_s:.1f} s after').only_if(behind_s <= LAG_S, 'lags'),
        at_least('intake over HTTP / the peer', ratio(samples, 'http', 'peer'), 6, f'the peer: {rate["peer"]}'),
        at_least('p99 of the peer / ours', 1 / ratio(samples, 'http', 'peer', 'p99_ms'), 5,
                 f'{median(samples["peer"], "p99_ms"):.0f} ms / {median(samples["http"], "p99_ms"):.0f} ms'),
        at_least('commands a second of mixed kinds / one-at-a-time commits', ratio(samples, 'mixed', 'one_at_a_time'), 5,
                 f'{rate["mixed"]} / {rate["one_at_a_time"]}'),
    ]


def _lifecycle(samples, _):
    spike = samples['spike'][0]
    return [
        at_least('whole lifecycles a second over HTTP, table filled', median(samples['lifecycle']), 150,
                 f'{spike["stored"]:,} complaints stored at the end'),
        at_most('requests failed in one spike of 1, 15, 1, 25, 2, 35, 10 lifecycles/s', spike['errors'], 0, '',
                f'{spike["lifecycles"]} lifecycles, p99 of a request {spike["p99_ms"]:.0f} ms'),
    ]


def _delivery(samples, rate):
    of = samples['delivery']
    note = (f'{rate["delivery"]}, p50 {median(of, "p50_ms"):.1f} ms; p99 from the event\'s own time '
            f'{median(of, "civil_p99_ms"):.1f} ms')
    return [at_pace(at_most(f'p99 from commit to hand, {of[0]["subscribers"]} subscribers, 500 events/s',
                            median(of, 'p99_ms'), 20, 'ms', note), of)]


def _pull(samples, _):
    scopes = {name.removeprefix('pull_'): of for name, of in samples.items() if name.startswith('pull_')}
    looked = max(one['looked_max'] for of in scopes.values() for sample in of for one in (sample, sample['base']))
    log = scopes['none'][0]['log']
    found = [at_most('positions that a filtered pull looks at', looked, 10_000, '', f'a log of {log:,} events')]
    for name, of in scopes.items():
        base = [sample['base'] for sample in of]
        p50_ms = median(of, 'p50_ms')
        found.append(Line(f'its median, scope {name}', f'{p50_ms:.1f} ms', p50_ms,
                          note=f'{median(of, "events"):.0f} events, {_tail(of)}; over 10,000 events {median(base, "p50_ms"):.1f} ms, {_tail(base)}'))
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
    crowds = samples['rungs_intake']
    before, meanwhile = (statistics.median(crowd['intake_p99_ms'][i] for crowd in crowds) for i in (0, 1))
    slower = statistics.median(crowd['intake_p99_ms'][1] / crowd['intake_p99_ms'][0] for crowd in crowds)
    worst = max(max(crowd['window_p99_ms'][1]) for crowd in crowds)
    return [
        at_least('rungs fired a second with their cards', median(samples['rungs']), 5000,
                 f'{median(samples["rungs"], "cards"):,.0f} due at once'),
        at_pace(at_least('the same under intake at half load', median(crowds), 2000,
                         f'{median(crowds, "cards"):,.0f} due at once, '
                         f'{statistics.median(crowd["intake_rate"][1] for crowd in crowds):,.0f} complaints/s'), crowds),
        at_pace(at_most('p99 of intake meanwhile / before', slower, 2, '',
                        f'{meanwhile:.1f} ms / {before:.1f} ms, at worst {worst:.1f} ms'), crowds),
    ]


def _caches(samples, _):
    found = []
    for name, of in samples.items():
        if not name.startswith('reads: '):
            continue
        on, off = ({key: statistics.median(sample[which][key] for sample in of) for key in of[0][which]}
                   for which in ('with', 'without'))
        faster = statistics.median(sample['with']['reads_s'] / sample['without']['reads_s'] for sample in of)
        found.append(Line(
            f'{name}, with Redis / without', f'{faster:.2f}', faster,
            note=f'{on["reads_s"]:,.0f}/s / {off["reads_s"]:,.0f}/s, hits {median(of, "hits"):.0%}, '
                 f'p50 {on["p50_ms"]:.1f} ms / {off["p50_ms"]:.1f} ms'))
    return found


def _scale(samples, rate):
    return [at_least('intake over HTTP with many stored / with few', ratio(samples, 'many', 'few'), 0.7,
                     f'{samples["many"][0]["stored"]:,}: {rate["many"]}; {samples["few"][0]["stored"]:,}: {rate["few"]}')]


# (a series that the part has measured if it was run, its lines), in the order of the table.
TABLE = (
    ('limit', _intake),
    ('lifecycle', _lifecycle),
    ('delivery', _delivery),
    ('rungs', _rungs),
    ('pull_none', _pull),
    ('footprint', _footprint),
    ('reads: one of 100', _caches),
    ('many', _scale),
)


def lines(samples):
    """The table of the parts that were run."""
    rate = {name: f'{median(of):,.0f}/s' for name, of in samples.items() if 'rate' in of[0]}
    return [line for series, make in TABLE if series in samples for line in make(samples, rate)]


def cpu_lines(samples):
    """Processor seconds for a thousand of what was counted, by part; and what the processors had no work for."""
    found = []
    for name, of in samples.items():
        if 'cpu_s_per_1000' not in of[0]:
            continue
        parts, machine = ({part: statistics.median(sample[kind][part] for sample in of) for part in of[0][kind]}
                          for kind in ('cpu_s_per_1000', 'machine'))
        spent = '  '.join(f'{part} {seconds:.3f}' for part, seconds in parts.items() if seconds >= 0.001)
        found.append(f'  {name:<14}{sum(parts.values()):6.3f} = {spent}; '
                     + ', '.join(f'{part} {share:.0%}' for part, share in machine.items() if share >= 0.005))
    return found


def compare(lines_, others):
    """Figures of this run by those of another one, as texts, and whether all of them agree."""
    found, agree = [], True
    for line in lines_:
        if line.number is None:
            continue
        other = others.get(line.name)
        if other is None:
            found.append(f'  {line.name:<74}not in the other run')
            agree = False
            continue
        low, high = sorted((line.number, other))
        apart = high / low - 1 if low else float(high > 0)
        agree = agree and apart <= AGREE
        found.append(f'  {line.name:<74}{other:12,.2f}{line.number:12,.2f}{apart:7.0%}{"" if apart <= AGREE else "  APART"}')
    return found, agree


def show(found):
    """The table, what the comparison of the catalogs says, and the processors."""
    print()
    for line in found['lines']:
        verdict = {True: 'met', False: 'MISSED', None: ''}[line.met]
        print(f'{line.name:<74}{line.value:>10}  {line.goal:<10}{verdict:<8}{line.note}')
    if 'catalog' in found:
        print('\nbytes a complaint and of its indexes: the limit | the service')
    for row in found.get('catalog', []):
        cells = [f'{size} + {index}' for size, index in
                 zip(row['bytes_a_complaint'], row['index_bytes_a_complaint'], strict=True)]
        print(f'  {row["table"]:<14}{cells[0]:>14} | {cells[1]:<14}{len(row["indexes"])} indexes, the same')
    if spent := cpu_lines(found['samples']):
        print('\nprocessor seconds for 1,000 complaints, commands or lifecycles; of the processors\' time')
        print('\n'.join(spent))


def write(found, folder):
    """bench.json and bench.svg."""
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
