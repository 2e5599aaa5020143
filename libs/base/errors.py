"""The three ways Fitwave fails, and nothing else."""


class FitwaveError(Exception):
    """Root of every error that Fitwave raises on purpose."""


class DataError(FitwaveError):
    """The input is wrong: the message names the value, the place and the remedy. Retrying will not help."""


class TransientError(FitwaveError):
    """Something outside is away for now: a store, a cluster, a port. Retrying may help."""


class InvariantError(FitwaveError):
    """What must always hold does not: a bug in Fitwave."""
