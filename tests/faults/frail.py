"""A parser child that does to itself what a mail's Subject tells it to."""

import ctypes
import os
import time

from threads.mail.child import serve, understood


def obedient(raw, trusted):
    order = raw.partition(b"Subject: ")[2].partition(b"\n")[0]
    if order == b"segfault":
        ctypes.string_at(0)
    if order == b"loop":
        while True:
            pass
    if order == b"sleep":
        time.sleep(3600)
    if order == b"nap":
        time.sleep(0.8)
    if order == b"grow":
        len(b"x" * 400_000_000)
    if order == b"exit":
        os._exit(3)
    if order == b"nonsense":
        return b'{"subject": 1}'
    return understood(raw, trusted)


if __name__ == "__main__":
    serve(obedient)
