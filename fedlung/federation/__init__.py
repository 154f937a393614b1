"""The arithmetic of federated learning: weights, updates, strategies, and the rules of a round. No Flask, no Flower."""
