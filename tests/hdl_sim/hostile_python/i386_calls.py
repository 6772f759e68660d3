# ruff: noqa
# tries: to make a socket by the calls of a 32-bit program, which have other numbers
# shown without containment: no
# stopped by: filter
import ctypes
import mmap
import os

if os.uname().machine == "x86_64":
    # push rbx; eax = 359 (socket); ebx = 2; ecx = 1; edx = 0; int 0x80; pop rbx; ret
    code = bytes.fromhex("53b867010000bb02000000b90100000031d2cd805bc3")
    memory = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    memory.write(code)
    call = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(memory)))
    if call() >= 0:
        print("H4RM D0NE")
