"""The files of the corpus that MAIL_CORPUS names."""

import os
from pathlib import Path

CORPUS = Path(os.environ["MAIL_CORPUS"])
_NO_MAILS = {"expected.json", "LICENSE.upstream", "README.md"}
FILES = sorted(
    path
    for path in CORPUS.rglob("*")
    if path.is_file() and path.name not in _NO_MAILS and not path.name.startswith(".")
)
