"""Noise levels of k-diffusion, quantiles of SciPy's beta distribution.

Run with torch, k-diffusion and scipy (made with 2.15.0, 0.1.1.post1 and 1.18) from the root of the repository:
python scripts/goldens/schedules.py
Writes src/diffusion/goldens/schedules.json.
"""

import json
import pathlib

import k_diffusion as K
import numpy as np
import torch
from scipy import stats

betas = np.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=np.float64) ** 2
alphas_cumprod = torch.tensor(np.cumprod(1 - betas), dtype=torch.float32)


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.alphas_cumprod = alphas_cumprod


def numbers(tensor):
    return tensor.double().tolist()


exact = K.external.CompVisDenoiser(Model(), quantize=False)
whole = K.external.CompVisDenoiser(Model(), quantize=True)
low, high = exact.sigmas[0].item(), exact.sigmas[-1].item()
some = torch.tensor([0.01, low, 0.03, 0.1, 0.5, 1.0, 2.345, 7.0, 14.0, high, 20.0])
times = torch.tensor([0.0, 0.25, 1.0, 17.5, 499.0, 731.125, 998.5, 999.0])

golden = {
    "alphasCumprod": {str(t): alphas_cumprod[t].item() for t in (0, 1, 250, 500, 998, 999)},
    "sigmas": {str(t): exact.sigmas[t].item() for t in (0, 1, 250, 500, 998, 999)},
    "timesteps": {"sigmas": numbers(some), "exact": numbers(exact.sigma_to_t(some)), "whole": numbers(whole.sigma_to_t(some))},
    "sigmaAt": {"timesteps": numbers(times), "sigmas": numbers(exact.t_to_sigma(times))},
    "uniform": {str(n): numbers(exact.get_sigmas(n)) for n in (1, 2, 8, 21)},
    "karras": {str(n): numbers(K.sampling.get_sigmas_karras(n, low, high)) for n in (1, 2, 8, 21)},
    "karrasRho3": numbers(K.sampling.get_sigmas_karras(8, 0.1, 10.0, rho=3.0)),
    "exponential": {str(n): numbers(K.sampling.get_sigmas_exponential(n, low, high)) for n in (1, 2, 8, 21)},
    "polyexponential": numbers(K.sampling.get_sigmas_polyexponential(8, low, high, rho=2.0)),
    "betaQuantiles": [
        [p, a, b, float(stats.beta.ppf(p, a, b))]
        for a, b in ((0.6, 0.6), (0.5, 0.5), (0.7, 2.0), (3.0, 0.4), (1.0, 1.0), (12.0, 5.0), (0.05, 0.05))
        for p in (0.0, 1e-6, 0.1, 1 / 3, 0.5, 0.9, 0.999, 1.0)
    ],
}

out = pathlib.Path("src/diffusion/goldens")
out.mkdir(parents=True, exist_ok=True)
(out / "schedules.json").write_text(json.dumps(golden, indent=1) + "\n")
