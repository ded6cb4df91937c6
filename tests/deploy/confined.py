"""Runs a command under what a unit of deploy/systemd forbids, as far as a process can bring that upon itself:

    confined.py [--read-only] UNIT COMMAND...

No new privileges, an empty capability bounding set, the limits and the umask, and by libseccomp, which systemd uses too:
the allow-list of system calls, the address families, no memory that is written and run, no namespaces, no personality.
--read-only makes every file system read-only, as ProtectSystem=strict does; that takes a mount namespace. What only a
service manager can do (users, cgroups, /proc, credentials) is not tried here.
"""
import ctypes
import errno
import os
import resource
import subprocess
import sys
from pathlib import Path

UNITS = Path(__file__).resolve().parents[2] / 'deploy/systemd'
SHARED = UNITS / 'lujian-.service.d/50-hardening.conf'
FAMILIES = {'AF_UNIX': 1, 'AF_INET': 2, 'AF_INET6': 10, 'AF_NETLINK': 16}
FAMILIES_END = 46       # AF_MAX
NAMESPACES = (0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000)
ALLOW, ERRNO_EPERM, NO_FAMILY = 0x7fff0000, 0x00050000 | errno.EPERM, 0x00050000 | errno.EAFNOSUPPORT
EQUAL, MASKED_EQUAL = 4, 7
WRITE_EXECUTE, EXECUTE, SHM_EXECUTE = 0x6, 0x4, 0o100000
PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 24, 38
CLONE_NEWNS, MS_REC, MS_PRIVATE, AT_RECURSIVE, MOUNT_ATTR_RDONLY = 0x00020000, 0x4000, 0x40000, 0x8000, 1
SYS_MOUNT_SETATTR = 442
LIMITS = {'LimitCORE': resource.RLIMIT_CORE, 'LimitNOFILE': resource.RLIMIT_NOFILE}


class Compare(ctypes.Structure):
    """struct scmp_arg_cmp."""
    _fields_ = [('arg', ctypes.c_uint), ('op', ctypes.c_int), ('a', ctypes.c_uint64), ('b', ctypes.c_uint64)]


libc = ctypes.CDLL(None, use_errno=True)
seccomp = ctypes.CDLL('libseccomp.so.2')
seccomp.seccomp_init.restype = ctypes.c_void_p
seccomp.seccomp_load.argtypes = [ctypes.c_void_p]
seccomp.seccomp_rule_add_array.argtypes = [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint,
                                           ctypes.POINTER(Compare)]


def settings(unit):
    """[(key, value)] of the [Service] section, the unit's own first, then what all share."""
    found = []
    for path in (unit, SHARED):
        section = ''
        for line in path.read_text().splitlines():
            if line.startswith('['):
                section = line
            elif section == '[Service]' and '=' in line and not line.startswith('#'):
                key, _, value = line.partition('=')
                found.append((key, value))
    return found


def values(of, key):
    """The values of a key, in order."""
    return [value for name, value in of if name == key]


def calls(name, known={}):
    """The system calls that a name of SystemCallFilter stands for."""
    if not name.startswith('@'):
        return {name}
    if name not in known:
        told = subprocess.run(['systemd-analyze', '--no-pager', 'syscall-filter', name], capture_output=True, text=True,
                              check=True).stdout
        known[name] = set().union(*(calls(line.strip()) for line in told.splitlines()[1:]
                                    if line.strip() and not line.strip().startswith('#')))
    return known[name]


def allowed(of):
    """What the unit's SystemCallFilter lines leave."""
    left = set(calls('@default'))
    for value in values(of, 'SystemCallFilter'):
        named = set().union(*(calls(name) for name in value.lstrip('~').split()))
        left = left - named if value.startswith('~') else left | named
    return left


def check(result, what):
    """Whatever cannot be forbidden is an error."""
    if result < 0:
        raise OSError(-result if result < -1 else ctypes.get_errno(), what)


def rule(context, action, call, *compares):
    """One rule; calls that this architecture has not are none."""
    number = seccomp.seccomp_syscall_resolve_name(call.encode())
    if number >= 0:
        check(seccomp.seccomp_rule_add_array(context, action, number, len(compares),
                                             (Compare * len(compares))(*compares)), call)


def filter_calls(of):
    """The allow-list, and what its calls may not be asked for."""
    context = seccomp.seccomp_init(ALLOW)
    families = {FAMILIES[name] for name in values(of, 'RestrictAddressFamilies')[0].split()}
    for family in set(range(FAMILIES_END)) - families:
        rule(context, NO_FAMILY, 'socket', Compare(0, EQUAL, family))
    for call, arg, bits in (('mmap', 2, WRITE_EXECUTE), ('mprotect', 2, EXECUTE), ('pkey_mprotect', 2, EXECUTE),
                            ('shmat', 2, SHM_EXECUTE)):
        rule(context, ERRNO_EPERM, call, Compare(arg, MASKED_EQUAL, bits, bits))
    for flag in NAMESPACES:
        rule(context, ERRNO_EPERM, 'clone', Compare(0, MASKED_EQUAL, flag, flag))
        rule(context, ERRNO_EPERM, 'unshare', Compare(0, MASKED_EQUAL, flag, flag))
    for call in ('setns', 'personality'):
        rule(context, ERRNO_EPERM, call)
    check(seccomp.seccomp_load(context), 'what calls may ask for')
    context = seccomp.seccomp_init(ERRNO_EPERM)
    for call in sorted(allowed(of)):
        rule(context, ALLOW, call)
    check(seccomp.seccomp_load(context), 'the allow-list')


def make_read_only():
    """Every file system, in a namespace of our own."""
    check(libc.unshare(CLONE_NEWNS), 'a mount namespace')
    check(libc.mount(None, b'/', None, MS_REC | MS_PRIVATE, None), 'a private tree')
    attributes = (ctypes.c_uint64 * 4)(MOUNT_ATTR_RDONLY, 0, 0, 0)
    check(libc.syscall(SYS_MOUNT_SETATTR, -100, b'/', AT_RECURSIVE, ctypes.byref(attributes), ctypes.sizeof(attributes)),
          'a read-only tree')


def main(argv):
    """Never returns where all went well."""
    read_only = argv[0] == '--read-only'
    unit, *command = argv[1:] if read_only else argv
    of = settings(UNITS / unit)
    if read_only:
        make_read_only()
    for name, limit in LIMITS.items():
        wanted, most = int(values(of, name)[0]), resource.getrlimit(limit)[1]
        wanted = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
        resource.setrlimit(limit, (wanted, wanted))
    os.umask(int(values(of, 'UMask')[0], 8))
    assert values(of, 'CapabilityBoundingSet') == [''], 'capabilities are left to it'
    for capability in range(int(Path('/proc/sys/kernel/cap_last_cap').read_text()) + 1):
        if os.geteuid() == 0:
            check(libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0), f'capability {capability}')
    check(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 'no new privileges')
    filter_calls(of)
    os.execv(command[0], command)


if __name__ == '__main__':
    main(sys.argv[1:])
