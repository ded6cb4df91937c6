"""What a check is: a name, what it looks at, and jobs that each return the problems they found, as text."""
import shutil
import subprocess
import time
from dataclasses import dataclass, field

JOB_S = 300


@dataclass
class Check:
    """A check and what came of it."""
    name: str
    looked_at: str
    jobs: list                                  # callables without arguments; '' is no problem
    problems: list = field(default_factory=list)
    notes: list = field(default_factory=list)   # worth saying, no reason to fail
    spent_s: float = 0.0

    def run(self, job):
        """Run one job in whatever thread this is."""
        begun = time.monotonic()
        try:
            found = job()
        except Exception as error:
            found = f'{self.name} itself failed: {error!r}'
        if found:
            self.problems.append(found.rstrip())
        self.spent_s += time.monotonic() - begun


def counted(paths, what):
    """`12 C files`."""
    return f'{len(paths)} {what}'


def tool(name):
    """The path of a tool; a missing one is a failure of the check that needs it."""
    found = shutil.which(str(name))
    if not found:
        raise FileNotFoundError(f'{name} is not installed: run scripts/setup')
    return found


def command(argv, cwd):
    """Run a tool: '' when it is content, what it said otherwise."""
    done = subprocess.run([tool(argv[0]), *map(str, argv[1:])], cwd=cwd, text=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=JOB_S, check=False)
    if done.returncode == 0:
        return ''
    return done.stdout or f'{argv[0]} ended with {done.returncode}'


def chunks(paths, size):
    """Paths in lists of at most size."""
    return [paths[at:at + size] for at in range(0, len(paths), size)]
