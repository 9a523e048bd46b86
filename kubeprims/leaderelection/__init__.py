"""Leader election: of several candidates, one at a time works."""
