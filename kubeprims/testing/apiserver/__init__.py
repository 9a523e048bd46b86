"""An API server in the process, faithful enough that what passes against it passes against a real one."""
