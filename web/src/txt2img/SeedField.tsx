import { NumberInput } from '@mantine/core'
import { useTexts } from '../i18n/texts.ts'
import { IconButton } from '../shell/IconButton.tsx'
import { controlNames } from '../state/controlNames.ts'
import { useField } from '../state/useField.ts'
import styles from './Parameters.module.css'
import { useShownPicture } from './useShownPicture.ts'

/** A seed; -1 draws a new one each time. */
export function SeedField({ name }: { readonly name: 'seed' | 'variationSeed' }) {
  const texts = useTexts()
  const { value, set, error } = useField(name)
  const shown = useShownPicture()
  return (
    <div className={styles.seed}>
      <NumberInput
        className={styles.seedInput}
        label={texts[controlNames[name]]}
        value={value}
        onChange={(next) => typeof next === 'number' && set(next)}
        min={-1}
        max={Number.MAX_SAFE_INTEGER}
        allowDecimal={false}
        error={error}
        hideControls
      />
      <IconButton icon="dice" label={texts.randomSeed} onClick={() => set(-1)} />
      <IconButton
        icon="recycle"
        label={texts.reuseSeed}
        disabled={!shown}
        onClick={() => shown && set(shown.picture.seed)}
      />
    </div>
  )
}
