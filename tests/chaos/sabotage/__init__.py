"""The service with one rule taken out, for controls: ``python -m tests.chaos.sabotage NAME run -c config.yaml``.

A module of this package named ``NAME`` has ``apply()``, which spoils the program in memory before the command runs.
"""
