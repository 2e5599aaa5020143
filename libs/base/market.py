"""What one market decides for itself: rules, label maturity, training, standards, shadow window, replicas."""

import math
from typing import Annotated, Literal
from zoneinfo import available_timezones

from pydantic import AfterValidator, Field, model_validator

from libs.base.frozen import Frozen
from libs.base.identifiers import Name
from libs.base.rollout import Guard, Rollout, ShadowRollout

Share = Annotated[float, Field(ge=0, le=1)]
Days = Annotated[int, Field(ge=1, le=3650)]
# The weekly job is where labels are looked at.
_WEEK_DAYS = 7


class KnownArticleRule(Frozen):
    """Keep lines whose article is in the market's articles table.

    Attributes:
        kind: Which rule it is.
    """

    kind: Literal["known_article"]


class KnownCustomerRule(Frozen):
    """Keep lines of registered customers: guests have no history and no features.

    Attributes:
        kind: Which rule it is.
    """

    kind: Literal["known_customer"]


class SizeOnScaleRule(Frozen):
    """Keep lines whose size the article has and its size system can place on the size scale.

    Attributes:
        kind: Which rule it is.
    """

    kind: Literal["size_on_scale"]


class ChannelRule(Frozen):
    """Keep lines bought through one of these channels: store purchases are tried on before they are paid for.

    Attributes:
        kind: Which rule it is.
        channels: As the orders table calls them, such as web and app.
    """

    kind: Literal["channel_in"]
    channels: tuple[str, ...] = Field(min_length=1)


class DivisionRule(Frozen):
    """Keep lines of these divisions.

    Attributes:
        kind: Which rule it is.
        divisions: Those that are kept.
    """

    kind: Literal["division_in"]
    divisions: tuple[Literal["apparel", "footwear"], ...] = Field(min_length=1)


class QuantityRule(Frozen):
    """Keep lines of at most this many pieces: larger ones are resale.

    Attributes:
        kind: Which rule it is.
        pieces: The most of one line.
    """

    kind: Literal["max_quantity"]
    pieces: int = Field(ge=1)


class HistoryRule(Frozen):
    """Keep lines of the last so many days before the run's cut-off.

    Attributes:
        kind: Which rule it is.
        days: How far back from the cut-off.
    """

    kind: Literal["max_age"]
    days: Days


RuleKind = Annotated[
    KnownArticleRule | KnownCustomerRule | SizeOnScaleRule | ChannelRule | DivisionRule | QuantityRule | HistoryRule,
    Field(discriminator="kind"),
]


class Rule(Frozen):
    """One business rule.

    Attributes:
        name: What the funnel reports it by; each rule of a market has another.
        keep: Which order lines are kept.
    """

    name: str = Field(min_length=1)
    keep: RuleKind


class Training(Frozen):
    """How the market's model is fitted. Windows are counted back from the last mature day.

    Attributes:
        engine: What runs the ranks of a big market: Ray Train, or xgboost-ray, which outlives a lost rank.
        holdout_days: The latest days, which the version is judged on and never learns from.
        calibration_days: The days before those, on which probabilities are calibrated.
        rounds: Boosting rounds.
        max_depth: Of a tree.
        learning_rate: Of the boosting.
        min_child_weight: The least weight of a leaf.
        subsample: The share of lines that each tree sees.
        colsample: The share of columns that each tree sees.
        shuffled_orders: How often each train line is learned again with the history that it would have had in an order
            of time drawn by chance; 0 learns the order of time alone.
        seed: Of everything that is drawn by chance.
    """

    engine: Literal["ray_train", "xgboost_ray"] = "ray_train"
    holdout_days: Days = 14
    calibration_days: Days = 14
    rounds: int = Field(default=150, ge=1)
    max_depth: int = Field(default=5, ge=1)
    learning_rate: float = Field(default=0.1, gt=0, le=1)
    min_child_weight: float = Field(default=20.0, ge=0)
    subsample: float = Field(default=0.8, gt=0, le=1)
    colsample: float = Field(default=0.5, gt=0, le=1)
    shuffled_orders: int = Field(default=0, ge=0, le=8)
    seed: int = 7


class SliceStandard(Frozen):
    """A floor for one slice of the holdout. It rejects when it is surely missed: the slice has `min_lines`, and its
    whole interval is below. What cannot be told is reported.

    Attributes:
        min_auc_macro: The floor of its macro one-vs-rest AUC.
        min_lines: A slice of fewer lines rejects nobody.
    """

    min_auc_macro: Share
    min_lines: int = Field(default=500, ge=1)


