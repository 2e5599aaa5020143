"""How the deployments of the graph call each other: whoever asks needs nothing of what the other imports."""

from libs.calls.frames import Method
from libs.features.snapshot import Question
from libs.models.contract import SizeAnswer, SizeQuery

# Gateway -> ShadowRouter.
RECOMMEND = Method("recommend", tuple[list[SizeQuery]], list[SizeAnswer])
# ShadowRouter -> FeatureLookup: market and questions; features as `libs.features.wire.pack` makes them.
LOOK_UP = Method("look_up", tuple[str, list[Question]], bytes)
