"""Reading scans for people: requests in a queue, one worker, marks with versions, files to take away."""
