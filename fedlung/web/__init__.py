"""The web application: blueprints, live events, and what protects them. Fronts hand it its services; no torch here."""
