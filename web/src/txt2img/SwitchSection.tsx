import { Collapse, Switch, Text } from '@mantine/core'
import type { ReactNode } from 'react'
import { useTexts } from '../i18n/texts.ts'
import { controlNames } from '../state/controlNames.ts'
import { useField } from '../state/useField.ts'
import styles from './Parameters.module.css'

interface SwitchSectionProps {
  readonly name: 'hasHires' | 'hasVariation'
  readonly help: string
  /** A word about what it comes to, while it is on. */
  readonly summary?: string
  readonly children: ReactNode
}

/** Controls that matter only while something is switched on. */
export function SwitchSection({ name, help, summary, children }: SwitchSectionProps) {
  const texts = useTexts()
  const { value, set } = useField(name)
  return (
    <section className={`panel ${styles.section}`}>
      <div className={styles.sectionHead}>
        <Switch
          label={texts[controlNames[name]]}
          checked={value}
          onChange={(event) => set(event.currentTarget.checked)}
          classNames={{ label: styles.sectionTitle }}
        />
        <Text size="xs" c="dimmed" className={styles.summary}>
          {value && summary !== undefined ? summary : help}
        </Text>
      </div>
      <Collapse expanded={value}>
        <div className={styles.grid}>{children}</div>
      </Collapse>
    </section>
  )
}
