"""`make run`: everything on one machine, to try it out."""
