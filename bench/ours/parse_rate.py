"""Only parsing, on one core; prints mails a second.

python -m bench.ours.parse_rate FOLDER
"""

import sys
from pathlib import Path
from time import perf_counter

from threads.mail.parse import parse

if __name__ == "__main__":
    contents = [path.read_bytes() for path in sorted(Path(sys.argv[1]).iterdir())]
    begun = perf_counter()
    for content in contents:
        parse(content)
    print(len(contents) / (perf_counter() - begun))