class MinimumStandards(Frozen):
    """What a version must reach on the time-forward holdout before it may be shadowed.

    The measures themselves are held against the bounds; the two margins beside the champion must be kept by the whole
    interval of the paired difference.

    Attributes:
        min_auc_macro: Macro one-vs-rest AUC of the three outcomes.
        max_log_loss: Log loss of the three outcomes.
        max_calibration_error: The expected difference between said and seen probabilities.
        min_coverage: The share of lines that get a size, and no abstention.
        min_top1_accuracy: The share of kept lines whose size is the recommended one.
        min_holdout_lines: Fewer lines judge nobody, and the version is rejected.
        max_log_loss_over_champion: How much worse than the champion's its log loss may surely be.
        max_auc_macro_under_champion: How much below the champion's its AUC may surely be.
        confidence: Of the intervals around the measures.
        slices: Floors for parts of the holdout, by the slice's name, such as cold_customer.
    """

    min_auc_macro: Share = 0.60
    max_log_loss: float = Field(default=1.0, gt=0)
    max_calibration_error: Share = 0.05
    min_coverage: Share = 0.60
    min_top1_accuracy: Share = 0.30
    min_holdout_lines: int = Field(default=500, ge=1)
    max_log_loss_over_champion: float = Field(default=0.01, ge=0)
    max_auc_macro_under_champion: Share = 0.02
    confidence: float = Field(default=0.95, ge=0.5, le=0.999)
    slices: dict[str, SliceStandard] = Field(default_factory=dict)


Severity = Literal["block", "warn", "off"]


class Validation(Frozen):
    """What a delivery must look like, and whether a market's week ends when it does not (`block`), goes on and says so
    (`warn`), or does not look (`off`).

    Columns that are absent or of another type and keys that are there twice always end the week. docs/validation.md
    tells what is compared with what.

    Attributes:
        values: Rows that break what is declared of their columns; with `warn` they are left out.
        volumes: New orders and returns against the week before.
        null_rates: Shares of absent values.
        categories: Shares of genders, divisions, categories, size systems, channels and return reasons.
        references: Returns whose order line is not there.
        features: The champion's inputs against those it was trained on.
        predictions: The champion's confidence against that of its training.
        max_volume_change: The most that volumes may change, as a share.
        max_lost_rows: The share of rows of the week before that may be gone.
        max_null_rate: The most absent values of a column, by `table.column`, such as customers.height_cm.
        max_null_rate_rise: The most that a share of absent values may rise by in a week.
        max_category_shift: The highest stability index (PSI) of a category.
        max_unknown_references: The share of returns that may have no order line.
        max_feature_shift: The highest stability index (PSI) of an input.
        max_prediction_shift: The highest stability index (PSI) of the confidence.
    """

    values: Literal["block", "warn"] = "block"
    volumes: Severity = "warn"
    null_rates: Severity = "warn"
    categories: Severity = "warn"
    references: Severity = "warn"
    features: Severity = "warn"
    predictions: Severity = "warn"
    max_volume_change: float = Field(default=0.5, gt=0)
    max_lost_rows: Share = 0.02
    max_null_rate: dict[str, Share] = Field(default_factory=dict)
    max_null_rate_rise: Share = 0.1
    max_category_shift: float = Field(default=0.2, gt=0)
    max_unknown_references: Share = 0.01
    max_feature_shift: float = Field(default=0.25, gt=0)
    max_prediction_shift: float = Field(default=0.25, gt=0)


class SecondVerdictPolicy(Frozen):
    """What follows once the returns of a promoted version's window are mature.

    Attributes:
        policy: Act on the second verdict, report it, or have none.
        demotion_margin: The log loss by which a version must surely be worse than the champion before to be demoted.
        attribution_days: A purchase counts within so many days of the logged request.
        demotion_days: Nobody is demoted later than this after all returns of the window are known: people decide then.
        min_lines: Nothing is told of fewer purchases.
    """

    policy: Literal["act", "report", "off"] = "act"
    demotion_margin: float = Field(default=0.0, ge=0)
    attribution_days: Days = 7
    demotion_days: Days = 28
    min_lines: int = Field(default=200, ge=1)


class ShadowWindow(Frozen):
    """How the challenger is watched, and what it must show to be promoted.

    Attributes:
        share: The share of customers whose traffic is mirrored.
        min_pairs: Fewer pairs promote nobody.
        max_hours: The longest that a window is open.
        timeout_s: A challenger's answer that takes longer has failed, in seconds.
        alpha: How often a comparison may be wrong by chance; all looks at the window together.
        error_margin: By how much the challenger's error rate may be higher.
        slice_error_margin: The same within a division or a basis.
        latency_margin: The challenger's mean model latency over the champion's, at most.
        quality_margin: The log-loss gain that counts as better.
        min_completion: The share of mirrored requests that must have become whole pairs.
        retention_days: How long a window's pairs are kept after its last: until the labels of its answers are mature,
            and a week of margin, at least.
        second_verdict: What follows once returns are mature.
        rollout: What follows a verdict of promote.
        guard: What a promoted version is held to in live traffic; null watches nobody.
    """

    share: Share = 0.2
    min_pairs: int = Field(default=1000, ge=1)
    max_hours: float = Field(default=168.0, gt=0)
    timeout_s: float = Field(default=0.5, gt=0)
    alpha: float = Field(default=0.05, gt=0, lt=0.5)
    error_margin: Share = 0.01
    slice_error_margin: Share = 0.03
    latency_margin: float = Field(default=1.5, ge=1)
    quality_margin: float = Field(default=0.0, ge=0)
    min_completion: Share = 0.98
    retention_days: Days = 90
    second_verdict: SecondVerdictPolicy = SecondVerdictPolicy()
    rollout: Rollout = ShadowRollout()
    guard: Guard | None = None


