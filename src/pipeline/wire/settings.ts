import type { Churn, Guidance, InfotextSettings, Noise, Prompting, Sampling, TokenMerging } from '../recipe.ts'
import type { Options } from './options.ts'
import type { CommonFields } from './request.ts'

/** The version of the reference whose behaviour is this program's, as its infotexts name it. */
export const referenceVersion = 'v1.10.1'

export function promptingOf(fields: CommonFields, options: Options): Omit<Prompting, 'networksOf'> {
  return {
    emphasis: options.emphasis,
    useOldEmphasis: options.use_old_emphasis_implementation,
    useOldScheduling: options.use_old_scheduling,
    commaBacktrack: options.comma_padding_backtrack,
    clipSkip: options.CLIP_stop_at_last_layers,
    disableNetworks: fields.disable_extra_networks,
  }
}

export function samplingOf(fields: CommonFields, options: Options): Sampling {
  return {
    eta: fields.eta,
    etaAncestral: options.eta_ancestral,
    etaDdim: options.eta_ddim,
    churn: {
      sChurn: fields.s_churn ?? options.s_churn,
      sTmin: fields.s_tmin ?? options.s_tmin,
      sTmax: endless(fields.s_tmax ?? options.s_tmax),
      sNoise: fields.s_noise ?? options.s_noise,
    },
    churnOverrides: churnOverrides(options),
    sigmaMin: options.sigma_min,
    sigmaMax: options.sigma_max,
    rho: options.rho,
    betaAlpha: options.beta_dist_alpha,
    betaBeta: options.beta_dist_beta,
    discardPenultimate: options.always_discard_next_to_last_sigma,
    useOldKarrasSigmas: options.use_old_karras_scheduler_sigmas,
    useSgmNoiseMultiplier: options.sgm_noise_multiplier,
    extraNoise: options.img2img_extra_noise,
    quantizeTimesteps: options.enable_quantization,
    noiseSchedule: options.sd_noise_schedule,
    downcastAlphas: options.use_downcasted_alpha_bar,
    unipc: {
      variant: options.uni_pc_variant,
      skipType: options.uni_pc_skip_type,
      order: options.uni_pc_order,
      lowerOrderFinal: options.uni_pc_lower_order_final,
    },
  }
}

/** 0 stands for "up to any noise level". */
function endless(sTmax: number): number {
  return sTmax === 0 ? Number.POSITIVE_INFINITY : sTmax
}

/** Options that differ from the samplers' own numbers prevail over the request: a quirk that pictures depend on. */
function churnOverrides(options: Options): Partial<Churn> {
  return {
    ...(options.s_churn === 0 ? {} : { sChurn: options.s_churn }),
    ...(options.s_tmin === 0 ? {} : { sTmin: options.s_tmin }),
    ...(options.s_tmax === 0 ? {} : { sTmax: options.s_tmax }),
    ...(options.s_noise === 1 ? {} : { sNoise: options.s_noise }),
  }
}

export function guidanceOf(fields: CommonFields, options: Options): Guidance {
  return {
    cfgScale: fields.cfg_scale,
    minSigmaUncond: fields.s_min_uncond ?? options.s_min_uncond,
    minSigmaUncondAlways: options.s_min_uncond_all,
    skipEarlyCond: options.skip_early_cond,
    padding: options.pad_cond_uncond_v0 ? 'last-token' : options.pad_cond_uncond ? 'empty' : 'none',
    batched: options.batch_cond_uncond,
  }
}

/** `gpuNoise` says what the reference's "GPU", whose noise depends on the maker of the card, stands for here. */
export function noiseOf(fields: CommonFields, options: Options, gpuNoise: Noise['source']): Noise {
  const { seed_resize_from_w: width, seed_resize_from_h: height } = fields
  const sources = { GPU: gpuNoise, CPU: 'cpu', NV: 'nv' } as const
  return {
    source: sources[options.randn_source],
    label: options.randn_source,
    variationStrength: fields.subseed_strength,
    resizeFrom: width > 0 && height > 0 ? { width, height } : undefined,
    etaSeedDelta: options.eta_noise_seed_delta,
    seededBrownian: !options.no_dpmpp_sde_batch_determinism,
  }
}

export function tokenMergingOf(options: Options, isImg2Img: boolean): TokenMerging {
  const { token_merging_ratio: common, token_merging_ratio_img2img: img2img, token_merging_ratio_hr: hires } = options
  return {
    ratio: isImg2Img && img2img !== 0 ? img2img : common,
    hiresRatio: hires === 0 ? common : hires,
  }
}

/** `floats` are the infotext parameters whose numbers were given as floats. */
export function writingOf(options: Options, floats: ReadonlySet<string>): InfotextSettings {
  return {
    modelName: options.add_model_name_to_info,
    modelHash: options.add_model_hash_to_info,
    vaeName: options.add_vae_name_to_info,
    vaeHash: options.add_vae_hash_to_info,
    networkHashes: options.lora_add_hashes_to_infotext,
    embeddingHashes: options.textual_inversion_add_hashes_to_infotext,
    version: options.add_version_to_infotext ? referenceVersion : undefined,
    floats,
  }
}
