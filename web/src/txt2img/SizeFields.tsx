import { Button } from '@mantine/core'
import { useTexts } from '../i18n/texts.ts'
import { IconButton } from '../shell/IconButton.tsx'
import { change, useForm } from '../state/formStore.ts'
import { NumberField } from './NumberField.tsx'
import styles from './Parameters.module.css'

/** Sizes that models were trained on, and their usual shapes. */
const presets = [
  [512, 512],
  [512, 768],
  [768, 512],
  [768, 768],
  [1024, 1024],
] as const

export function SizeFields() {
  const texts = useTexts()
  const { width, height } = useForm()
  return (
    <>
      <div className={styles.sizes}>
        <NumberField name="width" min={64} max={2048} step={8} />
        <IconButton icon="swap" label={texts.swapSize} onClick={() => change({ width: height, height: width })} />
        <NumberField name="height" min={64} max={2048} step={8} />
      </div>
      <fieldset className={styles.presets} aria-label={texts.size}>
        {presets.map(([w, h]) => (
          <Button
            key={`${w}×${h}`}
            size="compact-xs"
            variant={w === width && h === height ? 'light' : 'default'}
            aria-pressed={w === width && h === height}
            onClick={() => change({ width: w, height: h })}
          >
            {w}×{h}
          </Button>
        ))}
      </fieldset>
    </>
  )
}
