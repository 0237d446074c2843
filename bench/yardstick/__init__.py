"""The least that any such system does: what MailBelly is measured against."""