class Recommendation(Frozen):
    """When an answer is given, and when a second size is named beside it.

    With `wanted_precision` each version takes the lowest threshold that reaches it, never below `min_confidence`;
    without, `min_confidence` is the threshold. docs/abstention.md tells how to choose.

    Attributes:
        min_confidence: The lowest confidence that a size is recommended with.
        wanted_precision: The share of recommended sizes that shall be kept; null takes min_confidence.
        second_best_within: A second size is named if its confidence is so near to the best one's.
    """

    min_confidence: Share = 0.35
    wanted_precision: Share | None = None
    second_best_within: Share = 0.05


class Replicas(Frozen):
    """Replicas of one deployment: a fixed number, or bounds to scale between.

    Attributes:
        min: The fewest; it may not be above max.
        max: The most. The same as min is a fixed number.
    """

    min: int = Field(default=1, ge=1)
    max: int = Field(default=1, ge=1)

    @model_validator(mode="after")
    def _ordered(self) -> "Replicas":
        if self.max < self.min:
            raise ValueError(f"replicas: max {self.max} is below min {self.min}")
        return self


class MarketServing(Frozen):
    """Where the market's model runs: in the pooled SizeModel, or in replicas of its own.

    Attributes:
        dedicated: Whether the market's model has replicas of its own.
        size_model: Those replicas, and those of the market's challenger.
        min_feature_coverage: The share of registered customers and online articles that must have features online
            before a new version goes out.
    """

    dedicated: bool = False
    size_model: Replicas = Replicas()
    min_feature_coverage: Share = 0.98


def _check_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError(f"{name!r} is no time zone: give one like Europe/Berlin or UTC")
    return name


TimeZone = Annotated[str, AfterValidator(_check_zone)]


class Schedule(Frozen):
    """When the weekly job is due, by the market's own clock.

    Attributes:
        weekday: The day of the week.
        hour: The hour of that day.
    """

    weekday: Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"] = "mon"
    hour: int = Field(default=3, ge=0, le=23)


class Market(Frozen):
    """One market's whole configuration: the file `markets/<name>.yaml`.

    Attributes:
        name: The name of the file.
        time_zone: Whose days these are, and whose hours: a name of the IANA database.
        rules: Which order lines are learned from, rule by rule in this order, each reported as rows in and rows out; by
            default those with a known article, a registered customer and a size on the scale.
        label_maturity_days: The return window and the return delay: before that, not returned is not kept.
        validation: What a delivery must look like.
        training: How the model is fitted.
        standards: What a version must reach.
        shadow: How a challenger is watched.
        recommendation: When an answer is given.
        serving: Where the model runs.
        schedule: When the weekly job is due.
    """

    name: Name
    time_zone: TimeZone = "UTC"
    rules: tuple[Rule, ...] = (
        Rule(name="known article", keep=KnownArticleRule(kind="known_article")),
        Rule(name="registered customer", keep=KnownCustomerRule(kind="known_customer")),
        Rule(name="size on scale", keep=SizeOnScaleRule(kind="size_on_scale")),
    )
    label_maturity_days: Days = 28
    validation: Validation = Validation()
    training: Training = Training()
    standards: MinimumStandards = MinimumStandards()
    shadow: ShadowWindow = ShadowWindow()
    recommendation: Recommendation = Recommendation()
    serving: MarketServing = MarketServing()
    schedule: Schedule = Schedule()

    @model_validator(mode="after")
    def _rule_names_differ(self) -> "Market":
        names = [rule.name for rule in self.rules]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"rules: the names {twice} are used twice; the funnel reports rules by name")
        return self

    @model_validator(mode="after")
    def _pairs_are_kept_until_their_labels_are_mature(self) -> "Market":
        needed = self.label_maturity_days + math.ceil(self.shadow.max_hours / 24) + _WEEK_DAYS
        if self.shadow.retention_days < needed:
            raise ValueError(
                f"shadow.retention_days: {self.shadow.retention_days} is too few. A window's pairs are judged again "
                f"when their labels are mature: label_maturity_days, max_hours and a week are {needed} days"
            )
        return self
