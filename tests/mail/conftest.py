"""The corpus: real mails that nobody of this project wrote, outside the project.

Its folder is named by MAIL_CORPUS; without it these tests are not collected.
"""

import os

_OF_CORPUS = ["corpus.py", "test_corpus.py", "test_mutations.py"]
collect_ignore = [] if os.environ.get("MAIL_CORPUS") else _OF_CORPUS
