import { basename, parse } from 'node:path'
import { Command } from 'commander'
import { StudioError } from '../errors.ts'
import { openWeights } from '../files/openWeights.ts'
import { readWeight } from '../files/readWeight.ts'
import { readSidecars } from '../files/sidecars.ts'
import { writeSafetensors } from '../files/writeSafetensors.ts'
import { fitNetwork } from '../lora/fit.ts'
import { mergeNetworks } from '../lora/merge.ts'
import { mergePlan } from '../lora/mergePlan.ts'
import { openNetwork } from '../lora/network.ts'
import { type SavePrecision, writeNetwork } from '../lora/networkFile.ts'
import { blockNorms } from '../lora/tools/blockNorms.ts'
import { checkpointEntries } from '../lora/tools/checkpointEntries.ts'
import { concatenated, mergedBySvd, summedFactors, type WeighedNetwork } from '../lora/tools/combineNetworks.ts'
import { extracted } from '../lora/tools/extractNetwork.ts'
import { hasKernel, type LowRankModule, lowRankModules, moduleEntries, rankOf } from '../lora/tools/lowRank.ts'
import { type DynamicMethod, dynamicMethods, resized } from '../lora/tools/resizeNetwork.ts'
import { detectModel } from '../models/detect.ts'
import { compile } from '../runtime/compile.ts'
import { targetLayers } from '../train/lora/modules.ts'
import { decimal, wholeNumber } from './numbers.ts'

/** `lora`: what is done with networks that have been trained. */
export function loraToolsCommand(): Command {
  return new Command('lora')
    .description('Merge, resize, extract and check LoRAs.')
    .addCommand(mergeCommand())
    .addCommand(resizeCommand())
    .addCommand(extractCommand())
    .addCommand(checkCommand())
}

interface MergeOptions {
  readonly sd_model?: string
  readonly models: readonly string[]
  readonly ratios?: readonly string[]
  readonly save_to: string
  readonly save_precision: string
  readonly method: string
  readonly concat?: boolean
  readonly new_rank?: number
  readonly new_conv_rank?: number
}

function mergeCommand(): Command {
  return new Command('merge')
    .description('Make one LoRA of several, or merge them into a checkpoint.')
    .option('--sd_model <file>', 'checkpoint to merge into')
    .requiredOption('--models <files...>', 'LoRAs')
    .option('--ratios <numbers...>', 'strength of each; 1 unless given')
    .requiredOption('--save_to <file>', 'what is written')
    .option('--save_precision <type>', 'float, fp16 or bf16', 'float')
    .option(
      '--method <name>',
      'exact (ranks side by side), svd (at --new_rank), or sum (of matrices, as kohya merges)',
      'exact',
    )
    .option('--concat', 'the same as --method exact')
    .option('--new_rank <n>', 'rank of --method svd', wholeNumber)
    .option('--new_conv_rank <n>', 'rank for convolutions with a kernel', wholeNumber)
    .action(async (options: MergeOptions) => {
      const precision = precisionOf(options.save_precision)
      const ratios = options.models.map((_, i) => decimal(options.ratios?.[i] ?? '1'))
      if (options.ratios && options.ratios.length !== options.models.length) {
        throw new StudioError('bad-request', `--ratios: ${options.ratios.length} for ${options.models.length} models`, {
          field: 'ratios',
        })
      }
      if (options.sd_model !== undefined) return mergeIntoCheckpoint(options, options.sd_model, ratios, precision)
      const networks = options.models.map(
        (path, i): WeighedNetwork => ({ name: path, modules: lowRankModules(openWeights(path)), ratio: ratios[i]! }),
      )
      const modules = combined(networks, options)
      const metadata = describe(options.save_to, modules, options.models)
      writeNetwork(options.save_to, moduleEntries(modules, precision), metadata)
      print(`${modules.length} layers of ${networks.length} LoRAs in ${options.save_to}`)
    })
}

function combined(
  networks: readonly WeighedNetwork[],
  { method, concat, new_rank, new_conv_rank }: MergeOptions,
): readonly LowRankModule[] {
  const wanted = concat ? 'exact' : new_rank !== undefined && method === 'exact' ? 'svd' : method
  if (wanted === 'exact') return concatenated(networks)
  if (wanted === 'sum') return summedFactors(networks)
  if (wanted === 'svd') {
    const rank = new_rank ?? 4
    return mergedBySvd(networks, { rank, convRank: new_conv_rank ?? rank })
  }
  throw new StudioError('bad-request', `--method: found "${wanted}", expected exact, svd or sum`, { field: 'method' })
}

