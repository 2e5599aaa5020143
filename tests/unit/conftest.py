"""What holds for all unit tests."""

from hypothesis import settings

# Half of the default, so that all unit tests together stay within a minute on two cores. And no deadline: how long an
# example takes says what else the machine does.
settings.register_profile("unit", max_examples=50, deadline=None)
settings.load_profile("unit")
