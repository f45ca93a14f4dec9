"""One module a step. Revisions are numbers, so that a later one is known to be later."""
