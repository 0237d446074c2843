"""What the domain keeps."""

from threads.models.customer import Customer
from threads.models.factor import SecondFactor
from threads.models.ledger import IngestRecord, Original
from threads.models.limits import Limits
from threads.models.mailboxes import Alias, Mailbox, Source
from threads.models.message import Attachment, Message, Recipient, Reference
from threads.models.note import Note
from threads.models.thread import Tag, Thread, ThreadLink
from threads.models.user import Team, User

__all__ = [
    "Alias",
    "Attachment",
    "Customer",
    "IngestRecord",
    "Limits",
    "Mailbox",
    "Message",
    "Note",
    "Original",
    "Recipient",
    "Reference",
    "SecondFactor",
    "Source",
    "Tag",
    "Team",
    "Thread",
    "ThreadLink",
    "User",
]
