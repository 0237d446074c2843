"""How parsing grows with mails made to be slow: twice the mail, twice the time.

    python -m bench.hostile

Prints, for every shape, the CPU seconds at its full size and time(2n) / time(n).
"""

import argparse
from collections.abc import Callable
from time import process_time

from threads.mail.display import html_for_frame
from threads.mail.parse import parse

HTML = b"Content-Type: text/html\n\n"


def divs(n: int) -> bytes:
    return HTML + b"<div>" * n


def hidden_ends(n: int) -> bytes:
    return HTML + b'<div a="</div>"><!--</div>--><title></div></title>' * n


def formats(n: int) -> bytes:
    return HTML + b"<b><i><div></b></i>" * n


def open_tags(n: int) -> bytes:
    return HTML + b"<a " * n


def quotes(n: int) -> bytes:
    return HTML + b"<a'\"" * n


def flowed(n: int) -> bytes:
    return b"Content-Type: text/plain; format=flowed\n\n" + b"a \n" * n


def multiparts(n: int) -> bytes:
    """300 deep; `n` empty lines at the bottom."""
    heads = (
        b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (depth, depth)
        for depth in range(300)
    )
    return b"".join(heads) + b"\n" * n


def siblings(n: int) -> bytes:
    parts = b"--b\nContent-Type: text/plain; name=a\n\nx\n" * n
    return b"Content-Type: multipart/mixed; boundary=b\n\n" + parts


SHAPES: dict[Callable[[int], bytes], int] = {
    divs: 200_000,
    hidden_ends: 20_000,
    formats: 50_000,
    open_tags: 300_000,
    quotes: 250_000,
    flowed: 800_000,
    multiparts: 40_000,
    siblings: 100_000,
}


def seconds(raw: bytes) -> float:
    begun = process_time()
    parse(raw)
    html_for_frame(raw, pictures=True)
    return process_time() - begun


def main() -> None:
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    parse(b"")
    print(f"{'shape':<12} {'n':>8} {'seconds':>8} {'t(n)/t(n/2)':>12}")
    for shape, n in SHAPES.items():
        half, whole = seconds(shape(n // 2)), seconds(shape(n))
        print(f"{shape.__name__:<12} {n:>8} {whole:>8.2f} {whole / half:>12.1f}")


if __name__ == "__main__":
    main()
