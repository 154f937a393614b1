"""From network outputs to nodules: targets and losses, windows, candidates, measuring, reports."""
