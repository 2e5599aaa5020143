"""What follows a verdict of promote: the market's rollout policy, and the guard of what was promoted."""

from typing import Annotated, Literal

from pydantic import Field

from libs.base.frozen import Frozen


class ShadowRollout(Frozen):
    """What is shown to be better in its shadow window is promoted."""

    policy: Literal["shadow"] = "shadow"


class ApprovalRollout(Frozen):
    """What is shown to be better waits until a person promotes it."""

    policy: Literal["approval"]


class PinnedRollout(Frozen):
    """The champion stays this version, a number of the registry; newcomers are shadowed and judged, never promoted."""

    policy: Literal["pinned"]
    version: int = Field(ge=1)


class Guard(Frozen):
    """For how many `hours` a promoted version is watched in live traffic, and what makes it go: surely a larger share
    of failed requests, or surely a longer mean time than these.
    """

    hours: float = Field(default=24.0, gt=0)
    max_error_share: float = Field(default=0.01, gt=0, lt=1)
    max_mean_ms: float = Field(gt=0)
    alpha: float = Field(default=0.01, gt=0, lt=0.5)


Rollout = Annotated[ShadowRollout | ApprovalRollout | PinnedRollout, Field(discriminator="policy")]
