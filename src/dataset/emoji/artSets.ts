/** A set of emoji drawings: an npm package of SVG icons, pinned by version and content. */
export interface ArtSet {
  readonly id: string
  readonly package: string
  readonly version: string
  /** The registry's `sha512-…` of the package archive. */
  readonly integrity: string
  readonly licence: string
  readonly author: string
  /** How captions call the style. */
  readonly style: string
  /** Share-alike art is kept out of training, so that the weights carry no such obligation. */
  readonly use: 'training' | 'held-out style'
}

/** Names of emoji in English and Chinese, from Unicode's CLDR. */
export const names = {
  package: 'emojibase-data',
  version: '17.0.0',
  integrity: 'sha512-Yvgb5AWoHViHV/gq1qr5ZAarcBip+B27/ZLRsUJkbgAEaLlZ/fof9g882LTpmEpyhBNEC0m2SEmItljHsTygjA==',
  licence: 'MIT',
  author: 'Miles Johnson',
} as const

/** The art the embedded model learns from, and the one style it is shown only later. */
export const artSets: readonly ArtSet[] = [
  {
    id: 'noto',
    package: '@iconify-json/noto',
    version: '1.2.9',
    integrity: 'sha512-DQiuXENbun41ch+XPSV55H9FaWKpHTyz46YIKtSaKYD4fIDDzL1tR6H4np/T38jfrTAeI3rcKF0mqHYeZVAuaw==',
    licence: 'Apache-2.0',
    author: 'Google',
    style: 'noto emoji',
    use: 'training',
  },
  {
    id: 'fluent-flat',
    package: '@iconify-json/fluent-emoji-flat',
    version: '1.2.6',
    integrity: 'sha512-RY47RgPb47fYUiyrA64sIOL0+UU02s29sXpNBbIQRBUlPlfNFTKUmZDERGuxDs/7yNGWqQYvuaSYM1M4fRXlUw==',
    licence: 'MIT',
    author: 'Microsoft',
    style: 'flat emoji',
    use: 'training',
  },
  {
    id: 'fluent',
    package: '@iconify-json/fluent-emoji',
    version: '1.2.7',
    integrity: 'sha512-D8G6bKAyIsyxP1rzZtIWr/gg/fO4Rg1+DyCWlfqKK4h8W+4Em/Y0P6QYgJUQTlUcagzJvSyg+9OBv4hz4Hc/QA==',
    licence: 'MIT',
    author: 'Microsoft',
    style: 'glossy emoji',
    use: 'training',
  },
  {
    id: 'fxemoji',
    package: '@iconify-json/fxemoji',
    version: '1.2.2',
    integrity: 'sha512-UAasRaxzFUKfIGSmLwnoarsssA4LX0VLLuEmplIqM6ZNQqIQRtav8tZ4H1neTlBreXuMQyAifr5jP4kn78DpiQ==',
    licence: 'Apache-2.0',
    author: 'Mozilla',
    style: 'firefox emoji',
    use: 'training',
  },
  {
    id: 'noto-v1',
    package: '@iconify-json/noto-v1',
    version: '1.2.5',
    integrity: 'sha512-/DsVMius69Q0fRS53z7QK1TROSuar606jiIx+laXtdsYGMXpf6LtHBx6CGfoo3UHHb/XpBsw+1L1x3eyPqMuVA==',
    licence: 'Apache-2.0',
    author: 'Google',
    style: 'blob emoji',
    use: 'training',
  },
  {
    id: 'openmoji',
    package: '@iconify-json/openmoji',
    version: '1.2.29',
    integrity: 'sha512-vXdhkqcXVSO6suy+m9LbcUM3OdVyuNOtpV8/als/WqfkQIRxevL5Geb/g+6GH/Qwnq1OqksEmaDGTCmZ5nFKJQ==',
    licence: 'CC-BY-SA-4.0',
    author: 'OpenMoji',
    style: 'outlined emoji',
    use: 'held-out style',
  },
]
