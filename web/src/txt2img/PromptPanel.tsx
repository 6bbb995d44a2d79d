import { MultiSelect } from '@mantine/core'
import { useRef } from 'react'
import { useTexts } from '../i18n/texts.ts'
import { useStudio } from '../state/studioStore.ts'
import { useField } from '../state/useField.ts'
import { GenerateBar } from './GenerateBar.tsx'
import { InsertMenu } from './InsertMenu.tsx'
import { PasteDialog } from './PasteDialog.tsx'
import { PromptBox } from './PromptBox.tsx'
import styles from './PromptPanel.module.css'
import { insertInto } from './promptEditing.ts'
import { useTokenCounts } from './useTokenCounts.ts'

/** The words, what can be put into them, and the buttons that make a picture of them. */
export function PromptPanel() {
  const counts = useTokenCounts()
  const prompt = useRef<HTMLTextAreaElement>(null)
  const negativePrompt = useRef<HTMLTextAreaElement>(null)
  // The text that was typed in last takes what is inserted.
  const last = useRef<'prompt' | 'negativePrompt'>('prompt')
  const fields = { prompt: useField('prompt'), negativePrompt: useField('negativePrompt') }

  const insert = (words: string) => {
    const name = last.current
    const area = (name === 'prompt' ? prompt : negativePrompt).current
    if (!area) return
    const { value, selectionStart, selectionEnd } = area
    const next = insertInto({ text: value, start: selectionStart, end: selectionEnd }, words)
    fields[name].set(next.text)
    requestAnimationFrame(() => {
      area.focus()
      area.setSelectionRange(next.start, next.end)
    })
  }

  return (
    <section className={`panel ${styles.panel}`}>
      <div className={styles.texts}>
        <PromptBox
          name="prompt"
          area={prompt}
          rows={3}
          count={counts?.prompt}
          onFocus={() => {
            last.current = 'prompt'
          }}
        />
        <PromptBox
          name="negativePrompt"
          area={negativePrompt}
          rows={2}
          count={counts?.negativePrompt}
          onFocus={() => {
            last.current = 'negativePrompt'
          }}
        />
      </div>
      <div className={styles.side}>
        <GenerateBar />
        <div className={styles.tools}>
          <InsertMenu onInsert={insert} />
          <PasteDialog />
        </div>
        <StylesPicker />
      </div>
    </section>
  )
}

function StylesPicker() {
  const texts = useTexts()
  const { value, set, error } = useField('styles')
  const models = useStudio((studio) => studio.models)
  if (models === undefined || (models.styles.length === 0 && value.length === 0)) return null
  return (
    <MultiSelect
      label={texts.styles}
      placeholder={value.length === 0 ? texts.stylesHint : ''}
      data={models.styles.map(({ name }) => name)}
      value={[...value]}
      onChange={set}
      error={error}
      size="xs"
      searchable
      clearable
    />
  )
}
