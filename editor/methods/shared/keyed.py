"""Changes of output projections that act at some keys and spare others, also where a norm follows them.

ΔW = argmin mean_edited ‖ΔW k - r‖² + λ mean_retained ‖ΔW k‖² + ε ‖ΔW‖²
   = Rᵀ K (KᵀK/n + λ C₀ + ε I)⁻¹ / n            K (n, m), R (n, d), C₀ = mean kkᵀ over retained tokens

K holds a key k in each row, R the change r that is wanted of the output there; n is the number of edited tokens. It is
MEMIT's closed form (Meng et al. 2023, arXiv:2210.07229, eq. 14) with keys as rows, means for sums, and a small ε.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from dictionaries.model.sites import SiteModules

EPSILON = 1e-4
"""ε relative to the mean diagonal of KᵀK/n + λ C₀: keeps the system invertible, changes nothing else."""


@torch.no_grad()
def keyed_change(
    keys: Float[Tensor, "tokens m"],
    target: Float[Tensor, "tokens d"],
    covariance: Float[Tensor, "m m"],
    ridge: float,
) -> Float[Tensor, "d m"]:
    """Solve for ΔW.

    Args:
        keys: K, the projection's inputs at the edited tokens.
        target: R, the change that is wanted of its output there.
        covariance: C₀.
        ridge: λ, the weight of retained tokens.

    Returns:
        ΔW, (d, m), on the keys' device.
    """
    count = len(keys)  # n
    # S = KᵀK/n + λ C₀ + ε I
    system = keys.T @ keys / count + ridge * covariance.to(keys.device)
    system.diagonal().add_(EPSILON * float(system.diagonal().mean()))
    # S⁻¹ KᵀR/n, (m, d); S is symmetric, so this is ΔWᵀ.
    solution: Tensor = torch.linalg.solve(system, keys.T @ target / count)
    return solution.T


@torch.no_grad()
def before_norm(
    found: SiteModules, keys: Float[Tensor, "tokens m"], change: Float[Tensor, "tokens d"]
) -> Float[Tensor, "tokens d"]:
    """Map a wanted change of a site's output to one of its projection's output u.

    They are the same but where an RMS norm stands between (Gemma-2): o = gain ∘ u / rms(u), so with rms(u) held
    δu ≈ rms(u) · δo / gain, the quotient damped (`inverse_gain`).

    Args:
        found: the site's modules.
        keys: the projection's inputs, which give u.
        change: δo.

    Returns:
        δu.
    """
    if found.norm is None:
        return change
    weight = next(found.projection.parameters())
    raw: Tensor = found.projection(keys.to(weight.dtype))  # u
    # δu = rms(u) · δo / gain
    return raw.float().pow(2).mean(-1, keepdim=True).sqrt() * change * inverse_gain(found)


@torch.no_grad()
def norm_gain(found: SiteModules) -> Float[Tensor, " d"]:
    """Return the gain of the norm after the projections; 1 where there is none."""
    weight = next(found.writers[0].projection.parameters())
    ones = weight.new_ones(1, found.width)
    # rms(1) = 1, so the norm of ones is its gain, whatever the module calls it.
    gain: Tensor = ones if found.norm is None else found.norm(ones)
    return gain[0].float()


@torch.no_grad()
def inverse_gain(found: SiteModules) -> Float[Tensor, " d"]:
    """Return 1 / gain as gain / (gain² + δ²), δ a tenth of the mean |gain|: small gains give no large changes."""
    gain = norm_gain(found)
    if found.norm is None:
        return gain  # 1
    return gain / (gain**2 + (0.1 * gain.abs().mean()) ** 2)
