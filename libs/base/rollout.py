"""What follows a verdict of promote: the market's rollout policy, and the guard of what was promoted."""

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from libs.base.frozen import Frozen

PartShare = Annotated[float, Field(gt=0, lt=1)]


class Bounds(Frozen):
    """What makes a version go that answers customers.

    Attributes:
        max_error_share: It goes if surely a larger share of its answers fails.
        max_mean_ms: It goes if surely its mean time is longer, in milliseconds.
        alpha: How often it may go by chance; all looks together.
    """

    max_error_share: PartShare = 0.01
    max_mean_ms: float = Field(gt=0)
    alpha: float = Field(default=0.01, gt=0, lt=0.5)


class Guard(Bounds):
    """What makes a promoted version go, in live traffic.

    Attributes:
        hours: How long it is watched.
    """

    hours: float = Field(default=24.0, gt=0)


class ShadowRollout(Frozen):
    """What is shown to be better in its shadow window is promoted.

    Attributes:
        policy: Which rollout it is.
    """

    policy: Literal["shadow"] = "shadow"


class CanaryRollout(Bounds):
    """What is shown to be better answers a share of the customers first, and a larger one with each of the `steps`.

    Attributes:
        policy: Which rollout it is.
        steps: The shares of the customers, each larger than the one before.
        hours: How long a step lasts at least.
        max_hours: How long at most: a version that is not shown to be fine by then goes.
        min_answers: How many answers the version has given in a step at least.
        timeout_s: An answer that is not there by then has failed, and the champion gives it, in seconds.
    """

    policy: Literal["canary"]
    steps: tuple[PartShare, ...] = Field(default=(0.05, 0.25, 0.5), min_length=1)
    hours: float = Field(default=2.0, gt=0)
    max_hours: float = Field(default=72.0, gt=0)
    min_answers: int = Field(default=1000, ge=1)
    timeout_s: float = Field(default=0.25, gt=0)

    @field_validator("steps")
    @classmethod
    def _rise(cls, steps: tuple[float, ...]) -> tuple[float, ...]:
        if any(later <= earlier for earlier, later in pairwise(steps)):
            raise ValueError("each step is a larger share of the customers than the one before")
        return steps

    @model_validator(mode="after")
    def _ends(self) -> "CanaryRollout":
        if self.max_hours <= self.hours:
            raise ValueError(f"max_hours is more than hours, a step's {self.hours:g} h, not {self.max_hours:g}")
        return self


class ApprovalRollout(Frozen):
    """What is shown to be better waits until a person promotes it.

    Attributes:
        policy: Which rollout it is.
    """

    policy: Literal["approval"]


class PinnedRollout(Frozen):
    """The champion stays one version; newcomers are shadowed and judged, never promoted.

    Attributes:
        policy: Which rollout it is.
        version: The champion, as the registry numbers it.
    """

    policy: Literal["pinned"]
    version: int = Field(ge=1)


Rollout = Annotated[ShadowRollout | CanaryRollout | ApprovalRollout | PinnedRollout, Field(discriminator="policy")]
