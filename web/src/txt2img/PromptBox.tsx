import { Textarea } from '@mantine/core'
import { type KeyboardEvent, type RefObject, useId } from 'react'
import type { TokenCount } from '../api/client.ts'
import { useTexts } from '../i18n/texts.ts'
import { useField } from '../state/useField.ts'
import styles from './PromptPanel.module.css'
import { weigh } from './promptEditing.ts'

interface PromptBoxProps {
  readonly name: 'prompt' | 'negativePrompt'
  readonly area: RefObject<HTMLTextAreaElement | null>
  readonly rows: number
  readonly count: TokenCount | undefined
  readonly onFocus: () => void
}

/** How much one press of Ctrl+Up adds to a word's weight. */
const weightStep = 0.1

export function PromptBox({ name, area, rows, count, onFocus }: PromptBoxProps) {
  const texts = useTexts()
  const id = useId()
  const { value, set, error } = useField(name)

  const onKeyDown = (event: KeyboardEvent<HTMLTextAreaElement>) => {
    const way = event.key === 'ArrowUp' ? 1 : event.key === 'ArrowDown' ? -1 : 0
    if (way === 0 || !(event.ctrlKey || event.metaKey)) return
    event.preventDefault()
    const target = event.currentTarget
    const weighed = weigh(
      { text: target.value, start: target.selectionStart, end: target.selectionEnd },
      way * weightStep,
    )
    if (!weighed) return
    set(weighed.text)
    requestAnimationFrame(() => target.setSelectionRange(weighed.start, weighed.end))
  }

  return (
    <div>
      <label htmlFor={id} className={styles.label}>
        {texts[name]}
        {count && (
          <span className={styles.count} title={texts.tokensHelp} data-testid={`${name}-tokens`}>
            {texts.tokens(count.tokens, count.room)}
          </span>
        )}
      </label>
      <Textarea
        id={id}
        ref={area}
        placeholder={texts[`${name}Hint`]}
        value={value}
        onChange={(event) => set(event.currentTarget.value)}
        onKeyDown={onKeyDown}
        onFocus={onFocus}
        error={error}
        rows={rows}
        resize="vertical"
        spellCheck={false}
      />
    </div>
  )
}
