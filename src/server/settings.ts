/** A name and the password that goes with it. */
export interface Credential {
  readonly name: string
  readonly password: string
}

/** A server of curves beside the studio's. */
export interface TensorboardSettings {
  readonly host: string
  readonly port: number
  /** Runs' event files lie in folders below it. */
  readonly folder: string
}

/** How the server presents itself: what the launch flags come to. */
export interface ServerSettings {
  readonly host: string
  readonly port: number
  /** Names by which browsers may reach it, besides loopback and `host` itself; `*` for any. */
  readonly allowedHosts: readonly string[]
  /** The path it is mounted under, with a leading and no trailing slash; empty for none. */
  readonly subpath: string
  readonly tls: { readonly key: string; readonly cert: string } | undefined
  /** `/sdapi/v1` answers. */
  readonly hasA1111Api: boolean
  /** The page answers. */
  readonly hasPage: boolean
  /** The page that is shown first. */
  readonly startPage: 'index.html' | 'training.html'
  /** Where curves are shown on a port of their own. */
  readonly tensorboard: TensorboardSettings | undefined
  /** Whoever is one of these may come in; empty for everybody. */
  readonly credentials: readonly Credential[]
  readonly cors: { readonly origins: readonly string[]; readonly pattern: RegExp | undefined }
  /** A1111 API: unknown names fall back as they do in the reference. */
  readonly isLenient: boolean
  /** A1111 API: `/sdapi/v1/server-stop` and its kin exist. */
  readonly canBeStopped: boolean
  /** A line is logged for each A1111 call. */
  readonly logsApiCalls: boolean
  readonly keepAliveSeconds: number
  readonly limits: RequestLimits
  /** Where the server keeps what it can make anew, such as thumbnails; undefined for the data folder's `cache`. */
  readonly cacheDir: string | undefined
  /** Every launch flag by A1111's name, for `/sdapi/v1/cmd-flags`. */
  readonly flags: Readonly<Record<string, unknown>>
}

/** What a request may cost before it is looked at. */
export interface RequestLimits {
  readonly bodyBytes: number
  /** Brackets in brackets in a JSON body. */
  readonly jsonDepth: number
  /** Seconds in which a request must have arrived whole. */
  readonly bodySeconds: number
  /** Failed sign-ins of one address a minute. */
  readonly failedSignIns: number
}

/** A server on this machine alone, with everything on. */
export const defaultSettings: ServerSettings = {
  host: '127.0.0.1',
  port: 7860,
  allowedHosts: [],
  subpath: '',
  tls: undefined,
  hasA1111Api: true,
  hasPage: true,
  startPage: 'index.html',
  tensorboard: undefined,
  credentials: [],
  cors: { origins: [], pattern: undefined },
  isLenient: false,
  canBeStopped: false,
  logsApiCalls: false,
  keepAliveSeconds: 30,
  limits: { bodyBytes: 64 * 2 ** 20, jsonDepth: 64, bodySeconds: 120, failedSignIns: 20 },
  cacheDir: undefined,
  flags: {},
}
