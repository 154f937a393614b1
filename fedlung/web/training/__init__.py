"""Training from the web: what is asked, who leads it, and what people may see of it. No Flask routes here."""
