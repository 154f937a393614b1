"""CT volumes: safe reading, geometry, preprocessing and phantoms. No torch, no Flask."""
