import { Button } from '@mantine/core'
import { useTexts } from '../i18n/texts.ts'
import { IconButton } from '../shell/IconButton.tsx'
import { change, useForm } from '../state/formStore.ts'
import { nativeSizeOf, useStudio } from '../state/studioStore.ts'
import { NumberField } from './NumberField.tsx'
import styles from './Parameters.module.css'

/** Usual shapes, as multiples of the side of the pictures that a model was trained on. */
const shapes = [
  [1, 1],
  [1, 1.5],
  [1.5, 1],
  [1.5, 1.5],
  [2, 2],
] as const

/** Sizes are counted in points of the latent. */
const rounded = (pixels: number) => 8 * Math.round(pixels / 8)

export function SizeFields() {
  const texts = useTexts()
  const { width, height, checkpoint } = useForm()
  const side = useStudio(({ models }) => nativeSizeOf(models, checkpoint))
  return (
    <>
      <div className={styles.sizes}>
        <NumberField name="width" min={64} max={2048} step={8} />
        <IconButton icon="swap" label={texts.swapSize} onClick={() => change({ width: height, height: width })} />
        <NumberField name="height" min={64} max={2048} step={8} />
      </div>
      <fieldset className={styles.presets} aria-label={texts.size}>
        {shapes
          .map(([across, down]) => [rounded(across * side), rounded(down * side)] as const)
          .map(([w, h]) => (
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
