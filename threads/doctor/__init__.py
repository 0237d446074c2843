"""What a support person would ask of an installation, answered by itself.

Each answer is one line, ok, warning or error, with its mend. Nothing is changed. In
English, as `check` and `fsck` are: it is pasted into reports.
"""
