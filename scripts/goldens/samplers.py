"""Where k-diffusion's samplers end, in double precision, on a model with a formula.

Run with torch and k-diffusion (made with 2.15.0 and 0.1.1.post1) from the root of the repository:
python scripts/goldens/samplers.py
Writes src/diffusion/goldens/samplers.json: {runs: [{sampler, sigmas, options, result}]}. The model is
D(x, σ) = (x + 0.3·sin(x)/(1 + σ))/(1 + σ²); x starts as σ₀·sin(1), σ₀·sin(2), …; noise for a step from σ to σ' is
sin(i + 7σ + 3σ') at place i, counted from 1, and for samplers that draw without naming levels, sin(i + k) at draw k,
counted from 0.
"""

import json
import pathlib

import k_diffusion.sampling as S
import torch

size = 8
places = torch.arange(1, size + 1, dtype=torch.float64)


def model(x, sigma, **_):
    sigma = sigma[:, None]
    return (x + 0.3 * torch.sin(x) / (1 + sigma)) / (1 + sigma**2)


def between(sigma, sigma_next):
    return torch.sin(places + 7 * sigma + 3 * sigma_next)[None]


class Draws:
    """Stands in for torch where a sampler asks it for noise."""

    def __init__(self):
        self.count = 0

    def __getattr__(self, name):
        return getattr(torch, name)

    def randn_like(self, x):
        self.count += 1
        return torch.sin(places + self.count - 1)[None]


def run(name, sigmas, label, **options):
    S.torch = Draws()
    solver = getattr(S, f"sample_{name}")
    sigmas = torch.tensor(sigmas, dtype=torch.float64)
    x = sigmas[0] * torch.sin(places)[None]
    known = dict(options)
    if "eta" in options or name.startswith("dpm_fast"):
        known["noise_sampler"] = between
    if name in ("dpm_fast", "dpm_adaptive"):
        ends = (sigmas[-1].item(), sigmas[0].item())
        result = solver(model, x, *ends, *([len(sigmas) - 1] if name == "dpm_fast" else []), disable=True, **known)
    else:
        result = solver(model, x, sigmas, disable=True, **known)
    options = {key: value for key, value in options.items() if key != "solver_type"}
    return {"sampler": label, "sigmas": sigmas.tolist(), "options": options, "result": result[0].tolist()}


down = [14.0, 9.0, 5.5, 3.0, 1.5, 0.6, 0.2, 0.0]
short = [14.0, 2.0, 0.3]
churned = {"s_churn": 2.0, "s_tmin": 0.0, "s_tmax": 1e9, "s_noise": 1.1}
runs = [
    run("euler", down, "Euler"),
    run("euler", down, "Euler", **churned),
    run("heun", down, "Heun"),
    run("heun", down, "Heun", **churned),
    run("dpm_2", down, "DPM2"),
    run("dpm_2", down, "DPM2", **churned),
    run("lms", down, "LMS"),
    run("dpmpp_2m", down, "DPM++ 2M"),
    run("dpmpp_2m", short, "DPM++ 2M"),
]
for eta, s_noise in ((1.0, 1.0), (0.6, 0.9), (0.0, 1.0)):
    chosen = {"eta": eta, "s_noise": s_noise}
    runs += [
        run("euler_ancestral", down, "Euler a", **chosen),
        run("dpm_2_ancestral", down, "DPM2 a", **chosen),
        run("dpmpp_2s_ancestral", down, "DPM++ 2S a", **chosen),
        run("dpmpp_sde", down, "DPM++ SDE", **chosen),
        run("dpmpp_2m_sde", down, "DPM++ 2M SDE", solver_type="midpoint", **chosen),
        run("dpmpp_2m_sde", down, "DPM++ 2M SDE Heun", solver_type="heun", **chosen),
        run("dpmpp_3m_sde", down, "DPM++ 3M SDE", **chosen),
        run("dpm_adaptive", [14.0, 0.03], "DPM adaptive", **chosen),
    ]
    for n in (1, 2, 3, 5, 6, 7):
        ladder = [14.0 * (0.03 / 14.0) ** (i / n) for i in range(n + 1)]
        runs.append(run("dpm_fast", ladder, "DPM fast", **chosen))

out = pathlib.Path("src/diffusion/goldens")
out.mkdir(parents=True, exist_ok=True)
(out / "samplers.json").write_text(json.dumps({"runs": runs}, indent=1) + "\n")