async function mergeIntoCheckpoint(
  options: MergeOptions,
  path: string,
  ratios: readonly number[],
  precision: SavePrecision,
): Promise<void> {
  const file = openWeights(path)
  const { weights } = detectModel(file, readSidecars(path))
  const uses = options.models.map((model, i) => {
    const network = fitNetwork(openNetwork(openWeights(model)), weights)
    for (const { layer } of network.unmatched) print(`${basename(model)}: no layer ${layer} in the checkpoint`)
    return { network, text: ratios[i]!, unet: ratios[i]! }
  })
  const merged = await mergeNetworks(weights, mergePlan(uses), (graph) =>
    compile(graph, { residence: 'mapped', threads: 2 }),
  )
  const entries = checkpointEntries(file, merged, precision)
  const metadata = new Map([
    ['modelspec.sai_model_spec', '1.0.1'],
    ['modelspec.title', parse(options.save_to).name],
    ['modelspec.merged_from', [path, ...options.models].map((name) => parse(name).name).join(', ')],
  ])
  writeSafetensors(options.save_to, entries, metadata)
  print(`${merged.size} weights changed in ${options.save_to}`)
}

interface ResizeCliOptions {
  readonly model: string
  readonly new_rank: number
  readonly new_conv_rank?: number
  readonly dynamic_method?: string
  readonly dynamic_param?: number
  readonly save_to: string
  readonly save_precision: string
  readonly verbose?: boolean
}

function resizeCommand(): Command {
  return new Command('resize')
    .description('Give a LoRA another rank: fixed, or as low as keeps what is asked for.')
    .requiredOption('--model <file>', 'LoRA')
    .requiredOption('--new_rank <n>', 'rank, with a dynamic method the highest', wholeNumber)
    .option('--new_conv_rank <n>', 'rank for convolutions', wholeNumber)
    .option('--dynamic_method <name>', dynamicMethods.join(', '))
    .option('--dynamic_param <n>', 'what the method keeps: a share, or for sv_ratio a divisor of the largest', decimal)
    .requiredOption('--save_to <file>', 'what is written')
    .option('--save_precision <type>', 'float, fp16 or bf16', 'float')
    .option('--verbose', 'a line for every layer')
    .action((options: ResizeCliOptions) => {
      const file = openWeights(options.model)
      const dynamic = dynamicOf(options)
      const results = resized(lowRankModules(file), {
        rank: options.new_rank,
        convRank: options.new_conv_rank ?? options.new_rank,
        dynamic,
      })
      const modules = results.map(({ module }) => module)
      if (options.verbose) {
        for (const { module, keptSum, keptNorm } of results) {
          print(
            `${module.name}: rank ${rankOf(module)}, ${percent(keptSum)} of the sum, ${percent(keptNorm)} of the norm`,
          )
        }
      }
      const alpha = modules.at(-1)!.alpha
      const metadata = new Map([
        ...file.metadata,
        [
          'ss_training_comment',
          `dimension is resized to ${options.new_rank}; ${file.metadata.get('ss_training_comment') ?? 'None'}`,
        ],
        ['ss_network_dim', dynamic ? 'Dynamic' : `${options.new_rank}`],
        ['ss_network_alpha', dynamic ? 'Dynamic' : `${alpha}`],
      ])
      writeNetwork(options.save_to, moduleEntries(modules, precisionOf(options.save_precision)), metadata)
      const mean = results.reduce((sum, { keptNorm }) => sum + keptNorm, 0) / results.length
      print(`${modules.length} layers keep ${percent(mean)} of their norm on average, in ${options.save_to}`)
    })
}

function dynamicOf({ dynamic_method: method, dynamic_param: parameter }: ResizeCliOptions) {
  if (method === undefined) return undefined
  const known = dynamicMethods.find((name) => name === method)
  if (!known)
    throw new StudioError('bad-request', `--dynamic_method: found "${method}", expected ${dynamicMethods.join(', ')}`, {
      field: 'dynamic_method',
    })
  if (parameter === undefined || parameter <= 0) {
    throw new StudioError('bad-request', '--dynamic_param: missing, expected a number above 0', {
      field: 'dynamic_param',
    })
  }
  return { method: known as DynamicMethod, parameter }
}

interface ExtractCliOptions {
  readonly model_org: string
  readonly model_tuned: string
  readonly dim: number
  readonly conv_dim?: number
  readonly min_diff: number
  readonly clamp_quantile: number
  readonly save_to: string
  readonly save_precision: string
}

