"""80 % bands as factors around a prediction, and how pairs of prediction and measurement correct them."""

import math
from collections.abc import Sequence

from pydantic import Field

from ...state.brief import Record
from ...state.errors import Correctable
from ...state.plan import Prediction

# assumption until `refit_band` has pairs: the narrowest holds the misfits of the CPU training model.
MEASURED_BAND, DATASHEET_BAND, ASSUMED_BAND = 1.5, 2.0, 2.5


class BandFit(Record):
    """A multiplicative correction with its 80 % band, from pairs of prediction and measurement."""

    bias: float = Field(gt=0, description="median of measured over predicted")
    low_factor: float = Field(gt=0, le=1, description="lower end of the band over the corrected value")
    high_factor: float = Field(ge=1, description="upper end of the band over the corrected value")
    pairs: int

    def apply(self, prediction: Prediction) -> Prediction:
        """The prediction corrected by the bias, with this band; its source names how many pairs stand behind it."""
        value = prediction.value * self.bias
        source = f"{prediction.source}; corrected x {self.bias:.2f} by {self.pairs} measured pairs"
        return Prediction(value=value, low=value * self.low_factor, high=value * self.high_factor, source=source)


PRIOR_PAIRS = 4  # assumption: the weight of the band held before measuring, in pairs


def refit_band(pairs: Sequence[tuple[float, float]], prior_factor: float = DATASHEET_BAND) -> BandFit:
    """Bias and 80 % band from (predicted, measured) pairs: median ratio, and its 10-90 % quantiles in the logarithm.

    Few pairs understate a spread, so the measured half-widths are widened by 1 + 1/n and averaged with the prior band,
    which weighs PRIOR_PAIRS pairs: one pair keeps all of the prior, fifty nearly none. Raises Correctable without a
    pair, or with a figure that is not positive and finite.
    """
    import numpy as np

    bad = [pair for pair in pairs if not all(0 < figure < math.inf for figure in pair)]
    if bad or not pairs:
        raise Correctable(f"need at least one pair of positive figures (predicted, measured); unusable: {bad!r}")
    ratios = np.log(np.array([measured / predicted for predicted, measured in pairs]))
    low, middle, high = (float(quantile) for quantile in np.quantile(ratios, [0.1, 0.5, 0.9]))
    count = len(pairs)

    def half_width(measured: float) -> float:
        weight = count - 1  # one pair tells a bias and nothing of the spread
        return (measured * (1 + 1 / count) * weight + math.log(prior_factor) * PRIOR_PAIRS) / (weight + PRIOR_PAIRS)

    return BandFit(
        bias=math.exp(middle),
        low_factor=math.exp(-half_width(middle - low)),
        high_factor=math.exp(half_width(high - middle)),
        pairs=count,
    )
