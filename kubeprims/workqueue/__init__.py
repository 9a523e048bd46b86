"""Work queues: keys to be worked on, each by one worker at a time."""
