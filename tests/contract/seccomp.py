# SPDX-License-Identifier: MIT
"""seccomp - forbids system calls to a program that is about to start, as containers do"""
import ctypes
import errno

LIBC = ctypes.CDLL(None, use_errno=True)

PR_SET_NO_NEW_PRIVS = 38
PR_SET_SECCOMP = 22
SECCOMP_MODE_FILTER = 2

# BPF (linux/filter.h) and what it returns (linux/seccomp.h).
LOAD_WORD = 0x20
JUMP_IF_EQUAL = 0x15
RETURN = 0x06
RET_ERRNO = 0x00050000
RET_ALLOW = 0x7fff0000

# The same numbers on every architecture: they came after the tables were made one.
IO_URING_SETUP, IO_URING_ENTER, IO_URING_REGISTER = 425, 426, 427


class Instruction(ctypes.Structure):
    _fields_ = [("code", ctypes.c_ushort), ("true_skip", ctypes.c_ubyte),
                ("false_skip", ctypes.c_ubyte), ("k", ctypes.c_uint)]


class Program(ctypes.Structure):
    _fields_ = [("count", ctypes.c_ushort), ("instructions", ctypes.POINTER(Instruction))]


def forbid(call, code):
    """From now on system call number @call of this process and its children fails with @code."""
    instructions = (Instruction * 4)(
        Instruction(LOAD_WORD, 0, 0, 0),  # the number, first in struct seccomp_data
        Instruction(JUMP_IF_EQUAL, 0, 1, call),
        Instruction(RETURN, 0, 0, RET_ERRNO | code),
        Instruction(RETURN, 0, 0, RET_ALLOW))
    program = Program(len(instructions), instructions)
    for arguments in ((PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
                      (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0)):
        if LIBC.prctl(*arguments) != 0:
            raise OSError(ctypes.get_errno(), f"prctl: {errno.errorcode[ctypes.get_errno()]}")
