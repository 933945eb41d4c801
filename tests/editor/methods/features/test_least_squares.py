"""Where an edit changes a token: at sites whose keys tell it from retained tokens."""

import torch

from dictionaries.model.sites import Site
from editor.methods.features.least_squares import SEPARATION_EPSILON, separation

TOKENS, WIDTH = 400, 12


def covariance_of(keys):
    return keys.T @ keys / len(keys)


def test_a_site_that_cannot_tell_a_token_from_others_is_left_alone():
    torch.manual_seed(0)
    shared, own = Site(0), Site(1)
    retained = torch.randn(TOKENS, WIDTH)
    retained[:, 0] = 0  # at the deeper site, nothing retained uses this neuron
    retained_keys = {shared: torch.randn(3, WIDTH)[torch.arange(TOKENS) % 3], own: retained}
    covariance = {site: covariance_of(keys) for site, keys in retained_keys.items()}
    keys = {shared: retained_keys[shared][:2], own: torch.eye(WIDTH)[[0, 0]]}
    weights = separation({shared: [shared], own: [own]}, keys, covariance)
    assert (weights[own] == 1).all()
    assert (weights[shared] < 0.05).all()


def test_its_inverse_is_the_least_that_a_unit_of_change_costs_retained_tokens():
    torch.manual_seed(0)
    retained, key = torch.randn(TOKENS, WIDTH) * torch.linspace(0.2, 2, WIDTH), torch.randn(WIDTH)
    covariance = covariance_of(retained)
    sites = {Site(0): covariance, Site(1): covariance * 5}
    weights = separation({s: [s] for s in sites}, dict.fromkeys(sites, key[None]), sites)
    ridged = covariance + SEPARATION_EPSILON * covariance.diagonal().mean() * torch.eye(WIDTH)
    solved = torch.linalg.solve(ridged, key)
    best = solved / (key @ solved)  # the row w with w·key = 1 that costs least
    cost = best @ ridged @ best
    for _ in range(50):
        other = best + 0.1 * torch.randn(WIDTH)
        other /= other @ key
        assert other @ ridged @ other >= cost - 1e-6
    torch.testing.assert_close(1 / cost, key @ solved)
    # Five times the retained keys' energy: a fifth of the separation.
    torch.testing.assert_close(weights[Site(1)], torch.tensor([[0.2]]))
    assert weights[Site(0)].item() == 1


def test_a_site_that_two_projections_write_counts_by_their_mean():
    both, alone = Site(0, "resid_post"), Site(1)
    attention, mlp = Site(0, "attn_out"), Site(0)
    unit = torch.eye(4)
    covariance = {attention: unit, mlp: unit, alone: unit}
    keys = {attention: unit[:1], mlp: 3 * unit[:1], alone: 2 * unit[:1]}
    weights = separation({both: [attention, mlp], alone: [alone]}, keys, covariance)
    assert weights[both].item() == 1  # (1 + 9) / 2 against 4
    torch.testing.assert_close(weights[alone], torch.tensor([[0.8]]))
