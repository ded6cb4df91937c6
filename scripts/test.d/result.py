"""What came of a suite, read from the JUnit file that every runner writes."""
import xml.etree.ElementTree as xml
from dataclasses import dataclass, field

TIMED_OUT = 124


@dataclass
class Result:
    """Counts of a suite, and the names of what failed."""
    passed: int = 0
    skipped: int = 0
    failures: list = field(default_factory=list)
    spent_s: float = 0.0

    @property
    def failed(self):
        """How many failed."""
        return len(self.failures)


def from_junit(path, status):
    """Read a JUnit file. A runner that ended badly without a failed test in it counts as one failure of its own."""
    result = Result()
    try:
        cases = list(xml.parse(path).getroot().iter('testcase'))
    except (FileNotFoundError, xml.ParseError):
        result.failures.append(f'the runner left no result (status {status})')
        return result
    name = 'nothing'
    for case in cases:
        if not case.get('name'):
            continue # one that was interrupted
        name = '.'.join(filter(None, (case.get('classname'), case.get('name'))))
        if case.find('failure') is not None or case.find('error') is not None:
            result.failures.append(name)
        elif case.find('skipped') is not None or case.get('status') == 'disabled':
            result.skipped += 1
        else:
            result.passed += 1
    if status == TIMED_OUT:
        result.failures.append(f'its time was up; the last that it finished is {name}')
    elif not cases:
        result.failures.append('ran no test')
    elif status != 0 and not result.failures:
        result.failures.append(f'the runner ended with {status}')
    return result


def from_lint(checks, status):
    """Read what scripts/lint found: {check: [problems]}."""
    result = Result(passed=sum(not problems for problems in checks.values()),
                    failures=[name for name, problems in checks.items() if problems])
    if status != 0 and not result.failures:
        result.failures.append(f'lint ended with {status}')
    return result
