"""FedLung's parts: one folder per concept. The fronts (``app``, ``federated_training``, ...) import
this package; the package never imports a front. ``tests/repo/test_layers.py`` checks it."""

__version__ = "0.1.0"
