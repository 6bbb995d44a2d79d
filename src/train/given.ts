/** A value as a command line or a configuration file gives it. */
export type Given = string | number | bigint | boolean | readonly Given[]
