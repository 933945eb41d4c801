"""What the report's structures are made of."""

from pydantic import BaseModel, ConfigDict, computed_field
from scipy.stats import beta


class Part(BaseModel):
    """An immutable piece of the report; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")


class Rate(Part):
    """A share of successes with its Clopper-Pearson 95% interval.

    By beta's quantiles: scipy's binomtest searches for the same ends, 15 times as long and to 13 digits, and a report
    keeps the ends.
    """

    hits: int
    total: int

    @computed_field
    @property
    def rate(self) -> float:
        """Hits / total, 0 for an empty total."""
        return self.hits / self.total if self.total else 0.0

    @computed_field
    @property
    def low(self) -> float:
        """Lower end of the exact 95% interval."""
        return float(beta.ppf(0.025, self.hits, self.total - self.hits + 1)) if self.hits else 0.0

    @computed_field
    @property
    def high(self) -> float:
        """Upper end of the exact 95% interval (0 of 1,000 gives 0.0037)."""
        missed = self.total - self.hits
        return float(beta.ppf(0.975, self.hits + 1, missed)) if missed else 1.0
