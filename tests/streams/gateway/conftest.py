"""Settings that all tests of the gateway share."""

from hypothesis import settings

# how long an example takes is the machine's affair
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
