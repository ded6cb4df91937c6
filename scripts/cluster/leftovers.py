"""What an earlier run left in a run directory: processes whose supervisor was killed, files that tell of them, data.

Invariant: only a process that is still the very one that was started is ended, only a directory of ours is removed.
"""
import json
import shutil
import signal

from . import identity
from .postgres import FALLBACK

END_S = 60.0


def read_remembered(path):
    """The JSON in a file, or {} where there is none or a crash of the machine left it empty."""
    try:
        return json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return {}


def sweep(run_dir):
    """End processes that outlived their supervisor and remove what told of them; returns their names."""
    swept = []
    for name, remembered in read_remembered(run_dir / 'children.json').items():
        handle = identity.open_handle(remembered)
        if handle is not None:
            swept.append(name)
            identity.end(handle, signal.SIGINT if name.startswith('postgres') else signal.SIGTERM, END_S)
    for told in ('children.json', 'cluster.json'):
        (run_dir / told).unlink(missing_ok=True)
    return swept


def purge(run_dir):
    """Remove a run directory whose cluster is down, with its database, also where that lives under /var/tmp."""
    for data in run_dir.glob('pg*'):
        place = data.resolve()
        if data.is_symlink() and place.parent == FALLBACK and place.name.startswith('lujian-pg-'):
            shutil.rmtree(place, ignore_errors=True)
    if run_dir.is_dir():
        shutil.rmtree(run_dir)
