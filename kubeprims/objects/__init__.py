"""Objects as the cache keeps them: raw JSON and a small header, decoded when they are read."""