function extractCommand(): Command {
  return new Command('extract')
    .description('Find the LoRA that brings one checkpoint near another.')
    .requiredOption('--model_org <file>', 'checkpoint that the LoRA is for')
    .requiredOption('--model_tuned <file>', 'checkpoint that it leads to')
    .option('--dim <n>', 'rank', wholeNumber, 4)
    .option('--conv_dim <n>', 'rank for convolutions with a kernel; they are left out otherwise', wholeNumber)
    .option('--min_diff <n>', 'the text encoder is left out where no number differs by more', decimal, 0.01)
    .option('--clamp_quantile <n>', 'numbers are limited to what this share of them is below', decimal, 0.99)
    .requiredOption('--save_to <file>', 'what is written')
    .option('--save_precision <type>', 'float, fp16 or bf16', 'float')
    .action((options: ExtractCliOptions) => {
      const [original, tuned] = [options.model_org, options.model_tuned].map((path) =>
        detectModel(openWeights(path), readSidecars(path)),
      )
      const layers = targetLayers(original!.weights).filter(
        ({ place }) => place === 'transformer' || (place === 'residual' && options.conv_dim !== undefined),
      )
      const modules = extracted(layers, original!.weights, tuned!.weights, {
        rank: options.dim,
        convRank: options.conv_dim,
        minDifference: options.min_diff,
        clampShare: options.clamp_quantile,
      })
      writeNetwork(
        options.save_to,
        moduleEntries(modules, precisionOf(options.save_precision)),
        describe(options.save_to, modules, []),
      )
      print(`${modules.length} layers in ${options.save_to}`)
    })
}

function checkCommand(): Command {
  return new Command('check')
    .description('Show what is in a LoRA: sizes of its numbers by tensor and by block, and any that are none.')
    .argument('<file>', 'LoRA')
    .option('--blocks', 'only a line for each block')
    .action((path: string, { blocks }: { blocks?: boolean }) => {
      const file = openWeights(path)
      const entries = [...file.entries.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
      let broken = 0
      for (const entry of blocks ? [] : entries) {
        const { data } = readWeight(entry)
        const sizes = data.map(Math.abs)
        const bad = data.reduce((count, x) => count + Number(!Number.isFinite(x)), 0)
        broken += bad
        const mean = sizes.reduce((sum, x) => sum + x, 0) / sizes.length
        const [least, most] = [sizes.reduce((a, b) => Math.min(a, b)), sizes.reduce((a, b) => Math.max(a, b))]
        print(
          `${entry.name} [${entry.shape}] mean ${mean.toPrecision(4)} least ${least.toPrecision(4)} most ${most.toPrecision(4)}${bad > 0 ? ` ${bad} NO NUMBERS` : ''}`,
        )
      }
      const modules = lowRankModules(file)
      for (const { block, count, norm, largest } of blockNorms(modules)) {
        print(`${block}: ${count} modules, norm ${norm.toPrecision(4)}, largest number ${largest.toPrecision(4)}`)
      }
      const ranks = [...new Set(modules.map((module) => `${rankOf(module)}${hasKernel(module) ? ' (kernel)' : ''}`))]
      print(`${modules.length} modules of rank ${ranks.join(', ')}`)
      if (broken > 0)
        throw new StudioError('not-a-number', `${path}: ${broken} of its numbers are none`, { field: path })
    })
}

function describe(
  path: string,
  modules: readonly LowRankModule[],
  sources: readonly string[],
): ReadonlyMap<string, string> {
  const ranks = new Set(modules.filter((module) => !hasKernel(module)).map(rankOf))
  const alphas = new Set(modules.filter((module) => !hasKernel(module)).map(({ alpha }) => alpha))
  const one = (values: ReadonlySet<number>) => (values.size === 1 ? `${[...values][0]}` : 'Dynamic')
  return new Map([
    ['ss_network_module', 'networks.lora'],
    ['ss_network_dim', one(ranks)],
    ['ss_network_alpha', one(alphas)],
    ['modelspec.sai_model_spec', '1.0.1'],
    ['modelspec.architecture', 'stable-diffusion-v1/lora'],
    ['modelspec.title', parse(path).name],
    ...(sources.length > 0
      ? [['modelspec.merged_from', sources.map((name) => parse(name).name).join(', ')] as const]
      : []),
  ])
}

function precisionOf(text: string): SavePrecision {
  if (text === 'float' || text === 'fp16' || text === 'bf16') return text
  throw new StudioError('bad-request', `--save_precision: found "${text}", expected float, fp16 or bf16`, {
    field: 'save_precision',
  })
}

function percent(share: number): string {
  return `${(100 * share).toFixed(2)} %`
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
