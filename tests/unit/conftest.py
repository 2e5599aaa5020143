"""What holds for all unit tests."""

from hypothesis import settings

# Half of the default, so that all unit tests together stay within a minute on two cores.
settings.register_profile("unit", max_examples=50)
settings.load_profile("unit")
