"""Memory and descriptors of processes, sampled, and the judge that says whether they are flat.

What is judged is one life of a process, or of a server with all its processes: the private memory (Pss_Anon: what files it
maps comes and goes with the page cache, what PostgreSQL's processes share is of a fixed size and grows in each of them with
every page that it touches, and what they have of the postmaster counts once) and the open descriptors. The first part of a
life is warm-up, in which caches, rings and arenas fill; what is left is cut in three, and the median of the last part may
exceed that of the first by no more than the bounds. What a replica's ring of recent events may hold by then is taken off
first: it fills for ten minutes of such a load, and is full from then on.

Invariant: a life that was long enough is judged, or its not being judged is a fault.
"""
import os
import statistics
import threading
import time

EVERY_S = 2.0
WARM_UP_S, WARM_UP_SHARE = 60.0, 0.3        # the longer of the two
SAMPLES_MIN = 90                            # after warm-up; a shorter life says nothing
ENOUGH_S = 400.0                            # a life so long has those, though it was sampled at two thirds of the pace
GROWTH_SHARE = 0.15                         # of memory and of descriptors, where that is more than
MEMORY_GROWTH_KIB = 4096                    # arenas of threads fill by chance
DESCRIPTOR_GROWTH = 24      # who comes to lead a consumer opens a feed to each replica that it follows: 18
RING_EVENTS, RING_EVENT_KIB = 20000, 0.6    # the tail's, in services/lib/log; test_tail.c holds it to that size
CEILINGS_KIB = {'redis': 96 * 1024}         # a cache fills up to its maxmemory of 64 MiB; the rest is buffers and gaps


def read(pid):
    """(memory in KiB, descriptors) of a process; None when it is gone, or is just going."""
    try:
        with open(f'/proc/{pid}/smaps_rollup', encoding='ascii') as lines:
            memory = next((int(line.split()[1]) for line in lines if line.startswith('Pss_Anon:')), None)
        return None if memory is None else (memory, len(os.listdir(f'/proc/{pid}/fd')))
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None


def read_all(pids):
    """The sums over processes, the first of which has to be there; the others come and go."""
    first, *others = (read(pid) for pid in pids)
    return first and tuple(map(sum, zip(first, *filter(None, others))))


def windows(samples):
    """The first and the last third of a life after its warm-up; None where it was too short. Samples are (s, KiB, fds, ...)."""
    if not samples:
        return None
    born, last = samples[0][0], samples[-1][0]
    warm = born + max(WARM_UP_S, WARM_UP_SHARE * (last - born))
    kept = [sample for sample in samples if sample[0] >= warm]
    third = len(kept) // 3
    return (kept[:third], kept[-third:]) if len(kept) >= SAMPLES_MIN else None


def medians(samples):
    """((early, late) of memory, (early, late) of descriptors), or None."""
    cut = windows(samples)
    return cut and tuple(tuple(statistics.median(sample[column] for sample in part) for part in cut) for column in (1, 2))


def judge(samples, ceiling_kib=0):
    """Why a life is not flat (or, where there is a ceiling, does not stay under it); '' where it is, or was too short."""
    told = medians(samples)
    if told is None:
        return ''
    (early, late), (few, many) = told
    if ceiling_kib and late > ceiling_kib:
        return f'memory of {late:,.0f} KiB, over its ceiling'
    if not ceiling_kib and late - early > max(MEMORY_GROWTH_KIB, GROWTH_SHARE * early):
        return f'memory grew from {early:,.0f} to {late:,.0f} KiB'
    if many - few > max(DESCRIPTOR_GROWTH, GROWTH_SHARE * few):
        return f'descriptors grew from {few:.0f} to {many:.0f}'
    return ''


def beside_ring(kib, head):
    """Memory without what the ring of a log with so many events may hold."""
    return kib - RING_EVENT_KIB * min(head, RING_EVENTS)


class Vitals:
    """Samples processes, `pids()` = {name: pids, the first of which stands for its life}, until it is stopped. `head(name)`:
    events in the log of a replica's service."""

    def __init__(self, pids, head):
        self._pids, self._head = pids, head
        self.lives = {}             # (name, pid): [(s, KiB beside the ring, descriptors, KiB)]
        self.failure = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name='vitals', daemon=True)

    def start(self):
        """Begin; itself."""
        self._thread.start()
        return self

    def stop(self):
        """Sample no more; raises what has ended the sampling before."""
        self._stopped.set()
        self._thread.join()
        if self.failure:
            raise self.failure

    def _run(self):
        try:
            while not self._stopped.wait(EVERY_S):
                for name, pids in self._pids().items():
                    self._sample(name, pids)
        except BaseException as error:
            self.failure = error

    def _sample(self, name, pids):
        if found := read_all(pids):
            kib, descriptors = found
            sample = time.monotonic(), beside_ring(kib, self._head(name)), descriptors, kib
            self.lives.setdefault((name, pids[0]), []).append(sample)

    def report(self, lived):
        """A line for each life that was long enough, and the faults. `lived`: {name: seconds that one life of it lasted}."""
        lines, faults, judged = [], [], set()
        for (name, _), samples in sorted(self.lives.items()):
            told = medians(samples)
            if told is None:
                continue
            judged.add(name)
            (early, late), (few, many) = told
            minutes = (samples[-1][0] - samples[0][0]) / 60
            lines.append(f'{name:15} {minutes:5.1f} min  memory beside the ring {early:7,.0f} -> {late:7,.0f} KiB '
                         f'({samples[-1][3]:,} in all)  descriptors {few:3.0f} -> {many:3.0f}')
            if why := judge(samples, CEILINGS_KIB.get(name, 0)):
                faults.append(f'{name}: {why}')
        faults += [f'{name}: lived for {seconds / 60:.1f} min and was not judged'
                   for name, seconds in sorted(lived.items()) if seconds >= ENOUGH_S and name not in judged]
        return lines, faults
