"""MailBelly's settings, with the yardstick's view beside its own."""

import os
import sys

from mailbelly.settings import *  # noqa: F403

# At the end: orjson comes from the peers' environment, everything else from ours.
sys.path.append(os.environ["PEER_PACKAGES"])
ROOT_URLCONF = "bench.yardstick.urls"
