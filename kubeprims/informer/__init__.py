"""A local, always current copy of a resource, and handlers that hear of each change."""
