"""The base of all config: read at the edge, never changed afterwards."""

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """Config read at the edge: unknown keys are errors, values never change afterwards."""

    model_config = ConfigDict(frozen=True, extra="forbid")
