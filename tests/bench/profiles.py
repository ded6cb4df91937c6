"""Where the time of intake over HTTP goes: what perf sees of each part of the service while complaints come in.

Writes profile-PART.txt: functions by their own time, then by the time of all that they called.
"""
import subprocess

PARTS = ('postgres', 'gateway', 'complaints')
WARM_S, SECONDS = 3, 10
HERTZ = 499
SHARE_MIN = 0.5 # per cent of a line


def _pids(rig):
    backends = rig.complaints.rows("SELECT pid FROM pg_stat_activity WHERE application_name LIKE '%committer%'")
    return {'postgres': [pid for pid, in backends]} | {part: [one.pid for one in rig.cluster.of(part)] for part in PARTS[1:]}


def _report(recorded, *how):
    return subprocess.run(
        ['perf', 'report', '--stdio', '--input', str(recorded), '--sort', 'dso,symbol', '--call-graph', 'none', '--percent-limit',
         str(SHARE_MIN), *how], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True).stdout


def record(rig, folder):
    """The files' names. Sampling slows the cluster down by a fifth: nothing else is measured meanwhile."""
    rig.stop_consumers()
    rig.file_http(WARM_S)
    rig.settle()
    found = []
    for part, pids in _pids(rig).items():
        recorded = rig.home / f'perf.{part}'
        with subprocess.Popen(
                ['perf', 'record', '--quiet', '--event', 'cpu-clock', '--freq', str(HERTZ), '--call-graph', 'dwarf,8192', '--output',
                 str(recorded), '--pid', ','.join(map(str, pids)), '--', 'sleep', str(SECONDS)], stderr=subprocess.DEVNULL) as perf:
            rig.file_http(SECONDS)
        if perf.returncode:
            raise RuntimeError(f'perf record: {perf.returncode}')
        told = folder / f'profile-{part}.txt'
        told.write_text(_report(recorded, '--no-children') + _report(recorded, '--children'))
        found.append(told)
    rig.start_consumers()
    return found
