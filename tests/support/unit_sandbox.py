"""Run a program under what a systemd unit forbids its processes: `python unit_sandbox.py UNIT PROGRAM [ARGUMENT]…`.

Of the unit's bounds those that a process can set for itself: its system calls, its socket families, and no memory that
is writable and executable. The rest needs systemd as the system's first process.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
import subprocess
import sys
from pathlib import Path

PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN = 65, 1  # linux/prctl.h, since Linux 6.3
ALLOW = 0x7FFF0000  # seccomp.h: SCMP_ACT_ALLOW, and SCMP_ACT_ERRNO with the number in its lower half
EQUAL = 4  # SCMP_CMP_EQ
FAMILIES = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10}


class Comparison(ctypes.Structure):
    """`struct scmp_arg_cmp`: an argument of the call, how it is compared, and with what."""

    _fields_ = (("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64))


def directives(unit: Path) -> dict[str, list[str]]:
    """Return every value of each directive of the unit, in their order."""
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r"^([A-Za-z]+)=(.*)$", unit.read_text(), re.MULTILINE):
        found.setdefault(name, []).append(value)
    return found


def permitted_calls(filters: list[str]) -> set[str]:
    """Expand the unit's filters, which name sets of calls and, after `~`, what is taken out again."""
    said = subprocess.run(
        ["systemd-analyze", "syscall-filter", "--no-pager"], check=True, capture_output=True, text=True
    )
    sets: dict[str, list[str]] = {}
    for line in said.stdout.splitlines():
        if line.startswith("@"):
            members = sets.setdefault(line.strip(), [])
        elif line.startswith("    ") and "#" not in line:
            members.append(line.strip())

    def expanded(name: str) -> set[str]:
        return set().union(*map(expanded, sets[name])) if name.startswith("@") else {name}

    calls: set[str] = set()
    for value in filters:
        named = set().union(*(expanded(name) for name in value.lstrip("~").split()))
        calls = calls - named if value.startswith("~") else calls | named
    return calls


def confine(unit: Path) -> None:
    """Bound this process, and all that it becomes, as the unit says."""
    asked = directives(unit)
    assert asked["MemoryDenyWriteExecute"] == ["yes"]
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) in {
        0,
        -1,
    }  # -1: an older kernel has no such thing
    seccomp = ctypes.CDLL("libseccomp.so.2")
    seccomp.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(seccomp.seccomp_init(0x00050000 | errno.EPERM))
    for name in permitted_calls(asked["SystemCallFilter"]) - {"socket"}:
        number = seccomp.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:  # others are not this machine's
            assert seccomp.seccomp_rule_add(context, ALLOW, number, 0) == 0, name
    socket = seccomp.seccomp_syscall_resolve_name(b"socket")
    for family in asked["RestrictAddressFamilies"][0].split():
        only = Comparison(0, EQUAL, FAMILIES[family], 0)
        assert seccomp.seccomp_rule_add_array(context, ALLOW, socket, 1, ctypes.byref(only)) == 0
    assert seccomp.seccomp_load(context) == 0


if __name__ == "__main__":
    confine(Path(sys.argv[1]))
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606  (it takes this process's place)
