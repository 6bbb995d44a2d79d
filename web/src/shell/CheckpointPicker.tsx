import { Select } from '@mantine/core'
import { useTexts } from '../i18n/texts.ts'
import { chooseCheckpoint, loadModels, useStudio } from '../state/studioStore.ts'
import { useField } from '../state/useField.ts'
import { IconButton } from './IconButton.tsx'
import styles from './Shell.module.css'

/** The checkpoint that every tab works with. */
export function CheckpointPicker() {
  const texts = useTexts()
  const { value, error } = useField('checkpoint')
  const models = useStudio((studio) => studio.models)
  const isEmpty = models?.checkpoints.length === 0
  return (
    <div className={styles.models}>
      <Select
        className={styles.checkpoint}
        aria-label={texts.checkpoint}
        placeholder={isEmpty ? texts.noCheckpoint : texts.checkpoint}
        data={(models?.checkpoints ?? []).map(({ title }) => title)}
        value={value === '' ? null : value}
        onChange={(title) => title !== null && chooseCheckpoint(title)}
        error={error ?? (isEmpty ? texts.noCheckpoint : undefined)}
        allowDeselect={false}
        searchable
      />
      <IconButton icon="reload" label={texts.reloadModels} onClick={loadModels} />
    </div>
  )
}
