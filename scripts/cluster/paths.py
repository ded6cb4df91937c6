"""Where things are in the checkout, and how files that others read are written: whole, or not at all."""
import os
import secrets
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RUN_DIR = ROOT / '.run'
SEED_DIR = ROOT / 'deploy' / 'seed'


def build_dir():
    """The build whose binaries run: LUJIAN_BUILD, or the dev preset's."""
    return Path(os.environ.get('LUJIAN_BUILD') or ROOT / 'build' / 'dev')


def write_whole(path, data, mode=0o600):
    """Replace path by rename, so that a reader sees the old content or the new, never a part."""
    path = Path(path)
    payload = data.encode() if isinstance(data, str) else data
    fresh = path.with_name(f'.{path.name}.{secrets.token_hex(4)}')
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(fd, 'wb') as out:
            os.fchmod(out.fileno(), mode)
            out.write(payload)
            out.flush()
            os.fsync(out.fileno())
        os.replace(fresh, path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise


def write_once(path, make, mode=0o600):
    """Write what make() returns unless path is there already; return what stands in it."""
    path = Path(path)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, make(), mode)
    return path.read_text()
