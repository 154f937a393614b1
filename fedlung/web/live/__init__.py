"""Live events: one hub numbers and throttles them, streams say who may see what, sockets carry them."""
