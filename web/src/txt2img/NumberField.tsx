import { NumberInput, Slider, Text } from '@mantine/core'
import { useId } from 'react'
import { useTexts } from '../i18n/texts.ts'
import { controlNames } from '../state/controlNames.ts'
import type { RecipeForm } from '../state/recipeForm.ts'
import { useField } from '../state/useField.ts'
import styles from './NumberField.module.css'

type NumberName = { [K in keyof RecipeForm]: RecipeForm[K] extends number ? K : never }[keyof RecipeForm]

interface NumberFieldProps {
  readonly name: NumberName
  readonly min: number
  /** Where the slider ends; larger numbers can be typed. */
  readonly max: number
  readonly step?: number
  readonly help?: string
}

/** A number to slide to or to type. */
export function NumberField({ name, min, max, step = 1, help }: NumberFieldProps) {
  const texts = useTexts()
  const id = useId()
  const { value, set, error } = useField(name)
  const label = texts[controlNames[name]]
  return (
    <div className={styles.field}>
      <div className={styles.head}>
        <label htmlFor={id} className={styles.label} title={help}>
          {label}
        </label>
        <NumberInput
          id={id}
          className={styles.number}
          size="xs"
          value={value}
          onChange={(next) => typeof next === 'number' && set(next)}
          min={min}
          step={step}
          clampBehavior="blur"
          error={error !== undefined}
        />
      </div>
      <Slider
        thumbLabel={label}
        size="sm"
        label={null}
        value={Math.min(value, max)}
        onChange={set}
        min={min}
        max={max}
        step={step}
      />
      {error !== undefined && (
        <Text size="xs" c="red" role="alert">
          {error}
        </Text>
      )}
    </div>
  )
}
