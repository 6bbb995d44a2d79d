import { Option } from 'commander'

/** A launch flag of stable-diffusion-webui that is taken and changes nothing here. */
interface QuietFlag {
  readonly flags: string
  /** Why, for the person who gave it. */
  readonly reason: string
}

const kernel = 'attention is computed by the engine in its own way'
const memory = 'memory is used as it is there: weights stay in their files until they are needed'
const precision = 'weights keep their precision and sums are float32'
const installer = 'nothing is installed but the packages in the lockfile'
const folders = 'models are found in the data folder; link the folder there, or set --data-dir'
const page = 'the page has its own settings'
const python = 'there is no Python here'
const extensions = 'extensions are Python programs; none is ever run, so none can be insecure'

const quiet: readonly QuietFlag[] = [
  ...['--xformers', '--force-enable-xformers', '--xformers-flash-attention', '--opt-split-attention', '--opt-split-attention-invokeai', '--opt-split-attention-v1', '--opt-sdp-attention', '--opt-sdp-no-mem-attention', '--opt-sub-quad-attention', '--disable-opt-split-attention', '--disable-opt-xformers-attention', '--sub-quad-q-chunk-size <n>', '--sub-quad-kv-chunk-size <n>', '--sub-quad-chunk-threshold <n>', '--opt-channelslast'].map((flags) => ({ flags, reason: kernel })), // biome-ignore format: a list
  ...['--medvram', '--medvram-sdxl', '--lowvram', '--lowram', '--always-batch-cond-uncond', '--disable-model-loading-ram-optimization'].map((flags) => ({ flags, reason: memory })), // biome-ignore format: a list
  ...['--no-half', '--no-half-vae', '--no-half-controlnet', '--precision <kind>', '--upcast-sampling', '--disable-nan-check', '--unload-gfpgan'].map((flags) => ({ flags, reason: precision })), // biome-ignore format: a list
  ...['--skip-install', '--skip-prepare-environment', '--skip-torch-cuda-test', '--skip-python-version-check', '--skip-version-check', '--reinstall-torch', '--reinstall-xformers', '--update-check', '--update-all-extensions', '--exit', '--no-download-sd-model', '--do-not-download-clip', '--log-startup', '--test-server', '--dump-sysinfo'].map((flags) => ({ flags, reason: installer })), // biome-ignore format: a list
  ...['--models-dir <folder>', '--ckpt <file>', '--ckpt-dir <folder>', '--vae-dir <folder>', '--vae-path <file>', '--embeddings-dir <folder>', '--hypernetwork-dir <folder>', '--lora-dir <folder>', '--lyco-dir-backcompat <folder>', '--esrgan-models-path <folder>', '--realesrgan-models-path <folder>', '--bsrgan-models-path <folder>', '--codeformer-models-path <folder>', '--gfpgan-models-path <folder>', '--gfpgan-dir <folder>', '--gfpgan-model <file>', '--dat-models-path <folder>', '--swinir-models-path <folder>', '--scunet-models-path <folder>', '--ldsr-models-path <folder>', '--clip-models-path <folder>', '--textual-inversion-templates-dir <folder>', '--localizations-dir <folder>', '--styles-file <file>', '--ui-settings-file <file>', '--config <file>'].map((flags) => ({ flags, reason: folders })), // biome-ignore format: a list
  ...['--ui-config-file <file>', '--hide-ui-dir-config', '--freeze-settings', '--freeze-settings-in-sections <names>', '--freeze-specific-settings <names>', '--theme <name>', '--use-textbox-seed', '--disable-console-progressbars', '--no-prompt-history', '--gradio-queue', '--no-gradio-queue', '--gradio-debug', '--gradio-img2img-tool <name>', '--gradio-inpaint-tool <name>', '--gradio-allowed-path <folder>', '--ui-debug-mode', '--no-progressbar-hiding', '--max-batch-count <n>', '--filenames-max-length <n>', '--unix-filenames-sanitization', '--administrator', '--enable-console-prompts', '--disable-tls-verify'].map((flags) => ({ flags, reason: page })), // biome-ignore format: a list
  ...['--use-ipex', '--loglevel <level>', '--device-id <id>', '--no-hashing', '--skip-load-model-at-start', '--allow-code', '--disable-safe-unpickle'].map((flags) => ({ flags, reason: python })), // biome-ignore format: a list
  ...['--enable-insecure-extension-access', '--disable-all-extensions', '--disable-extra-extensions'].map((flags) => ({ flags, reason: extensions })), // biome-ignore format: a list
  ...['--disable-tageditor', '--dev'].map((flags) => ({ flags, reason: page })),
  { flags: '--api', reason: 'the API answers always; --api-auth asks for a password' },
  { flags: '--autolaunch', reason: 'no browser is opened; the address is printed' },
  { flags: '--share', reason: 'no tunnel to the public internet is opened' },
  ...['--ngrok <token>', '--ngrok-region <region>', '--ngrok-options <json>'].map((flags) => ({
    flags,
    reason: 'no tunnel to the public internet is opened',
  })),
]

/** Launch flags that are taken and change nothing. */
export function quietOptions(): readonly Option[] {
  return quiet.map(({ flags, reason }) => new Option(flags, reason).hideHelp())
}

/** What to tell a person about the flags that change nothing: each reason once. */
export function explainQuiet(given: Readonly<Record<string, unknown>>): readonly string[] {
  const byReason = new Map<string, string[]>()
  for (const { flags, reason } of quiet) {
    const option = new Option(flags)
    // A flag of the form --no-… is the negation of one that is on where nobody says so.
    const value = given[option.attributeName()]
    if (option.negate ? value !== false : value === undefined) continue
    byReason.set(reason, [...(byReason.get(reason) ?? []), flags.split(' ')[0]!])
  }
  return [...byReason].map(([reason, names]) => `${names.join(', ')}: taken; ${reason}`)
}
