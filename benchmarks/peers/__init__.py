"""Programs that run in a peer's own environment; each answers with one JSON object a line."""
