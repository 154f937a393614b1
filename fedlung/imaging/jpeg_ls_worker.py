"""The program that ``jpeg_ls`` starts: JPEG-LS streams in, samples out, with next to nothing that it may do.

It is run as a file, imports nothing of ours, and gives up every right before the first byte comes in: no new files,
no processes, bounded memory, and an alarm that ends it should nobody be left to do so. A stream that crashes or hangs
the decoder ends this process and nothing else.

Both ways: 4 bytes of length (little-endian), then the content; an answer of length 0 says that decoding failed.
"""

from __future__ import annotations

import resource
import signal
import struct
import sys

import jpeg_ls

MAX_BYTES = 1 << 30
"""Of address space; numpy and the interpreter take about a quarter of it."""
MAX_SECONDS = 60
LENGTH = struct.Struct("<I")


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MAX_BYTES, MAX_BYTES))
    for limit in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE, resource.RLIMIT_NPROC):
        resource.setrlimit(limit, (0, 0))
    # Existing pipes stay open; nothing else can be opened.
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
    while head := sys.stdin.buffer.read(LENGTH.size):
        stream = sys.stdin.buffer.read(*LENGTH.unpack(head))
        signal.alarm(MAX_SECONDS)
        try:
            samples = bytes(jpeg_ls.decode_pixel_data(stream)[0])
        except (RuntimeError, ValueError, MemoryError):
            samples = b""
        signal.alarm(0)
        sys.stdout.buffer.write(LENGTH.pack(len(samples)) + samples)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
