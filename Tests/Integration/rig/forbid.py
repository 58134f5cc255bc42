"""Runs a program that may not make some system calls: `forbid.py ERRNO NUMBER,NUMBER,… PROGRAM ARGUMENT…`.

A seccomp filter answers these calls with ERRNO, as the profile of a container does. It needs the standard library only.
"""

import ctypes
import os
import struct
import sys

#: The same on all processors, as every call since Linux 5.1 (asm-generic/unistd.h).
IO_URING = {"io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427}

# prctl(2), seccomp(2), bpf(4)
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, SECCOMP_MODE_FILTER = 22, 38, 2
LOAD_NUMBER, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, ERRNO = 0x7FFF0000, 0x00050000


def program(code: int, numbers: list[int]) -> bytes:
    """Looks at the number of the call: one after the other is compared, and the last two instructions say what becomes of it."""
    steps = [(LOAD_NUMBER, 0, 0, 0)]
    for index, number in enumerate(numbers):
        steps.append((JUMP_IF_EQUAL, len(numbers) - index, 0, number))
    steps += [(RETURN, 0, 0, ALLOW), (RETURN, 0, 0, ERRNO | code)]
    return b"".join(struct.pack("=HBBI", *step) for step in steps)


class Filter(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("steps", ctypes.c_char_p)]


def forbid(code: int, numbers: list[int]) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    steps = program(code, numbers)
    rules = Filter(len(steps) // 8, steps)
    nothing = ctypes.c_ulong(0)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), nothing, nothing, nothing) != 0:
        raise OSError(ctypes.get_errno(), "PR_SET_NO_NEW_PRIVS")
    if libc.prctl(PR_SET_SECCOMP, ctypes.c_ulong(SECCOMP_MODE_FILTER), ctypes.byref(rules), nothing, nothing) != 0:
        raise OSError(ctypes.get_errno(), "PR_SET_SECCOMP")


def main() -> None:
    code, numbers, *command = sys.argv[1:]
    forbid(int(code), [int(number) for number in numbers.split(",")])
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
