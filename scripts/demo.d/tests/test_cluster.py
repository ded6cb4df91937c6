"""scripts/demo itself, on a real cluster with few complaints: it reconciles, and a lost event makes it fail."""
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from cluster.paths import build_dir
from test_demo import SAMPLE

DEMO = Path(__file__).resolve().parents[1]
LIMIT_S = 240
FEW = 40
DAYS = 7                        # yellow and red cards, no ladder: the long play is scripts/demo


@pytest.fixture
def run_dir():
    """A run directory that PostgreSQL's user can reach."""
    home = Path(tempfile.mkdtemp(prefix='lujian-demo-'))
    home.chmod(0o711)
    yield home / 'run'
    shutil.rmtree(home)


@pytest.mark.parametrize('drops', [False, True])
def test_once(run_dir, tmp_path, drops):
    missing = [name for name in ('registry', 'complaints', 'supervision', 'gateway')
               if not (build_dir() / 'services' / f'lujian-{name}').exists()]
    if missing:
        pytest.skip(f'{build_dir()} has no lujian-{missing[0]}')
    few = tmp_path / 'few.csv'
    rows = SAMPLE.read_text(encoding='utf-8').splitlines(keepends=True)
    few.write_text(''.join(rows[:FEW + 1]) + '坏行,\n' + ''.join(rows[FEW + 1:FEW + 2]), encoding='utf-8')
    done = subprocess.run([sys.executable, '-B', DEMO, '--once', '--seed', '7', '--days', str(DAYS), '--input', few, '--run',
                           run_dir],
                          env={**os.environ, 'LUJIAN_DEMO_DROP': '1' if drops else '0'}, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == (1 if drops else 0), done.stdout
    assert f'第 {FEW + 2} 条' in done.stdout
    assert ('未收到 1 条' in done.stdout) == drops
    assert run_dir.exists() == drops            # kept only when there is something to look at
    assert not (run_dir / 'cluster.json').exists()
