"""What follows a verdict of promote: the market's rollout policy."""

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


Rollout = Annotated[ShadowRollout | ApprovalRollout | PinnedRollout, Field(discriminator="policy")]
